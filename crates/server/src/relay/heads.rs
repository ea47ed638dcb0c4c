//! Questions where the log stands, gathered while others are under way and passed on together, of all clients in
//! turn. None is answered from memory, nor from a request that was sent before it came; what comes back is the
//! authority's answer to its nonce, as signed.

use crate::feed::Question;
use crate::feed::places::{Place, Places};
use crate::http::feed::{Ask, MOST_ASKED};
use crate::http::problem::Failure;
use bytes::Bytes;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use rescind_verifier::upstream::Upstream;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, oneshot};

/// Most questions that wait or are under way, and of one client: what all its followers ask at once, or eight
/// batches of a relay behind this one.
const WAITING: (usize, usize) = (16_384, 4_096);

/// Most batches that are read and answered at once, and those of one client: a relay sends one after the other.
const BATCHES: (usize, usize) = (64, 8);

struct Waiting {
    nonce: [u8; 16],
    text: String,
    answer: oneshot::Sender<Bytes>,
    _place: Place,
}

/// Whose turn it is, and what each client that has a turn asks. One that asks without end takes no turn from others.
#[derive(Default)]
struct Queue {
    turns: VecDeque<Arc<str>>,
    asked: HashMap<Arc<str>, VecDeque<Waiting>>,
}

impl Queue {
    fn push(&mut self, client_id: &Arc<str>, one: Waiting) {
        let asked = self.asked.entry(Arc::clone(client_id)).or_default();
        if asked.is_empty() {
            self.turns.push_back(Arc::clone(client_id));
        }
        asked.push_back(one);
    }

    fn pop(&mut self) -> Option<Waiting> {
        let client_id = self.turns.pop_front()?;
        let asked = self.asked.get_mut(&client_id)?;
        let one = asked.pop_front();
        match asked.is_empty() {
            true => drop(self.asked.remove(&client_id)),
            false => self.turns.push_back(client_id),
        }
        one
    }
}

/// The questions of all who are behind this relay.
pub(super) struct Heads {
    upstream: Arc<Upstream>,
    waiting: Mutex<Queue>,
    places: Places,
    batching: Places,
    came: Notify,
    batches: Histogram,
    failed: Counter,
}

impl Heads {
    pub(super) fn new(upstream: Arc<Upstream>, registry: &mut Registry) -> Arc<Self> {
        let sizes = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];
        let batches = Histogram::new(sizes);
        let help = "Questions in one request to the authority";
        registry.register("rescind_relay_batch_questions", help, batches.clone());
        let failed = Counter::default();
        let help = "Requests of this kind without an answer";
        registry.register("rescind_relay_batches_failed", help, failed.clone());
        let (waiting, came) = (Mutex::default(), Notify::new());
        let places = Places::new(WAITING.0, WAITING.1);
        let batching = Places::new(BATCHES.0, BATCHES.1);
        Arc::new(Self { upstream, waiting, places, batching, came, batches, failed })
    }

    /// A place for a batch of this client, to be taken before it is read.
    pub(super) fn batch_of(&self, client_id: &str) -> Option<Place> {
        self.batching.take(client_id)
    }

    /// The answers to questions of this client, in their order.
    pub(super) async fn ask(&self, client_id: &str, asks: &[Ask]) -> Result<Vec<Bytes>, Failure> {
        let mut answers = Vec::with_capacity(asks.len());
        let client: Arc<str> = client_id.into();
        for ask in asks {
            let Question { nonce, .. } = ask.question()?;
            let text =
                serde_json::to_string(&ask.of(client_id)).map_err(|_| Failure::unavailable(1))?;
            let (answer, answered) = oneshot::channel();
            answers.push(answered);
            let _place = self.places.take(client_id).ok_or(Failure::unavailable(1))?;
            self.waiting().push(&client, Waiting { nonce, text, answer, _place });
        }
        self.came.notify_one();
        let mut heads = Vec::with_capacity(asks.len());
        for answered in answers {
            heads.push(answered.await.map_err(|_| Failure::unavailable(1))?);
        }
        Ok(heads)
    }

    /// Passes them on, one batch after the other, for ever.
    pub(super) async fn run(self: Arc<Self>) {
        loop {
            self.came.notified().await;
            loop {
                let batch = self.batch();
                if batch.is_empty() {
                    break;
                }
                self.pass_on(batch).await;
            }
        }
    }

    fn batch(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting();
        let mut batch = Vec::new();
        while batch.len() < MOST_ASKED
            && let Some(next) = waiting.pop()
        {
            // Who has given up is not asked for.
            if !next.answer.is_closed() {
                batch.push(next);
            }
        }
        batch
    }

    async fn pass_on(&self, batch: Vec<Waiting>) {
        self.batches.observe(batch.len() as f64);
        let nonces: Vec<[u8; 16]> = batch.iter().map(|one| one.nonce).collect();
        let texts: Vec<&str> = batch.iter().map(|one| one.text.as_str()).collect();
        let body = format!("[{}]", texts.join(","));
        match self.upstream.heads(body.into(), &nonces).await {
            Ok(heads) => {
                for (one, head) in batch.into_iter().zip(heads) {
                    // Who has given up meanwhile needs no answer.
                    let _ = one.answer.send(head);
                }
            }
            Err(error) => {
                self.failed.inc();
                tracing::warn!(event = "heads_failed", %error);
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Queue> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::disk::Folder;
    use super::super::frames::Frames;
    use super::*;
    use crate::clock::SystemClock;
    use futures_util::FutureExt as _;
    use rescind_verifier::ClientSecret;
    use serde_json::json;

    fn ask() -> Ask {
        let id = "AAAAAAAAAAAAAAAAAAAAAA";
        serde_json::from_value(json!({ "nonce": id, "instance": id, "applied": 0 })).unwrap()
    }

    /// Of a relay whose authority does not answer.
    fn heads() -> Arc<Heads> {
        let folder = tempfile::tempdir().unwrap();
        let folder = Folder::open(&folder.path().join("relay")).unwrap();
        let frames = Frames::new(folder, Arc::new(SystemClock::default()));
        let secret = ClientSecret::new("secret");
        let upstream = Upstream::new("http://localhost:9", None, ("relay", &secret), frames);
        Heads::new(Arc::new(upstream.unwrap()), &mut Registry::default())
    }

    // P08
    #[tokio::test]
    async fn a_client_that_asks_without_end_does_not_go_before_the_others() {
        let heads = heads();
        let many: Vec<Ask> = (0..MOST_ASKED).map(|_| ask()).collect();
        let mut asked: Vec<_> = (0..8).map(|_| Box::pin(heads.ask("one", &many))).collect();
        assert!(asked.iter_mut().all(|asking| asking.now_or_never().is_none()));
        let mut other = Box::pin(heads.ask("other", &many[..2]));
        assert!(other.as_mut().now_or_never().is_none());
        let batch = heads.batch();
        assert_eq!(batch.len(), MOST_ASKED);
        drop(batch);
        assert!(other.now_or_never().is_some(), "its questions were in the next batch");
        assert!(asked.iter_mut().skip(1).all(|asking| asking.now_or_never().is_none()));
    }

    // P09
    #[tokio::test]
    async fn a_client_that_asks_without_end_leaves_room_to_the_others() {
        let heads = heads();
        let batch: Vec<Ask> = (0..MOST_ASKED).map(|_| ask()).collect();
        let mut asked: Vec<_> = (0..8).map(|_| Box::pin(heads.ask("one", &batch))).collect();
        assert!(asked.iter_mut().all(|asking| asking.now_or_never().is_none()), "nobody answers");
        assert!(heads.ask("one", &[ask()]).now_or_never().is_some_and(|refused| refused.is_err()));
        assert!(heads.ask("other", &[ask()]).now_or_never().is_none(), "it waits for an answer");
        // Who has given up makes room, once its questions are looked at.
        drop(asked);
        assert!(heads.batch().is_empty());
        assert!(heads.ask("one", &[ask()]).now_or_never().is_none());
    }
}

//! Questions where the log stands, gathered while others are under way and passed on together. None is
//! answered from memory, nor from a request that was sent before it came; what comes back is the
//! authority's answer to its nonce, as signed.

use crate::feed::Question;
use crate::http::feed::{Ask, MOST_ASKED};
use crate::http::problem::Failure;
use bytes::Bytes;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use rescind_verifier::upstream::Upstream;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, oneshot};

/// Most questions that wait.
const WAITING: usize = 16_384;

struct Waiting {
    nonce: [u8; 16],
    text: String,
    answer: oneshot::Sender<Bytes>,
}

/// The questions of all who are behind this relay.
pub(super) struct Heads {
    upstream: Arc<Upstream>,
    waiting: Mutex<VecDeque<Waiting>>,
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
        Arc::new(Self { upstream, waiting, came, batches, failed })
    }

    /// The answers to questions, in their order.
    pub(super) async fn ask(&self, asks: &[Ask]) -> Result<Vec<Bytes>, Failure> {
        let mut answers = Vec::with_capacity(asks.len());
        for ask in asks {
            let Question { nonce, .. } = ask.question()?;
            let text = serde_json::to_string(ask).map_err(|_| Failure::unavailable(1))?;
            let (answer, answered) = oneshot::channel();
            answers.push(answered);
            let mut waiting = self.waiting();
            if waiting.len() >= WAITING {
                return Err(Failure::unavailable(1));
            }
            waiting.push_back(Waiting { nonce, text, answer });
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
            && let Some(next) = waiting.pop_front()
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

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

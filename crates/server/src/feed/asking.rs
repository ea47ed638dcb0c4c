//! Where the feed and the verifiers that are known meet: each question is noted, whoever waits for
//! acknowledgements has the followers asked for them, and a revocation of nothing measures what it takes.

use super::FeedHub;
use super::fleet::waiting::Enforced;
use super::fleet::{Fleet, Word};
use crate::run::stopped;
use rescind_authority::clients::Client;
use rescind_authority::store::Head;
use rescind_wire::frame::{Frame, Position};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

impl FeedHub {
    /// The verifiers that are known.
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// Up to where the log is published.
    pub fn position(&self) -> Position {
        self.hub.position()
    }

    /// A client that may read the feed asks where the log stands, for itself or for a verifier behind it. To be
    /// called for each question when it has come, before the log is read for its answer: the lease that this
    /// answer gives counts from before.
    pub fn heard(&self, client: &Client, word: Word) {
        self.fleet.heard(&client.client_id, word, self.position());
    }

    /// Waits until what is committed up to this head holds everywhere, or for `limit`, if that is shorter.
    pub async fn enforced(&self, head: &Head, limit: Option<Duration>) -> Enforced {
        self.fleet.enforced(head.epoch, head.pos, limit).await
    }

    /// Has every follower asked to acknowledge what somebody waits for, right behind its entry, until
    /// [`FeedHub::close`]. Many who wait at once are one question.
    pub async fn ask(self: Arc<Self>) {
        let mut wanted = self.fleet.wanted();
        loop {
            tokio::select! {
                changed = wanted.changed() => if changed.is_err() { return },
                () = self.hub.closing() => return,
            }
            let Some((_, pos)) = *wanted.borrow_and_update() else { continue };
            match self.seal(&Frame::Ask { pos }) {
                Ok(frame) => self.hub.ask(frame, pos),
                // They say it with their next head.
                Err(error) => tracing::error!(event = "feed_failed", %error),
            }
            sleep(self.fleet.breath()).await;
        }
    }

    /// Revokes a token that nobody has, every so often while a verifier is known, and measures until all have
    /// acknowledged it: from then on each of them would refuse it.
    pub async fn canary(self: Arc<Self>, every: Duration, stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = sleep(every) => {}
                () = stopped(stop.clone()) => return,
            }
            if self.fleet.is_empty() {
                continue;
            }
            let head = match self.authority.revoke_canary().await {
                Ok(head) => head,
                Err(error) => {
                    tracing::error!(event = "canary_failed", %error);
                    continue;
                }
            };
            tokio::select! {
                enforced = self.enforced(&head, None) => told(&enforced),
                () = stopped(stop.clone()) => return,
            }
        }
    }
}

/// Counts and tells what a canary has measured. Who is silent may be gone for good; who asks and still does
/// not apply what was committed a whole bound ago is an alarm.
fn told(enforced: &Enforced) {
    let (on, of) = (enforced.on, enforced.of);
    if let Some(slowest) = enforced.slowest {
        let micros = u64::try_from(slowest.as_micros()).unwrap_or(u64::MAX);
        tracing::debug!(event = "canary", on, of, micros);
    }
    for late in enforced.laggards.iter().filter(|laggard| !laggard.silent) {
        tracing::error!(
            event = "canary_late",
            alarm = true,
            client_id = &*late.client_id,
            instance = %late.instance,
            "a verifier asks for the head and does not apply what the feed brings: it answers 503"
        );
    }
}

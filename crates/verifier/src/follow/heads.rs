//! What a verifier does beside following: it asks for heads, which alone make it fresh, keeps its keys and
//! forgets.

use super::{Follow, HEAD_EVERY, LAG};
use crate::entropy;
use crate::fetch::HeadQuestion;
use crate::following::Keeper as _;
use crate::state::{Event, replaces_evidence};
use crate::trouble::FetchError;
use rescind_wire::b64;
use rescind_wire::frame::Position;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// Online requests share heads that are at least so far apart.
const HEAD_GAP: Duration = Duration::from_millis(5);
const HEAD_GAP_AFTER_FAILURE: Duration = Duration::from_millis(100);
const PRUNE_EVERY: Duration = Duration::from_secs(30);

impl Follow {
    /// Follows for ever. Dropping the future ends everything.
    pub(crate) async fn run(self: Arc<Self>) {
        self.start().await;
        // The set holds the tasks: they end with it.
        let mut tasks = JoinSet::new();
        let (feed, heads, keys, prune) = (self.clone(), self.clone(), self.clone(), self.clone());
        let metadata = self.clone();
        tasks.spawn(async move { feed.feed().await });
        tasks.spawn(async move { heads.heads().await });
        tasks.spawn(async move {
            keys.core.keys.keep(|| keys.authority.jwks(), keys.back.subscribe()).await
        });
        tasks.spawn(async move { metadata.metadata().await });
        tasks.spawn(async move { prune.prune().await });
        tasks.join_next().await;
        tracing::error!("a task of the verifier ended; it turns stale");
    }

    /// A head every second, and at once for requests that wait or when the authority asks for one.
    async fn heads(&self) {
        let mut tick = interval(HEAD_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = self.core.online.asked() => {}
            }
            let first = self.core.online.moment(self.core.clock.now()).sent_before + 1;
            let mut result = self.head().await;
            if result.is_err() {
                result = self.head().await;
            }
            self.heard(result.is_ok());
            let gap = match result {
                Ok(()) => {
                    self.core.online.ask_again_if_needed();
                    HEAD_GAP
                }
                Err(error) => {
                    tracing::warn!(%error, "no head");
                    self.core.online.failed(first);
                    self.recover(&error).await;
                    self.trouble.send_replace(Some(Arc::new(error)));
                    HEAD_GAP_AFTER_FAILURE
                }
            };
            if self.core.lag() > LAG {
                self.core.following().wake.notify_one();
            }
            sleep(gap).await;
        }
    }

    async fn head(&self) -> Result<(), FetchError> {
        let (nonce, question) = self.question(false)?;
        self.core.step(Event::HeadSent { nonce, at: self.core.clock.now() });
        match self.authority.head(&question).await {
            Ok((head, _)) if head.nonce != nonce => {
                tracing::error!("a head that answers another question was refused");
                self.core.step(Event::HeadLost(nonce));
                Err(FetchError::OtherFrame)
            }
            Ok((head, sealed)) => {
                let at = self.core.clock.now();
                self.remember(head.position, &sealed);
                self.announced(head.keys, true);
                self.core.step(Event::Head { head, at });
                Ok(())
            }
            Err(error) => {
                self.core.step(Event::HeadLost(nonce));
                Err(error)
            }
        }
    }

    fn question(&self, leaving: bool) -> Result<([u8; 16], HeadQuestion), FetchError> {
        let nonce = entropy::bytes::<16>().map_err(|e| FetchError::Transport(e.to_string()))?;
        let position = self.core.following().applied();
        let question = HeadQuestion {
            nonce: b64::encode(nonce),
            instance: self.instance,
            epoch: position.map(|p| p.epoch),
            applied: position.map_or(0, |p| p.pos),
            seen: self.seen().clone().map(|(_, sealed)| sealed),
            max_age_ms: 0,
            leaving,
        };
        Ok((nonce, question))
    }

    /// Accepts nothing more, and then says so. What [`Follow::run`] does must have ended: a question that comes
    /// after the goodbye makes the authority wait for this verifier as before.
    pub(crate) async fn leave(&self) {
        self.core.leave();
        let told = async { self.authority.head(&self.question(true)?.1).await };
        if let Err(error) = told.await {
            tracing::warn!(%error, "the authority was not told that this verifier has gone");
        }
    }

    /// Keeps a head as evidence.
    fn remember(&self, position: Position, sealed: &[u8]) {
        let mut seen = self.seen();
        if replaces_evidence(seen.as_ref().map(|(known, _)| known), &position) {
            *seen = Some((position, b64::encode(sealed)));
        }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Option<(Position, String)>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn prune(&self) {
        let mut tick = interval(PRUNE_EVERY);
        loop {
            tick.tick().await;
            for () in self.core.prune() {
                tokio::task::yield_now().await;
            }
        }
    }
}

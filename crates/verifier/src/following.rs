//! Where somebody who follows the log stands, whoever that is: a verifier, which keeps the entries, or a
//! relay, which keeps the frames. [`crate::follow`] reads the feed for both.

use crate::clock::Clock;
use crate::fetch::Authority;
use crate::state::{Event, Follower};
use crate::trouble::FetchError;
use bytes::Bytes;
use rescind_wire::frame::{Frame, KeysMark, Position};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// The state machine, and what it wants of the reader of the feed.
pub(crate) struct Following {
    follower: Mutex<Follower>,
    snapshot_wanted: AtomicBool,
    /// Whether one is being fetched.
    fetching: AtomicBool,
    /// Wakes the feed's reader: it must reconnect or fetch a snapshot.
    pub(crate) wake: Notify,
}

impl Following {
    pub(crate) fn new() -> Self {
        Self {
            follower: Mutex::new(Follower::new()),
            snapshot_wanted: AtomicBool::new(true),
            fetching: AtomicBool::new(false),
            wake: Notify::new(),
        }
    }

    pub(crate) fn follower(&self) -> MutexGuard<'_, Follower> {
        self.follower.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A snapshot is fetched from here on: whatever was wished for is this one.
    pub(crate) fn fetch_begins(&self) {
        self.fetching.store(true, Ordering::SeqCst);
        self.forget_snapshot();
    }

    /// None is due.
    pub(crate) fn forget_snapshot(&self) {
        self.snapshot_wanted.store(false, Ordering::SeqCst);
    }

    /// It came, and is not taken yet, or it did not come.
    pub(crate) fn fetch_ends(&self) {
        self.fetching.store(false, Ordering::SeqCst);
    }

    /// Whether a snapshot is due.
    pub(crate) fn snapshot_is_wished(&self) -> bool {
        self.snapshot_wanted.load(Ordering::SeqCst)
    }

    /// Makes the next round begin with a snapshot, even if one is being fetched.
    pub(crate) fn wish_snapshot(&self) {
        self.snapshot_wanted.store(true, Ordering::SeqCst);
    }

    /// What is known does not fit what the authority says: the same, unless the snapshot that is being fetched may
    /// mend that. If it does not, the next head says so again. Whether nobody had wished for it yet.
    pub(crate) fn lack_snapshot(&self) -> bool {
        !self.fetching.load(Ordering::SeqCst) && !self.snapshot_wanted.swap(true, Ordering::SeqCst)
    }

    /// Where the log is applied.
    pub(crate) fn applied(&self) -> Option<Position> {
        self.follower().applied().copied()
    }
}

/// Who keeps what the feed brings.
pub(crate) trait Keeper: Send + Sync + 'static {
    /// Where it stands.
    fn following(&self) -> &Following;

    /// What time it is for it.
    fn clock(&self) -> &dyn Clock;

    /// Takes an event and carries out what follows from it.
    fn step(&self, event: Event);

    /// For how long a head has named entries that the feed does not bring.
    fn lag(&self) -> Duration;

    /// What else is needed before the first snapshot, once the metadata is known.
    fn prepare(&self, authority: &Authority)
    -> impl Future<Output = Result<(), FetchError>> + Send;

    /// What else is needed with each start and each snapshot.
    fn renew(&self, _authority: &Authority) -> impl Future<Output = Result<(), FetchError>> + Send {
        std::future::ready(Ok(()))
    }

    /// Which token keys are in force; `answers` if a head says so, which answers a question.
    fn announced(&self, mark: KeysMark, answers: bool);

    /// The metadata names other keys of the feed than before.
    fn feed_keys_changed(&self) {}

    /// A snapshot, or a frame of the feed; and its bytes as signed.
    fn take(&self, frame: Frame, _sealed: Bytes) {
        match frame {
            Frame::Snapshot { position, entries } => {
                self.step(Event::Snapshot { position, entries });
            }
            Frame::Delta { position, entries } => self.step(Event::Delta { position, entries }),
            Frame::Beat(position) => self.step(Event::Beat(position)),
            Frame::Ask { pos } => self.step(Event::Asked(pos)),
            Frame::Resync => self.step(Event::Resync),
            // They carry no entries.
            Frame::Keys(_) | Frame::GoAway { .. } | Frame::Head(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn while_a_snapshot_is_fetched_only_another_reason_asks_for_one_more() {
        let following = Following::new();
        following.fetch_begins();
        assert!(!following.lack_snapshot() && !following.snapshot_is_wished());
        following.wish_snapshot();
        following.fetch_ends();
        assert!(following.snapshot_is_wished(), "the keys of the feed changed meanwhile");
        following.fetch_begins();
        following.fetch_ends();
        assert!(following.lack_snapshot() && following.snapshot_is_wished());
        assert!(!following.lack_snapshot(), "it is known");
    }
}

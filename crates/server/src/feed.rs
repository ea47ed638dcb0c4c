//! The feed to the verifiers: signed frames of what the store has committed, shared by all who follow,
//! each at its own position. The store's log is the truth; what stands here only brings it nearer.
//!
//! A follower whose position is still in the ring gets the shared frames; one that is a little behind
//! gets one frame read from the log; one that is further behind is told to fetch a snapshot. Nobody
//! waits for a slow reader, and no client takes the places of all others.

mod follower;
mod places;
mod rollback;

use bytes::Bytes;
use follower::{Allowed, allowed};
use places::{Place, Places};
use rescind_authority::Authority;
use rescind_authority::clients::Client;
use rescind_authority::store::{Head as LogHead, Store, StoreError};
use rescind_wire::frame::{Frame, MAX_DELTA, Position, seal};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{Mutex as Opening, watch};
use tokio::time::{MissedTickBehavior, interval};

/// How often a beat is sent.
const BEAT: Duration = Duration::from_secs(3);
/// Frames kept for followers that are a little behind.
const RING: usize = 4096;
/// Most followers at once, and of one client: well below the connections that are taken.
const FOLLOWERS: (usize, usize) = (5_000, 1_000);
/// Most snapshots that are made and sent at once, and to one client: each is the whole log in memory.
const SNAPSHOTS: (usize, usize) = (32, 8);
/// How long a snapshot waits for its turn.
const TURN: Duration = Duration::from_secs(5);

/// What the followers share.
pub struct FeedHub {
    authority: Arc<Authority>,
    ring: Mutex<Ring>,
    tip: watch::Sender<Tip>,
    followers: Places,
    snapshots: Places,
    /// Boot time of the last beat; at first, of the beginning.
    beat_at: AtomicU64,
    /// Held while an epoch is opened, so that verifiers that notice together open one.
    opening: Opening<()>,
}

struct Ring {
    /// After the last published entry.
    position: Position,
    frames: VecDeque<(u64, u64, Bytes)>,
}

/// Wakes the followers.
#[derive(Debug, Clone)]
struct Tip {
    position: Position,
    /// Names the key set in force.
    keys: Bytes,
    allowed: Allowed,
    /// The last beat, and the position it names.
    beat: Bytes,
    beat_pos: u64,
    closing: bool,
}

impl FeedHub {
    /// Begins at the store's present head. [`FeedHub::run`] must be spawned.
    pub async fn new(authority: Arc<Authority>) -> Result<Arc<Self>, StoreError> {
        let position = authority.store().head().await?.position();
        let allowed = allowed(&authority).await?;
        let (keys, beat) = (Bytes::new(), Bytes::new());
        let tip = Tip { position, keys, allowed, beat, beat_pos: 0, closing: false };
        let ring = Mutex::new(Ring { position, frames: VecDeque::new() });
        let beat_at = AtomicU64::new(authority.clock().now().boot);
        Ok(Arc::new(Self {
            authority,
            beat_at,
            ring,
            tip: watch::Sender::new(tip),
            followers: Places::new(FOLLOWERS.0, FOLLOWERS.1),
            snapshots: Places::new(SNAPSHOTS.0, SNAPSHOTS.1),
            opening: Opening::default(),
        }))
    }

    /// How many follow.
    pub fn followers(&self) -> usize {
        self.followers.taken()
    }

    /// How long ago the last beat was signed.
    pub fn beat_age(&self) -> Duration {
        let now = self.authority.clock().now().boot;
        Duration::from_micros(now.saturating_sub(self.beat_at.load(Ordering::Relaxed)))
    }

    /// Whether heads can be signed, and the beat goes on.
    pub fn is_alive(&self) -> bool {
        let position = self.ring().position;
        self.beat_age() <= 3 * BEAT && self.seal(&Frame::Beat(position)).is_ok()
    }

    fn store(&self) -> &dyn Store {
        &**self.authority.store()
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn seal(&self, frame: &Frame) -> Result<Bytes, StoreError> {
        let issuer = &self.authority.settings().issuer;
        seal(frame, issuer, self.authority.keyring().feed_key())
            .map(Bytes::from)
            .map_err(|_| StoreError::Failed("the feed key could not sign".into()))
    }

    /// Publishes what is committed, as soon as it is, until [`FeedHub::close`].
    pub async fn run(self: Arc<Self>) {
        let mut committed = self.store().committed();
        let mut tip = self.tip.subscribe();
        let mut changes = self.authority.changes();
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let told = tokio::select! {
                changed = committed.changed() => if changed.is_err() { return } else { Ok(()) },
                _ = beat.tick() => self.send_beat().await,
                _ = changes.changed() => self.send_changes().await,
                () = closing(&mut tip) => return,
            };
            let published = self.publish().await;
            if let Err(error) = told.and(published) {
                // Followers stay where they are and grow stale; the next beat tries again.
                tracing::error!(event = "feed_failed", %error);
            }
        }
    }

    /// Brings the ring up to the log.
    async fn publish(&self) -> Result<(), StoreError> {
        loop {
            let from = self.ring().position;
            let part = self.store().log(from.pos, MAX_DELTA).await?;
            let entries = match part.entries {
                Some(entries) if part.head.epoch == from.epoch => entries,
                // Another epoch, or the log was pruned past us: everybody starts from a snapshot.
                _ => {
                    self.restart(part.head);
                    return Ok(());
                }
            };
            let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
                return Ok(());
            };
            let (first, last) = (first.pos, *last);
            let digest = entries.iter().fold(from.digest, |digest, e| digest.then(e));
            let position = Position { epoch: from.epoch, pos: last.pos, ts: last.ts, digest };
            for entry in &entries {
                tracing::debug!(event = "entry", pos = entry.pos, scope = entry.scope.name());
            }
            let frame = self.seal(&Frame::Delta { position, entries })?;
            {
                let mut ring = self.ring();
                ring.position = position;
                ring.frames.push_back((first, last.pos, frame));
                if ring.frames.len() > RING {
                    ring.frames.pop_front();
                }
            }
            self.tip.send_modify(|tip| tip.position = position);
        }
    }

    fn restart(&self, head: LogHead) {
        let mut ring = self.ring();
        ring.frames.clear();
        ring.position = head.position();
        drop(ring);
        self.tip.send_modify(|tip| tip.position = head.position());
    }

    /// Looks at the clients with each beat, too: another process may have changed them.
    async fn send_beat(&self) -> Result<(), StoreError> {
        let position = self.ring().position;
        let beat = self.seal(&Frame::Beat(position))?;
        let allowed = allowed(&self.authority).await?;
        self.beat_at.store(self.authority.clock().now().boot, Ordering::Relaxed);
        self.tip.send_modify(|tip| {
            tip.beat = beat;
            tip.beat_pos = position.pos;
            tip.allowed = allowed;
        });
        Ok(())
    }

    /// Keys or clients were changed: followers hear of the keys at once, and those of a client that may
    /// not follow any more are cut off.
    async fn send_changes(&self) -> Result<(), StoreError> {
        // What the feed's key before this one has signed is sealed anew.
        self.ring().frames.clear();
        let keys = self.seal(&Frame::Keys(self.authority.keyring().mark()))?;
        let allowed = allowed(&self.authority).await?;
        self.tip.send_modify(|tip| {
            tip.keys = keys;
            tip.allowed = allowed;
        });
        Ok(())
    }

    /// Tells every follower to come back a little later, and ends their streams.
    pub fn close(&self) {
        if let Ok(frame) = self.seal(&Frame::GoAway { spread_ms: 1000 }) {
            self.tip.send_modify(|tip| {
                tip.beat = frame;
                tip.beat_pos = u64::MAX;
                tip.closing = true;
            });
        }
    }

    /// All entries that the store holds, in one frame, with the place of whoever it is sent to, which is held until that is
    /// done. `None` if it was not this client's turn in time.
    pub async fn snapshot(&self, client: &Client) -> Result<Option<(Bytes, Place)>, StoreError> {
        let turn = tokio::time::timeout(TURN, self.snapshots.wait(&client.client_id)).await;
        let Ok(Some(place)) = turn else { return Ok(None) };
        let (head, entries) = self.store().snapshot().await?;
        let frame = self.seal(&Frame::Snapshot { position: head.position(), entries })?;
        Ok(Some((frame, place)))
    }
}

async fn closing(tip: &mut watch::Receiver<Tip>) {
    let _ = tip.wait_for(|tip| tip.closing).await;
}

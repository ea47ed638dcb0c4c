//! The feed to the verifiers: signed frames of what the store has committed, shared by all who follow,
//! each at its own position. The store's log is the truth; what stands here only brings it nearer.
//!
//! A follower whose position is still in the ring gets the shared frames; one that is a little behind
//! gets one frame read from the log; one that is further behind is told to fetch a snapshot. Nobody
//! waits for a slow reader, and no client takes the places of all others.

mod asking;
pub mod fleet;
pub(crate) mod hub;
mod log;
pub(crate) mod places;
mod rollback;

use bytes::Bytes;
use fleet::Fleet;
use futures_util::stream::Stream;
use hub::{Bounds, Hub};
use log::{Log, Reader};
use places::{Place, Places};
use rescind_authority::Authority;
use rescind_authority::clients::Client;
use rescind_authority::store::{Store, StoreError};
use rescind_wire::frame::{Frame, MAX_DELTA, Position};
use rescind_wire::id::Epoch;
pub use rollback::Question;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex as Opening;
use tokio::time::{MissedTickBehavior, interval};

/// How often a beat is sent.
const BEAT: Duration = Duration::from_secs(3);
/// Most followers, well below the connections that are taken; and frames for those who are a little behind.
const BOUNDS: Bounds = Bounds { followers: (5_000, 1_000), frames: 4096 };
/// Most snapshots that are made and sent at once, and to one client: each is the whole log in memory.
const SNAPSHOTS: (usize, usize) = (32, 8);
/// Most batches of questions that are answered at once, and those of one client: a relay sends one after the other.
const BATCHES: (usize, usize) = (64, 8);

/// The feed of an authority.
pub struct FeedHub {
    authority: Arc<Authority>,
    hub: Arc<Hub<Log>>,
    snapshots: Places,
    batches: Places,
    fleet: Fleet,
    /// Boot time of the last beat; at first, of the beginning.
    beat_at: AtomicU64,
    /// Held while an epoch is opened, so that verifiers that notice together open one.
    opening: Opening<()>,
}

impl FeedHub {
    /// Begins at the store's present head. [`FeedHub::run`] must be spawned. By the bound of staleness of `before`
    /// somebody may still accept who asked an authority before this one.
    pub async fn new(authority: Arc<Authority>, before: Duration) -> Result<Arc<Self>, StoreError> {
        let position = authority.store().head().await?.position();
        let log = Log::new(Arc::clone(&authority)).await?;
        let staleness = authority.settings().staleness;
        let fleet = Fleet::new(Arc::clone(authority.clock()), staleness, before);
        let beat_at = AtomicU64::new(authority.clock().now().boot);
        Ok(Arc::new(Self {
            authority,
            fleet,
            beat_at,
            hub: Hub::new(log, position, &BOUNDS),
            snapshots: Places::new(SNAPSHOTS.0, SNAPSHOTS.1),
            batches: Places::new(BATCHES.0, BATCHES.1),
            opening: Opening::default(),
        }))
    }

    /// How many follow.
    pub fn followers(&self) -> usize {
        self.hub.followers()
    }

    /// How long ago the last beat was signed.
    pub fn beat_age(&self) -> Duration {
        let now = self.authority.clock().now().boot;
        Duration::from_micros(now.saturating_sub(self.beat_at.load(Ordering::Relaxed)))
    }

    /// Whether heads can be signed, and the beat goes on.
    pub fn is_alive(&self) -> bool {
        let position = self.hub.position();
        self.beat_age() <= 3 * BEAT && self.seal(&Frame::Beat(position)).is_ok()
    }

    fn store(&self) -> &dyn Store {
        self.hub.source.store()
    }

    fn seal(&self, frame: &Frame) -> Result<Bytes, StoreError> {
        self.hub.source.seal(frame)
    }

    /// Frames for a client from right after `from`; `None` if there are too many followers already, or
    /// too many of this client. They end when the client's permission or secret does.
    pub fn follow(
        &self,
        client: &Client,
        epoch: Epoch,
        from: u64,
    ) -> Option<impl Stream<Item = Result<Bytes, Infallible>> + use<>> {
        self.hub.follow(&client.client_id, Reader::from(client), (epoch, from))
    }

    /// Publishes what is committed, as soon as it is, until [`FeedHub::close`].
    pub async fn run(self: Arc<Self>) {
        let mut committed = self.store().committed();
        let mut changes = self.authority.changes();
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let told = tokio::select! {
                changed = committed.changed() => if changed.is_err() { return } else { Ok(()) },
                _ = beat.tick() => self.send_beat().await,
                _ = changes.changed() => self.send_changes().await,
                () = self.hub.closing() => return,
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
            let from = self.hub.position();
            let part = self.store().log(from.pos, MAX_DELTA).await?;
            let entries = match part.entries {
                Some(entries) if part.head.epoch == from.epoch => entries,
                // Another epoch, or the log was pruned past us: everybody starts from a snapshot.
                _ => {
                    self.hub.restart(part.head.position());
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
            self.hub.push(first, position, frame, self.authority.clock().now().boot);
        }
    }

    /// Looks at the clients with each beat, too: another process may have changed them.
    async fn send_beat(&self) -> Result<(), StoreError> {
        let position = self.hub.position();
        let beat = self.seal(&Frame::Beat(position))?;
        self.hub.source.look().await?;
        self.beat_at.store(self.authority.clock().now().boot, Ordering::Relaxed);
        self.hub.beat(beat, position.pos);
        Ok(())
    }

    /// Keys or clients were changed: followers hear of the keys at once, and those of a client that may
    /// not follow any more are cut off.
    async fn send_changes(&self) -> Result<(), StoreError> {
        // What the feed's key before this one has signed is sealed anew.
        self.hub.restart(self.hub.position());
        let keys = self.seal(&Frame::Keys(self.authority.keyring().mark()))?;
        let looked = self.hub.source.look().await;
        // Whether the clients could be read or not: this frame is made only once.
        self.hub.keys(keys);
        looked
    }

    /// A place for a batch of questions, if this client has one left.
    pub fn batch(&self, client: &Client) -> Option<Place> {
        self.batches.take(&client.client_id)
    }

    /// Tells every follower to come back a little later, and ends their streams.
    pub fn close(&self) {
        self.hub.close(self.seal(&Frame::GoAway { spread_ms: 1000 }).ok());
    }

    /// All entries that the store holds, in one frame, with the place of whoever it is sent to, which is held until that is
    /// done. `None` if it was not this client's turn in time.
    pub async fn snapshot(&self, client: &Client) -> Result<Option<(Bytes, Place)>, StoreError> {
        let Some(place) = self.snapshots.turn(&client.client_id).await else { return Ok(None) };
        let (head, entries) = self.store().snapshot().await?;
        let frame = self.seal(&Frame::Snapshot { position: head.position(), entries })?;
        Ok(Some((frame, place)))
    }
}

//! The feed to the verifiers: signed frames of what the store has committed, shared by all who follow,
//! each at its own position. The store's log is the truth; what stands here only brings it nearer.
//!
//! A follower whose position is still in the ring gets the shared frames; one that is a little behind
//! gets one frame read from the log; one that is further behind is told to fetch a snapshot. Nobody
//! waits for a slow reader.

use crate::marker;
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use rescind_authority::Authority;
use rescind_authority::clients::{Client, Permission};
use rescind_authority::store::{Head as LogHead, Store, StoreError};
use rescind_wire::frame::{Frame, Head, MAX_DELTA, Position, seal};
use rescind_wire::id::Epoch;
use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{Mutex as Opening, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{MissedTickBehavior, interval};

/// How often a beat is sent.
const BEAT: Duration = Duration::from_secs(3);
/// Frames kept for followers that are a little behind.
const RING: usize = 4096;
/// Most followers at once: well below the connections that are taken.
const FOLLOWERS: usize = 5_000;

/// What the followers share.
pub struct FeedHub {
    authority: Arc<Authority>,
    ring: Mutex<Ring>,
    tip: watch::Sender<Tip>,
    places: Arc<Semaphore>,
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

/// Clients that may follow, with the hash of their secret.
type Allowed = Arc<HashMap<String, [u8; 32]>>;

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

enum Next {
    Frame(Bytes, u64),
    Resync(Bytes),
    UpToDate,
}

impl FeedHub {
    /// Begins at the store's present head. [`FeedHub::run`] must be spawned.
    pub async fn new(authority: Arc<Authority>) -> Result<Arc<Self>, StoreError> {
        let position = authority.store().head().await?.position();
        let allowed = allowed(&authority).await?;
        let (keys, beat) = (Bytes::new(), Bytes::new());
        let tip = Tip { position, keys, allowed, beat, beat_pos: 0, closing: false };
        let ring = Mutex::new(Ring { position, frames: VecDeque::new() });
        let places = Arc::new(Semaphore::new(FOLLOWERS));
        let beat_at = AtomicU64::new(authority.clock().now().boot);
        Ok(Arc::new(Self {
            authority,
            beat_at,
            ring,
            tip: watch::Sender::new(tip),
            places,
            opening: Opening::default(),
        }))
    }

    /// How many follow.
    pub fn followers(&self) -> usize {
        FOLLOWERS - self.places.available_permits()
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

    /// Frames for a client from right after `from`; `None` if there are too many followers already. They
    /// end when the client's permission or secret does.
    pub fn follow(
        self: &Arc<Self>,
        client: &Client,
        epoch: Epoch,
        from: u64,
    ) -> Option<impl Stream<Item = Result<Bytes, Infallible>> + use<>> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let tip = self.tip.subscribe();
        // The last beat was for those who were here: it may name a position before `from`.
        let (beat, keys) = (tip.borrow().beat.clone(), tip.borrow().keys.clone());
        let follower = Follower {
            hub: Arc::clone(self),
            client: (client.client_id.clone(), client.secret_hash),
            tip,
            epoch,
            from,
            beat,
            keys,
            over: false,
            _place: place,
        };
        Some(stream::unfold(follower, Follower::next))
    }

    /// Whether the store lets this client follow. Where it cannot be asked, nobody is let.
    async fn allows(&self, client: &(String, [u8; 32])) -> bool {
        match allowed(&self.authority).await {
            Ok(allowed) => holds(&allowed, client),
            Err(error) => {
                tracing::error!(event = "feed_failed", %error);
                false
            }
        }
    }

    async fn next_after(&self, epoch: Epoch, from: u64) -> Result<Next, StoreError> {
        let resync = || self.seal(&Frame::Resync).map(Next::Resync);
        {
            let ring = self.ring();
            if ring.position.epoch == epoch && from == ring.position.pos {
                return Ok(Next::UpToDate);
            }
            let at = ring.frames.partition_point(|(_, last, _)| *last <= from);
            if ring.position.epoch == epoch
                && let Some((first, last, frame)) = ring.frames.get(at)
                && *first <= from + 1
            {
                return Ok(Next::Frame(frame.clone(), *last));
            }
        }
        let part = self.store().log(from, MAX_DELTA).await?;
        let head = part.head;
        if head.epoch == epoch && from > head.pos {
            let had = from;
            tracing::error!(
                event = "feed_ahead",
                alarm = true,
                had,
                has = head.pos,
                "a verifier has entries that the store does not: it was rolled back"
            );
        }
        match part.entries {
            // The store is ahead of the ring: whoever has its snapshot waits for what comes next.
            Some(_) if head.epoch == epoch && from == head.pos => Ok(Next::UpToDate),
            Some(entries)
                if head.epoch == epoch && entries.last().is_some_and(|e| e.pos == head.pos) =>
            {
                let frame = self.seal(&Frame::Delta { position: head.position(), entries })?;
                Ok(Next::Frame(frame, head.pos))
            }
            _ => resync(),
        }
    }

    /// All live entries, in one frame.
    pub async fn snapshot(&self) -> Result<Bytes, StoreError> {
        let now = self.authority.clock().now().seconds();
        let (head, entries) = self.store().snapshot(now).await?;
        self.seal(&Frame::Snapshot { position: head.position(), entries })
    }

    /// Answers a head request from a read begun now. `seen` is the last signed head of whoever asks:
    /// if the store has lost what it names, the store was rolled back, and a new epoch begins.
    pub async fn head(&self, nonce: [u8; 16], seen: Option<&[u8]>) -> Result<Bytes, StoreError> {
        let mut head = self.store().head().await?;
        if let Some(seen) = seen.and_then(|frame| self.signed_here(frame))
            && self.has_lost(&head, &seen).await?
        {
            head = self.open_epoch_after(&seen).await?;
        }
        let settings = self.authority.settings();
        self.seal(&Frame::Head(Head {
            nonce,
            position: head.position(),
            utc: self.authority.clock().now().wall,
            keys: self.authority.keyring().mark(),
            age: 0,
            staleness_ms: u32::try_from(settings.staleness.as_millis()).unwrap_or(u32::MAX),
        }))
    }

    /// The position of a head that this authority has signed.
    fn signed_here(&self, frame: &[u8]) -> Option<Position> {
        match self.authority.open_own_frame(frame) {
            Some(Frame::Head(seen)) => Some(seen.position),
            _ => None,
        }
    }

    /// Whether a position that was signed once is not in the store's log any more: of a later epoch,
    /// beyond the log's end, or with another entry in its place, because the log has grown anew. An
    /// entry that was pruned since cannot be compared.
    async fn has_lost(&self, held: &LogHead, seen: &Position) -> Result<bool, StoreError> {
        if seen.epoch != held.epoch {
            // Log time rises over all epochs: a later one than ours was lost with its epoch.
            return Ok(seen.ts > held.ts);
        }
        if seen.pos == 0 {
            return Ok(false);
        }
        if seen.pos >= held.pos {
            return Ok(seen.pos > held.pos || seen.digest != held.digest);
        }
        let entries = self.store().log(seen.pos - 1, 1).await?.entries;
        Ok(entries.is_some_and(|e| e.first().is_some_and(|e| e.ts != seen.ts)))
    }

    /// Begins an epoch after a rollback, unless another request with the same proof already has.
    async fn open_epoch_after(&self, seen: &Position) -> Result<LogHead, StoreError> {
        let _alone = self.opening.lock().await;
        let head = self.store().head().await?;
        if !self.has_lost(&head, seen).await? {
            return Ok(head);
        }
        tracing::error!(
            event = "store_rolled_back",
            alarm = true,
            had = seen.pos,
            has = head.pos,
            "a verifier has seen entries that the store has lost: a new epoch begins"
        );
        let (clock, entropy) = (self.authority.clock(), self.authority.entropy());
        marker::open_epoch_after(self.store(), seen.ts, &**clock, &**entropy).await
    }
}

async fn closing(tip: &mut watch::Receiver<Tip>) {
    let _ = tip.wait_for(|tip| tip.closing).await;
}

async fn allowed(authority: &Authority) -> Result<Allowed, StoreError> {
    let clients = authority.store().clients().await?;
    let following = clients.into_iter().filter(|c| c.may(Permission::Feed));
    Ok(Arc::new(following.map(|c| (c.client_id, c.secret_hash)).collect()))
}

fn holds(allowed: &Allowed, (id, secret_hash): &(String, [u8; 32])) -> bool {
    allowed.get(id) == Some(secret_hash)
}

struct Follower {
    hub: Arc<FeedHub>,
    client: (String, [u8; 32]),
    tip: watch::Receiver<Tip>,
    epoch: Epoch,
    from: u64,
    beat: Bytes,
    keys: Bytes,
    over: bool,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        loop {
            if self.over {
                return None;
            }
            let tip = self.tip.borrow_and_update().clone();
            // What was told last may be older than the client: only the store says that it is gone.
            if !holds(&tip.allowed, &self.client) && !self.hub.allows(&self.client).await {
                tracing::info!(event = "feed_closed", client_id = self.client.0);
                return None;
            }
            match self.hub.next_after(self.epoch, self.from).await {
                Ok(Next::Frame(frame, last)) => {
                    self.from = last;
                    return Some((Ok(frame), self));
                }
                Ok(Next::Resync(frame)) => {
                    self.over = true;
                    return Some((Ok(frame), self));
                }
                Ok(Next::UpToDate) => {}
                Err(error) => {
                    tracing::error!(event = "feed_failed", %error);
                    return None;
                }
            }
            if tip.keys != self.keys {
                self.keys = tip.keys.clone();
                return Some((Ok(tip.keys), self));
            }
            if tip.beat != self.beat {
                self.beat = tip.beat.clone();
                if tip.beat_pos < self.from {
                    continue;
                }
                self.over = tip.closing;
                return Some((Ok(tip.beat), self));
            }
            if tip.closing || self.tip.changed().await.is_err() {
                return None;
            }
        }
    }
}

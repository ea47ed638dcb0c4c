//! What a relay keeps: the last snapshot, and the frames since, as the authority signed them. From memory
//! to who follows, and, by [`disk`](super::disk), over a restart.

use super::disk::Folder;
use super::gate::Reader;
use crate::feed::hub::{Beyond, Bounds, Hub, Next, Source};
use bytes::Bytes;
use rescind_authority::clock::Clock;
use rescind_verifier::upstream::{Downstream, Upstream};
use rescind_wire::frame::Position;
use rescind_wire::id::Epoch;
use rescind_wire::revocation::Digest;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Most followers, below the connections that are taken; and most frames.
const BOUNDS: Bounds = Bounds { followers: (9_000, 4_000), frames: 100_000 };
/// A newer snapshot is fetched once the frames since are so many, or have so many bytes, or the first of them
/// is so old, in microseconds: well before they leave the ring.
const RENEW_FRAMES: usize = 25_000;
const RENEW_BYTES: usize = 16 * 1024 * 1024;
const RENEW_TIME: u64 = 300_000_000;
/// How often that is looked at, and how long a failure is waited after.
const LOOK: Duration = Duration::from_secs(1);
const AFTER_FAILURE: Duration = Duration::from_secs(15);

/// The source of a relay's hub: what it was sent, and nothing else.
#[derive(Default)]
pub(super) struct Sent {
    resync: Mutex<Bytes>,
}

impl Source for Sent {
    type Reader = Reader;

    async fn allows(&self, reader: &Reader) -> bool {
        reader.may_read().await
    }

    fn cut_off(&self, reader: &Reader) {
        tracing::info!(event = "feed_closed", client_id = reader.client_id);
    }

    async fn elsewhere(&self, at: Beyond) -> Option<Next> {
        if at.epoch == at.ring.epoch && at.from > at.ring.pos {
            // It was nearer to the authority before: this relay gets there, too.
            return Some(Next::UpToDate);
        }
        let resync = self.resync.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (!resync.is_empty()).then_some(Next::Resync(resync))
    }
}

/// A snapshot, as signed.
#[derive(Debug, Clone)]
pub(super) struct Base {
    pub(super) position: Position,
    pub(super) sealed: Bytes,
}

/// All that is kept.
pub(super) struct Frames {
    pub(super) hub: Arc<Hub<Sent>>,
    clock: Arc<dyn Clock>,
    pub(super) folder: Folder,
    base: Mutex<Option<Base>>,
    /// Boot time at which the last frame came.
    heard_at: Mutex<Option<u64>>,
}

impl Frames {
    pub(super) fn new(folder: Folder, clock: Arc<dyn Clock>) -> Arc<Self> {
        let nothing =
            Position { epoch: Epoch::from_bytes([0; 16]), pos: 0, ts: 0, digest: Digest([0; 32]) };
        let hub = Hub::new(Sent::default(), nothing, &BOUNDS);
        let (base, heard_at) = (Mutex::default(), Mutex::default());
        Arc::new(Self { hub, clock, folder, base, heard_at })
    }

    /// The snapshot, if the frames that are kept follow on it.
    pub(super) fn snapshot(&self) -> Option<Base> {
        let base = self.base().clone()?;
        self.follows_on(&base).then_some(base)
    }

    /// How long ago the last frame came; `None` before the first.
    pub(super) fn silent_for(&self) -> Option<Duration> {
        let at = *self.heard_at.lock().unwrap_or_else(PoisonError::into_inner);
        at.map(|at| Duration::from_micros(self.clock.now().boot.saturating_sub(at)))
    }

    fn follows_on(&self, base: &Base) -> bool {
        let tip = self.hub.position();
        let first = self.hub.first_after(base.position.pos);
        let begins = first.map_or(tip.pos + 1, |kept| kept.first);
        tip.epoch == base.position.epoch && begins <= base.position.pos + 1
    }

    fn heard(&self) {
        let now = Some(self.clock.now().boot);
        *self.heard_at.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    fn base(&self) -> MutexGuard<'_, Option<Base>> {
        self.base.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a newer snapshot is due.
    fn is_old(&self, base: &Base) -> bool {
        let (frames, bytes) = self.hub.size_after(base.position.pos);
        let first = self.hub.first_after(base.position.pos);
        let now = self.clock.now().boot;
        let old = first.is_some_and(|kept| now.saturating_sub(kept.at) > RENEW_TIME);
        old || frames > RENEW_FRAMES || bytes > RENEW_BYTES || !self.follows_on(base)
    }

    /// Takes a newer snapshot, once the feed has come so far. Says whether it is done with.
    fn renew(&self, newer: &Base) -> bool {
        let tip = self.hub.position();
        if newer.position.epoch != tip.epoch {
            return true;
        }
        let there = newer.position.pos <= tip.pos;
        let mut base = self.base();
        let rises = base.as_ref().is_none_or(|base| {
            base.position.epoch == newer.position.epoch && base.position.pos <= newer.position.pos
        });
        if there && rises {
            *base = Some(newer.clone());
        }
        there
    }

    /// Keeps the snapshot young, until `stop`.
    pub(super) async fn keep_young(
        self: Arc<Self>,
        upstream: Arc<Upstream>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut newer: Option<Base> = None;
        let mut wait = LOOK;
        loop {
            tokio::select! {
                () = tokio::time::sleep(wait) => wait = LOOK,
                _ = stop.wait_for(|stop| *stop) => return,
            }
            newer = newer.filter(|newer| !self.renew(newer));
            let due = newer.is_none() && self.base().as_ref().is_some_and(|base| self.is_old(base));
            if !due {
                continue;
            }
            match upstream.snapshot().await {
                Ok((position, sealed)) => newer = Some(Base { position, sealed }),
                Err(error) => {
                    tracing::warn!(event = "snapshot_failed", %error);
                    wait = AFTER_FAILURE;
                }
            }
        }
    }

    /// Writes it all to the folder as it comes, until `stop`.
    pub(super) async fn keep_on_disk(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut over = false;
        while !over {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                _ = stop.wait_for(|stop| *stop) => over = true,
            }
            let Some(base) = self.snapshot() else { continue };
            let frames = Arc::clone(&self);
            let writing = move || {
                let since = frames.hub.after(frames.folder.reaches(&base));
                frames.folder.keep(&base, &since)
            };
            let written = tokio::task::spawn_blocking(writing).await;
            if let Err(error) = written.map_err(std::io::Error::other).flatten() {
                tracing::warn!(event = "relay_not_kept", %error);
            }
        }
    }
}

impl Downstream for Frames {
    fn kept(&self) -> Vec<Bytes> {
        self.folder.kept()
    }

    fn snapshot(&self, position: Position, sealed: Bytes) {
        self.heard();
        let mut base = self.base();
        *base = Some(Base { position, sealed });
        self.hub.restart(position);
    }

    fn delta(&self, first: u64, position: Position, sealed: Bytes) {
        self.heard();
        self.hub.push(first, position, sealed, self.clock.now().boot);
    }

    fn beat(&self, position: Position, sealed: Bytes) {
        self.heard();
        self.hub.beat(sealed, position.pos);
    }

    fn ask(&self, pos: u64, sealed: Bytes) {
        self.heard();
        self.hub.ask(sealed, pos);
    }

    fn keys(&self, sealed: Bytes) {
        self.hub.keys(sealed);
    }

    fn resync(&self, sealed: Bytes) {
        *self.hub.source.resync.lock().unwrap_or_else(PoisonError::into_inner) = sealed;
    }
}

//! Frames that many follow, each at its own position. Kept once, whoever has made them: an authority from
//! its own log, or a relay from what it was sent ([`Source`]).
//!
//! The ring is bounded in bytes and in time. Nobody waits for a slow reader: who falls off the ring is told
//! by the source what to do.

use super::places::{Place, Places};
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use rescind_wire::frame::Position;
use rescind_wire::id::Epoch;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Most bytes of frames that are kept.
const RING_BYTES: usize = 64 * 1024 * 1024;
/// How long a frame is kept, in microseconds.
const RING_TIME: u64 = 600_000_000;

/// Where the frames come from, and who may read them.
pub(crate) trait Source: Send + Sync + 'static {
    /// One who follows.
    type Reader: Send + Sync;

    /// Whether this one may still be told anything. Nothing is, until that is known.
    fn allows(&self, reader: &Self::Reader) -> impl Future<Output = bool> + Send;

    /// That this one was cut off, since it may not read any more.
    fn cut_off(&self, reader: &Self::Reader);

    /// What one gets who stands where the ring does not reach; `None` ends its stream.
    fn elsewhere(&self, at: Beyond) -> impl Future<Output = Option<Next>> + Send;
}

/// A position that is not in the ring, and that of the ring.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beyond {
    pub(crate) epoch: Epoch,
    pub(crate) from: u64,
    pub(crate) ring: Position,
}

/// What comes next for one follower.
pub(crate) enum Next {
    /// A frame, and its last position.
    Frame(Bytes, u64),
    /// A snapshot must be fetched: this frame says so, and is the last one.
    Resync(Bytes),
    /// Nothing, for now.
    UpToDate,
}

/// A frame of the ring.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// Boot time at which it came.
    pub(crate) at: u64,
    pub(crate) frame: Bytes,
}

struct Ring {
    /// After the last published entry.
    position: Position,
    frames: VecDeque<Kept>,
    bytes: usize,
    most: usize,
}

impl Ring {
    fn after(&self, pos: u64) -> impl Iterator<Item = &Kept> {
        let at = self.frames.partition_point(|kept| kept.last <= pos);
        self.frames.range(at..)
    }
}

/// How much a hub holds.
pub(crate) struct Bounds {
    /// Most followers at once, and of one client.
    pub(crate) followers: (usize, usize),
    /// Most frames, however small.
    pub(crate) frames: usize,
}

/// Wakes the followers.
#[derive(Debug, Clone)]
struct Tip {
    /// Names the key set in force.
    keys: Bytes,
    /// The last beat, and the position it names.
    beat: Bytes,
    beat_pos: u64,
    /// The last wish for acknowledgements, and the position that is wanted.
    ask: Option<(Bytes, u64)>,
    closing: bool,
}

/// What the followers share.
pub(crate) struct Hub<S> {
    pub(crate) source: S,
    ring: Mutex<Ring>,
    tip: watch::Sender<Tip>,
    followers: Places,
    resyncs: AtomicU64,
}

impl<S: Source> Hub<S> {
    /// An empty ring at a position.
    pub(crate) fn new(source: S, position: Position, bounds: &Bounds) -> Arc<Self> {
        let (all, each) = bounds.followers;
        let [keys, beat] = [const { Bytes::new() }; 2];
        let tip = Tip { keys, beat, beat_pos: 0, ask: None, closing: false };
        let ring = Ring { position, frames: VecDeque::new(), bytes: 0, most: bounds.frames };
        Arc::new(Self {
            source,
            ring: Mutex::new(ring),
            tip: watch::Sender::new(tip),
            followers: Places::new(all, each),
            resyncs: AtomicU64::new(0),
        })
    }

    /// How many follow.
    pub(crate) fn followers(&self) -> usize {
        self.followers.taken()
    }

    /// How many were told to fetch a snapshot.
    pub(crate) fn resyncs(&self) -> u64 {
        self.resyncs.load(Ordering::Relaxed)
    }

    /// After the last published entry.
    pub(crate) fn position(&self) -> Position {
        self.ring().position
    }

    /// The frames of the ring with anything behind `pos`.
    pub(crate) fn after(&self, pos: u64) -> Vec<Kept> {
        self.ring().after(pos).cloned().collect()
    }

    /// The first of them.
    pub(crate) fn first_after(&self, pos: u64) -> Option<Kept> {
        self.ring().after(pos).next().cloned()
    }

    /// How many they are, and their bytes.
    pub(crate) fn size_after(&self, pos: u64) -> (usize, usize) {
        let size = |(n, bytes), kept: &Kept| (n + 1, bytes + kept.frame.len());
        self.ring().after(pos).fold((0, 0), size)
    }

    /// Publishes entries from `first` on, which follow on those before.
    pub(crate) fn push(&self, first: u64, position: Position, frame: Bytes, now: u64) {
        {
            let mut ring = self.ring();
            ring.position = position;
            ring.bytes += frame.len();
            ring.frames.push_back(Kept { first, last: position.pos, at: now, frame });
            while ring.frames.front().is_some_and(|kept| {
                let many = ring.bytes > RING_BYTES || ring.frames.len() > ring.most;
                many || now.saturating_sub(kept.at) > RING_TIME
            }) {
                let gone = ring.frames.pop_front();
                ring.bytes -= gone.map_or(0, |kept| kept.frame.len());
            }
        }
        self.look();
    }

    /// Begins anew at a position, without any frame: the key that has signed them may be in force no more.
    pub(crate) fn restart(&self, position: Position) {
        {
            let mut ring = self.ring();
            ring.position = position;
            ring.frames.clear();
            ring.bytes = 0;
        }
        self.tip.send_modify(|tip| tip.ask = None);
    }

    /// Every follower looks anew at what there is for it, and whether it may still have it.
    pub(crate) fn look(&self) {
        self.tip.send_modify(|_| {});
    }

    /// A sign of life.
    pub(crate) fn beat(&self, frame: Bytes, pos: u64) {
        self.tip.send_modify(|tip| (tip.beat, tip.beat_pos) = (frame, pos));
    }

    /// Whoever has applied the entry at `pos` is asked to say so at once.
    pub(crate) fn ask(&self, frame: Bytes, pos: u64) {
        self.tip.send_modify(|tip| tip.ask = Some((frame, pos)));
    }

    /// Another key set is in force.
    pub(crate) fn keys(&self, frame: Bytes) {
        self.tip.send_modify(|tip| tip.keys = frame);
    }

    /// Ends all streams, with a last frame if there is one.
    pub(crate) fn close(&self, farewell: Option<Bytes>) {
        self.tip.send_modify(|tip| {
            if let Some(frame) = farewell {
                (tip.beat, tip.beat_pos) = (frame, u64::MAX);
            }
            tip.closing = true;
        });
    }

    /// Resolves at [`Hub::close`].
    pub(crate) async fn closing(&self) {
        closing(self.tip.subscribe()).await;
    }

    /// Frames from right after `from`; `None` if too many follow already, or too many of this client. They
    /// end when the source allows them no more.
    pub(crate) fn follow(
        self: &Arc<Self>,
        client_id: &str,
        reader: S::Reader,
        (epoch, from): (Epoch, u64),
    ) -> Option<impl Stream<Item = Result<Bytes, Infallible>> + use<S>> {
        let place = self.followers.take(client_id)?;
        let tip = self.tip.subscribe();
        // The last beat was for those who were here: it may name a position before `from`.
        let (beat, keys) = {
            // Borrowed once: with somebody waiting to write in between, a second time waits for ever.
            let newest = tip.borrow();
            (newest.beat.clone(), newest.keys.clone())
        };
        let follower = Follower {
            hub: Arc::clone(self),
            reader,
            tip,
            epoch,
            from,
            beat,
            keys,
            // Also who comes late is asked: it may have read the entry in the log.
            asked: Bytes::new(),
            over: false,
            _place: place,
        };
        Some(stream::unfold(follower, Follower::next))
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn next_after(&self, epoch: Epoch, from: u64) -> Option<Next> {
        let ring = {
            let ring = self.ring();
            if ring.position.epoch == epoch && from == ring.position.pos {
                return Some(Next::UpToDate);
            }
            if ring.position.epoch == epoch
                && let Some(kept) = ring.after(from).next()
                && kept.first <= from + 1
            {
                return Some(Next::Frame(kept.frame.clone(), kept.last));
            }
            ring.position
        };
        self.source.elsewhere(Beyond { epoch, from, ring }).await
    }
}

struct Follower<S: Source> {
    hub: Arc<Hub<S>>,
    reader: S::Reader,
    tip: watch::Receiver<Tip>,
    epoch: Epoch,
    from: u64,
    beat: Bytes,
    keys: Bytes,
    asked: Bytes,
    over: bool,
    _place: Place,
}

impl<S: Source> Follower<S> {
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        loop {
            if self.over {
                return None;
            }
            let tip = self.tip.borrow_and_update().clone();
            let allowed = tokio::select! {
                allowed = self.hub.source.allows(&self.reader) => allowed,
                () = closing(self.tip.clone()), if !tip.closing => return None,
            };
            if !allowed {
                self.hub.source.cut_off(&self.reader);
                return None;
            }
            match self.hub.next_after(self.epoch, self.from).await? {
                Next::Frame(frame, last) => {
                    self.from = last;
                    return Some((Ok(frame), self));
                }
                Next::Resync(frame) => {
                    self.hub.resyncs.fetch_add(1, Ordering::Relaxed);
                    self.over = true;
                    return Some((Ok(frame), self));
                }
                Next::UpToDate => {}
            }
            if tip.keys != self.keys {
                self.keys = tip.keys.clone();
                return Some((Ok(tip.keys), self));
            }
            // Right behind the entry that it is about.
            if let Some((ask, pos)) = tip.ask
                && ask != self.asked
                && pos <= self.from
            {
                self.asked = ask.clone();
                return Some((Ok(ask), self));
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

async fn closing(mut tip: watch::Receiver<Tip>) {
    let _ = tip.wait_for(|tip| tip.closing).await;
}

#[cfg(test)]
mod tests;

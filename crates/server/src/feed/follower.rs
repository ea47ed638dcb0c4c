//! One who follows, at a position of its own, as long as the client it follows for may.

use super::places::Place;
use super::{FeedHub, Tip};
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use rescind_authority::Authority;
use rescind_authority::clients::{Client, Permission};
use rescind_authority::store::StoreError;
use rescind_wire::frame::{Frame, MAX_DELTA};
use rescind_wire::id::Epoch;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::watch;

/// Clients that may follow, with the hash of their secret.
pub(super) type Allowed = Arc<HashMap<String, [u8; 32]>>;

enum Next {
    Frame(Bytes, u64),
    Resync(Bytes),
    UpToDate,
}

impl FeedHub {
    /// Frames for a client from right after `from`; `None` if there are too many followers already, or
    /// too many of this client. They end when the client's permission or secret does.
    pub fn follow(
        self: &Arc<Self>,
        client: &Client,
        epoch: Epoch,
        from: u64,
    ) -> Option<impl Stream<Item = Result<Bytes, Infallible>> + use<>> {
        let place = self.followers.take(&client.client_id)?;
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
            ask: Bytes::new(),
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
}

pub(super) async fn allowed(authority: &Authority) -> Result<Allowed, StoreError> {
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
    ask: Bytes,
    over: bool,
    _place: Place,
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
            // Right behind the entry that it is about.
            if tip.ask != self.ask && tip.ask_pos <= self.from {
                self.ask = tip.ask.clone();
                return Some((Ok(tip.ask), self));
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

//! A relay's side of the protocol: it follows the log as a verifier does, with the same code, but keeps
//! the signed frames in the place of the entries, and asks for others. Used by `rescind relay`; no part of
//! this crate's contract.

use crate::builder::BuildError;
use crate::clock::{Clock, SystemClock};
use crate::endpoint;
use crate::entropy;
use crate::fetch::Authority;
use crate::follow::{Follow, LAG};
use crate::following::{Following, Keeper};
use crate::secret::ClientSecret;
use crate::state::{Effect, Event};
use crate::trouble::FetchError;
use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use rescind_wire::frame::{Frame, KeysMark, Position};
use rescind_wire::id::{Epoch, Instance};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Who gets the frames, each verified, in the order of the log, and as signed.
pub trait Downstream: Send + Sync + 'static {
    /// The frames of a run before, a snapshot first; what is not good among them is not used.
    fn kept(&self) -> Vec<Bytes>;
    /// Everything begins anew from this snapshot.
    fn snapshot(&self, position: Position, sealed: Bytes);
    /// Entries from `first` on, right behind those before.
    fn delta(&self, first: u64, position: Position, sealed: Bytes);
    /// A sign of life, of what was given already.
    fn beat(&self, position: Position, sealed: Bytes);
    /// Whoever has applied the entry at `pos` is asked to say so.
    fn ask(&self, pos: u64, sealed: Bytes);
    /// The key set has changed.
    fn keys(&self, sealed: Bytes);
    /// The frame for who must fetch a snapshot. It says nothing, so that one fits all.
    fn resync(&self, sealed: Bytes);
}

/// The authority, or the relay that is nearer to it.
pub struct Upstream {
    follow: Arc<Follow<Relayed>>,
}

impl Upstream {
    /// Follows `issuer` as this client, by way of the relay `from` if there is one.
    pub fn new(
        issuer: &str,
        from: Option<&str>,
        (id, secret): (&str, &ClientSecret),
        down: Arc<dyn Downstream>,
    ) -> Result<Self, BuildError> {
        let metadata = endpoint::metadata(issuer)?;
        let from = from.map(endpoint::base).transpose()?;
        let login = secret.login(id).filter(|_| !id.is_empty()).ok_or(BuildError::Client)?;
        let authority = Authority::new(issuer.to_owned(), metadata, login)?.behind(from);
        let instance = Instance::from_bytes(entropy::bytes().map_err(|_| BuildError::Entropy)?);
        let (following, behind) = (Following::new(), Mutex::default());
        let relayed = Arc::new(Relayed { following, clock: SystemClock, behind, down, instance });
        Ok(Self { follow: Arc::new(Follow::new(relayed, authority, instance)) })
    }

    /// Follows for ever. Dropping the future ends everything.
    pub async fn run(&self) {
        Arc::clone(&self.follow).relay().await;
    }

    /// The heads that answer questions, a JSON array with these nonces, as signed and in the same order.
    pub async fn heads(
        &self,
        questions: Bytes,
        nonces: &[[u8; 16]],
    ) -> Result<Vec<Bytes>, FetchError> {
        let answered = self.follow.authority.heads(questions, nonces).await;
        self.follow.heard(answered.is_ok());
        if let Err(error) = &answered {
            self.follow.recover(error).await;
        }
        let heads = answered?;
        if let Some((head, _)) = heads.last() {
            self.follow.announced(head.keys, true);
            self.follow.core.named(&head.position);
        }
        Ok(heads.into_iter().map(|(_, sealed)| sealed).collect())
    }

    /// What the authority says to who proves itself by this header and wants to read the feed: 200, 401 or
    /// 403.
    pub async fn admits(&self, authorization: &HeaderValue) -> Result<StatusCode, FetchError> {
        self.follow.authority.admits(authorization).await
    }

    /// A newer snapshot, beside the feed.
    pub async fn snapshot(&self) -> Result<(Position, Bytes), FetchError> {
        match self.follow.authority.snapshot().await? {
            (Frame::Snapshot { position, .. }, sealed) => Ok((position, sealed)),
            _ => Err(FetchError::OtherFrame),
        }
    }

    /// Where the log is followed to.
    pub fn applied(&self) -> Option<Position> {
        self.follow.core.following.applied()
    }

    /// For how long a head has named entries that the feed does not bring.
    pub fn lag(&self) -> Duration {
        self.follow.core.lag()
    }

    /// Whether the authority contradicted itself, so that only a new epoch helps.
    pub fn stopped(&self) -> bool {
        self.follow.core.following.follower().stopped()
    }
}

/// What a relay keeps: nothing but its position. The frames go on.
struct Relayed {
    following: Following,
    clock: SystemClock,
    /// The first position that was named and is not here yet, and since when.
    behind: Mutex<Option<(u64, u64)>>,
    down: Arc<dyn Downstream>,
    instance: Instance,
}

impl Relayed {
    /// A head has named this position.
    fn named(&self, position: &Position) {
        let Some(held) = self.following.applied() else { return };
        if held.epoch != position.epoch {
            return self.step(Event::Beat(*position));
        }
        let now = self.clock.now().boot_us;
        let mut behind = self.behind.lock().unwrap_or_else(PoisonError::into_inner);
        *behind = match *behind {
            _ if position.pos <= held.pos => None,
            Some((pos, since)) if held.pos < pos => Some((pos, since)),
            _ => Some((position.pos, now)),
        };
        if behind.is_some_and(|(_, since)| now.saturating_sub(since) > LAG.as_micros() as u64) {
            self.following.wake.notify_one();
        }
    }

    /// Takes what a run before has kept, as far as it is good.
    fn take_kept(&self, authority: &Authority) {
        for sealed in self.down.kept() {
            match authority.open(&sealed) {
                Ok(frame @ (Frame::Snapshot { .. } | Frame::Delta { .. })) => {
                    self.take(frame, sealed);
                }
                _ => {
                    tracing::warn!("what was kept is not all good: the rest is fetched anew");
                    break;
                }
            }
        }
        if self.following.applied().is_some() {
            self.following.forget_snapshot();
        }
    }
}

impl Keeper for Relayed {
    fn following(&self) -> &Following {
        &self.following
    }

    fn clock(&self) -> &dyn Clock {
        &self.clock
    }

    fn step(&self, event: Event) {
        for effect in self.following.follower().step(event) {
            match effect {
                Effect::FetchSnapshot(why) => {
                    if self.following.lack_snapshot() {
                        tracing::info!(?why, "a snapshot is needed");
                    }
                    self.following.wake.notify_one();
                }
                Effect::Alarm(alarm) => {
                    tracing::error!(?alarm, "the authority's log does not fit what it said before");
                }
                // For who judges tokens.
                Effect::Insert(_) | Effect::Fresh(_) | Effect::EndLease | Effect::Acknowledge => {}
            }
        }
    }

    fn lag(&self) -> Duration {
        let now = self.clock.now().boot_us;
        let behind = *self.behind.lock().unwrap_or_else(PoisonError::into_inner);
        behind.map_or(Duration::ZERO, |(_, since)| Duration::from_micros(now.saturating_sub(since)))
    }

    async fn prepare(&self, authority: &Authority) -> Result<(), FetchError> {
        if self.following.applied().is_none() {
            self.take_kept(authority);
        }
        Ok(())
    }

    async fn renew(&self, authority: &Authority) -> Result<(), FetchError> {
        // Nobody but the authority can sign this; no log has this epoch.
        let nowhere = Epoch::from_bytes([0; 16]);
        match authority.feed(nowhere, 0, self.instance).await?.next(authority).await? {
            (Frame::Resync, sealed) => {
                self.down.resync(copied(&sealed));
                Ok(())
            }
            _ => Err(FetchError::OtherFrame),
        }
    }

    fn announced(&self, _: KeysMark, _: bool) {}

    fn feed_keys_changed(&self) {
        // Verifiers soon refuse what the key before has signed: all is fetched anew.
        self.following.wish_snapshot();
        self.following.wake.notify_one();
    }

    fn take(&self, frame: Frame, sealed: Bytes) {
        // Of its own, not a part of what was read at once.
        let sealed = copied(&sealed);
        let before = self.following.applied();
        match frame {
            Frame::Snapshot { position, entries } => {
                self.step(Event::Snapshot { position, entries });
                if self.following.applied() == Some(position) {
                    self.down.snapshot(position, sealed);
                }
            }
            Frame::Delta { position, entries } => {
                let first = entries.first().map_or(position.pos, |e| e.pos);
                self.step(Event::Delta { position, entries });
                if self.following.applied() == Some(position) && before != Some(position) {
                    self.down.delta(first, position, sealed);
                }
            }
            Frame::Beat(position) => {
                self.step(Event::Beat(position));
                if before.is_some_and(|p| p.epoch == position.epoch && position.pos <= p.pos) {
                    self.down.beat(position, sealed);
                }
            }
            Frame::Resync => self.step(Event::Resync),
            Frame::Keys(_) => self.down.keys(sealed),
            Frame::Ask { pos } => self.down.ask(pos, sealed),
            Frame::GoAway { .. } | Frame::Head(_) => {}
        }
    }
}

fn copied(sealed: &Bytes) -> Bytes {
    Bytes::copy_from_slice(sealed)
}

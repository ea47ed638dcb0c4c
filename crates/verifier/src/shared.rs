//! What all parts of one verifier share, and how the follower's effects reach those who check.
//!
//! One lock orders the events of the authority; a check takes none. Entries are in the set before the lease
//! that vouches for them is published.

use crate::builder::Settings;
use crate::check::{self, FactCache, Judged, Refusal, Terms, World};
use crate::clock::{Clock, Now};
use crate::ended::Waiters;
use crate::keys::KeyRing;
use crate::lease::{Lease, Moment};
use crate::online::Online;
use crate::principal::Principal;
use crate::set::RevocationSet;
use crate::state::{Effect, Event, Follower};
use arc_swap::ArcSwapOption;
use rescind_wire::frame::Position;
use rescind_wire::revocation::TokenKeys;
use rescind_wire::token::InvalidToken;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};

pub(crate) struct Core {
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) keys: KeyRing,
    pub(crate) online: Online,
    /// Who waits for the end of a token.
    pub(crate) waiters: Waiters,
    /// Wakes the feed's reader: it must reconnect or fetch a snapshot.
    pub(crate) feed_wake: Notify,
    /// Whether a first lease was ever published.
    pub(crate) ready: watch::Sender<bool>,
    set: RevocationSet,
    lease: ArcSwapOption<Lease>,
    facts: FactCache,
    follower: Mutex<Follower>,
    snapshot_wanted: AtomicBool,
}

/// How a verifier stands, for the application's readiness check.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Status {
    /// The log's epoch; none before the first snapshot.
    pub epoch: Option<rescind_wire::id::Epoch>,
    /// Position up to which every entry is applied.
    pub applied: u64,
    /// How old the knowledge is; none if nothing vouches for it. Written as milliseconds.
    #[serde(rename = "staleness_ms", serialize_with = "milliseconds")]
    pub staleness: Option<Duration>,
    /// Whether tokens are judged now; otherwise all get 503.
    pub ready: bool,
    /// Whether the authority contradicted itself, so that only a new epoch helps.
    pub stopped: bool,
    /// How many revocations are held.
    pub entries: usize,
    /// How many keys may verify.
    pub keys: usize,
}

fn milliseconds<S: serde::Serializer>(span: &Option<Duration>, s: S) -> Result<S::Ok, S::Error> {
    match span {
        Some(span) => s.serialize_u64(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)),
        None => s.serialize_none(),
    }
}

/// What a route demands beyond the realm's bound.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Demand {
    pub(crate) staleness: Option<Duration>,
    pub(crate) as_of: Option<Moment>,
    pub(crate) tolerate: Option<Duration>,
}

impl Core {
    pub(crate) fn new(settings: Settings, keys: KeyRing, clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            keys,
            online: Online::default(),
            waiters: Waiters::default(),
            feed_wake: Notify::new(),
            ready: watch::Sender::new(false),
            set: RevocationSet::new(),
            lease: ArcSwapOption::empty(),
            facts: FactCache::new(settings.cache_bytes),
            follower: Mutex::new(Follower::new()),
            snapshot_wanted: AtomicBool::new(true),
            settings,
        }
    }

    /// Judges a token. Gives the caller, and how it was judged.
    pub(crate) fn check(
        self: &Arc<Self>,
        token: &str,
        demand: Demand,
    ) -> Result<(Principal, Judged), Refusal> {
        if self.keys.expired(|| self.clock.now().boot_us) {
            return Err(Refusal::STALE);
        }
        let keys = self.keys.load();
        let expected = &self.settings.expected;
        let facts = match self.facts.facts(token, &keys.set, keys.version, expected) {
            Ok(facts) => facts,
            // Nothing is called invalid by who does not know the keys, or nothing at all.
            Err(InvalidToken::UnknownKey) if self.keys.outdated() => return Err(Refusal::STALE),
            Err(_) if self.lease.load().is_none() => return Err(Refusal::STALE),
            Err(cause) => return Err(cause.into()),
        };
        let terms = Terms {
            leeway: self.settings.leeway,
            staleness: [demand.staleness, self.settings.staleness].into_iter().flatten().min(),
            as_of: demand.as_of,
            tolerate: demand.tolerate,
        };
        let judged = check::judge(&facts, &**self, terms)?;
        Ok((Principal::new(facts, Arc::clone(self)), judged))
    }

    /// Takes an event of the authority and carries out what follows from it.
    pub(crate) fn step(&self, event: Event) {
        #[cfg(feature = "failpoints")]
        crate::defects::plant(&event, &self.set, &self.lease, self.clock.now());
        let mut follower = self.follower();
        for effect in follower.step(event) {
            self.carry_out(effect);
        }
        self.online.sending(follower.sent());
    }

    fn carry_out(&self, effect: Effect) {
        match effect {
            Effect::Insert(entries) => {
                entries.iter().for_each(|e| self.set.insert(e));
                self.waiters.wake(&entries);
            }
            Effect::Fresh(lease) => {
                self.lease.store(Some(Arc::new(lease)));
                self.online.leased(Some(lease));
                self.ready.send_replace(true);
            }
            Effect::EndLease => {
                self.lease.store(None);
                self.online.leased(None);
            }
            Effect::FetchSnapshot(why) => {
                tracing::info!(?why, "a snapshot is needed");
                self.snapshot_wanted.store(true, Ordering::SeqCst);
                self.feed_wake.notify_one();
            }
            Effect::Alarm(alarm) => {
                tracing::error!(?alarm, "the authority's log does not fit what it said before");
            }
        }
    }

    /// Whether a snapshot is due; asking takes the wish away.
    pub(crate) fn take_snapshot_wish(&self) -> bool {
        self.snapshot_wanted.swap(false, Ordering::SeqCst)
    }

    /// Whether a snapshot is due.
    pub(crate) fn snapshot_is_wished(&self) -> bool {
        self.snapshot_wanted.load(Ordering::SeqCst)
    }

    /// Makes the next round begin with a snapshot.
    pub(crate) fn wish_snapshot(&self) {
        self.snapshot_wanted.store(true, Ordering::SeqCst);
    }

    /// Where the log is applied.
    pub(crate) fn applied(&self) -> Option<Position> {
        self.follower().applied().copied()
    }

    /// For how long a head has waited for entries that the feed does not bring.
    pub(crate) fn lag(&self) -> Duration {
        let since = self.follower().behind_since();
        let now = self.clock.now().boot_us;
        since.map_or(Duration::ZERO, |s| Duration::from_micros(now.saturating_sub(s)))
    }

    /// Forgets entries whose tokens have all expired, by the earlier of wall and feed.
    pub(crate) fn prune(&self) {
        if let Some(lease) = World::lease(self) {
            self.set.prune(lease.earlier_s(self.clock.now()));
        }
    }

    pub(crate) fn status(&self) -> Status {
        let (applied, stopped) = {
            let follower = self.follower();
            (follower.applied().copied(), follower.stopped())
        };
        let keys = self.keys.load().set.len();
        let lease = World::lease(self);
        let now = self.clock.now();
        Status {
            epoch: applied.map(|p| p.epoch),
            applied: applied.map_or(0, |p| p.pos),
            staleness: lease.map(|l| l.staleness(now)),
            ready: keys > 0 && lease.is_some_and(|l| l.holds(now, self.settings.staleness)),
            stopped,
            entries: self.set.len(),
            keys,
        }
    }

    fn follower(&self) -> MutexGuard<'_, Follower> {
        self.follower.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World for Core {
    fn lease(&self) -> Option<Lease> {
        self.lease.load().as_deref().copied()
    }
    fn killed(&self, keys: &TokenKeys, rv: u64) -> bool {
        self.set.killed(keys, rv)
    }
    fn pruned_to(&self) -> u64 {
        self.set.pruned_to()
    }
    fn now(&self) -> Now {
        self.clock.now()
    }
}

//! What all parts of one verifier share, and how the follower's effects reach those who check.
//!
//! One lock orders the events of the authority; a check takes none. Entries are in the set before the lease
//! that vouches for them is published.

use crate::builder::Settings;
use crate::check::{self, Facts, Judged, Refusal, Terms, World};
use crate::clock::{Clock, Now};
use crate::ended::Waiters;
use crate::fetch::Authority;
use crate::following::{Following, Keeper};
use crate::keys::{KeyRing, Loaded};
use crate::known::{FactCache, Known};
use crate::lease::{Lease, Moment};
use crate::online::Online;
use crate::principal::Principal;
use crate::seen::{Status, Unavailable, Why503};
use crate::set::RevocationSet;
use crate::state::{Effect, Event};
use crate::trouble::FetchError;
use crate::turns::Turns;
use arc_swap::ArcSwapOption;
use rescind_wire::frame::KeysMark;
use rescind_wire::revocation::Target;
use rescind_wire::token::{self, InvalidToken, Unproven};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Sleep, sleep};

/// How long a token of an unknown key waits for the key set that is on its way: the pause between two fetches, and
/// a fetch.
const KEYS: Duration = Duration::from_secs(2);

pub(crate) struct Core {
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) keys: KeyRing,
    pub(crate) online: Online,
    /// Who waits for the end of a token.
    pub(crate) waiters: Waiters,
    /// Whether a first lease was ever published.
    pub(crate) ready: watch::Sender<bool>,
    set: RevocationSet,
    lease: ArcSwapOption<Lease>,
    /// The last lease that was withdrawn.
    withdrawn: ArcSwapOption<Lease>,
    pub(crate) facts: FactCache,
    turns: Turns,
    unavailable: Unavailable,
    following: Following,
    /// Whether the authority contradicted itself, for who must not wait for the follower.
    stopped: AtomicBool,
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
            ready: watch::Sender::new(false),
            set: RevocationSet::new(),
            lease: ArcSwapOption::empty(),
            withdrawn: ArcSwapOption::empty(),
            facts: FactCache::new(settings.cache_bytes),
            turns: Turns::new(settings.new_at_once),
            unavailable: Unavailable::default(),
            following: Following::new(),
            stopped: AtomicBool::new(false),
            settings,
        }
    }

    /// Judges a token here and now. Gives the caller, and how it was judged.
    pub(crate) fn check(
        self: &Arc<Self>,
        token: &str,
        demand: Demand,
    ) -> Result<(Principal, Judged), Refusal> {
        match self.check_known(token.as_bytes(), demand) {
            Some(judged) => judged,
            None => self.check_new(token, &self.read(token)?, demand),
        }
    }

    /// Judges a token that was verified before; any other is not judged. Nothing is allocated, but for
    /// the first look-up of a very long name.
    pub(crate) fn check_known(
        &self,
        token: &[u8],
        demand: Demand,
    ) -> Option<Result<(Principal, Judged), Refusal>> {
        if self.keys_too_old() && !self.monitors() {
            return Some(Err(Refusal::STALE));
        }
        let known = self.facts.get(token, self.keys.version())?;
        Some(self.judge(known, demand))
    }

    /// Judges a token in a request, whose turn it is to be verified if it is new.
    pub(crate) async fn check_in_turn(
        self: &Arc<Self>,
        token: &str,
        demand: Demand,
    ) -> Result<(Principal, Judged), Refusal> {
        if let Some(judged) = self.check_known(token.as_bytes(), demand) {
            return judged;
        }
        let unproven = self.read(token)?;
        let find_key = || {
            let keys = self.keys.load();
            unproven.key(&keys.set).map(drop).map_err(|why| self.refusal(token, &keys, why))
        };
        // Meanwhile somebody else may have had the same token verified.
        let check = || match self.check_known(token.as_bytes(), demand) {
            Some(judged) => judged,
            None => self.check_new(token, &unproven, demand),
        };
        self.turns.take(find_key, check).await
    }

    /// The same, which waits for a key set that is known to be on its way.
    pub(crate) async fn check_with_keys(
        self: &Arc<Self>,
        token: &str,
        demand: Demand,
    ) -> Result<(Principal, Judged), Refusal> {
        let mut limit: Option<Pin<Box<Sleep>>> = None;
        loop {
            let version = self.keys.load().version;
            let judged = self.check_in_turn(token, demand).await;
            if !matches!(judged, Err(Refusal::Stale { .. })) {
                return judged;
            }
            let comes = self.lacks_key_of(token) && {
                let limit = limit.get_or_insert_with(|| Box::pin(sleep(KEYS)));
                tokio::select! {
                    biased;
                    () = self.keys.next_attempt() => true,
                    () = limit => false,
                }
            };
            // The set may have come meanwhile; then nothing is lacking, or nobody has waited.
            if !comes && self.keys.load().version == version {
                return judged;
            }
        }
    }

    /// Takes a token apart.
    fn read<'a>(&self, token: &'a str) -> Result<Unproven<'a>, Refusal> {
        Unproven::read(token).map_err(|why| self.refusal(token, &self.keys.load(), why))
    }

    fn check_new(
        self: &Arc<Self>,
        token: &str,
        unproven: &Unproven<'_>,
        demand: Demand,
    ) -> Result<(Principal, Judged), Refusal> {
        let keys = self.keys.load();
        let verified = unproven
            .prove(&keys.set, &self.settings.expected)
            .map_err(|why| self.refusal(token, &keys, why))?;
        let facts = Facts::of(verified, keys.version);
        self.judge(
            self.facts.keep(token.as_bytes(), Known::new(facts, Arc::downgrade(self))),
            demand,
        )
    }

    /// What is said of a token that could not be verified with these keys.
    fn refusal(&self, token: &str, keys: &Loaded, cause: InvalidToken) -> Refusal {
        let nothing_known = || self.lease.load().is_none() && !self.monitors();
        let other_keys = || self.keys.outdated() || self.keys.load().version != keys.version;
        match cause {
            // Nothing is called invalid by who does not know the keys, or nothing at all.
            InvalidToken::UnknownKey if other_keys() => match self.key_is_revoked(token) {
                // The key came and was taken back before a set with it was fetched.
                true => Refusal::Revoked,
                false => Refusal::STALE,
            },
            _ if nothing_known() => Refusal::STALE,
            cause => cause.into(),
        }
    }

    /// Whether the token is of a key that may be in the set that is on its way.
    pub(crate) fn lacks_key_of(&self, token: &str) -> bool {
        let read = |set| Unproven::read(token)?.key(set).map(drop);
        self.keys.outdated() && read(&self.keys.load().set) == Err(InvalidToken::UnknownKey)
    }

    fn key_is_revoked(&self, token: &str) -> bool {
        token::claimed_kid(token).is_some_and(|kid| {
            let key = Target::Key(kid);
            let keys = [(key.scope(), key.key(&self.settings.expected.issuer))];
            self.set.killed(keys, 0)
        })
    }

    fn judge(&self, known: Arc<Known>, demand: Demand) -> Result<(Principal, Judged), Refusal> {
        let staleness = match (demand.staleness, self.settings.staleness) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        let terms = Terms {
            leeway: self.settings.leeway,
            staleness,
            as_of: demand.as_of,
            tolerate: demand.tolerate,
            monitor: self.monitors(),
        };
        let mut judged = check::judge(&known.facts, self, terms)?;
        judged.unproven |= self.keys_too_old();
        Ok((Principal::new(known), judged))
    }

    fn keys_too_old(&self) -> bool {
        self.keys.expired(|| self.clock.now().boot_us)
    }

    /// Whether staleness refuses nothing. Before anything was ever proven there is nothing to measure.
    pub(crate) fn monitors(&self) -> bool {
        self.settings.monitor && *self.ready.borrow()
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
                if let Some(lease) = self.lease.load_full() {
                    self.withdrawn.store(Some(lease));
                }
                self.lease.store(None);
                self.online.leased(None);
            }
            Effect::Acknowledge => self.online.acknowledge(),
            Effect::FetchSnapshot(why) => {
                if self.following.lack_snapshot() {
                    tracing::info!(?why, "a snapshot is needed");
                }
                self.following.wake.notify_one();
            }
            Effect::Alarm(alarm) => {
                tracing::error!(?alarm, "the authority's log does not fit what it said before");
            }
        }
    }

    /// From here on every check refuses: there is no lease any more, and no head gives one. In monitor mode
    /// it is as before the start. Who waits for the end of a token waits no longer.
    pub(crate) fn leave(&self) {
        self.step(Event::Left);
        self.ready.send_replace(false);
        self.waiters.close();
    }

    /// Forgets entries whose tokens have all expired, by the earlier of wall and feed; a part with each step.
    pub(crate) fn prune(&self) -> impl Iterator<Item = ()> {
        let lease = World::lease(self);
        lease.into_iter().flat_map(|lease| self.set.pruning(lease.earlier_s(self.clock.now())))
    }

    pub(crate) fn status(&self) -> Status {
        let (applied, lag, stopped) = {
            let follower = self.following.follower();
            (follower.applied().copied(), follower.behind(), follower.stopped())
        };
        let keys = self.keys.load().set.len();
        let lease = World::lease(self);
        let now = self.clock.now();
        Status {
            epoch: applied.map(|p| p.epoch),
            applied: applied.map_or(0, |p| p.pos),
            digest: applied.map(|p| p.digest),
            lag,
            staleness: lease.map(|l| l.staleness(now)),
            ready: keys > 0 && lease.is_some_and(|l| l.holds(now, self.settings.staleness)),
            stopped,
            entries: self.set.len(),
            keys,
            monitor: self.settings.monitor,
            unavailable: self.unavailable.counted(),
        }
    }

    /// Counts that a request was answered 503 because too many new tokens came.
    pub(crate) fn count_busy(&self) {
        self.unavailable.count(Why503::Busy);
    }

    /// Counts that a request was answered 503 for not knowing, or would have been; says why.
    pub(crate) fn count_unavailable(&self, online: bool) -> Why503 {
        let why = if self.stopped.load(Ordering::Relaxed) {
            Why503::Stopped
        } else if !*self.ready.borrow() {
            Why503::Starting
        } else if self.keys.outdated() {
            Why503::Keys
        } else if online
            && World::lease(self).is_some_and(|lease| lease.holds(self.clock.now(), None))
        {
            Why503::Online
        } else {
            Why503::Stale
        };
        self.unavailable.count(why);
        why
    }
}

impl Keeper for Core {
    fn following(&self) -> &Following {
        &self.following
    }

    fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    fn step(&self, event: Event) {
        #[cfg(feature = "failpoints")]
        crate::defects::plant(&event, &self.set, &self.lease, self.clock.now());
        let mut follower = self.following.follower();
        let effects = follower.step(event);
        self.stopped.store(follower.stopped(), Ordering::Relaxed);
        for effect in effects {
            self.carry_out(effect);
        }
        self.online.sending(follower.sent());
    }

    fn lag(&self) -> Duration {
        let since = self.following.follower().behind_since();
        let now = self.clock.now().boot_us;
        since.map_or(Duration::ZERO, |s| Duration::from_micros(now.saturating_sub(s)))
    }

    async fn prepare(&self, authority: &Authority) -> Result<(), FetchError> {
        if !self.keys.fetched() {
            return Ok(());
        }
        let document = authority.jwks().await?;
        self.keys.install(&document).map_err(|reason| {
            tracing::warn!(%reason, "the authority's key set is unusable");
            FetchError::Metadata("its JWKS holds no usable key")
        })
    }

    fn announced(&self, mark: KeysMark, answers: bool) {
        self.keys.announce(mark, answers, self.clock.now().boot_us);
    }
}

impl World for Core {
    fn lease(&self) -> Option<Lease> {
        self.lease.load().as_deref().copied()
    }
    fn withdrawn(&self) -> Option<Lease> {
        self.withdrawn.load().as_deref().copied()
    }
    fn killed(&self, facts: &Facts) -> bool {
        self.set.killed(facts.keys(), facts.claims.rv)
    }
    fn pruned_to(&self) -> u64 {
        self.set.pruned_to()
    }
    fn now(&self) -> Now {
        self.clock.now()
    }
}

#[cfg(test)]
mod tests;

//! The verifiers that are known: who asked for the head, from where in the log, and until when it may go on
//! accepting what it knows. From it comes what an operator sees, and when a revocation holds everywhere
//! ([`waiting`]).
//!
//! A verifier counts its freshness from when it *sent* a question. It is heard here when the question has
//! come, before the log is read, so a lease that does not speak of an entry ends a bound after a moment that
//! was noted before the entry was committed. Who is not noted for lack of room makes every answer doubtful
//! for that long; nobody is dropped silently.

pub(crate) mod waiting;

use super::places::Places;
use rescind_authority::clock::{Clock, Now};
use rescind_wire::frame::Position;
use rescind_wire::id::{Epoch, Instance};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use waiting::Waiting;

/// Most verifiers that are noted, and of one client, who may be a relay: more than may follow here. Each takes
/// less than 256 bytes, so all of them 13 MB.
const NOTED: (usize, usize) = (50_000, 10_000);
/// How often those whose lease is over are forgotten, in microseconds.
const SWEEP: u64 = 1_000_000;
/// Behind for longer than this is a laggard: a feed that works is milliseconds behind.
const LAGGING: Duration = Duration::from_secs(3);

/// What a verifier says of itself with each question.
#[derive(Debug, Clone, Copy)]
pub struct Word {
    /// Random per process.
    pub instance: Instance,
    /// The epoch that it follows; none before its first snapshot.
    pub epoch: Option<Epoch>,
    /// Up to where it has applied that epoch.
    pub applied: u64,
    /// Whether a relay says it for it.
    pub relayed: bool,
    /// It accepts nothing any more.
    pub leaving: bool,
}

impl Word {
    /// Whether it says that what stands at this position is refused there.
    fn enforces(&self, epoch: Epoch, pos: u64) -> bool {
        self.leaving || (self.epoch == Some(epoch) && self.applied >= pos)
    }
}

/// A verifier, as it is known here.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The client as which it follows: its own, or that of its relay.
    pub client_id: Arc<str>,
    /// Random per process.
    pub instance: Instance,
    /// Up to where it has applied the log, by its last question.
    pub applied: u64,
    /// Whether it is known by a relay's word alone.
    pub relayed: bool,
    /// How many entries it lacked then.
    pub lag: u64,
    /// How old its knowledge is at the least.
    pub staleness: Duration,
    /// Whether it follows the epoch in force.
    pub epoch_ok: bool,
    /// When it was first heard, in microseconds of the wall clock.
    pub since: u64,
}

impl Seen {
    /// Whether it is further behind than a feed that works.
    pub fn lags(&self) -> bool {
        !self.epoch_ok || self.staleness > LAGGING
    }
}

#[derive(Debug, Clone, Copy)]
struct Known {
    /// Wall time of the first question.
    since: u64,
    /// Boot time of the last one.
    asked_at: u64,
    word: Word,
    /// Where the log stood then.
    named: u64,
    /// Boot time of the last question whose answer it is known to have applied.
    fresh_at: u64,
}

#[derive(Default)]
struct State {
    clients: BTreeMap<Arc<str>, HashMap<Instance, Known>>,
    noted: usize,
    swept_at: u64,
    /// Until when somebody may accept who was not noted.
    excess_until: u64,
    /// How often somebody was not noted.
    excess: u64,
    waiting: HashMap<u64, Waiting>,
    drawn: u64,
}

/// The verifiers of a realm.
pub struct Fleet {
    clock: Arc<dyn Clock>,
    /// How long after a question whoever asked may accept by its answer, in microseconds.
    lease: u64,
    /// Boot time until which somebody may accept who asked before the beginning, and is not known.
    unknown_until: u64,
    state: Mutex<State>,
    /// For calls of people that wait.
    places: Places,
    /// The position that somebody waits for.
    wanted: watch::Sender<Option<(Epoch, u64)>>,
}

impl Fleet {
    /// Nobody is known yet. `staleness` is the realm's bound S; by that of `before` was answered who asked before.
    pub(super) fn new(clock: Arc<dyn Clock>, staleness: Duration, before: Duration) -> Self {
        let started_at = clock.now().boot;
        Self {
            lease: lease(staleness),
            unknown_until: started_at.saturating_add(lease(before.max(staleness))),
            clock,
            state: Mutex::default(),
            places: Places::new(waiting::PLACES.0, waiting::PLACES.1),
            wanted: watch::Sender::new(None),
        }
    }

    /// A verifier asks where the log stands. To be called when the question has come, before the log is read
    /// for its answer. `named` is the newest position of the feed.
    pub(super) fn heard(&self, client_id: &str, word: Word, named: Position) {
        let now = self.clock.now();
        let mut state = self.state();
        state.sweep(now.boot, self.lease);
        let client: Arc<str> = match state.clients.get_key_value(client_id) {
            Some((client, _)) => Arc::clone(client),
            None => client_id.into(),
        };
        // What a relay says of one that has gone is kept, so that answers say whose word it is.
        if word.leaving && !word.relayed {
            state.forget(&client, word.instance);
        } else if state.note(&client, word, named, now) {
            for waiting in state.waiting.values_mut() {
                waiting.heard(&client, word, now.boot);
            }
        } else {
            state.excess += 1;
            state.excess_until = now.boot.saturating_add(self.lease);
        }
    }

    /// All whose lease may not be over, by client.
    pub fn seen(&self, head: Position) -> Vec<Seen> {
        let now = self.clock.now().boot;
        let state = self.state();
        let living = state.living(now, self.lease).filter(|(_, known)| !known.word.leaving);
        let seen = |(client, known): (&Arc<str>, &Known)| Seen {
            client_id: Arc::clone(client),
            instance: known.word.instance,
            applied: known.word.applied,
            relayed: known.word.relayed,
            lag: known.named.saturating_sub(known.word.applied),
            staleness: Duration::from_micros(now.saturating_sub(known.proven())),
            epoch_ok: known.word.epoch == Some(head.epoch),
            since: known.since,
        };
        let mut all: Vec<Seen> = living.map(seen).collect();
        let order = |seen: &Seen| (Arc::clone(&seen.client_id), seen.since, seen.instance);
        all.sort_by_key(order);
        all
    }

    /// Whether nobody can accept any more by what was answered before the beginning.
    pub fn is_settled(&self) -> bool {
        self.clock.now().boot >= self.unknown_until
    }

    /// Whether nobody is known.
    pub fn is_empty(&self) -> bool {
        let now = self.clock.now().boot;
        self.state().living(now, self.lease).next().is_none()
    }

    /// How many calls wait for acknowledgements.
    pub fn waiting(&self) -> usize {
        self.state().waiting.len()
    }

    /// How often a verifier was not noted for lack of room.
    pub fn excess(&self) -> u64 {
        self.state().excess
    }

    /// The newest position that somebody waits for.
    pub(super) fn wanted(&self) -> watch::Receiver<Option<(Epoch, u64)>> {
        self.wanted.subscribe()
    }

    /// How long after one wish for acknowledgements the next may be sent: each costs a head of everybody.
    pub(super) fn breath(&self) -> Duration {
        let noted = u64::try_from(self.state().noted).unwrap_or(u64::MAX);
        Duration::from_micros(20_000 + noted.saturating_mul(100))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long somebody may accept by an answer with this bound, in microseconds of this clock: it may be faster than
/// true time, and theirs slower, so 2,000 ppm, and a little.
fn lease(bound: Duration) -> u64 {
    let bound = u64::try_from(bound.as_micros()).unwrap_or(u64::MAX);
    bound.saturating_add(bound / 500).saturating_add(10_000)
}

impl Known {
    /// Boot time up to which its knowledge is known to reach.
    fn proven(&self) -> u64 {
        match self.word.applied >= self.named {
            true => self.asked_at,
            false => self.fresh_at,
        }
    }
}

impl State {
    /// Those whose lease may not be over.
    fn living(&self, now: u64, lease: u64) -> impl Iterator<Item = (&Arc<str>, &Known)> {
        let all = self.clients.iter();
        let all = all.flat_map(|(client, known)| known.values().map(move |known| (client, known)));
        all.filter(move |(_, known)| known.asked_at.saturating_add(lease) > now)
    }

    fn sweep(&mut self, now: u64, lease: u64) {
        if now < self.swept_at.saturating_add(SWEEP) {
            return;
        }
        self.swept_at = now;
        self.clients.retain(|_, of| {
            of.retain(|_, known| known.asked_at.saturating_add(lease) > now);
            !of.is_empty()
        });
        self.noted = self.clients.values().map(HashMap::len).sum();
    }

    /// One has gone, and said so: its lease was over before.
    fn forget(&mut self, client: &Arc<str>, instance: Instance) {
        if let Some(of) = self.clients.get_mut(client) {
            self.noted -= usize::from(of.remove(&instance).is_some());
        }
        for waiting in self.waiting.values_mut() {
            waiting.left(client, instance);
        }
    }

    /// Whether there was room.
    fn note(&mut self, client: &Arc<str>, word: Word, named: Position, now: Now) -> bool {
        let of = self.clients.entry(Arc::clone(client)).or_default();
        if let Some(known) = of.get_mut(&word.instance) {
            // What was named is applied now, so the question of then has proven it.
            if word.applied >= known.named {
                known.fresh_at = known.asked_at;
            }
            (known.asked_at, known.word, known.named) = (now.boot, word, named.pos);
            return true;
        }
        if self.noted >= NOTED.0 || of.len() >= NOTED.1 {
            if of.is_empty() {
                self.clients.remove(client);
            }
            return false;
        }
        self.noted += 1;
        let (since, asked_at) = (now.wall, now.boot);
        of.insert(
            word.instance,
            Known { since, asked_at, word, named: named.pos, fresh_at: asked_at },
        );
        true
    }
}

#[cfg(test)]
mod tests;

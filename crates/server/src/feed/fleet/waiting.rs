//! Waiting until a revocation holds everywhere: each verifier that was known when it was committed has
//! applied it, or its lease is over, and then it accepts nothing by what it knew before, or it has said that it
//! goes, and accepts nothing at all.
//!
//! Whom the authority cannot know (it was started a moment ago, or had no room to note somebody) it waits
//! out as well. So when the wait is over nobody accepts, anywhere; the answer says what it took.

use super::{Fleet, Word};
use crate::feed::places::Place;
use rescind_wire::id::{Epoch, Instance};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout;

/// Most calls for which acknowledgements are counted at once, and most verifiers that all of them wait for
/// together, with less than 128 bytes each: 51 MB. Further ones wait out the bound.
pub(super) const MOST: usize = 64;
pub(super) const OPEN: usize = 400_000;
/// Most calls of people that wait at all, and of one person: a call goes on when its caller hangs up, so nothing
/// else bounds them.
pub(super) const PLACES: (usize, usize) = (1_024, 8);
/// How often a wait looks at the clock: its own timer stands still while the machine sleeps.
const LOOK: Duration = Duration::from_millis(100);
/// Most laggards that an answer names.
const NAMED: usize = 20;

type Who = (Arc<str>, Instance);

/// A call that waits.
pub(super) struct Waiting {
    epoch: Epoch,
    pos: u64,
    begun: u64,
    /// Those who have not acknowledged.
    open: HashMap<Who, Open>,
    of: usize,
    /// How many of the others are known to have it by a relay's word alone.
    relayed: usize,
    slowest: u64,
    changed: Arc<Notify>,
}

struct Open {
    /// Boot time at which its lease is over at the latest.
    until: u64,
    /// Whether it has asked since, and was behind.
    asked: bool,
}

impl Waiting {
    /// A verifier said where it is.
    pub(super) fn heard(&mut self, client: &Arc<str>, word: Word, now: u64) {
        let who = (Arc::clone(client), word.instance);
        if word.enforces(self.epoch, self.pos) {
            if self.open.remove(&who).is_some() {
                self.relayed += usize::from(word.relayed);
                self.slowest = self.slowest.max(now.saturating_sub(self.begun));
                self.changed.notify_one();
            }
        } else if let Some(open) = self.open.get_mut(&who) {
            open.asked = true;
        }
    }

    /// A verifier has gone: it is none of those who are waited for.
    pub(super) fn left(&mut self, client: &Arc<str>, instance: Instance) {
        if self.open.remove(&(Arc::clone(client), instance)).is_some() {
            self.of -= 1;
            self.changed.notify_one();
        }
    }
}

/// Why nobody can know who accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// The authority was started less than a bound ago, or less than the longer one of before.
    Restarted,
    /// There was no room to note every verifier.
    Excess,
    /// Too many calls wait: acknowledgements are not counted for this one.
    Busy,
}

impl Doubt {
    /// As answers say it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Restarted => "restarted",
            Self::Excess => "excess",
            Self::Busy => "busy",
        }
    }
}

/// A verifier that did not acknowledge.
#[derive(Debug, Clone)]
pub struct Laggard {
    /// As which client it follows.
    pub client_id: Arc<str>,
    /// Which of them.
    pub instance: Instance,
    /// Whether nothing was heard of it meanwhile: it is gone, or cut off.
    pub silent: bool,
}

/// Where a revocation holds.
#[derive(Debug, Clone)]
pub struct Enforced {
    /// How many verifiers have acknowledged it.
    pub on: usize,
    /// How many were known.
    pub of: usize,
    /// For how many of those that have it only a relay says so.
    pub relayed: usize,
    /// When the last of them did, if one did.
    pub slowest: Option<Duration>,
    /// Those who did not; their leases are over, unless the wait was cut short.
    pub laggards: Vec<Laggard>,
    /// Why the whole bound was waited out.
    pub doubt: Option<Doubt>,
    /// Whether nobody accepts any more. Only a wait with a limit may end before.
    pub complete: bool,
}

impl Enforced {
    /// As the routes answer it.
    pub fn to_json(&self) -> Value {
        let named = self.laggards.iter().take(NAMED);
        let named: Vec<Value> = named
            .map(|l| {
                json!({ "client_id": &*l.client_id, "instance": l.instance, "silent": l.silent })
            })
            .collect();
        json!({
            "on": self.on,
            "of": self.of,
            "relayed": self.relayed,
            "slowest_ms": self.slowest.map(|slowest| slowest.as_micros().div_ceil(1000) as u64),
            "laggards": named,
            "waited_out": self.doubt.is_some() || !self.laggards.is_empty(),
            "doubt": self.doubt.map(Doubt::name),
        })
    }
}

impl Fleet {
    /// A place for a call of this person that will wait, held until it is over; to be taken before anything is
    /// done.
    pub fn place(&self, person: &str) -> Option<Place> {
        self.places.take(person)
    }

    /// Waits until what stands at this position, which is committed, holds everywhere. With a limit: for the
    /// verifiers that are known, and no longer than that.
    pub async fn enforced(&self, epoch: Epoch, pos: u64, limit: Option<Duration>) -> Enforced {
        let begun = self.clock.now().boot;
        let (wait, doubt) = self.begin(epoch, pos, begun);
        let unknown = doubt.map_or(0, |(until, _)| until);
        let complete = match limit {
            None => {
                wait.over(unknown).await;
                true
            }
            Some(limit) => timeout(limit, wait.over(0)).await.is_ok() && doubt.is_none(),
        };
        wait.end(doubt.map(|(_, why)| why), complete)
    }

    /// Notes the call with all who have not acknowledged yet, and until when somebody may accept who is not
    /// known here.
    fn begin(&self, epoch: Epoch, pos: u64, now: u64) -> (Wait<'_>, Option<(u64, Doubt)>) {
        let mut state = self.state();
        let unknown = [(self.unknown_until, Doubt::Restarted), (state.excess_until, Doubt::Excess)];
        let doubt = unknown.into_iter().filter(|(until, _)| *until > now).max_by_key(|d| d.0);
        let changed = Arc::new(Notify::new());
        state.drawn += 1;
        let wait = Wait { fleet: self, number: state.drawn, changed: Arc::clone(&changed) };
        let waited_for: usize = state.waiting.values().map(|waiting| waiting.open.len()).sum();
        if state.waiting.len() >= MOST || waited_for + state.noted > OPEN {
            return (wait, Some((now.saturating_add(self.lease), Doubt::Busy)));
        }
        let (open, of, relayed, slowest) = (HashMap::new(), 0, 0, 0);
        let mut waiting = Waiting { epoch, pos, begun: now, open, of, relayed, slowest, changed };
        for (client, known) in state.living(now, self.lease) {
            waiting.of += 1;
            if known.word.enforces(epoch, pos) {
                waiting.relayed += usize::from(known.word.relayed);
            } else {
                let until = known.asked_at.saturating_add(self.lease);
                let who = (Arc::clone(client), known.word.instance);
                waiting.open.insert(who, Open { until, asked: false });
            }
        }
        if !waiting.open.is_empty() {
            self.want(epoch, pos);
        }
        state.waiting.insert(wait.number, waiting);
        (wait, doubt)
    }

    /// Has the followers asked. The newest position speaks for those before it.
    fn want(&self, epoch: Epoch, pos: u64) {
        self.wanted.send_modify(|wanted| {
            *wanted = match *wanted {
                Some((held, newest)) if held == epoch => Some((epoch, newest.max(pos))),
                _ => Some((epoch, pos)),
            };
        });
    }
}

/// A call under way; forgotten with it.
struct Wait<'a> {
    fleet: &'a Fleet,
    number: u64,
    changed: Arc<Notify>,
}

impl Wait<'_> {
    /// Boot time at which the last lease is over of those who have not acknowledged.
    fn until(&self) -> u64 {
        let state = self.fleet.state();
        let waiting = state.waiting.get(&self.number);
        let open = waiting.into_iter().flat_map(|waiting| waiting.open.values());
        open.map(|open| open.until).max().unwrap_or(0)
    }

    /// Resolves once all have acknowledged, or their leases are over, and it is `unknown` by the boot clock.
    async fn over(&self, unknown: u64) {
        loop {
            let (now, until) = (self.fleet.clock.now().boot, self.until().max(unknown));
            if now >= until {
                return;
            }
            let left = Duration::from_micros(until - now).min(LOOK);
            let _ = timeout(left, self.changed.notified()).await;
        }
    }

    fn end(&self, doubt: Option<Doubt>, complete: bool) -> Enforced {
        let waiting = self.fleet.state().waiting.remove(&self.number);
        let Some(waiting) = waiting else {
            let (slowest, laggards) = (None, Vec::new());
            return Enforced { on: 0, of: 0, relayed: 0, slowest, laggards, doubt, complete };
        };
        let laggard = |((client_id, instance), open): (Who, Open)| Laggard {
            client_id,
            instance,
            silent: !open.asked,
        };
        let on = waiting.of - waiting.open.len();
        Enforced {
            on,
            of: waiting.of,
            relayed: waiting.relayed,
            slowest: (on > 0).then(|| Duration::from_micros(waiting.slowest)),
            laggards: waiting.open.into_iter().map(laggard).collect(),
            doubt,
            complete,
        }
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.fleet.state().waiting.remove(&self.number);
    }
}

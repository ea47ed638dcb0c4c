//! From the log to a verifier: snapshot, feed, head, lease, a relay, and a revocation that is answered once
//! the whole fleet knows.
//!
//! The product's: [`Follower::step`](rescind_verifier::state::Follower::step), also as the relay's, the lease
//! and the verdict (see [`crate::verifier`]), [`Head::append`], positions and digests. The model's: the
//! authority's process with its crash between commit and publication; the network, which brings any
//! signed delta of the log that there is so far, again, late, in any order, with gaps, or never (so it takes
//! no step of its own that something committed is published late, or by the process after a crash); the
//! first snapshot or the last; beats of the open feed; answers to heads, each twice. A relay is trusted only to be
//! prompt: it serves what it has, and its heads are the authority's, read after the question came, so
//! that the way through it is only longer. The rule of the acknowledged revocation ("answered when every
//! verifier has acknowledged, has said goodbye, or its lease has run out; who was restarted waits out S") stands
//! here anew: the server's is woven into its waiting. A lost message is one that never comes; a suspended verifier
//! one that nothing reaches. A request that passed its look-up before a revocation was answered and is
//! judged after it is not counted: no protocol can take it back.
//!
//! Nothing that a verifier does depends on another, but that a revocation is answered when all know it. So the
//! unruly network is searched with one, and with one behind a relay; the fleet with two, in a network that brings
//! the log in order, in any parts and at any time (as a relay does), and each revocation is answered at the first
//! moment at which it may be. A crash of the authority breaks the feeds, at any time; only where revocations are answered does
//! it make a process forget, once. A verifier that may open its feed does: when makes no difference.
//!
//! Time is in ticks of a second, S is a little more than one; an entry does not expire, and the clocks of
//! expiry stand still ([`crate::clocks`]).

pub(crate) mod steps;
pub(crate) mod truth;

use crate::explored::{Search, mutant, print, whole};
use crate::realm::{ISSUER, LIFE, START, sid};
use crate::verifier::{Verifier, token};
use rescind_authority::store::Head;
use rescind_verifier::check::Facts;
use rescind_verifier::state::Follower;
use rescind_wire::frame::{self, Position};
use rescind_wire::id::Epoch;
use rescind_wire::revocation::{Digest, Entry};
use stateright::{Model, Property};
use std::sync::Arc;

/// The bound S, in milliseconds and in whole ticks.
pub(crate) const S: (u32, u64) = (1_100, 1);

/// A small change that breaks the promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutant {
    AnchorAtArrival,
    BeatExtends,
    PublishBeforeCommit,
    RelayFromMemory,
    RestartForgets,
    GoneAccepts,
}

/// How far a search goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) entries: usize,
    pub(crate) verifiers: usize,
    /// The last verifier stands behind the relay.
    pub(crate) relay: bool,
    pub(crate) heads: u8,
    pub(crate) ticks: u64,
    /// The network brings any part of the log, and the feed may say "resync".
    pub(crate) unruly: bool,
    /// Revocations are answered.
    pub(crate) fleet: bool,
}

/// The model.
pub(crate) struct Delivery {
    pub(crate) mutant: Option<Mutant>,
    bounds: Bounds,
    /// Token `n` is of session `n`, which entry `n` ends; the last one's is never ended.
    tokens: Vec<Facts>,
}

/// An entry, and where the log stands after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Logged {
    pub(crate) entry: Entry,
    pub(crate) after: Position,
    /// The tick of the commit, see [`Delivery::moment`].
    pub(crate) at: u64,
}

/// A head request under way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Asked {
    pub(crate) nonce: [u8; 16],
    /// What the question said is applied.
    pub(crate) applied: u64,
    pub(crate) answer: Option<frame::Head>,
}

/// A verifier and its connections.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Member {
    pub(crate) verifier: Verifier,
    pub(crate) asked: Vec<Asked>,
    pub(crate) sent: u8,
    /// What the authority's process knows of it.
    pub(crate) known: Option<Known>,
    /// How far its wall clock is off, in seconds; only in [`crate::joint`].
    pub(crate) wall_off: i64,
    /// For each request, how much of the log there was when it was sent; [`u64::MAX`] for one that no lease
    /// can rest on any more.
    pub(crate) then: Vec<u64>,
}

/// What the authority's process knows of a verifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Known {
    pub(crate) acked: u64,
    pub(crate) answered_at: u64,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) now: u64,
    pub(crate) head: Head,
    pub(crate) log: Vec<Logged>,
    /// How much of the log is durable: all, but for a mutant.
    pub(crate) durable: usize,
    pub(crate) crashed: bool,
    pub(crate) started: Option<u64>,
    /// The last revocation that was answered as known to the fleet.
    pub(crate) returned: u64,
    pub(crate) relay: Follower,
    /// The last answer that passed the relay.
    pub(crate) passed: Option<Position>,
    pub(crate) members: Vec<Arc<Member>>,
}

/// What can happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Tick,
    Commit,
    Harden,
    Crash,
    RelayTakes,
    Snapshot(usize, u64),
    Delta(usize, u64, u64),
    Beat(usize, u64),
    Resync(usize),
    Ask(usize),
    Answer(usize, usize),
    AnswerFromMemory(usize, usize),
    Head(usize, usize),
    Leave(usize),
}

impl Delivery {
    pub(crate) fn new(bounds: Bounds, mutant: Option<Mutant>) -> Self {
        let tokens = (0..=bounds.entries).map(|n| token(sid(n), 1, START)).collect();
        Self { mutant, bounds, tokens }
    }

    /// How far the one that a verifier speaks to can serve.
    fn reach(&self, state: &State, member: usize) -> u64 {
        if self.is_behind_relay(member) { state.relay_pos() } else { state.log.len() as u64 }
    }

    pub(crate) fn is_behind_relay(&self, member: usize) -> bool {
        self.bounds.relay && member + 1 == self.bounds.verifiers
    }

    fn of_member(&self, state: &State, i: usize, actions: &mut Vec<Action>) {
        let (member, reach) = (&state.members[i], self.reach(state, i));
        let applied = member.verifier.follower.applied().map(|p| p.pos);
        if member.verifier.wants_snapshot {
            actions.push(Action::Snapshot(i, reach));
            if self.bounds.unruly && reach > 0 {
                actions.push(Action::Snapshot(i, 0));
            }
        } else if self.bounds.unruly {
            actions
                .extend((1..=reach).flat_map(|a| (a..=reach).map(move |b| Action::Delta(i, a, b))));
            actions.extend([Action::Beat(i, reach), Action::Resync(i)]);
        } else if let Some(next) = applied.map(|pos| pos + 1) {
            actions.extend((next..=reach).map(|last| Action::Delta(i, next, last)));
        }
        let left = member.verifier.follower.left();
        if self.bounds.fleet && member.verifier.lease.is_some() && !left {
            actions.push(Action::Leave(i));
        }
        if member.sent < self.bounds.heads && !left {
            actions.push(Action::Ask(i));
        }
        for (which, asked) in member.asked.iter().enumerate() {
            match asked.answer {
                None => {
                    actions.push(Action::Answer(i, which));
                    if self.mutant == Some(Mutant::RelayFromMemory) && self.is_behind_relay(i) {
                        actions.push(Action::AnswerFromMemory(i, which));
                    }
                }
                Some(_) => actions.push(Action::Head(i, which)),
            }
        }
    }
}

impl Model for Delivery {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let epoch = Epoch::from_bytes([1; 16]);
        let digest = Digest::first(ISSUER, epoch);
        let head = Head { epoch, pos: 0, ts: START, digest, longest_life: LIFE, iat_limit: 0 };
        let mut relay = Follower::new();
        relay.step(truth::snapshot(&head, &[], 0));
        let mut verifier = Verifier::new();
        if !self.bounds.unruly {
            verifier.step(truth::snapshot(&head, &[], 0), false);
        }
        let (asked, then) = (Vec::new(), Vec::new());
        let member = Arc::new(Member { verifier, asked, sent: 0, known: None, wall_off: 0, then });
        vec![State {
            now: 0,
            head,
            log: Vec::new(),
            durable: 0,
            crashed: false,
            started: None,
            returned: 0,
            relay,
            passed: None,
            members: vec![member; self.bounds.verifiers],
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.now < self.bounds.ticks {
            actions.push(Action::Tick);
        }
        if state.log.len() < self.bounds.entries && state.durable == state.log.len() {
            actions.push(Action::Commit);
        }
        if state.durable < state.log.len() {
            actions.push(Action::Harden);
        }
        if !state.crashed {
            actions.push(Action::Crash);
        }
        if self.bounds.relay && state.relay_pos() < state.log.len() as u64 {
            actions.push(Action::RelayTakes);
        }
        (0..state.members.len()).for_each(|i| self.of_member(state, i, actions));
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        self.step(&mut state, action)?;
        self.returns(&mut state);
        if !self.bounds.relay {
            // Verifiers are alike: which of them is the first is no difference.
            state.members.sort_by_cached_key(print);
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = truth::properties();
        if self.mutant.is_none() {
            all.extend(truth::reached(&self.bounds));
        }
        all
    }
}

/// One verifier in an unruly network.
const ONE: Bounds = Bounds {
    entries: 3,
    verifiers: 1,
    relay: false,
    heads: 2,
    ticks: 2,
    unruly: true,
    fleet: false,
};
/// Behind the relay.
const BEHIND: Bounds = Bounds { relay: true, ..ONE };
/// Two verifiers, one of them behind the relay.
const RELAYED: Bounds = Bounds { verifiers: 2, relay: true, heads: 1, unruly: false, ..ONE };
/// Two verifiers, and revocations that are answered.
const FLEET: Bounds = Bounds { relay: false, fleet: true, ..RELAYED };

/// All searches and all mutants. These go further: they end where they are caught.
pub(crate) fn searches() -> impl Iterator<Item = Search> {
    let wholes = [
        ("delivery, an unruly network", ONE, "crashes at any time"),
        ("delivery, an unruly network behind a relay", BEHIND, "crashes at any time, 1 relay"),
        ("delivery, a relay", RELAYED, "crashes at any time, 1 relay"),
        ("delivery, a fleet", FLEET, "1 crash, each entry answered for"),
    ];
    let wholes = wholes.into_iter().map(|(name, bounds, more)| {
        let Bounds { entries, verifiers, heads, ticks, .. } = bounds;
        let said = format!(
            "{entries} entries, {verifiers} verifiers, {heads} heads each, {ticks} ticks, {more}"
        );
        whole(name, &said, Delivery::new(bounds, None))
    });
    wholes.chain(MUTANTS.into_iter().map(|(it, what, caught_by, bounds)| {
        mutant("delivery", what, caught_by, Delivery::new(bounds, Some(it)))
    }))
}

const MUTANTS: [(Mutant, &str, &str, Bounds); 6] = [
    (Mutant::AnchorAtArrival, "anchor at arrival", truth::I4, ONE),
    (Mutant::BeatExtends, "a beat extends the lease", truth::I4, ONE),
    (Mutant::PublishBeforeCommit, "publish before commit", truth::I12, ONE),
    (Mutant::RelayFromMemory, "relay answers max_age=0 from memory", truth::I3, BEHIND),
    (Mutant::RestartForgets, "restart forgets the waiting-out of S", truth::I5, FLEET),
    (Mutant::GoneAccepts, "a goodbye before the last acceptance", truth::I5, FLEET),
];

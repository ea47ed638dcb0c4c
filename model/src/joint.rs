//! All of it at once, walked at random: two authority nodes with their memories, the feed, a relay, two
//! verifiers with wall clocks of their own that jump, copies of the store that are put back, and a night after
//! which everything has expired.
//!
//! Too big to be searched whole, so it is made of the others' parts: the authority is the model of
//! [`crate::issue`] as it stands, its durable log is what the network of [`crate::delivery`] carries, and
//! epochs begin by the functions of [`crate::epochs`]. Its own are the places where they meet. What holds
//! in each of them must hold here.
//!
//! The authority's wall clock is right. An epoch begins with both nodes started anew: what was under way there is gone. What
//! truly happened before it counts from then on as position 0 of its log. After a restore that nobody can
//! notice (store and marker put back together, or before the marker knew), what was lost is not held against anybody; what
//! comes after it is.

mod state;
mod steps;
mod truth;

use crate::delivery::{self, Delivery};
use crate::explored::{Search, Walk, walk, walked_mutant};
use crate::issue::{self, Act, Issuing};
use crate::verifier::token;
use crate::{clocks, epochs};
use rescind_wire::token::Claims;
use state::State;
use stateright::{Model, Property};

/// How far a wall clock jumps, in seconds.
const HOUR: i64 = 3_600;
/// Most head requests of one verifier's process.
const HEADS: u8 = 200;
/// Verifiers. The last one stands behind the relay.
const VERIFIERS: usize = 2;

const ISSUE: issue::Bounds = issue::Bounds {
    acts: 4,
    kinds: &[
        Act::Logout,
        Act::Everywhere,
        Act::Grant,
        Act::Client,
        Act::Everything,
        Act::Roles,
        Act::Ban,
    ],
    jobs: 2,
    memory: true,
    store: true,
};

/// More entries and ticks than any walk comes to.
const DELIVERY: delivery::Bounds = delivery::Bounds {
    entries: 100,
    verifiers: VERIFIERS,
    relay: true,
    heads: HEADS,
    ticks: u64::MAX,
    unruly: true,
    fleet: true,
};

/// A mutant of one of the four.
#[derive(Debug, Clone, Copy)]
enum Mutant {
    Issue(issue::Mutant),
    Delivery(delivery::Mutant),
    Epochs(epochs::Mutant),
    Clocks(clocks::Mutant),
}

/// The model.
struct Joint {
    issuing: Issuing,
    delivery: Delivery,
    epochs: Option<epochs::Mutant>,
    clocks: Option<clocks::Mutant>,
    /// What a token of each session says at first.
    claims: [Claims; 3],
}

/// What can happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Issue(issue::Action),
    /// What can be done once in the model of issuing is done again.
    Again,
    Deliver(delivery::Action),
    Snapshot(usize),
    RelayTakes,
    /// A log that was lost is served once more.
    Lost(usize, usize),
    /// Another process in the place of a verifier.
    Begin(usize),
    Jump(usize, i64),
    Prune(usize),
    Night,
    Remember,
    Kill,
    Copy,
    Restore {
        marker: bool,
    },
}

impl Joint {
    fn new(mutant: Option<Mutant>) -> Self {
        let mut joint = Self {
            issuing: Issuing::new(ISSUE, None),
            delivery: Delivery::new(DELIVERY, None),
            epochs: None,
            clocks: None,
            claims: issue::state::SESSIONS.map(|n| token(crate::realm::sid(n), 1, 0).claims),
        };
        match mutant {
            Some(Mutant::Issue(it)) => joint.issuing = Issuing::new(ISSUE, Some(it)),
            Some(Mutant::Delivery(it)) => joint.delivery = Delivery::new(DELIVERY, Some(it)),
            Some(Mutant::Epochs(it)) => joint.epochs = Some(it),
            Some(Mutant::Clocks(it)) => joint.clocks = Some(it),
            None => {}
        }
        joint
    }

    fn of_member(&self, state: &State, i: usize, actions: &mut Vec<Action>) {
        use delivery::Action::{Answer, AnswerFromMemory, Ask, Beat, Delta, Head, Leave, Resync};
        let (member, reach) = (&state.delivery.members[i], self.reach(state, i));
        if member.verifier.wants_snapshot {
            actions.extend(reach.map(|_| Action::Snapshot(i)));
        } else if let Some(reach) = reach {
            let next = member.verifier.follower.applied().map_or(0, |p| p.pos) + 1;
            let parts = (next..=reach).map(|last| Delta(i, next, last));
            let ends = (1..=reach).map(|first| Delta(i, first, reach));
            actions.extend(parts.chain(ends).map(Action::Deliver));
            actions.extend([Beat(i, reach), Resync(i)].map(Action::Deliver));
        }
        actions.extend((0..state.lost.len()).map(|which| Action::Lost(i, which)));
        let left = member.verifier.follower.left();
        if member.sent < HEADS && member.asked.len() < 3 && !left {
            actions.push(Action::Deliver(Ask(i)));
        }
        // Where it matters: it could accept, and somebody waits for it. Else most walks would go on alone.
        let waits = state.delivery.returned < state.delivery.durable as u64;
        if member.verifier.lease.is_some() && waits && !left {
            actions.push(Action::Deliver(Leave(i)));
        }
        for (which, asked) in member.asked.iter().enumerate() {
            let step = if asked.answer.is_some() { Head(i, which) } else { Answer(i, which) };
            actions.push(Action::Deliver(step));
            if asked.answer.is_none() && self.answers_from_memory(state, i) {
                actions.push(Action::Deliver(AnswerFromMemory(i, which)));
            }
        }
        let jumps = [-HOUR, 0, HOUR].into_iter().filter(|to| *to != member.wall_off);
        actions.extend(jumps.map(|to| Action::Jump(i, to)));
        actions.extend(member.verifier.lease.map(|_| Action::Prune(i)));
        actions.push(Action::Begin(i));
    }
}

impl Model for Joint {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let (issuing, delivery) =
            (self.issuing.init_states().pop(), self.delivery.init_states().pop());
        issuing
            .zip(delivery)
            .map(|(issuing, delivery)| State::new(issuing, delivery))
            .into_iter()
            .collect()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let mut of_nodes = Vec::new();
        self.issuing.actions(&state.issuing, &mut of_nodes);
        actions.extend(of_nodes.into_iter().map(|action| match action {
            issue::Action::Night => Action::Night,
            action => Action::Issue(action),
        }));
        let position = state.issuing.durable.realm.head.position();
        let ready = [
            (true, Action::Again),
            (true, Action::Deliver(delivery::Action::Tick)),
            (true, Action::Deliver(delivery::Action::Crash)),
            (state.delivery.relay.applied() != Some(&position), Action::RelayTakes),
            (state.marker != state.mark(), Action::Remember),
            (true, Action::Kill),
            (state.restores < 2, Action::Copy),
            (state.copy.is_some() && state.restores < 2, Action::Restore { marker: false }),
            (state.copy.is_some() && state.restores < 2, Action::Restore { marker: true }),
        ];
        actions.extend(ready.into_iter().filter(|(ready, _)| *ready).map(|(_, action)| action));
        (0..VERIFIERS).for_each(|i| self.of_member(state, i, actions));
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        // No state comes twice, or a walk would end there.
        state.steps += 1;
        self.step(&mut state, action)?;
        self.follow(&mut state);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = truth::properties();
        all.extend(truth::reached());
        all
    }
}

/// The walk, and those of mutants: each ends where it is caught.
pub(crate) fn searches(to: Walk) -> impl Iterator<Item = Search> {
    let about = "2 nodes with caches, relay, 2 verifiers, 4 acts of 7 kinds, 2 restores, clocks ±1 h, 1 night";
    let whole = walk("joint", about, Joint::new(None), to);
    std::iter::once(whole).chain(MUTANTS.into_iter().map(move |(it, what, caught_by)| {
        walked_mutant("joint", what, caught_by, Joint::new(Some(it)), to)
    }))
}

const MUTANTS: [(Mutant, &str, &str); 22] = [
    (
        Mutant::Issue(issue::Mutant::CheckBeforeReading),
        "session checked before the reading",
        issue::truth::I7,
    ),
    (
        Mutant::Issue(issue::Mutant::PrimaryHead),
        "a memory check with the primary's head",
        issue::truth::I7,
    ),
    (Mutant::Issue(issue::Mutant::NoStamp), "cached facts without their reading", issue::truth::I7),
    (
        Mutant::Issue(issue::Mutant::StampLast),
        "cached facts with a reading of after them",
        issue::truth::I7,
    ),
    (Mutant::Issue(issue::Mutant::AtMost), "<= for <", issue::truth::L2),
    (Mutant::Issue(issue::Mutant::OneTime), "one ts for a batch", issue::truth::I6),
    (Mutant::Issue(issue::Mutant::PublishBeforeCommit), "publish before commit", issue::truth::I12),
    (Mutant::Issue(issue::Mutant::ByEntries), "sessions judged by entries", issue::truth::I8),
    (
        Mutant::Issue(issue::Mutant::KeptSession),
        "present session kept at replacement",
        issue::truth::I8,
    ),
    (
        Mutant::Issue(issue::Mutant::KeptAccount),
        "account not read again at sign-in",
        issue::truth::I8,
    ),
    (Mutant::Issue(issue::Mutant::OldFacts), "cached facts kept for ever", issue::truth::R60),
    (Mutant::Issue(issue::Mutant::OldSidKept), "old sid not cut at replacement", issue::truth::R60),
    (
        Mutant::Issue(issue::Mutant::AnsweredEarly),
        "answered before every node has applied it",
        issue::truth::R60,
    ),
    (
        Mutant::Delivery(delivery::Mutant::RestartForgets),
        "restart forgets the waiting-out of S",
        truth::I5,
    ),
    (
        Mutant::Delivery(delivery::Mutant::GoneAccepts),
        "a goodbye before the last acceptance",
        truth::I5,
    ),
    (Mutant::Delivery(delivery::Mutant::AnchorAtArrival), "anchor at arrival", truth::I4),
    (Mutant::Delivery(delivery::Mutant::BeatExtends), "a beat extends the lease", truth::I4),
    (
        Mutant::Delivery(delivery::Mutant::RelayFromMemory),
        "relay answers max_age=0 from memory",
        truth::I3,
    ),
    (
        Mutant::Epochs(epochs::Mutant::ResyncReplaces),
        "resync replaces instead of unions",
        truth::I2,
    ),
    (Mutant::Epochs(epochs::Mutant::MarkerWithoutEpoch), "marker without epoch", truth::KILL),
    (
        Mutant::Epochs(epochs::Mutant::FromStore),
        "a new epoch that begins at the store's ts",
        truth::I10,
    ),
    (Mutant::Clocks(clocks::Mutant::ExpByWall), "exp by the wall clock alone", truth::I9),
];

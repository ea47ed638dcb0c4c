//! Issuing against taking back: acts of every scope, a sign-in, a refresh, the token of a page, and a
//! renewed session, at two authority nodes with memories of their own, with one crash and one night.
//!
//! The store is the reference store's [`Realm`](rescind_authority::memory::Realm); jobs are decided one
//! after another in a batch, which one commit makes durable, and their answers leave after it. The page's
//! token takes its reading and its facts apart. A node applies the log entry by entry, keeps facts with the
//! log time that was read before them, and answers from them: today's product has one node, which asks the
//! store; what several nodes do is the design's rule, on `Reading::of_memory` that exists for it. An
//! act counts as answered at the first moment at which it may be: durable, and applied by both nodes.

pub(crate) mod state;
mod steps;
pub(crate) mod truth;

use crate::explored::{Search, mutant, print, whole};
use crate::realm::{SECOND, START, realm, sid};
use rescind_authority::clock::Now;
use rescind_wire::revocation::{Entry, TokenKeys};
use state::{FIRST, Node, SESSIONS, State, Step, Stored, Token};
use stateright::{Model, Property};

/// A small change that breaks the promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutant {
    CheckBeforeReading,
    PrimaryHead,
    AtMost,
    OneTime,
    PublishBeforeCommit,
    ByEntries,
    KeptSession,
    KeptAccount,
    NoStamp,
    StampLast,
    OldFacts,
    OldSidKept,
    AnsweredEarly,
}

/// What takes something back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Logout,
    Everywhere,
    Grant,
    Client,
    Everything,
    Roles,
    Ban,
}

/// How far a search goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Acts, each of one entry.
    pub(crate) acts: usize,
    pub(crate) kinds: &'static [Act],
    /// Jobs in one commit.
    pub(crate) jobs: usize,
    /// Whether nodes answer from memory.
    pub(crate) memory: bool,
    /// Whether there are a sign-in, a refresh, a page and a renewal.
    pub(crate) store: bool,
}

/// The model.
pub(crate) struct Issuing {
    mutant: Option<Mutant>,
    bounds: Bounds,
    pub(crate) keys: [TokenKeys; 3],
    audiences: Vec<String>,
}

/// What can happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Take(usize, Act),
    Refresh(usize),
    CheckSignIn,
    SignIn(usize),
    CheckRenewal { change: bool },
    Renew(usize),
    PageReads,
    PageSigns,
    Stamp(usize, usize),
    Load(usize),
    AnswerReads(usize),
    AnswerSigns(usize),
    Apply(usize),
    Commit,
    Crash { node: usize, committed: bool },
    Night,
}

impl Issuing {
    pub(crate) fn new(bounds: Bounds, mutant: Option<Mutant>) -> Self {
        let audiences = vec!["posts-api".to_owned()];
        let keys = SESSIONS.map(|n| truth::keys(sid(n), &audiences));
        Self { mutant, bounds, keys, audiences }
    }

    fn at(morning: bool) -> Now {
        let passed = if morning { 3_600 * SECOND } else { 0 };
        Now { wall: START + passed, boot: 1_000 * SECOND + passed }
    }

    /// Whether an entry is about tokens of session `n`.
    pub(crate) fn matches(&self, n: usize, entry: &Entry) -> bool {
        self.keys[n].iter().any(|key| key == (entry.scope, entry.key))
    }

    fn jobs(&self, state: &State, node: usize, actions: &mut Vec<Action>) {
        let free = match &state.batch {
            None => true,
            Some(batch) => state.nodes[node].writes && batch.jobs < self.bounds.jobs,
        };
        if !free {
            return;
        }
        if state.acts < self.bounds.acts {
            actions.extend(self.bounds.kinds.iter().map(|act| Action::Take(node, *act)));
        }
        if self.bounds.store && state.refresh == Step::Idle {
            actions.push(Action::Refresh(node));
        }
        if matches!(state.login, Step::Under(_)) {
            actions.push(Action::SignIn(node));
        }
        if matches!(state.renewal, Step::Under(_)) {
            actions.push(Action::Renew(node));
        }
    }

    fn of_node(&self, state: &State, i: usize, actions: &mut Vec<Action>) {
        let node = &state.nodes[i];
        self.jobs(state, i, actions);
        if node.applied.0.pos < state.published(self.mutant).pos() {
            actions.push(Action::Apply(i));
        }
        if !state.crashed {
            actions.push(Action::Crash { node: i, committed: false });
            if node.writes {
                actions.push(Action::Crash { node: i, committed: true });
            }
        }
        if !self.bounds.memory {
            return;
        }
        match node.loading {
            Step::Idle => {
                let exist = SESSIONS.into_iter().filter(|n| state.durable.exists[*n]);
                actions.extend(exist.map(|n| Action::Stamp(i, n)));
            }
            Step::Under(_) => actions.push(Action::Load(i)),
            _ => {}
        }
        match node.answering {
            Step::Idle if node.cache.is_some() => actions.push(Action::AnswerReads(i)),
            Step::Under(_) => actions.push(Action::AnswerSigns(i)),
            _ => {}
        }
    }

    fn step(&self, state: &mut State, action: Action) -> Option<()> {
        match action {
            Action::Take(node, act) => self.act(state, node, act),
            Action::Refresh(node) => self.refresh(state, node),
            Action::CheckSignIn => {
                let password = self.check_password(state, Mutant::KeptAccount)?;
                state.login = Step::Under(password);
            }
            Action::CheckRenewal { change } => {
                let password = self.check_password(state, Mutant::KeptSession)?;
                state.renewal = Step::Under((change, password));
            }
            Action::SignIn(node) => {
                let Step::Under(password) = state.login.clone() else { return None };
                self.sign_in(state, node, password);
            }
            Action::Renew(node) => {
                let Step::Under(renewal) = state.renewal.clone() else { return None };
                self.renew(state, node, renewal);
            }
            Action::PageReads => self.page_begins(state),
            Action::PageSigns => {
                let Step::Under(taken) = state.page.clone() else { return None };
                self.page_ends(state, &taken);
            }
            Action::Stamp(node, session) => self.load_begins(state, node, session),
            Action::Load(node) => {
                let Step::Under(loading) = state.nodes[node].loading.clone() else { return None };
                self.load_ends(state, node, &loading);
            }
            Action::AnswerReads(node) => self.answer_begins(state, node),
            Action::AnswerSigns(node) => {
                let Step::Under(begun) = state.nodes[node].answering.clone() else { return None };
                self.answer_ends(state, node, &begun);
            }
            Action::Apply(node) => self.apply(state, node),
            Action::Commit => self.commit(state, true),
            Action::Crash { node, committed } => self.crash(state, node, committed),
            Action::Night => self.night(state),
        }
        Some(())
    }
}

impl Model for Issuing {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let Ok(realm) = realm(FIRST) else { return Vec::new() };
        let durable = Stored::new(realm, None, Self::at(false));
        let rv = durable.realm.head.ts;
        let node = Node::new(&durable);
        let token = Token { session: FIRST, rv, seen: 0, began: 0, exact: true };
        vec![State {
            durable,
            batch: None,
            nodes: [node.clone(), node],
            login: Step::Idle,
            renewal: Step::Idle,
            refresh: Step::Idle,
            page: Step::Idle,
            tokens: vec![token],
            cuts: Vec::new(),
            births: [Some(0), None, None],
            generation: 0,
            acts: 0,
            answered: 0,
            orphan: false,
            crashed: false,
            morning: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        (0..2).for_each(|node| self.of_node(state, node, actions));
        if self.bounds.store {
            let processes = [
                (state.login == Step::Idle, Action::CheckSignIn),
                (state.renewal == Step::Idle, Action::CheckRenewal { change: false }),
                (state.renewal == Step::Idle, Action::CheckRenewal { change: true }),
                (state.page == Step::Idle, Action::PageReads),
                (matches!(state.page, Step::Under(_)), Action::PageSigns),
            ];
            actions.extend(processes.into_iter().filter(|(ready, _)| *ready).map(|(_, a)| a));
        }
        match state.batch {
            Some(_) => actions.push(Action::Commit),
            None if !state.morning => actions.push(Action::Night),
            None => {}
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        self.step(&mut state, action)?;
        state.tokens.sort();
        state.tokens.dedup();
        let by_all = state.nodes.iter().map(|n| n.applied.0.pos).min().unwrap_or(0);
        let answerable = match self.mutant {
            Some(Mutant::AnsweredEarly) => state.durable.pos(),
            _ => by_all.min(state.durable.pos()),
        };
        state.answered = state.answered.max(answerable);
        // The nodes are alike: which of them is the first is no difference.
        state.nodes.sort_by_cached_key(print);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = truth::properties();
        if self.mutant.is_none() {
            all.extend(truth::reached(self.bounds.store));
        }
        all
    }
}

const STORE: Bounds = Bounds {
    acts: 1,
    kinds: &[Act::Logout, Act::Everywhere, Act::Roles, Act::Ban],
    jobs: 2,
    memory: false,
    store: true,
};

const SCOPES: Bounds =
    Bounds { kinds: &[Act::Grant, Act::Client, Act::Everything], jobs: 1, ..STORE };

const MEMORY: Bounds = Bounds {
    acts: 2,
    kinds: &[Act::Logout, Act::Everywhere, Act::Roles, Act::Everything],
    jobs: 1,
    memory: true,
    store: false,
};

const WHOLE: [(&str, &str, Bounds); 3] = [
    (
        "issue, in the store",
        "2 nodes, 1 act of 4 kinds and a renewal (3 entries), batches of 2, 1 crash, 1 night",
        STORE,
    ),
    ("issue, in the store, other scopes", "the same with 3 kinds, batches of 1", SCOPES),
    ("issue, from memory", "2 nodes with caches, 2 acts of 4 kinds, 1 crash, 1 night", MEMORY),
];

/// The searches and all mutants.
pub(crate) fn searches() -> impl Iterator<Item = Search> {
    let new = Issuing::new;
    let wholes = WHOLE.into_iter().map(move |(name, about, b)| whole(name, about, new(b, None)));
    wholes.chain(MUTANTS.into_iter().map(move |(it, what, caught_by, bounds)| {
        mutant("issue", what, caught_by, new(bounds, Some(it)))
    }))
}

const MUTANTS: [(Mutant, &str, &str, Bounds); 13] = [
    (Mutant::CheckBeforeReading, "session checked before the reading", truth::I7, STORE),
    (Mutant::PrimaryHead, "a memory check with the primary's head", truth::I7, MEMORY),
    (Mutant::NoStamp, "cached facts without their reading", truth::I7, MEMORY),
    (Mutant::StampLast, "cached facts with a reading of after them", truth::I7, MEMORY),
    (Mutant::AtMost, "<= for <", truth::L2, STORE),
    (Mutant::OneTime, "one ts for a batch", truth::I6, STORE),
    (Mutant::PublishBeforeCommit, "publish before commit", truth::I12, STORE),
    (Mutant::ByEntries, "sessions judged by entries", truth::I8, STORE),
    (Mutant::KeptSession, "present session kept at replacement", truth::I8, STORE),
    (Mutant::KeptAccount, "account not read again at sign-in", truth::I8, STORE),
    (Mutant::OldFacts, "cached facts kept for ever", truth::R60, MEMORY),
    (Mutant::OldSidKept, "old sid not cut at replacement", truth::R60, STORE),
    (Mutant::AnsweredEarly, "answered before every node has applied it", truth::R60, MEMORY),
];

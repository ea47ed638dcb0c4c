//! What the joint model holds besides the states of those that it joins.

use crate::delivery::{self, Logged};
use crate::epochs::state::Mark;
use crate::issue;
use crate::issue::state::{Node, Step, Stored};
use crate::realm::{SECOND, START};
use rescind_authority::store::Head;
use rescind_wire::frame::Position;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a copy of the store would bring back, with what is true of it.
#[derive(Debug, Clone, PartialEq, Hash)]
pub(super) struct Copied {
    pub(super) issuing: issue::state::State,
    pub(super) log: Vec<Logged>,
    pub(super) marker: Mark,
}

/// A log that the store has no more.
#[derive(Debug, Clone, PartialEq, Hash)]
pub(super) struct Lost {
    pub(super) head: Head,
    pub(super) log: Vec<Logged>,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Hash)]
pub(crate) struct State {
    pub(super) issuing: issue::state::State,
    pub(super) delivery: delivery::State,
    pub(super) marker: Mark,
    pub(super) copy: Option<Arc<Copied>>,
    pub(super) lost: Vec<Arc<Lost>>,
    /// The newest head of each verifier, which it shows as evidence.
    pub(super) seen: [Option<Position>; super::VERIFIERS],
    /// Tokens of before the night.
    pub(super) expired: Vec<issue::state::Token>,
    /// The tick at which something took a token back, by its session and `rv`.
    pub(super) cut_at: BTreeMap<(usize, u64), u64>,
    pub(super) steps: usize,
    pub(super) restores: u8,
    pub(super) epochs: u8,
    /// Epochs that began on the evidence of a verifier.
    pub(super) shown: u8,
    /// The store was put back, and nobody has noticed yet.
    pub(super) unnoticed: bool,
    /// The latest log time ever given out.
    pub(super) highest: u64,
    /// An epoch did not begin after all that was given out.
    pub(super) low: bool,
    /// A kill was taken for a restore.
    pub(super) mistaken: bool,
}

impl State {
    pub(super) fn new(issuing: issue::state::State, delivery: delivery::State) -> Self {
        let head = issuing.durable.realm.head;
        Self {
            issuing,
            delivery,
            marker: (head.epoch, head.pos, head.ts),
            copy: None,
            lost: Vec::new(),
            seen: [None; super::VERIFIERS],
            expired: Vec::new(),
            cut_at: BTreeMap::new(),
            steps: 0,
            restores: 0,
            epochs: 0,
            shown: 0,
            unnoticed: false,
            highest: head.ts,
            low: false,
            mistaken: false,
        }
    }

    /// What the marker should say.
    pub(super) fn mark(&self) -> Mark {
        let head = self.issuing.durable.realm.head;
        (head.epoch, head.pos, head.ts)
    }

    /// The authority's wall clock, in microseconds.
    pub(super) fn wall(&self) -> u64 {
        START + self.delivery.now * SECOND
    }
}

fn undone<T>(step: &mut Step<T>) {
    if !matches!(step, Step::Done | Step::Refused | Step::Lost) {
        *step = Step::Idle;
    }
}

fn again<T>(step: &mut Step<T>) {
    if matches!(step, Step::Done | Step::Refused | Step::Lost) {
        *step = Step::Idle;
    }
}

impl issue::state::State {
    /// Both nodes begin anew: what was under way is gone.
    pub(super) fn begin_anew(&mut self) {
        self.batch = None;
        undone(&mut self.login);
        undone(&mut self.renewal);
        undone(&mut self.refresh);
        undone(&mut self.page);
        self.nodes = [(); 2].map(|()| Node::new(&self.durable));
    }

    /// A page, a refresh and the nodes may begin once more. Sign-ins may not: sessions have their ids.
    pub(super) fn again(&mut self) {
        again(&mut self.page);
        again(&mut self.refresh);
        for node in &mut self.nodes {
            again(&mut node.loading);
            again(&mut node.answering);
        }
    }

    /// The store says this from now on, in place of `self`, which is lost; time and the world go on.
    pub(super) fn put_back(&mut self, copy: &Self) -> Self {
        let mut now = copy.clone();
        now.acts = self.acts;
        now.crashed = self.crashed;
        // What was signed before the night has expired.
        now.tokens.retain(|_| now.morning == self.morning);
        now.morning = self.morning;
        undone(&mut self.login);
        undone(&mut self.renewal);
        now.login = if self.login == Step::Idle { Step::Idle } else { Step::Lost };
        now.renewal = if self.renewal == Step::Idle { Step::Idle } else { Step::Lost };
        now.begin_anew();
        std::mem::replace(self, now)
    }

    /// A new epoch begins. All that was before is position 0 of its log; its first entry cuts it.
    pub(super) fn rebase(&mut self, realm: rescind_authority::memory::Realm) {
        use issue::state::Cut;
        self.begin_anew();
        self.durable = Stored::new(realm, Some(&self.durable), self.now());
        self.begin_anew();
        let cut = if self.durable.active { Cut::Account } else { Cut::Ban };
        self.cuts = vec![(1, cut)];
        self.births = self.durable.exists.map(|exists| exists.then_some(0));
        self.answered = 0;
        for token in &mut self.tokens {
            (token.seen, token.began) = (0, 0);
        }
    }
}

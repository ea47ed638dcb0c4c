//! What the model of issuing holds: the store, two nodes, the operations under way, and what was given out.

use super::{Issuing, Mutant};
use crate::realm::{ISSUER, sid, sub};
use rescind_authority::account::AccountState;
use rescind_authority::clock::Now;
use rescind_authority::memory::Realm;
use rescind_authority::store::{AccountRef, Head, Load, Loaded};
use rescind_wire::revocation::{Digest, Entry};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// The session that is there at first, the one of a sign-in, the one that replaces the first.
pub(crate) const FIRST: usize = 0;
/// See [`FIRST`].
pub(crate) const SIGNED_IN: usize = 1;
/// See [`FIRST`].
pub(crate) const RENEWED: usize = 2;
/// All of them.
pub(crate) const SESSIONS: [usize; 3] = [FIRST, SIGNED_IN, RENEWED];

/// A realm as one value of the model: equal to another iff its print is.
#[derive(Clone)]
pub(crate) struct Stored {
    pub(crate) realm: Arc<Realm>,
    /// Every entry of the epoch there ever was, with the head after it.
    pub(crate) history: Arc<Vec<(Entry, Head)>>,
    /// Which sessions live, by the product's rule.
    pub(crate) alive: [bool; 3],
    /// Which sessions there are.
    pub(crate) exists: [bool; 3],
    /// Whether the account may sign in.
    pub(crate) active: bool,
    print: u64,
}

impl Stored {
    pub(crate) fn new(realm: Realm, before: Option<&Stored>, now: Now) -> Self {
        let before = before.filter(|b| b.realm.head.epoch == realm.head.epoch);
        let mut history = before.map(|b| Vec::clone(&b.history)).unwrap_or_default();
        let known = history.last().map_or(0, |(entry, _)| entry.pos);
        let mut hasher = DefaultHasher::new();
        let first = Digest::first(ISSUER, realm.head.epoch);
        let mut digest = before.map_or(first, |b| b.realm.head.digest);
        for entry in realm.entries().filter(|e| e.pos > known) {
            digest = digest.then(entry);
            let head = Head { pos: entry.pos, ts: entry.ts, digest, ..realm.head };
            history.push((*entry, head));
        }
        history.iter().for_each(|(entry, _)| entry.hash(&mut hasher));
        let head = realm.head;
        (head.pos, head.ts, head.digest.0, head.iat_limit).hash(&mut hasher);
        realm.entries().count().hash(&mut hasher);
        let (mut alive, mut exists, mut active) = ([false; 3], [false; 3], false);
        for n in SESSIONS {
            let loaded = realm.load(&of_session(n));
            print_facts(&loaded).hash(&mut hasher);
            alive[n] = loaded.alive(now.wall).is_some();
            exists[n] = loaded.session.is_some();
            active = loaded.account.is_some_and(|a| a.state == AccountState::Active);
        }
        let print = hasher.finish();
        Self { realm: Arc::new(realm), history: Arc::new(history), alive, exists, active, print }
    }

    pub(crate) fn pos(&self) -> u64 {
        self.realm.head.pos
    }
}

/// Loads session `n` with the account.
pub(crate) fn of_session(n: usize) -> Load {
    let account = Some(AccountRef::Sub(sub(1)));
    Load { session: Some(sid(n)), account, ..Load::default() }
}

fn print_facts(loaded: &Loaded) -> u64 {
    let mut hasher = DefaultHasher::new();
    if let Some(judged) = &loaded.session {
        (&judged.session, &judged.cutoffs).hash(&mut hasher);
    }
    if let Some(a) = &loaded.account {
        (a.state, a.password_version, &a.roles).hash(&mut hasher);
    }
    hasher.finish()
}

/// Facts that a node keeps, with their reading.
#[derive(Clone)]
pub(crate) struct Facts {
    pub(crate) session: usize,
    /// The log time that was read before they were loaded.
    pub(crate) stamp: u64,
    /// Where the log truly stood when they were loaded.
    pub(crate) seen: u64,
    /// Whether they were loaded after the night.
    pub(crate) morning: bool,
    pub(crate) loaded: Arc<Loaded>,
    print: u64,
}

impl Facts {
    pub(crate) fn new(
        session: usize,
        stamp: u64,
        (stored, loaded): (&Stored, Loaded),
        morning: bool,
    ) -> Self {
        let print = print_facts(&loaded);
        Self { session, stamp, seen: stored.pos(), morning, loaded: Arc::new(loaded), print }
    }
}

/// Equality and hash of what wraps plain data and a print of the rest.
macro_rules! by_print {
    ($name:ident, $self:ident => $key:expr) => {
        impl $name {
            fn identity(&self) -> impl Eq + Hash + fmt::Debug {
                let $self = self;
                $key
            }
        }
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.identity() == other.identity()
            }
        }
        impl Eq for $name {}
        impl Hash for $name {
            fn hash<H: Hasher>(&self, hasher: &mut H) {
                self.identity().hash(hasher);
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "{:?}"), self.identity())
            }
        }
    };
}

by_print!(Stored, s => (s.print, s.pos()));
by_print!(Facts, s => (s.session, s.stamp, s.seen, s.morning, s.print));
by_print!(Applied, s => (s.0.pos, s.0.ts, s.0.digest.0));

/// The head up to which a node has applied the log.
#[derive(Clone, Copy)]
pub(crate) struct Applied(pub(super) Head);

/// How one-shot operations stand.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step<T> {
    /// Not begun.
    Idle,
    /// Under way.
    Under(T),
    /// In the batch, not answered.
    Waiting,
    /// The same, and it will be a refusal: batch-mates that it has seen may yet be undone.
    Refusing,
    /// Accepted.
    Done,
    /// Refused.
    Refused,
    /// Durable, but the answer was lost.
    Lost,
}

/// A password was found right.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Password {
    pub(crate) version: u32,
    /// What was answered when it began.
    pub(crate) began: u64,
    /// For mutants that trust what was loaded then.
    pub(crate) then: Option<Stored>,
}

/// A reading was taken from the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Taken {
    pub(crate) head: Applied,
    pub(crate) began: u64,
    pub(crate) morning: bool,
    /// For the mutant that checks first.
    pub(crate) then: Option<Stored>,
}

/// A node is loading facts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Loading {
    pub(crate) session: usize,
    pub(crate) stamp: u64,
    /// For the mutant that stamps last.
    pub(crate) then: Option<Stored>,
}

/// A node answers from memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Answering {
    pub(crate) head: Applied,
    pub(crate) began: u64,
    pub(crate) morning: bool,
}

/// One authority node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    /// Whether the batch under way is its own.
    pub(crate) writes: bool,
    pub(crate) applied: Applied,
    /// What it has applied and not forgotten.
    pub(crate) entries: Vec<Entry>,
    pub(crate) cache: Option<Facts>,
    pub(crate) loading: Step<Loading>,
    pub(crate) answering: Step<Answering>,
}

impl Node {
    /// Which begins with what the store says.
    pub(crate) fn new(durable: &Stored) -> Self {
        Self {
            writes: false,
            applied: Applied(durable.realm.head),
            entries: durable.realm.snapshot(),
            cache: None,
            loading: Step::Idle,
            answering: Step::Idle,
        }
    }
}

/// A token that was given out, with what is true of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Token {
    pub(crate) session: usize,
    pub(crate) rv: u64,
    /// Where the log truly stood when its session was checked.
    pub(crate) seen: u64,
    /// What had been answered when its request began.
    pub(crate) began: u64,
    /// Checked and read in one transaction: its place in the log is exact.
    pub(crate) exact: bool,
}

/// What was truly taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Cut {
    /// One session.
    Session(usize),
    /// All that the account had.
    Account,
    /// The same, and no more for it.
    Ban,
    /// Access tokens that state old roles.
    Roles,
}

/// Jobs that are decided, and wait for one commit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Batch {
    pub(crate) stored: Stored,
    pub(crate) jobs: usize,
    pub(crate) tokens: Vec<Token>,
    pub(crate) cuts: Vec<(u64, Cut)>,
    pub(crate) births: [Option<u64>; 3],
    pub(crate) generation: u32,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) durable: Stored,
    pub(crate) batch: Option<Batch>,
    pub(crate) nodes: [Node; 2],
    pub(crate) login: Step<Password>,
    pub(crate) renewal: Step<(bool, Password)>,
    pub(crate) refresh: Step<()>,
    pub(crate) page: Step<Taken>,
    /// Given out and not expired.
    pub(crate) tokens: Vec<Token>,
    /// What was truly taken back, with where the log stood then.
    pub(crate) cuts: Vec<(u64, Cut)>,
    /// Where the log stood when each session was born.
    pub(crate) births: [Option<u64>; 3],
    /// The generation that the client of the first session holds.
    pub(crate) generation: u32,
    /// Acts begun.
    pub(crate) acts: usize,
    /// Up to where acts were answered: durable, and applied by every node.
    pub(crate) answered: u64,
    /// A session was made out of one that was dead by then.
    pub(crate) orphan: bool,
    pub(crate) crashed: bool,
    pub(crate) morning: bool,
}

impl State {
    /// Whether a session is truly dead where the log stood at `pos`.
    pub(crate) fn dead(&self, session: usize, pos: u64) -> bool {
        let born = self.births[session].unwrap_or(0);
        self.cuts.iter().filter(|(at, _)| *at <= pos).any(|(at, cut)| match cut {
            Cut::Session(one) => *one == session,
            Cut::Account => born < *at,
            Cut::Ban => true,
            Cut::Roles => false,
        })
    }
}

/// How a batch ended for those who wait for it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Answered,
    Unanswered,
    Undone,
}

fn settled<T>(step: &mut Step<T>, end: End) {
    let answer = match step {
        Step::Waiting => Step::Done,
        Step::Refusing => Step::Refused,
        _ => return,
    };
    *step = match end {
        End::Answered => answer,
        End::Unanswered => Step::Lost,
        End::Undone => Step::Idle,
    };
}

impl State {
    pub(super) fn settle(&mut self, end: End) {
        settled(&mut self.login, end);
        settled(&mut self.renewal, end);
        settled(&mut self.refresh, end);
        // A refresh whose answer was lost is sent again.
        if end == End::Unanswered && matches!(self.refresh, Step::Lost) {
            self.refresh = Step::Idle;
        }
        self.nodes.iter_mut().for_each(|node| node.writes = false);
    }

    /// What nodes can read of the log.
    pub(crate) fn published(&self, mutant: Option<Mutant>) -> &Stored {
        match (&self.batch, mutant) {
            (Some(batch), Some(Mutant::PublishBeforeCommit)) => &batch.stored,
            _ => &self.durable,
        }
    }

    /// Now, by both clocks.
    pub(crate) fn now(&self) -> Now {
        Issuing::at(self.morning)
    }

    /// [`State::dead`], with what the batch cuts.
    pub(super) fn dead_in_batch(&self, session: usize, pos: u64) -> bool {
        let mut with = self.clone();
        if let Some(batch) = &self.batch {
            with.cuts.extend(batch.cuts.iter().filter(|(at, _)| *at <= pos));
        }
        with.dead(session, pos)
    }
}

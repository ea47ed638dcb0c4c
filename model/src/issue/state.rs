//! What the model of issuing holds: the store, two nodes, the operations under way, and what was given out.

use crate::realm::{sid, sub};
use rescind_authority::account::AccountState;
use rescind_authority::clock::Now;
use rescind_authority::memory::Realm;
use rescind_authority::store::{AccountRef, Head, Load, Loaded};
use rescind_wire::revocation::Entry;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// The session that is there at first, the one of a sign-in, the one that replaces the first.
pub(super) const FIRST: usize = 0;
/// See [`FIRST`].
pub(super) const SIGNED_IN: usize = 1;
/// See [`FIRST`].
pub(super) const RENEWED: usize = 2;
/// All of them.
pub(super) const SESSIONS: [usize; 3] = [FIRST, SIGNED_IN, RENEWED];

/// A realm as one value of the model: equal to another iff its print is.
#[derive(Clone)]
pub(super) struct Stored {
    pub(super) realm: Arc<Realm>,
    /// Every entry there ever was, with the head after it.
    pub(super) history: Arc<Vec<(Entry, Head)>>,
    /// Which sessions live, by the product's rule.
    pub(super) alive: [bool; 3],
    /// Which sessions there are.
    pub(super) exists: [bool; 3],
    /// Whether the account may sign in.
    pub(super) active: bool,
    print: u64,
}

impl Stored {
    pub(super) fn new(realm: Realm, before: Option<&Stored>, now: Now) -> Self {
        let mut history = before.map(|b| Vec::clone(&b.history)).unwrap_or_default();
        let known = history.last().map_or(0, |(entry, _)| entry.pos);
        let mut hasher = DefaultHasher::new();
        let mut digest = before.map_or(realm.head.digest, |b| b.realm.head.digest);
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

    pub(super) fn pos(&self) -> u64 {
        self.realm.head.pos
    }
}

/// Loads session `n` with the account.
pub(super) fn of_session(n: usize) -> Load {
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
pub(super) struct Facts {
    pub(super) session: usize,
    /// The log time that was read before they were loaded.
    pub(super) stamp: u64,
    /// Where the log truly stood when they were loaded.
    pub(super) seen: u64,
    /// Whether they were loaded after the night.
    pub(super) morning: bool,
    pub(super) loaded: Arc<Loaded>,
    print: u64,
}

impl Facts {
    pub(super) fn new(
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
pub(super) struct Applied(pub(super) Head);

/// How one-shot operations stand.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step<T> {
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
pub(super) struct Password {
    pub(super) version: u32,
    /// What was answered when it began.
    pub(super) began: u64,
    /// For mutants that trust what was loaded then.
    pub(super) then: Option<Stored>,
}

/// A reading was taken from the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Taken {
    pub(super) head: Applied,
    pub(super) began: u64,
    pub(super) morning: bool,
    /// For the mutant that checks first.
    pub(super) then: Option<Stored>,
}

/// A node is loading facts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Loading {
    pub(super) session: usize,
    pub(super) stamp: u64,
    /// For the mutant that stamps last.
    pub(super) then: Option<Stored>,
}

/// A node answers from memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Answering {
    pub(super) head: Applied,
    pub(super) began: u64,
    pub(super) morning: bool,
}

/// One authority node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Node {
    /// Whether the batch under way is its own.
    pub(super) writes: bool,
    pub(super) applied: Applied,
    /// What it has applied and not forgotten.
    pub(super) entries: Vec<Entry>,
    pub(super) cache: Option<Facts>,
    pub(super) loading: Step<Loading>,
    pub(super) answering: Step<Answering>,
}

/// A token that was given out, with what is true of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Token {
    pub(super) session: usize,
    pub(super) rv: u64,
    /// Where the log truly stood when its session was checked.
    pub(super) seen: u64,
    /// What had been answered when its request began.
    pub(super) began: u64,
    /// Checked and read in one transaction: its place in the log is exact.
    pub(super) exact: bool,
}

/// What was truly taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Cut {
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
pub(super) struct Batch {
    pub(super) stored: Stored,
    pub(super) jobs: usize,
    pub(super) tokens: Vec<Token>,
    pub(super) cuts: Vec<(u64, Cut)>,
    pub(super) births: [Option<u64>; 3],
    pub(super) generation: u32,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(super) durable: Stored,
    pub(super) batch: Option<Batch>,
    pub(super) nodes: [Node; 2],
    pub(super) login: Step<Password>,
    pub(super) renewal: Step<(bool, Password)>,
    pub(super) refresh: Step<()>,
    pub(super) page: Step<Taken>,
    /// Given out and not expired.
    pub(super) tokens: Vec<Token>,
    /// What was truly taken back, with where the log stood then.
    pub(super) cuts: Vec<(u64, Cut)>,
    /// Where the log stood when each session was born.
    pub(super) births: [Option<u64>; 3],
    /// The generation that the client of the first session holds.
    pub(super) generation: u32,
    /// Acts begun.
    pub(super) acts: usize,
    /// Up to where acts were answered: durable, and applied by every node.
    pub(super) answered: u64,
    /// A session was made out of one that was dead by then.
    pub(super) orphan: bool,
    pub(super) crashed: bool,
    pub(super) morning: bool,
}

impl State {
    /// Whether a session is truly dead where the log stood at `pos`.
    pub(super) fn dead(&self, session: usize, pos: u64) -> bool {
        let born = self.births[session].unwrap_or(0);
        self.cuts.iter().filter(|(at, _)| *at <= pos).any(|(at, cut)| match cut {
            Cut::Session(one) => *one == session,
            Cut::Account => born < *at,
            Cut::Ban => true,
            Cut::Roles => false,
        })
    }
}

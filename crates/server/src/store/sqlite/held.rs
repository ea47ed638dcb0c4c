//! Sessions held in memory, so that most requests need no way through the database.
//!
//! All changes pass through the one writer. After each commit, and before anybody hears of it, the writer
//! applies here what it has changed ([`Change`]), so what is found here is never older than what anybody was
//! told. A reader puts in what it has read only if nothing of that session, and of no account, was changed since
//! before its read began ([`Ticket`]); else it could put back what the writer has just taken out. A store with
//! several writers could not promise that, and would have to bound the age of what it holds.

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use rescind_authority::held::{Held, Pool};
use rescind_authority::store::{Loaded, Write};
use rescind_wire::id::{Sid, Sub};
use rescind_wire::revocation::Target;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What sessions take in memory together, in bytes, if nothing else is said.
pub const HELD_BYTES: u64 = 64 * 1024 * 1024;
/// About what one takes, for a first division of the place.
const ABOUT: u64 = 256;
/// What the map adds to each session: its id, reference and links, and its part of the table.
const IN_THE_MAP: u64 = 64;
/// Sessions share a lock, and accounts a stamp, with others whose ids end alike. So a change takes out a few
/// that it need not.
const STRIPES: usize = 1 << 10;
const STAMPS: usize = 1 << 14;

/// The sessions.
pub(super) struct Sessions {
    all: Cache<Sid, Arc<Held>, Size>,
    pool: Pool,
    /// How often a session of this stripe was changed. Locked while one is put in or changed.
    stripes: Box<[Mutex<u64>]>,
    /// How often an account of this stamp was changed: a session is good while it has the same.
    stamps: Box<[AtomicU32]>,
    /// How often any account was changed.
    changed: AtomicU64,
}

#[derive(Clone)]
struct Size;

impl Weighter<Sid, Arc<Held>> for Size {
    fn weight(&self, _: &Sid, session: &Arc<Held>) -> u64 {
        session.size() as u64 + IN_THE_MAP
    }
}

/// How things stood before a read began.
pub(super) struct Ticket {
    sid: Sid,
    session: u64,
    accounts: u64,
}

/// What a transaction means for the sessions here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// This one was changed, or is gone.
    Session(Sid),
    /// Everything of this account was.
    Account(Sub),
    /// Everything may have been.
    All,
    /// A line moved on from this generation.
    Moved(Sid, u32, u64),
    /// The credential of this generation was first seen.
    Seen(Sid, u32, u64),
    /// There was a request.
    Touched(Sid, u64),
}

impl Change {
    /// What a write changes, if anything. Each kind of write stands here, so that no new one is forgotten.
    pub(super) fn of(write: &Write) -> Option<Self> {
        Some(match write {
            Write::Rehash { sub, .. }
            | Write::SetPassword { sub, .. }
            | Write::SetAccountState { sub, .. }
            | Write::SetRoles { sub, .. }
            | Write::DeleteAccount(sub) => Self::Account(*sub),
            Write::InsertAccount(account) => Self::Account(account.sub),
            Write::InsertSession(session) => Self::Session(session.sid),
            // The new one's id was free.
            Write::ReplaceSession { old, .. } => Self::Session(*old),
            Write::EndSession { sid, .. } | Write::NameSession { sid, .. } => Self::Session(*sid),
            Write::MoveLine { sid, from, at, .. } => Self::Moved(*sid, *from, *at),
            Write::Seen { sid, generation, at } => Self::Seen(*sid, *generation, *at),
            Write::Touch { sid, at } => Self::Touched(*sid, *at),
            Write::Revoke(target) => return Self::of_target(target),
            Write::DeleteClient(_) => Self::All,
            Write::RaiseIatLimit(_)
            | Write::InsertClient(_)
            | Write::SetClientSecret { .. }
            | Write::PutKey(_)
            | Write::MoveKey { .. }
            | Write::DropKey(_)
            | Write::Audit(_) => return None,
        })
    }

    /// What a revocation changes. Sessions are not judged by the scopes of tokens.
    fn of_target(target: &Target) -> Option<Self> {
        match target {
            Target::Session(sid) => Some(Self::Session(*sid)),
            Target::Subject(sub) | Target::Grant(sub, _) => Some(Self::Account(*sub)),
            Target::Client(_) | Target::Everything => Some(Self::All),
            Target::Token(_) | Target::Key(_) | Target::Audience(_) | Target::Claims(_) => None,
        }
    }
}

fn tail(id: &[u8; 16]) -> usize {
    usize::from(u16::from_le_bytes([id[14], id[15]]))
}

impl Sessions {
    /// None yet.
    pub(super) fn new() -> Self {
        let about = usize::try_from(HELD_BYTES / ABOUT).unwrap_or(usize::MAX);
        Self {
            all: Cache::with_weighter(about, HELD_BYTES, Size),
            pool: Pool::default(),
            stripes: (0..STRIPES).map(|_| Mutex::default()).collect(),
            stamps: (0..STAMPS).map(|_| AtomicU32::default()).collect(),
            changed: AtomicU64::default(),
        }
    }

    /// So many bytes at most.
    pub(super) fn bound(&self, bytes: u64) {
        self.all.set_capacity(bytes);
    }

    /// How many there are, and their size.
    pub(super) fn extent(&self) -> (usize, u64) {
        (self.all.len(), self.all.weight())
    }

    /// This one, if it is here and good.
    pub(super) fn get(&self, sid: Sid) -> Option<Arc<Held>> {
        self.all.get(&sid).filter(|session| session.stamp == self.stamp(session.sub).load(SeqCst))
    }

    /// Before a read begins.
    pub(super) fn ticket(&self, sid: Sid) -> Ticket {
        Ticket { sid, session: *self.stripe(sid), accounts: self.changed.load(SeqCst) }
    }

    /// Puts in what a read has found.
    pub(super) fn put(&self, ticket: &Ticket, loaded: &Loaded) {
        let (Some(judged), Some(account)) = (&loaded.session, &loaded.account) else { return };
        // Before the check below: a change that this stamp lacks has not yet raised it, or shows itself there.
        let stamp = self.stamp(account.sub).load(SeqCst);
        let Some(session) = Held::new(judged, account, stamp, &self.pool) else { return };
        let changes = self.stripe(ticket.sid);
        if *changes == ticket.session && self.changed.load(SeqCst) == ticket.accounts {
            self.all.insert(ticket.sid, Arc::new(session));
        }
    }

    /// Takes in what was committed, in its order, before anybody hears of it.
    pub(super) fn apply(&self, changes: &[Change]) {
        changes.iter().for_each(|change| self.apply_one(*change));
    }

    fn apply_one(&self, change: Change) {
        match change {
            Change::Account(sub) => {
                self.changed.fetch_add(1, SeqCst);
                self.stamp(sub).fetch_add(1, SeqCst);
            }
            Change::All => {
                self.changed.fetch_add(1, SeqCst);
                for stamp in &self.stamps {
                    stamp.fetch_add(1, SeqCst);
                }
            }
            Change::Session(sid) => self.replace(sid, |_| None),
            Change::Moved(sid, from, at) => self.replace(sid, |session| {
                session.moved(at).filter(|_| session.standing().generation == from)
            }),
            Change::Seen(sid, generation, at) => self.replace(sid, |session| {
                (session.standing().generation == generation).then(|| session.first_seen(at))
            }),
            Change::Touched(sid, at) => {
                let mut changes = self.stripe(sid);
                *changes += 1;
                if let Some(session) = self.all.peek(&sid) {
                    session.seen(at);
                }
            }
        }
    }

    /// Puts another in its place, or nothing.
    fn replace(&self, sid: Sid, with: impl FnOnce(&Held) -> Option<Held>) {
        let mut changes = self.stripe(sid);
        *changes += 1;
        match self.all.peek(&sid).and_then(|session| with(&session)) {
            // It may have been evicted since; then there is nothing to replace.
            Some(session) => drop(self.all.replace(sid, Arc::new(session), true)),
            None => drop(self.all.remove(&sid)),
        }
    }

    fn stripe(&self, sid: Sid) -> MutexGuard<'_, u64> {
        let stripe = &self.stripes[tail(sid.as_bytes()) % STRIPES];
        stripe.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stamp(&self, sub: Sub) -> &AtomicU32 {
        &self.stamps[tail(sub.as_bytes()) % STAMPS]
    }
}

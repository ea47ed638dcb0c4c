//! The store, its copies, the verifiers, and what truly happened.

use super::steps::has_lost;
use crate::realm::{SECOND, START, sid, sub};
use crate::verifier::{Verifier, token};
use rescind_authority::memory::Realm;
use rescind_authority::store::{AccountRef, Load};
use rescind_verifier::check::Facts;
use rescind_wire::frame::{Head, Position};
use rescind_wire::id::Epoch;
use rescind_wire::revocation::{Digest, Entry};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Most sessions.
const SESSIONS: usize = 4;

/// A realm as one value: equal to another iff head, log and living sessions are.
#[derive(Clone)]
pub(super) struct Stored {
    pub(super) realm: Arc<Realm>,
    pub(super) entries: Arc<Vec<Entry>>,
    /// Which sessions live, by the product's rule.
    pub(super) alive: [bool; SESSIONS],
}

impl Stored {
    pub(super) fn new(realm: Realm) -> Self {
        let alive = std::array::from_fn(|n| {
            let account = Some(AccountRef::Sub(owner(n)));
            let loaded = realm.load(&Load { session: Some(sid(n)), account, ..Load::default() });
            loaded.alive(START).is_some()
        });
        let entries = Arc::new(realm.entries().copied().collect());
        Self { realm: Arc::new(realm), entries, alive }
    }

    pub(super) fn position(&self) -> Position {
        self.realm.head.position()
    }

    /// What the authority concludes from a position that a verifier has seen.
    pub(super) fn has_lost(&self, seen: &Position) -> bool {
        has_lost(&self.realm.head, &self.entries, seen)
    }

    /// Whether the log has stood here.
    pub(super) fn has_stood_at(&self, position: &Position) -> bool {
        let before = self.entries.iter().take(position.pos as usize);
        let first = Digest::first(crate::realm::ISSUER, self.position().epoch);
        position.epoch == self.position().epoch
            && position.pos <= self.position().pos
            && before.fold(first, |digest, entry| digest.then(entry)) == position.digest
    }
}

/// Whose session `n` is.
pub(super) fn owner(n: usize) -> rescind_wire::id::Sub {
    sub(if n == 0 { 1 } else { 2 })
}

impl PartialEq for Stored {
    fn eq(&self, other: &Self) -> bool {
        (self.position(), self.alive) == (other.position(), other.alive)
    }
}

impl Eq for Stored {}

impl Hash for Stored {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.position(), self.alive).hash(state);
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.position().pos, self.position().ts, self.alive).fmt(f)
    }
}

/// Epoch, position and log time, as the marker keeps them.
pub(crate) type Mark = (Epoch, u64, u64);

pub(super) fn mark(stored: &Stored) -> Mark {
    let position = stored.position();
    (position.epoch, position.pos, position.ts)
}

/// A copy of the store, and of the marker beside it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Copied {
    pub(super) stored: Stored,
    pub(super) marker: Mark,
}

/// A token, and how much had been taken back when it was made.
#[derive(Clone)]
pub(super) struct Minted {
    pub(super) session: usize,
    pub(super) since: usize,
    /// Signed in an epoch that was lost with nobody noticing, while its log time lay ahead of the clock.
    pub(super) ahead: bool,
    pub(super) facts: Arc<Facts>,
}

impl Minted {
    pub(super) fn new(session: usize, owner: u8, rv: u64, since: usize) -> Self {
        Self { session, since, ahead: false, facts: Arc::new(token(sid(session), owner, rv)) }
    }

    fn identity(&self) -> (usize, usize, bool, u64) {
        (self.session, self.since, self.ahead, self.facts.claims.rv)
    }
}

impl PartialEq for Minted {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for Minted {}

impl Hash for Minted {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

impl fmt::Debug for Minted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.identity().fmt(f)
    }
}

/// An entry that was committed, and whether it was lost with nobody noticing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Ended {
    pub(super) entry: Entry,
    pub(super) excused: bool,
}

/// What truly was so when a head request was sent: how much was taken back, how many epochs had begun, how
/// many restores there had been.
pub(super) type Then = (usize, u8, u8);

/// A verifier.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Member {
    pub(super) verifier: Verifier,
    pub(super) seen: Option<Position>,
    pub(super) answer: Option<Head>,
    pub(super) sent: u8,
    pub(super) then: Vec<Then>,
}

impl Member {
    /// What was so when the request was sent that its lease rests on.
    pub(super) fn vouches(&self) -> Option<Then> {
        let lease = self.verifier.lease?;
        self.then.get((lease.request as usize).checked_sub(1)?).copied()
    }
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) stored: Stored,
    pub(super) marker: Mark,
    /// Seconds since the beginning.
    pub(super) wall: u64,
    pub(super) copies: Vec<Copied>,
    /// Stores that were replaced.
    pub(super) lost: Vec<Stored>,
    pub(super) restores: u8,
    pub(super) kills: u8,
    pub(super) revocations: u8,
    /// How many were opened.
    pub(super) epochs: u8,
    pub(super) minted: Vec<Minted>,
    /// In the order of the commits, entries that opened an epoch too.
    pub(super) ended: Vec<Ended>,
    /// The latest log time ever given out.
    pub(super) highest: u64,
    /// A kill was taken for a restore.
    pub(super) mistaken: bool,
    /// An epoch did not begin after all that was given out.
    pub(super) low: bool,
    pub(super) members: Vec<Arc<Member>>,
}

impl State {
    /// The log of the store, and after it those that were lost.
    pub(super) fn log(&self, which: usize) -> &Stored {
        which.checked_sub(1).and_then(|i| self.lost.get(i)).unwrap_or(&self.stored)
    }

    pub(super) fn member(&mut self, i: usize) -> &mut Member {
        Arc::make_mut(&mut self.members[i])
    }

    /// Microseconds of the wall clock.
    pub(super) fn now_us(&self) -> u64 {
        START + self.wall * SECOND
    }
}

//! What the model of the clocks holds: true time, two machines' clocks, the log, and one verifier.

use crate::realm::{SECOND, START};
use rescind_authority::clock::Now as AuthorityNow;
use rescind_authority::memory::Realm;
use rescind_authority::rollback::early_by;
use rescind_verifier::Now;
use rescind_verifier::lease::Lease;
use rescind_verifier::set::RevocationSet;
use rescind_wire::revocation::Entry;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// So far does time go on at once: more than the bound S.
pub(super) const TICK: u64 = 16;
/// So far may a wall clock be off.
pub(super) const HOUR: i64 = 3_600;

/// The log of the authority; the realm beside it changes with it alone.
#[derive(Clone)]
pub(super) struct Log(pub(super) Arc<Realm>);

impl Log {
    fn identity(&self) -> (u64, u64, usize) {
        (self.0.head.ts, self.0.head.iat_limit, self.0.entries().count())
    }
}

/// A lease, which says when its request was sent on both clocks.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Held(pub(super) Lease);

impl Held {
    fn identity(&self) -> (i64, i64, u64, u64, u64) {
        let Lease { anchor, utc_us, sent_boot_us, received_boot_us, .. } = self.0;
        (anchor.boot_us, anchor.wall_us, utc_us, sent_boot_us, received_boot_us)
    }
}

macro_rules! by_identity {
    ($($name:ident),*) => {$(
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
    )*};
}

by_identity!(Log, Held);

impl PartialEq for Log {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

/// A token as it was minted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Minted {
    pub(super) iat: u64,
    pub(super) exp: u64,
    pub(super) rv: u64,
}

/// What one check has been told so far, in the order of its calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Hash)]
pub(super) struct Told {
    pub(super) lease: Option<Option<Held>>,
    pub(super) killed: Option<bool>,
    pub(super) pruned_to: Option<u64>,
    pub(super) now: Option<(u64, u64)>,
    /// Whether the lease that was loaded vouches for the entry.
    pub(super) knew: bool,
}

/// How the check ended.
#[derive(Clone, Copy, Debug, PartialEq, Hash)]
pub(super) enum Verdict {
    Accepted {
        at: u64,
    },
    Revoked,
    /// Past `exp`, or before `iat`; `ahead` if a clock was ahead or the knowledge stale.
    Expired {
        at: u64,
        ahead: bool,
    },
    Stale,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Hash)]
pub(crate) struct State {
    /// True time since the beginning, in seconds.
    pub(super) t: u64,
    /// How far each wall clock is off, in seconds.
    pub(super) authority_off: i64,
    pub(super) verifier_off: i64,
    pub(super) jumps: usize,
    pub(super) restarts: usize,
    pub(super) log: Log,
    pub(super) token: Option<Minted>,
    /// The entry, with the true time of its commit.
    pub(super) revoked: Option<(Entry, u64)>,
    /// What the verifier was told and has not forgotten.
    pub(super) held: Option<Entry>,
    pub(super) applied: u64,
    pub(super) pruned_to: u64,
    pub(super) lease: Option<Held>,
    /// Up to where the lease vouches.
    pub(super) vouched: u64,
    /// Up to which second the authority has forgotten entries.
    pub(super) swept_to: u64,
    pub(super) joined: bool,
    pub(super) check: Told,
    pub(super) verdict: Option<Verdict>,
}

impl State {
    /// The verifier's clocks.
    pub(super) fn now(&self) -> Now {
        let boot = (1_000 + self.t) * SECOND;
        Now { boot_us: boot, wall_us: Self::wall(self.t, self.verifier_off) }
    }

    /// The authority's clocks.
    pub(super) fn authority_now(&self) -> AuthorityNow {
        let boot = (5_000 + self.t) * SECOND;
        AuthorityNow { boot, wall: Self::wall(self.t, self.authority_off) }
    }

    fn wall(t: u64, off: i64) -> u64 {
        (START + t * SECOND).saturating_add_signed(off * SECOND as i64)
    }

    /// The verifier's set, as it was filled and swept.
    pub(super) fn set(&self) -> RevocationSet {
        let set = RevocationSet::new();
        set.prune(self.pruned_to);
        self.held.iter().for_each(|entry| set.insert(entry));
        set
    }

    /// Whether the lease vouches for the entry: it was applied once, or was forgotten by the authority.
    pub(super) fn knew(&self) -> bool {
        self.lease.is_some() && self.revoked.is_some_and(|(entry, _)| self.vouched >= entry.pos)
    }

    /// Whether the authority may restart so far off.
    pub(super) fn may_restart(&self, off: i64) -> bool {
        early_by(self.swept_to, Self::wall(self.t, off)) == 0
    }
}

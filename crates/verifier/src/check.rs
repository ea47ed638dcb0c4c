//! Judging one token, without input or output, await or lock.
//!
//! The order is the safety: facts, **anchor**, **look-up**, **clock**. The anchor says up to when the set
//! is complete; loaded after the look-up, it could vouch for entries that the look-up did not see. The
//! clock is read last, so that a pause before it makes the lease look older, never younger.
//!
//! Verified facts may be kept ([`crate::known`]); the verdict never is.

pub use crate::facts::Facts;

use crate::clock::Now;
use crate::lease::{Lease, Moment};
use rescind_wire::token::InvalidToken;
use std::time::Duration;

/// Why a token does not pass. The cause is for this server's log: callers see 401 or 503.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The token is not good, and never becomes good. 401.
    #[error(transparent)]
    InvalidToken(#[from] InvalidToken),
    /// The token was taken back. 401.
    #[error("the token is revoked")]
    Revoked,
    /// It is not known whether the token was taken back: not ready yet, cut off from the authority, or
    /// stopped. 503.
    #[error("revocations are not known well enough to judge the token")]
    Stale {
        /// When to try again.
        retry_after: Duration,
    },
    /// Too many tokens that were not seen before are to be verified. Only in requests. 503.
    #[error("too many new tokens are being verified")]
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
}

impl Refusal {
    /// The usual "not known".
    pub(crate) const STALE: Self = Self::Stale { retry_after: Duration::from_secs(1) };
    /// The usual "too many".
    pub(crate) const BUSY: Self = Self::Busy { retry_after: Duration::from_secs(1) };
}

/// What a check asks of the world, one call per step.
pub trait World {
    /// The lease, as one value.
    fn lease(&self) -> Option<Lease>;
    /// The last one that was withdrawn. It vouches for nothing; what is left of it is the authority's time.
    fn withdrawn(&self) -> Option<Lease> {
        None
    }
    /// Whether the set kills the token.
    fn killed(&self, facts: &Facts) -> bool;
    /// The UTC second up to which the set has forgotten.
    fn pruned_to(&self) -> u64;
    /// Both clocks.
    fn now(&self) -> Now;
}

/// What is demanded beyond the realm's bound.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terms {
    /// Leeway for `exp`, `iat` and `nbf`, in seconds.
    pub leeway: u64,
    /// A tighter bound of staleness.
    pub staleness: Option<Duration>,
    /// Complete as of this moment.
    pub as_of: Option<Moment>,
    /// Knowledge beyond the bound is good enough up to here.
    pub tolerate: Option<Duration>,
    /// Not knowing is no reason to refuse: it is only told.
    pub monitor: bool,
}

/// A token was found good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judged {
    /// The UTC second by which it was judged.
    pub second: u64,
    /// How old the knowledge was, if that is beyond the bound.
    pub tolerated: Option<Duration>,
    /// It passed only because nothing is refused for not knowing ([`Terms::monitor`]).
    pub unproven: bool,
}

/// Judges a token by its facts.
pub fn judge(facts: &Facts, world: &impl World, terms: Terms) -> Result<Judged, Refusal> {
    let mut check = Check::of(facts);
    check.load_anchor(world);
    check.look_up(world);
    check.read_clock(world);
    check.verdict(terms)
}

/// A check under way. Its steps are apart so that tests can put them in another order.
struct Check<'a> {
    facts: &'a Facts,
    lease: Option<Lease>,
    withdrawn: Option<Lease>,
    killed: bool,
    pruned_to: u64,
    now: Now,
}

impl<'a> Check<'a> {
    fn of(facts: &'a Facts) -> Self {
        let (lease, withdrawn) = (None, None);
        Self { facts, lease, withdrawn, killed: true, pruned_to: 0, now: Now::default() }
    }

    fn load_anchor(&mut self, world: &impl World) {
        self.lease = world.lease();
        if self.lease.is_none() {
            self.withdrawn = world.withdrawn();
        }
    }

    fn look_up(&mut self, world: &impl World) {
        self.killed = world.killed(self.facts);
        // After the look-up: an entry that was pruned before it is accounted for.
        self.pruned_to = world.pruned_to();
    }

    fn read_clock(&mut self, world: &impl World) {
        self.now = world.now();
    }

    fn verdict(&self, terms: Terms) -> Result<Judged, Refusal> {
        if self.killed {
            return Err(Refusal::Revoked);
        }
        let Some(lease) = self.lease else {
            let wall = self.now.wall_us / 1_000_000;
            let second = self.withdrawn.map_or(wall, |lease| lease.later_s(self.now));
            let second = second.max(self.pruned_to);
            return self.unproven(second, terms);
        };
        let second = lease.later_s(self.now).max(self.pruned_to);
        self.facts.claims.check_time(second, terms.leeway)?;
        if terms.as_of.is_some_and(|moment| !lease.speaks_of(moment)) {
            return self.unproven(second, terms);
        }
        if lease.holds(self.now, terms.staleness) {
            return Ok(Judged { second, tolerated: None, unproven: false });
        }
        let staleness = lease.staleness(self.now);
        if terms.tolerate.is_some_and(|most| staleness <= most) {
            return Ok(Judged { second, tolerated: Some(staleness), unproven: false });
        }
        self.unproven(second, terms)
    }

    /// Nothing is known against the token, and too little for it.
    fn unproven(&self, second: u64, terms: Terms) -> Result<Judged, Refusal> {
        if !terms.monitor {
            return Err(Refusal::STALE);
        }
        self.facts.claims.check_time(second, terms.leeway)?;
        Ok(Judged { second, tolerated: None, unproven: true })
    }
}

#[cfg(test)]
mod tests;

//! How long what is known may be trusted.
//!
//! Owns the arithmetic of staleness and the two judging times. A [`Lease`] is made by [`crate::state`] from
//! one signed head, replaced as one value, and read by `check`. Nothing here reads a clock.

use crate::clock::Now;
use std::time::Duration;

/// Two clocks that each drift by 200 ppm, in opposite directions.
const DRIFT_PPM: u64 = 400;

/// "Everything committed before this instant is applied", on both clocks, in microseconds. Signed, for an
/// answer may be older than the machine's boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Anchor {
    /// On the boot clock.
    pub boot_us: i64,
    /// On the wall clock.
    pub wall_us: i64,
}

impl Anchor {
    /// The anchor of an answer to a request sent at `sent`, which the authority answered from knowledge that
    /// was `age_us` old.
    pub fn new(sent: Now, age_us: u64) -> Self {
        let age = signed(with_drift(age_us));
        Self {
            boot_us: signed(sent.boot_us).saturating_sub(age),
            wall_us: signed(sent.wall_us).saturating_sub(age),
        }
    }

    /// How stale the knowledge is, in microseconds: by the clock that says more. A wall clock that went back
    /// says nothing.
    pub fn staleness_us(&self, now: Now) -> u64 {
        let since = |now: u64, then: i64| signed(now).saturating_sub(then).max(0) as u64;
        with_drift(since(now.boot_us, self.boot_us).max(since(now.wall_us, self.wall_us)))
    }
}

fn signed(us: u64) -> i64 {
    i64::try_from(us).unwrap_or(i64::MAX)
}

/// Rounded up, so that the bound itself is already too stale.
fn with_drift(us: u64) -> u64 {
    us.saturating_add((us / 1_000_000).saturating_mul(DRIFT_PPM))
        .saturating_add(((us % 1_000_000) * DRIFT_PPM).div_ceil(1_000_000))
}

/// When something happened, by both measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// On the boot clock, in microseconds.
    pub boot_us: u64,
    /// How many head requests had been sent before.
    pub sent_before: u64,
}

/// One signed head whose position is applied: how fresh, until when, and what time the authority had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease {
    /// What is known is complete as of here.
    pub anchor: Anchor,
    /// Which of this verifier's head requests was answered, counted from 1. Clocks have ticks, in which
    /// two things can happen; this number tells what was sent after what.
    pub request: u64,
    /// The realm's bound S, in milliseconds.
    pub bound_ms: u32,
    /// The authority's UTC in the head, in microseconds.
    pub utc_us: u64,
    /// Boot clock when the request was sent: the authority read its clock later.
    pub sent_boot_us: u64,
    /// Boot clock when the head came: the authority read its clock earlier.
    pub received_boot_us: u64,
}

impl Lease {
    /// How stale the knowledge is now.
    pub fn staleness(&self, now: Now) -> Duration {
        Duration::from_micros(self.anchor.staleness_us(now))
    }

    /// Whether the realm's bound, and the tighter one of this server or route, still holds.
    pub fn holds(&self, now: Now, tighter: Option<Duration>) -> bool {
        let realm = Duration::from_millis(self.bound_ms.into());
        self.staleness(now) <= tighter.map_or(realm, |t| t.min(realm))
    }

    /// The one of two that reaches further; of equals, the one asked for later.
    pub fn newer(self, other: Self) -> Self {
        let reach = |lease: &Self| (lease.anchor.boot_us, lease.request);
        if reach(&other) > reach(&self) { other } else { self }
    }

    /// Whether the request behind this lease was sent after that moment.
    pub fn speaks_of(&self, moment: Moment) -> bool {
        self.request > moment.sent_before && self.anchor.boot_us >= signed(moment.boot_us)
    }

    /// UTC second by which `exp`, `iat` and `nbf` are judged: the later of wall and feed.
    pub fn later_s(&self, now: Now) -> u64 {
        let elapsed = now.boot_us.saturating_sub(self.sent_boot_us);
        self.utc_us.saturating_add(elapsed).max(now.wall_us) / 1_000_000
    }

    /// UTC second up to which entries may be forgotten: the earlier of wall and feed.
    pub fn earlier_s(&self, now: Now) -> u64 {
        let elapsed = now.boot_us.saturating_sub(self.received_boot_us);
        self.utc_us.saturating_add(elapsed).min(now.wall_us) / 1_000_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(boot_s: u64, wall_s: u64) -> Now {
        Now { boot_us: boot_s * 1_000_000, wall_us: wall_s * 1_000_000 }
    }

    fn lease(sent: Now) -> Lease {
        Lease {
            anchor: Anchor::new(sent, 0),
            request: 1,
            bound_ms: 10_000,
            utc_us: sent.wall_us,
            sent_boot_us: sent.boot_us,
            received_boot_us: sent.boot_us + 100_000,
        }
    }

    // P07
    #[test]
    fn a_lease_is_over_once_its_bound_has_passed_on_either_clock() {
        let lease = lease(at(100, 1_000_000));
        assert!(lease.holds(at(109, 1_000_009), None));
        assert!(!lease.holds(at(110, 1_000_000), None), "boot clock, drift counted");
        assert!(!lease.holds(at(101, 1_000_011), None), "wall clock");
        assert!(lease.holds(at(109, 900_000), None), "a wall clock set back says nothing");
        assert!(!lease.holds(at(110, 900_000), None), "and does not help");
    }

    #[test]
    fn a_tighter_bound_counts_and_a_looser_one_does_not() {
        let lease = lease(at(100, 1_000_000));
        assert!(!lease.holds(at(103, 1_000_003), Some(Duration::from_secs(2))));
        assert!(!lease.holds(at(111, 1_000_011), Some(Duration::from_secs(60))));
    }

    #[test]
    fn an_answer_older_than_the_machine_is_that_old() {
        let anchor = Anchor::new(at(5, 1_000_000), 3_600_000_000);
        assert!(anchor.boot_us < 0);
        assert!(anchor.staleness_us(at(6, 1_000_001)) > 3_600_000_000);
        assert!(anchor.staleness_us(at(6, 0)) > 3_600_000_000);
    }

    #[test]
    fn entries_are_forgotten_by_the_earlier_clock_and_tokens_judged_by_the_later() {
        let lease = lease(at(100, 1_000));
        assert_eq!(lease.earlier_s(at(110, 5_000)), 1_009, "counted from the arrival");
        assert_eq!(lease.earlier_s(at(110, 500)), 500);
        assert_eq!(lease.later_s(at(110, 500)), 1_010, "counted from the sending");
        assert_eq!(lease.later_s(at(110, 5_000)), 5_000);
    }

    proptest! {
        #[test]
        fn staleness_is_never_less_than_either_clock_says(
            sent_boot in 0..1u64 << 50, sent_wall in 0..1u64 << 50, age in any::<u64>(),
            boot in 0..1u64 << 50, wall in any::<u64>(),
        ) {
            let sent = Now { boot_us: sent_boot, wall_us: sent_wall };
            let now = Now { boot_us: sent_boot + boot, wall_us: wall };
            let staleness = u128::from(Anchor::new(sent, age).staleness_us(now));
            prop_assert!(staleness >= u128::from(boot).saturating_add(age.into()).min(i64::MAX as u128));
        }

        #[test]
        fn the_judging_time_is_never_before_the_pruning_time(
            sent in 0..1u64 << 50, took in 0..1u64 << 30, later in 0..1u64 << 40,
            utc in 0..1u64 << 50, wall in 0..1u64 << 50,
        ) {
            let lease = Lease {
                utc_us: utc, sent_boot_us: sent, received_boot_us: sent + took,
                ..lease(Now { boot_us: sent, wall_us: wall })
            };
            let now = Now { boot_us: sent + took + later, wall_us: wall };
            prop_assert!(lease.earlier_s(now) <= lease.later_s(now));
        }
    }
}

//! The operating system's clocks and randomness: the only place that asks for them.

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use rescind_authority::clock::{Clock, Entropy, Now};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// A wall clock that steps further than this between two readings is not followed.
const STEP: u64 = 5_000_000;
/// A step is reported at most so often, in microseconds.
const REPORT_EVERY: u64 = 60_000_000;

/// Wall clock and CLOCK_BOOTTIME (which counts while the machine sleeps).
///
/// The wall clock is followed while it goes on like the boot clock. One that jumps, forward or back, is
/// not: it would revive what has expired, stretch a grace time or end every session. Time then goes on
/// by the boot clock, an alarm says so, and a restart takes the wall clock as it is.
pub struct SystemClock {
    machine: Box<dyn Fn() -> Now + Send + Sync>,
    state: Mutex<State>,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::reading(machine)
    }
}

impl SystemClock {
    /// One that reads other clocks than [`machine`]'s, and trusts them as little.
    pub fn reading(machine: impl Fn() -> Now + Send + Sync + 'static) -> Self {
        Self { machine: Box::new(machine), state: Mutex::default() }
    }
}

#[derive(Debug, Default)]
struct State {
    last: Option<Now>,
    stepped: bool,
    reported_at: Option<u64>,
}

impl Clock for SystemClock {
    fn now(&self) -> Now {
        let machine = (self.machine)();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, stepped) = match state.last {
            None => (machine, false),
            Some(last) => steady(last, machine),
        };
        state.last = Some(now);
        state.stepped = stepped;
        let report = stepped
            && state.reported_at.is_none_or(|at| now.boot.saturating_sub(at) >= REPORT_EVERY);
        if report {
            state.reported_at = Some(now.boot);
            drop(state);
            let off = machine.wall.abs_diff(now.wall) / 1_000_000;
            tracing::error!(
                event = "clock_stepped",
                alarm = true,
                off,
                "the wall clock has jumped and is not followed: set it right, then restart"
            );
        }
        now
    }

    fn stepped(&self) -> bool {
        self.now();
        self.state.lock().unwrap_or_else(PoisonError::into_inner).stepped
    }
}

/// What the machine says.
#[expect(clippy::disallowed_methods, reason = "this is the clock that is injected")]
pub fn machine() -> Now {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let boot = boot.tv_sec.unsigned_abs() * 1_000_000 + boot.tv_nsec.unsigned_abs() / 1000;
    Now { wall: u64::try_from(wall.as_micros()).unwrap_or(u64::MAX), boot }
}

/// The time after `last`, and whether the machine's wall clock has stepped away from it. Never goes back.
fn steady(last: Now, machine: Now) -> (Now, bool) {
    let boot = machine.boot.max(last.boot);
    let expected = last.wall.saturating_add(boot - last.boot);
    if machine.wall.abs_diff(expected) > STEP {
        return (Now { wall: expected, boot }, true);
    }
    (Now { wall: machine.wall.max(last.wall), boot }, false)
}

/// The operating system's generator.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        #[expect(clippy::disallowed_methods, reason = "this is the randomness that is injected")]
        let drawn = SystemRandom::new().fill(buffer);
        #[expect(clippy::expect_used, reason = "without randomness nothing may go on")]
        drawn.expect("the operating system gives no randomness");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn at(wall_s: u64, boot_s: u64) -> Now {
        Now { wall: wall_s * SECOND, boot: boot_s * SECOND }
    }

    #[test]
    fn a_wall_clock_that_jumps_is_not_followed_in_either_direction() {
        let last = at(10_000, 100);
        for jumped in [at(13_601, 101), at(6_401, 101)] {
            assert_eq!(steady(last, jumped), (at(10_001, 101), true));
        }
        // Set right again, it is followed again.
        assert_eq!(steady(at(10_001, 101), at(10_003, 102)), (at(10_003, 102), false));
    }

    #[test]
    fn a_wall_clock_that_is_disciplined_is_followed_but_never_back() {
        assert_eq!(steady(at(10_000, 100), at(10_003, 102)), (at(10_003, 102), false));
        assert_eq!(steady(at(10_000, 100), at(9_999, 101)), (at(10_000, 101), false));
    }

    #[test]
    fn a_clock_says_whether_it_goes_on_without_the_wall_clock() {
        let clock = SystemClock::default();
        assert!(!clock.stepped());
        let hour = 3600 * SECOND;
        let last = Now { wall: machine().wall + hour, ..machine() };
        let clock = SystemClock::default();
        clock.state.lock().unwrap().last = Some(last);
        assert!(clock.stepped());
    }

    #[test]
    fn a_night_asleep_is_no_jump() {
        let (before, after) = (at(10_000, 100), at(10_000 + 30_000, 100 + 30_000));
        assert_eq!(steady(before, after), (after, false));
    }
}

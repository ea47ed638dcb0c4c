//! What time it is, on two clocks at once.
//!
//! Owns the only places of this crate that read a clock. It refuses `Instant`: on Linux that clock stands
//! still while the machine sleeps, and a lease would outlive a night. Used by [`crate::lease`].

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// One reading of both clocks, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Now {
    /// Since some fixed moment; never goes back, goes on while the machine sleeps.
    pub boot_us: u64,
    /// Since 1970 UTC, as the machine believes; may jump.
    pub wall_us: u64,
}

/// Where the time comes from. Given at construction, read once per check.
pub trait Clock: Send + Sync + 'static {
    /// Reads both clocks.
    fn now(&self) -> Now;
}

/// The machine's clocks: `CLOCK_BOOTTIME` on Linux and Android; on other Unix systems
/// `CLOCK_MONOTONIC` (on macOS it goes on during sleep; on the BSDs it may not, and the wall clock then
/// shows the staleness); elsewhere the standard library's monotonic clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[cfg(unix)]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the adapter to the system's clocks")]
    fn now(&self) -> Now {
        use rustix::time::{ClockId, clock_gettime};
        #[cfg(any(target_os = "linux", target_os = "android"))]
        const BOOT: ClockId = ClockId::Boottime;
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        const BOOT: ClockId = ClockId::Monotonic;
        let micros = |id| {
            let t = clock_gettime(id);
            // Both clocks count up from a moment in the past: neither field is negative.
            (t.tv_sec as u64).saturating_mul(1_000_000) + t.tv_nsec as u64 / 1_000
        };
        Now { boot_us: micros(BOOT), wall_us: micros(ClockId::Realtime) }
    }
}

#[cfg(not(unix))]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the adapter to the system's clocks")]
    fn now(&self) -> Now {
        use std::sync::OnceLock;
        use std::time::{Instant, SystemTime};
        static START: OnceLock<Instant> = OnceLock::new();
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Now {
            boot_us: START.get_or_init(Instant::now).elapsed().as_micros() as u64,
            wall_us: wall.map_or(0, |d| d.as_micros() as u64),
        }
    }
}

/// A clock that moves only when told to, for tests.
#[derive(Debug, Default)]
pub struct ManualClock(Mutex<Now>);

impl ManualClock {
    /// A clock that stands at `now`.
    pub fn at(now: Now) -> Self {
        Self(Mutex::new(now))
    }

    /// Moves both clocks on.
    pub fn advance(&self, by: Duration) {
        let by = by.as_micros() as u64;
        self.change(|now| {
            now.boot_us += by;
            now.wall_us += by;
        });
    }

    /// Sets the wall clock alone, forwards or backwards.
    pub fn set_wall(&self, wall_us: u64) {
        self.change(|now| now.wall_us = wall_us);
    }

    fn change(&self, f: impl FnOnce(&mut Now)) {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Now {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_clock_never_goes_back_and_the_wall_clock_is_this_century() {
        let readings: Vec<_> = (0..1000).map(|_| SystemClock.now()).collect();
        assert!(readings.is_sorted_by_key(|n| n.boot_us));
        assert!(readings[0].wall_us > 1_700_000_000_000_000);
    }

    #[test]
    fn the_manual_clock_moves_only_when_told() {
        let clock = ManualClock::at(Now { boot_us: 5, wall_us: 7 });
        clock.advance(Duration::from_micros(3));
        assert_eq!(clock.now(), Now { boot_us: 8, wall_us: 10 });
        clock.set_wall(1);
        assert_eq!(clock.now(), Now { boot_us: 8, wall_us: 1 });
    }
}

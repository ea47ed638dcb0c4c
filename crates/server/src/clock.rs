//! The operating system's clocks and randomness: the only place that asks for them.

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use rescind_authority::clock::{Clock, Entropy, Now};
use std::time::{SystemTime, UNIX_EPOCH};

/// Wall clock and CLOCK_BOOTTIME (which counts while the machine sleeps).
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that is injected")]
    fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let boot = boot.tv_sec.unsigned_abs() * 1_000_000 + boot.tv_nsec.unsigned_abs() / 1000;
        Now { wall: u64::try_from(wall.as_micros()).unwrap_or(u64::MAX), boot }
    }
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

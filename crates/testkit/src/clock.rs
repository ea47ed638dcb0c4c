//! Time that moves when a test says so, and randomness that repeats.

use rescind_authority::clock::{Clock, Entropy, Now};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// A clock for authority and verifiers alike. Begins in 2026; moves by [`ManualClock::advance`] only.
#[derive(Debug)]
pub struct ManualClock(Mutex<Now>, AtomicBool);

impl Default for ManualClock {
    fn default() -> Self {
        Self(
            Mutex::new(Now { wall: 1_790_000_000_000_000, boot: 1_000_000_000 }),
            AtomicBool::new(false),
        )
    }
}

impl ManualClock {
    /// A clock whose wall shows `wall` microseconds since 1970 UTC.
    pub fn new(wall: u64) -> Self {
        Self(Mutex::new(Now { wall, boot: 1_000_000_000 }), AtomicBool::new(false))
    }

    /// Sets the wall clock, forward or back, as an administrator or a time server does.
    pub fn set_wall(&self, wall: u64) {
        self.0.lock().unwrap().wall = wall;
    }

    /// Sets the clock that never steps.
    pub fn set_boot(&self, boot: u64) {
        self.0.lock().unwrap().boot = boot;
    }

    /// Says from now on that the wall clock has jumped, or that it is right again.
    pub fn set_stepped(&self, stepped: bool) {
        self.1.store(stepped, Ordering::SeqCst);
    }

    /// Both clocks go on.
    pub fn advance(&self, by: Duration) {
        let by = by.as_micros() as u64;
        let mut now = self.0.lock().unwrap();
        now.wall += by;
        now.boot += by;
    }

    /// The wall clock alone jumps, forward or back.
    pub fn step_wall(&self, by_us: i64) {
        let mut now = self.0.lock().unwrap();
        now.wall = now.wall.checked_add_signed(by_us).unwrap();
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Now {
        *self.0.lock().unwrap()
    }

    fn stepped(&self) -> bool {
        self.1.load(Ordering::SeqCst)
    }
}

impl rescind_verifier::clock::Clock for ManualClock {
    fn now(&self) -> rescind_verifier::clock::Now {
        let Now { wall, boot } = Clock::now(self);
        rescind_verifier::clock::Now { boot_us: boot, wall_us: wall }
    }
}

/// Randomness that is a function of a seed.
#[derive(Debug)]
pub struct SeededEntropy {
    seed: u64,
    drawn: AtomicU64,
}

impl SeededEntropy {
    /// The same seed draws the same bytes.
    pub fn new(seed: u64) -> Self {
        Self { seed, drawn: AtomicU64::new(0) }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(32) {
            let count = self.drawn.fetch_add(1, Ordering::Relaxed);
            let block = rescind_wire::sha256(&[&self.seed.to_be_bytes(), &count.to_be_bytes()]);
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
    }
}

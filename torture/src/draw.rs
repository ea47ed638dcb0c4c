//! Chance from a seed. What is drawn repeats; when it happens among other processes does not.

use rescind_authority::clock::random;
use rescind_testkit::clock::SeededEntropy;
use rescind_wire::b64;
use std::time::Duration;

/// One source of chance.
#[derive(Debug)]
pub struct Draw(SeededEntropy);

impl Draw {
    /// One of its own for each part of the rig.
    pub fn new(seed: u64, part: u64) -> Self {
        Self(SeededEntropy::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(part)))
    }

    /// A number below `end`, which is not 0.
    pub fn below(&self, end: usize) -> usize {
        let drawn = u64::from_be_bytes(random::<8>(&self.0));
        usize::try_from(drawn % end as u64).unwrap_or(0)
    }

    /// Whether one of `of` chances comes true.
    pub fn one_in(&self, of: usize) -> bool {
        self.below(of) == 0
    }

    /// A span between two, in milliseconds.
    pub fn span(&self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below((to - from) as usize + 1) as u64)
    }

    /// An Idempotency-Key.
    pub fn key(&self) -> String {
        b64::encode(random::<24>(&self.0))
    }

    /// The same things in another order.
    pub fn shuffled<T>(&self, mut things: Vec<T>) -> Vec<T> {
        for last in (1..things.len()).rev() {
            things.swap(last, self.below(last + 1));
        }
        things
    }
}

//! Time and randomness, which come in at construction and nowhere else.

/// One reading of both clocks, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Wall clock, since 1970 UTC.
    pub wall: u64,
    /// A clock that never steps, since some fixed instant; it also counts while the machine sleeps.
    pub boot: u64,
}

impl Now {
    /// The wall clock in whole UTC seconds.
    pub const fn seconds(self) -> u64 {
        self.wall / 1_000_000
    }
}

/// Where time comes from. An operation reads it once and passes it on.
pub trait Clock: Send + Sync + 'static {
    /// Both clocks now.
    fn now(&self) -> Now;

    /// Whether the wall clock has jumped, so that time goes on without it.
    fn stepped(&self) -> bool {
        false
    }
}

/// Where randomness comes from: the operating system's generator, or a seed in tests.
pub trait Entropy: Send + Sync + 'static {
    /// Fills the buffer with bytes nobody can predict.
    fn fill(&self, buffer: &mut [u8]);
}

/// Draws `N` random bytes.
pub fn random<const N: usize>(entropy: &dyn Entropy) -> [u8; N] {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes);
    bytes
}

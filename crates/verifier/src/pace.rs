//! How soon after one snapshot the feed's reader fetches the next. A snapshot is by far the most that a verifier
//! asks for, and whoever stands between can have it asked for again and again: by an old Resync, or by what it
//! leaves out. Good frames in between prove nothing about that. So beyond the first few, no more than a tenth of the
//! time goes to snapshots: small ones are fetched again soon, for a relay that is behind catches up at any moment.

use std::time::Duration;

/// So many are fetched without a wait: a new epoch, a gap, and another one.
const FREE: u32 = 3;
/// After so long without one all is forgotten; well above the longest wait.
const CALM: Duration = Duration::from_secs(60);
/// So many times what the last one took passes before the next,
const SHARE: u32 = 9;
/// and no longer than this.
const LONGEST: Duration = Duration::from_secs(15);

/// The snapshots of late.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    recent: u32,
    /// Boot time at which the last one was there, in microseconds.
    last: u64,
    /// What it took.
    took: Duration,
}

impl Pace {
    /// How long to wait before the next one.
    pub(crate) fn wait(&mut self, now: u64) -> Duration {
        let since = Duration::from_micros(now.saturating_sub(self.last));
        if since > CALM {
            self.recent = 0;
        }
        match self.recent < FREE {
            true => Duration::ZERO,
            false => (self.took * SHARE).min(LONGEST).saturating_sub(since),
        }
    }

    /// One was fetched, or what came in its place, from one moment of the boot clock to another.
    pub(crate) fn fetched(&mut self, from: u64, to: u64) {
        self.recent = self.recent.saturating_add(1);
        (self.last, self.took) = (to, Duration::from_micros(to.saturating_sub(from)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    // P09
    #[test]
    fn snapshots_take_a_tenth_of_the_time_until_there_was_none_for_a_while() {
        let (mut pace, mut now) = (Pace::default(), 100 * SECOND);
        for (took, waits) in [(1, 0), (1, 0), (1, 0), (1, 9), (0, 9), (5, 0), (1, 15), (1, 9)] {
            assert_eq!(pace.wait(now), Duration::from_secs(waits));
            now += waits * SECOND;
            pace.fetched(now, now + took * SECOND);
            now += took * SECOND;
        }
        assert_eq!(pace.wait(now + 4 * SECOND), Duration::from_secs(5), "what has passed counts");
        assert_eq!(pace.wait(now + 9 * SECOND), Duration::ZERO);
        assert_eq!(pace.wait(now + 8 * SECOND), Duration::from_secs(1));
        assert_eq!(pace.wait(now + 61 * SECOND), Duration::ZERO);
        assert_eq!(pace.wait(now), Duration::ZERO, "all is forgotten");
    }

    #[test]
    fn one_that_could_not_be_had_counts_for_nothing() {
        let mut pace = Pace::default();
        assert!((0..10).all(|n| pace.wait(n * SECOND).is_zero()));
    }
}

//! How soon after one snapshot the feed's reader fetches the next. A snapshot is by far the most that a verifier
//! asks for, and whoever stands between can have it asked for again and again: by an old Resync, or by what it
//! leaves out. Good frames in between prove nothing about that, so only time makes it forget.

use std::time::Duration;

/// So many are fetched without a wait: a new epoch, a gap, and another one.
const FREE: u32 = 3;
/// After so long without one all is forgotten; well above the longest wait.
const CALM: Duration = Duration::from_secs(60);

/// The snapshots of late.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    recent: u32,
    /// Boot time of the last one, in microseconds.
    last: u64,
}

impl Pace {
    /// Which try the next one is, for the time that is waited before it; `None` if nothing is.
    pub(crate) fn attempt(&mut self, now: u64) -> Option<u32> {
        if now.saturating_sub(self.last) > CALM.as_micros() as u64 {
            self.recent = 0;
        }
        self.recent.checked_sub(FREE)
    }

    /// One was fetched.
    pub(crate) fn fetched(&mut self, now: u64) {
        (self.recent, self.last) = (self.recent.saturating_add(1), now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    // P09
    #[test]
    fn snapshots_are_further_and_further_apart_until_there_was_none_for_a_while() {
        let (mut pace, mut now) = (Pace::default(), 100 * SECOND);
        for expected in [None, None, None, Some(0), Some(1), Some(2), Some(3), Some(4)] {
            assert_eq!(pace.attempt(now), expected);
            pace.fetched(now);
            now += 15 * SECOND;
        }
        now += 46 * SECOND;
        assert_eq!(pace.attempt(now), None);
    }

    #[test]
    fn one_that_could_not_be_had_counts_for_nothing() {
        let mut pace = Pace::default();
        assert!((0..10).all(|n| pace.attempt(n * SECOND).is_none()));
    }
}

//! Randomness: nonces, the instance's id, the spread of retries.
//!
//! The only place of this crate that asks the operating system for random bytes.

use std::time::Duration;

/// The operating system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no random bytes")]
pub(crate) struct NoEntropy;

/// Fresh random bytes.
#[expect(clippy::disallowed_methods, reason = "the adapter to the system's generator")]
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], NoEntropy> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| NoEntropy)?;
    Ok(bytes)
}

/// A span drawn evenly from zero to `most`, so that many verifiers do not come back at once.
pub(crate) fn spread(most: Duration) -> Duration {
    let share = bytes().map_or(u32::MAX, u32::from_be_bytes);
    most.mul_f64(f64::from(share) / f64::from(u32::MAX))
}

/// Full jitter: zero to 1, 2, 4, … seconds, at most 15.
pub(crate) fn backoff(attempt: u32) -> Duration {
    spread(Duration::from_secs(1 << attempt.min(4)).min(Duration::from_secs(15)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_spread_and_bounded() {
        for attempt in 0..40 {
            let most = [1, 2, 4, 8].get(attempt as usize).copied().unwrap_or(15);
            let drawn: Vec<_> = (0..50).map(|_| backoff(attempt)).collect();
            assert!(drawn.iter().all(|d| *d <= Duration::from_secs(most)));
            assert!(drawn.iter().any(|d| *d != drawn[0]));
        }
    }
}

//! Whose new token is verified next.
//!
//! Verifying a signature takes as long as ten requests, and whoever makes up tokens has it done for nothing. So in
//! requests only so many are verified at once, each thread serves whoever else is there before the next one, and
//! the others wait, in the order in which they came: not longer than [`WAIT`], and not more than [`WAITING`]. Tokens
//! that are known already never come here.

use crate::check::Refusal;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// How long one waits at the most.
const WAIT: Duration = Duration::from_secs(1);
/// How many wait at the most.
const WAITING: usize = 1024;

/// So many turns at once.
#[derive(Debug)]
pub(crate) struct Turns {
    free: Semaphore,
    waiting: AtomicUsize,
}

impl Turns {
    pub(crate) fn new(at_once: usize) -> Self {
        let most = Semaphore::MAX_PERMITS;
        Self { free: Semaphore::new(at_once.clamp(1, most)), waiting: AtomicUsize::new(0) }
    }

    /// Does the work in a turn of its own. While one has to wait, `cheap` may already refuse.
    pub(crate) async fn take<T>(
        &self,
        cheap: impl FnOnce() -> Result<(), Refusal>,
        work: impl FnOnce() -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let turn = match self.free.try_acquire() {
            Ok(turn) => turn,
            Err(_) => {
                cheap()?;
                self.wait().await.ok_or(Refusal::BUSY)?
            }
        };
        let done = work();
        // The turn ends when this thread has served whoever else is there.
        tokio::task::yield_now().await;
        drop(turn);
        done
    }

    async fn wait(&self) -> Option<SemaphorePermit<'_>> {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _leaves = Leaves(&self.waiting);
        if before >= WAITING {
            return None;
        }
        tokio::time::timeout(WAIT, self.free.acquire()).await.ok()?.ok()
    }
}

struct Leaves<'a>(&'a AtomicUsize);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;

//! Waiting for the authority's word on a request that is already here.
//!
//! All requests that wait share one head request. It is sent after each of them came in, for only then
//! does its answer speak of them. [`crate::follow`] sends it.

use crate::check::Refusal;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// Boot times, in microseconds.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// The set is complete as of here.
    proven: i64,
    /// A question sent here got no answer.
    failed: i64,
}

#[derive(Debug)]
pub(crate) struct Online {
    known: watch::Sender<Known>,
    /// The latest arrival that waits.
    wanted: AtomicI64,
    waiting: AtomicUsize,
    wake: Notify,
}

impl Online {
    pub(crate) fn new() -> Self {
        Self {
            known: watch::Sender::new(Known {
                proven: i64::MIN,
                failed: i64::MIN,
            }),
            wanted: AtomicI64::new(i64::MIN),
            waiting: AtomicUsize::new(0),
            wake: Notify::new(),
        }
    }

    /// Waits until the set is complete as of `arrival` (boot clock, microseconds), or a question sent since
    /// got no answer.
    pub(crate) async fn prove(&self, arrival: u64, limit: Duration) -> Result<(), Refusal> {
        let arrival = signed(arrival);
        let mut known = self.known.subscribe();
        self.wanted.fetch_max(arrival, Ordering::SeqCst);
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _leaves = Leaves(&self.waiting);
        self.wake.notify_one();
        let wait = known.wait_for(|k| k.proven >= arrival || k.failed >= arrival);
        match tokio::time::timeout(limit, wait).await {
            Ok(Ok(known)) if known.proven >= arrival => Ok(()),
            _ => Err(Refusal::STALE),
        }
    }

    /// The set is complete as of this boot time.
    pub(crate) fn prove_as_of(&self, boot_us: i64) {
        self.known.send_modify(|known| known.proven = boot_us);
    }

    /// A question sent at this boot time got no answer.
    pub(crate) fn failed_as_of(&self, boot_us: u64) {
        self.known
            .send_modify(|known| known.failed = signed(boot_us));
    }

    /// Resolves when a request waits that no head request has been sent for.
    pub(crate) async fn asked(&self) {
        self.wake.notified().await;
    }

    /// After a head came: if it did not help someone who waits (its answer was older than he), ask again.
    pub(crate) fn ask_again_if_needed(&self) {
        let unproven = self.known.borrow().proven < self.wanted.load(Ordering::SeqCst);
        if unproven && self.waiting.load(Ordering::SeqCst) > 0 {
            self.wake.notify_one();
        }
    }
}

fn signed(boot_us: u64) -> i64 {
    i64::try_from(boot_us).unwrap_or(i64::MAX)
}

struct Leaves<'a>(&'a AtomicUsize);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_proof_older_than_the_request_does_not_count() {
        let online = Online::new();
        online.prove_as_of(99);
        assert_eq!(online.prove(100, LONG).await, Err(Refusal::STALE));
        online.prove_as_of(100);
        assert_eq!(online.prove(100, LONG).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn requests_that_wait_together_ask_once() {
        let online = Online::new();
        let authority = async {
            online.asked().await;
            tokio::task::yield_now().await;
            online.prove_as_of(3);
            online.ask_again_if_needed();
        };
        let (a, b, c, ()) = tokio::join!(
            online.prove(1, LONG),
            online.prove(2, LONG),
            online.prove(3, LONG),
            authority
        );
        assert_eq!((a, b, c), (Ok(()), Ok(()), Ok(())));
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_without_an_answer_ends_the_wait_of_who_was_there_before_it() {
        let online = Online::new();
        let (early, late, ()) = tokio::join!(
            tokio::time::timeout(Duration::from_secs(1), online.prove(5, LONG)),
            tokio::time::timeout(Duration::from_secs(1), online.prove(6, LONG)),
            async { online.failed_as_of(5) },
        );
        assert_eq!(early, Ok(Err(Refusal::STALE)));
        assert!(late.is_err(), "still waits for a question of its own");
    }

    #[tokio::test(start_paused = true)]
    async fn who_gave_up_is_not_asked_for() {
        let online = Online::new();
        assert!(online.prove(5, Duration::from_secs(1)).await.is_err());
        online.asked().await;
        online.ask_again_if_needed();
        let again = tokio::time::timeout(LONG, online.asked()).await;
        assert!(again.is_err());
    }
}

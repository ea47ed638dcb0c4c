//! Waiting for the authority's word on a request that is already here.
//!
//! All requests that wait share one head request. It is sent after each of them came in, for only then
//! does its answer speak of them. [`crate::follow`] sends it.

use crate::check::Refusal;
use crate::clock::Now;
use crate::lease::{Lease, Moment};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, watch};

#[derive(Debug, Clone, Copy, Default)]
struct Known {
    lease: Option<Lease>,
    /// The last request that got no answer, by its number.
    failed: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Online {
    known: watch::Sender<Known>,
    /// How many head requests were sent: raised before the request leaves.
    sent: AtomicU64,
    /// The latest moment for which someone waits.
    wanted: AtomicU64,
    waiting: AtomicUsize,
    wake: Notify,
}

impl Online {
    /// This moment, for a request that has just come.
    pub(crate) fn moment(&self, now: Now) -> Moment {
        Moment { boot_us: now.boot_us, sent_before: self.sent.load(Ordering::SeqCst) }
    }

    /// A head request with this number is about to leave.
    pub(crate) fn sending(&self, number: u64) {
        self.sent.store(number, Ordering::SeqCst);
    }

    /// Waits until a lease speaks of the moment, or a question sent since got no answer.
    pub(crate) async fn prove(&self, moment: Moment, limit: Duration) -> Result<(), Refusal> {
        let mut known = self.known.subscribe();
        self.wanted.fetch_max(moment.boot_us, Ordering::SeqCst);
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _leaves = Leaves(&self.waiting);
        self.wake.notify_one();
        let proven = |known: &Known| known.lease.is_some_and(|l| l.speaks_of(moment));
        let wait = known.wait_for(|k| proven(k) || k.failed > moment.sent_before);
        match tokio::time::timeout(limit, wait).await {
            Ok(Ok(known)) if proven(&known) => Ok(()),
            _ => Err(Refusal::STALE),
        }
    }

    /// What vouches for the set now.
    pub(crate) fn leased(&self, lease: Option<Lease>) {
        self.known.send_modify(|known| known.lease = lease);
    }

    /// The requests from this number on got no answer.
    pub(crate) fn failed(&self, number: u64) {
        self.known.send_modify(|known| known.failed = number);
    }

    /// The authority waits to hear what is applied. Many such wishes are one question.
    pub(crate) fn acknowledge(&self) {
        self.wake.notify_one();
    }

    /// Resolves when a request waits that no head request has been sent for.
    pub(crate) async fn asked(&self) {
        self.wake.notified().await;
    }

    /// After a head came: if it did not help someone who waits (its answer was older than he), ask again.
    pub(crate) fn ask_again_if_needed(&self) {
        let moment = Moment { boot_us: self.wanted.load(Ordering::SeqCst), sent_before: 0 };
        let proven = self.known.borrow().lease.is_some_and(|l| l.speaks_of(moment));
        if !proven && self.waiting.load(Ordering::SeqCst) > 0 {
            self.wake.notify_one();
        }
    }
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
    use crate::lease::Anchor;

    const LONG: Duration = Duration::from_secs(60);

    fn at(us: u64) -> Now {
        Now { boot_us: us, wall_us: us }
    }

    /// The answer to request `request`, sent at `us`.
    fn answered(online: &Online, request: u64, us: u64) {
        online.leased(Some(Lease {
            anchor: Anchor::new(at(us), 0),
            request,
            bound_ms: 10_000,
            utc_us: us,
            sent_boot_us: us,
            received_boot_us: us,
        }));
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_sent_before_the_request_came_does_not_count() {
        let online = Online::default();
        online.sending(1);
        let moment = online.moment(at(100));
        answered(&online, 1, 100);
        assert_eq!(online.prove(moment, LONG).await, Err(Refusal::STALE));
        answered(&online, 2, 99);
        assert_eq!(online.prove(moment, LONG).await, Err(Refusal::STALE));
        answered(&online, 2, 100);
        assert_eq!(online.prove(moment, LONG).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn requests_that_wait_together_ask_once() {
        let online = Online::default();
        let authority = async {
            online.asked().await;
            tokio::task::yield_now().await;
            online.sending(1);
            answered(&online, 1, 3);
            online.ask_again_if_needed();
        };
        let request = |us| online.prove(online.moment(at(us)), LONG);
        let (a, b, c, ()) = tokio::join!(request(1), request(2), request(3), authority);
        assert_eq!((a, b, c), (Ok(()), Ok(()), Ok(())));
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_without_an_answer_ends_the_wait_of_who_was_there_before_it() {
        let online = Online::default();
        let early = online.moment(at(5));
        online.sending(1);
        let late = online.moment(at(5));
        let second = Duration::from_secs(1);
        let (early, late, ()) = tokio::join!(
            tokio::time::timeout(second, online.prove(early, LONG)),
            tokio::time::timeout(second, online.prove(late, LONG)),
            async { online.failed(1) },
        );
        assert_eq!(early, Ok(Err(Refusal::STALE)));
        assert!(late.is_err(), "still waits for a question of its own");
    }

    #[tokio::test(start_paused = true)]
    async fn who_gave_up_is_not_asked_for() {
        let online = Online::default();
        let moment = online.moment(at(5));
        assert!(online.prove(moment, Duration::from_secs(1)).await.is_err());
        online.asked().await;
        online.ask_again_if_needed();
        let again = tokio::time::timeout(LONG, online.asked()).await;
        assert!(again.is_err());
    }
}

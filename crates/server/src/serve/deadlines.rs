//! The timer of a connection of HTTP/1.1: a deadline that is set for every request and hardly ever comes. To put
//! each into the runtime's timer and take it out again costs a request more than finding its session does, so a
//! connection has one sleep there, which wakes it for the first of them and is then set to the one in force.

use hyper::rt::{Sleep, Timer};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// The deadlines of one connection.
pub(super) struct Deadlines(Arc<Mutex<Pin<Box<tokio::time::Sleep>>>>);

impl Deadlines {
    /// None is set.
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Box::pin(tokio::time::sleep(Duration::ZERO)))))
    }
}

impl Timer for Deadlines {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Deadline { deadline: deadline.into(), sleep: Arc::clone(&self.0) })
    }
}

struct Deadline {
    deadline: tokio::time::Instant,
    sleep: Arc<Mutex<Pin<Box<tokio::time::Sleep>>>>,
}

impl Sleep for Deadline {}

impl Future for Deadline {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut sleep = self.sleep.lock().unwrap_or_else(PoisonError::into_inner);
        if sleep.deadline() > self.deadline {
            sleep.as_mut().reset(self.deadline);
        }
        while sleep.as_mut().poll(context).is_ready() {
            if sleep.deadline() == self.deadline {
                return Poll::Ready(());
            }
            // It was set for an earlier one.
            sleep.as_mut().reset(self.deadline);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    const MOMENT: Duration = Duration::from_millis(40);

    // H08
    #[tokio::test]
    async fn each_deadline_comes_when_it_is_due_whatever_was_set_before() {
        let timer = Deadlines::new();
        for spans in [[1, 1, 1], [1, 3, 1], [3, 1, 2]] {
            for span in spans {
                // Of one that is given up, only the alarm is left.
                let mut given_up = timer.sleep(MOMENT * span);
                assert!((&mut given_up).now_or_never().is_none());
                drop(given_up);
                let (begun, due) = (timer.now(), MOMENT * 2);
                timer.sleep_until(begun + due).await;
                assert!(timer.now() >= begun + due);
            }
        }
    }
}

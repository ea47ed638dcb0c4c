//! The pulse of one HTTP/2 connection, on which many requests share one socket: it is over when nothing is
//! open on it for too long, or when one answer is not taken. Deadlines of the socket itself do not see
//! either, since the other side may go on with pings.

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Instant;

/// Largest piece of an answer that is handed over at once.
const PIECE: usize = 16 * 1024;

#[expect(clippy::disallowed_methods, reason = "deadlines of a socket, counted as its timers count")]
fn now() -> Instant {
    Instant::now()
}

/// What is open on a connection, and since when nothing has moved there.
pub(super) struct Pulse {
    state: Mutex<State>,
}

struct State {
    next: u64,
    open: HashMap<u64, Instant>,
    /// Since when nothing is open.
    rests: Instant,
}

impl Pulse {
    pub(super) fn new() -> Arc<Self> {
        let state = State { next: 0, open: HashMap::new(), rests: now() };
        Arc::new(Self { state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request begins.
    pub(super) fn begin(self: &Arc<Self>) -> Beat {
        let mut state = self.state();
        let id = state.next;
        state.next += 1;
        state.open.insert(id, now());
        Beat { pulse: Arc::clone(self), id }
    }

    /// Resolves when nothing is open for `idle`, or one answer has not moved for `stuck`.
    pub(super) async fn stops(&self, idle: Duration, stuck: Duration) {
        loop {
            let ends = {
                let state = self.state();
                let first = state.open.values().min().map(|at| *at + stuck);
                first.unwrap_or(state.rests + idle)
            };
            if ends <= now() {
                return;
            }
            tokio::time::sleep_until(ends).await;
        }
    }
}

/// One request that is open.
pub(super) struct Beat {
    pulse: Arc<Pulse>,
    id: u64,
}

impl Beat {
    fn moved(&self) {
        self.pulse.state().open.insert(self.id, now());
    }

    /// An answer that keeps this request open until it was taken.
    pub(super) fn watch(self, body: Body) -> Body {
        if body.is_end_stream() {
            return body;
        }
        self.moved();
        Body::new(Watched { body, rest: Bytes::new(), beat: self })
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        let mut state = self.pulse.state();
        state.open.remove(&self.id);
        state.rests = now();
    }
}

/// A body in pieces, whose last byte is handed over only when all before it was taken: what is handed over is
/// out of sight.
struct Watched {
    body: Body,
    rest: Bytes,
    beat: Beat,
}

impl Watched {
    fn piece(&mut self) -> Frame<Bytes> {
        let most = self.rest.len().saturating_sub(1).clamp(1, PIECE);
        Frame::data(self.rest.split_to(most))
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            let polled = ready!(Pin::new(&mut self.body).poll_frame(context));
            match polled.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) if !data.is_empty() => self.rest = data,
                Some(Ok(Ok(data))) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Some(Ok(Err(other))) => return Poll::Ready(Some(Ok(other))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        self.beat.moved();
        Poll::Ready(Some(Ok(self.piece())))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.rest.is_empty() { self.body.size_hint() } else { SizeHint::default() }
    }
}

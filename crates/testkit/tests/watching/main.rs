//! Watching a running authority: whether it is ready, what it counts, what it logs, and that the
//! documents say so. Fail points, log and counters are the process's: each test here is alone.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test stops at the first thing that is not as it says"
)]

mod documents;
mod events;
mod logs;
mod metrics;
mod ready;
mod stop;
mod support;

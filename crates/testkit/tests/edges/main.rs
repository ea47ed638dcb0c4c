//! The edges of the HTTP routes, as an attacker meets them: cookies, cross-site requests, errors, hostile
//! input, and what of all that reaches a log.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test stops at the first thing that is not as it says"
)]

mod canaries;
mod cookies;
mod csrf;
mod errors;
mod faults;
mod framing;
mod headers;
mod hostile;
mod input;
mod logs;
mod methods;
mod refusals;
mod shares;
mod support;

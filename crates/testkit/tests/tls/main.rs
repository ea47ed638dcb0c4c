//! TLS by the authority itself, with HTTP/2, and by a relay: what is spoken, certificates that change, whoever is slow on a
//! connection that many requests share, and what one source may have.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test stops at the first thing that is not as it says"
)]

mod certificates;
mod floods;
mod realm;
mod relay;
mod shares;
mod slow;
mod spoken;
mod time;

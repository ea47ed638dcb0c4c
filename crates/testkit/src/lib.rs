//! What the proofs are made with: a manual clock, seeded randomness, a whole authority in this process, a
//! plain HTTP client and one that behaves like a browser, and the conformance suite of the stores.
//! Never shipped.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a broken test tool must stop the test"
)]

pub mod accounts;
pub mod clock;
pub mod conformance;
pub mod evidence;
pub mod http;
pub mod interleave;
pub mod process;
pub mod relay;
pub mod server;
pub mod vectors;

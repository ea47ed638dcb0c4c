//! Keys take over from one another under load, and a compromised one is taken back.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it says")]

mod rotations {
    mod compromised;
    mod fifty;
    mod fleet;
}

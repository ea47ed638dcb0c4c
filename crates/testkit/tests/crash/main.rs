//! The authority as a process that dies: between commit and answer, before the commit, at every point on
//! the way, and under load. The program is the binary `rescind` with fail points; the store is a file, and
//! what counts is what the next process on it says.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test stops at the first thing that is not as it says"
)]

mod act;
mod after_commit;
mod before_commit;
mod every_point;
mod fleet;
mod founding;
mod keys;
mod load;
mod realm;
mod restore;

//! Taking back, end to end: each way to do it against each thing that it should and should not kill, at a
//! second server that knows nothing but what the feed tells it. And who may take back: the
//! administrator's socket, its record, deleted accounts, clients that lose their feed.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test stops at the first thing that is not as it says"
)]

mod admin;
mod deleted;
mod exact;
mod feeds;
mod office;
mod realm;
mod record;
mod roles;
mod scene;
mod strangers;
mod table;
mod ways;

//! The command line as a process: what it prints, refuses and asks, with a running authority and without.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it says")]

mod backups;
mod doctor;
mod first;
mod output;
mod questions;
mod realm;
mod record;

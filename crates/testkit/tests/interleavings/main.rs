//! The rules of order, each run through every order that its steps can happen in: the rule as it is
//! breaks its claim in none, each wrong variant of it in some. The counts are asserted, so that an
//! exploration cannot silently shrink.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test stops at the first thing that is not as it says"
)]

mod lasting;
mod memory;
mod operations;
mod reading;
mod realm;
mod shared;
mod verifier;
mod world;

use rescind_authority::store::{Head, Store};
use rescind_testkit::conformance::{ISSUER, LONGEST_LIFE, START};
use rescind_testkit::interleave::Explored;
use rescind_wire::id::Epoch;
use rescind_wire::revocation::{Digest, Entry, Target, kills};

/// A log in memory, appended to as the stores do it.
struct Log {
    head: Head,
    entries: Vec<Entry>,
}

impl Log {
    fn new() -> Self {
        let epoch = Epoch::from_bytes([1; 16]);
        let digest = Digest::first(ISSUER, epoch);
        let (longest_life, iat_limit) = (LONGEST_LIFE, 0);
        let head = Head { epoch, pos: 0, ts: START, digest, longest_life, iat_limit };
        Self { head, entries: Vec::new() }
    }

    fn revoke(&mut self, target: &Target) -> Entry {
        let entry = self.head.append(ISSUER, target, START);
        self.entries.push(entry);
        entry
    }
}

/// Whether entries that all match a token kill it.
fn killed(entries: &[Entry], rv: u64) -> bool {
    entries.iter().any(|e| kills(e.scope, e.ts, rv))
}

/// The outcome of a store call that never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    futures_util::FutureExt::now_or_never(future).expect("the store in memory never waits")
}

/// The log of a store in memory, from the beginning.
fn entries(store: &dyn Store) -> Vec<Entry> {
    now(rescind_testkit::conformance::whole_log(store))
}

/// All of so many runs kept the claim.
fn safe(runs: u64) -> Explored {
    Explored { runs, bad: 0 }
}

/// The wrong variant is caught: some of exactly so many runs break the claim.
#[track_caller]
fn assert_caught(explored: Explored, runs: u64) {
    assert_eq!(explored.runs, runs);
    assert!(explored.bad > 0, "the wrong variant was not caught");
}

//! A million revocations through the feed: from the last commit until a verifier has applied all.

use crate::Outcome;
use crate::bench::{Bench, say};
use crate::realm::Realm;
use crate::stopwatch::Stopwatch;
use std::time::Duration;

/// Revocations, in transactions of ten thousand.
const COUNT: usize = 1_000_000;

/// What was seen, in seconds.
pub(crate) struct Streamed {
    /// Revocations.
    pub(crate) count: usize,
    /// From the first call to the last commit.
    pub(crate) committed: f64,
    /// From the last commit until all were applied.
    pub(crate) after: f64,
}

/// Streams them once.
pub(crate) fn measure(bench: &Bench) -> Outcome<Streamed> {
    let count = bench.choose(COUNT, 20_000);
    say(&format!("stream: {count} revocations"));
    let realm = Realm::start(bench)?;
    let verifier = bench.clients.block_on(realm.verifier().build())?;
    let before = verifier.status().applied;
    let start = Stopwatch::start();
    let committed = realm.take_back(bench, count)?;
    let position = realm.app.authority.store().committed().borrow().pos;
    let applied = bench.clients.block_on(async {
        while verifier.status().applied < position {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Stopwatch::start()
    });
    let held = verifier.status().entries;
    if position < before + count as u64 || held < count {
        return Err(format!("{count} were revoked, and {held} are held").into());
    }
    let after = applied.since(committed);
    say(&format!("  all applied {:.0} ms after the last commit", after * 1e3));
    Ok(Streamed { count, committed: committed.since(start), after })
}

//! Look-ups that find nothing, four keys each, and the two floors: a plain map, and one load that waits for the
//! load before.

use super::sides::{Keys, Side, entries};
use crate::bench::Bench;
use crate::report::quantile;
use crate::stopwatch::Stopwatch;
use foldhash::fast::RandomState;
use rescind_wire::revocation::{RevocationKey, TokenKeys, kills};
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::time::Duration;

/// Tokens that nobody took back: so many that what they need is not in the nearest cache.
const TOKENS: usize = 50_000;
/// Loads of a round.
const LOADS: usize = 300_000;
/// Revocations of a second, while others look.
const RATE: f64 = 100_000.0;

pub(super) fn tokens(bench: &Bench) -> Vec<TokenKeys> {
    Keys(7).tokens(bench.choose(TOKENS, 1000))
}

/// Seconds of each look-up, one after the other; with `apart`, each begins when the one before has ended.
pub(super) fn each(tokens: &[TokenKeys], apart: bool, look: impl Fn(&TokenKeys) -> bool) -> f64 {
    let watch = Stopwatch::start();
    for token in tokens {
        black_box(look(token));
        if apart {
            fence(Ordering::SeqCst);
        }
    }
    watch.each(tokens.len())
}

/// For one thread.
pub(super) struct Plain(HashMap<RevocationKey, (u64, u64), RandomState>);

impl Plain {
    pub(super) fn of(count: usize) -> Self {
        Self(entries(count).map(|entry| (entry.key, (entry.ts, entry.until))).collect())
    }

    pub(super) fn killed(&self, keys: &TokenKeys, rv: u64) -> bool {
        keys.iter().any(|(scope, key)| self.0.get(&key).is_some_and(|cut| kills(scope, cut.0, rv)))
    }
}

#[derive(Clone)]
#[repr(align(64))]
struct Line(usize);

/// Cache lines, each of which names the next one, in one circle.
pub(super) struct Chase(Vec<Line>);

impl Chase {
    pub(super) fn over(bytes: usize) -> Self {
        let mut lines: Vec<Line> = (0..(bytes / 64).max(2)).map(Line).collect();
        let mut keys = Keys(9);
        for at in (1..lines.len()).rev() {
            let other = keys.below(at);
            let (a, b) = (lines[at].0, lines[other].0);
            (lines[at].0, lines[other].0) = (b, a);
        }
        Self(lines)
    }

    /// Seconds of each load.
    pub(super) fn each(&self) -> f64 {
        let watch = Stopwatch::start();
        let last = (0..LOADS).fold(0, |at, _| self.0[at].0);
        black_box(last);
        watch.each(LOADS)
    }
}

/// The seconds within which 99 of 100 look-ups end, each timed by itself.
pub(super) fn p99(bench: &Bench, side: &dyn Side, tokens: &[TokenKeys]) -> f64 {
    let span = bench.choose(Duration::from_millis(300), Duration::from_millis(5));
    let all = Stopwatch::start();
    let mut times = Vec::new();
    for token in tokens.iter().cycle() {
        let watch = Stopwatch::start();
        black_box(side.killed(token, 1));
        times.push(watch.each(1));
        if all.elapsed() > span {
            break;
        }
    }
    quantile(&mut times, 0.99)
}

/// The same while the other core inserts a hundred thousand each second; and how many it did insert each second.
pub(super) fn p99_beside_a_writer(
    bench: &Bench,
    side: &Arc<dyn Side>,
    tokens: &[TokenKeys],
    mut more: impl Iterator<Item = rescind_wire::revocation::Entry> + Send + 'static,
) -> crate::Outcome<(f64, f64)> {
    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, set) = (Arc::clone(&stop), Arc::clone(side));
    let writer = bench.servers.spawn(async move {
        let watch = Stopwatch::start();
        let mut count = 0.0;
        while !stopped.load(Ordering::Relaxed) {
            if count < watch.elapsed().as_secs_f64() * RATE
                && let Some(entry) = more.next()
            {
                set.insert(&entry);
                count += 1.0;
            }
        }
        count / watch.elapsed().as_secs_f64()
    });
    let p99 = p99(bench, &**side, tokens);
    stop.store(true, Ordering::Relaxed);
    Ok((p99, bench.clients.block_on(writer)?))
}

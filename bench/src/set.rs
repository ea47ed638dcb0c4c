//! `cargo xtask bench set`: the set of revocations with ten to ten million of them, beside `papaya`'s map, a plain map
//! and the machine's memory; and a million revocations through the feed.

pub(crate) mod fill;
mod look;
mod sides;

use crate::Outcome;
use crate::bench::{Bench, say};
use crate::report::{Series, Unit, quantile};
use crate::stopwatch::Stopwatch;
use crate::{machine, stream};
use look::{Chase, Plain};
use rescind_verifier::set::RevocationSet;
use sides::{Papaya, Side, entries, expired, later};
use std::sync::Arc;

/// Entries; memory, growth and expiry are measured from
const COUNTS: [usize; 5] = [10, 1_000, 100_000, 1_000_000, 10_000_000];
/// so many on.
const LARGE: usize = 100_000;
/// Rounds of what takes long, by entries.
const FILLS: [(usize, usize); 3] = [(100_000, 5), (1_000_000, 5), (10_000_000, 2)];
/// The count for which memory and look-ups are promised.
const MOST: usize = 10_000_000;
/// Bytes of tags for each entry, as a look-up that finds nothing reads them.
const TAGS: usize = 2;
/// Rounds of the stream.
const STREAMS: usize = 3;

/// What is promised.
const MOST_BYTES: f64 = 24.0;
const MOST_LOADS: f64 = 1.5;
const MOST_P99: f64 = 2.0;
const MOST_AFTER: f64 = 1.0;

/// All figures, in the order of the page.
#[derive(Default)]
struct Figures {
    /// Beside `papaya`.
    peer: Vec<Series>,
    /// Beside a plain map, a load, or a writer at rest.
    floors: Vec<Series>,
    verdicts: Vec<String>,
}

impl Figures {
    fn verdict(&mut self, what: &str, ours: f64, most: f64, unit: &str) {
        let reached = if ours <= most { "reached" } else { "**falls short**" };
        self.verdicts
            .push(format!("- {what}: {ours:.2}{unit}, at most {most}{unit}: {reached}.\n"));
    }
}

/// Measures all and gives the page.
pub(crate) fn page(bench: &Bench) -> Outcome<String> {
    let mut figures = Figures::default();
    for (count, rounds) in FILLS {
        let (count, rounds) = bench.choose((count, rounds), (count / 100, 1));
        fills(&mut figures, count, rounds)?;
    }
    for count in COUNTS {
        let count = bench.choose(count, count.min(10_000));
        say(&format!("set: look-ups among {count}"));
        Sides::of(count).measure(bench, &mut figures)?;
    }
    let mut after = Vec::new();
    for _ in 0..bench.choose(STREAMS, 1) {
        after.push(stream::measure(bench)?);
    }
    let longest = after.iter().map(|streamed| streamed.after).fold(0.0, f64::max);
    figures.verdict("All applied after the last commit, the longest", longest, MOST_AFTER, " s");
    Ok(text(&machine::describe(bench, " set")?, &figures, &after))
}

/// Memory and insertions, each time in a new process.
fn fills(figures: &mut Figures, count: usize, rounds: usize) -> Outcome {
    let row = |what: &str, unit| Series::new(format!("{count}: {what}"), unit);
    let mut bytes = row("bytes for each entry, resident", Unit::Bytes);
    let mut most = row("the same at the highest, while it grows", Unit::Bytes);
    let mut each = row("an insertion, one after the other", Unit::Nanos);
    let mut longest = row("longest insertion", Unit::Millis);
    for round in 1..=rounds {
        say(&format!("set: filled with {count}, round {round} of {rounds}"));
        let papaya = fill::measure("papaya", count)?;
        let ours = fill::measure("ours", count)?;
        bytes.add(papaya.bytes, ours.bytes);
        if count == MOST {
            let what = format!("{count}: bytes for each entry");
            figures.verdict(&what, ours.bytes, MOST_BYTES, " B");
        }
        most.add(papaya.most, ours.most);
        each.add(papaya.each, ours.each);
        longest.add(papaya.longest, ours.longest);
    }
    figures.peer.extend([bytes, most, each, longest]);
    Ok(())
}

/// Both sides and the floors, with the same entries.
struct Sides {
    count: usize,
    ours: Arc<dyn Side>,
    papaya: Arc<dyn Side>,
    plain: Plain,
    chase: Chase,
}

impl Sides {
    fn of(count: usize) -> Self {
        let ours: Arc<dyn Side> = Arc::new(RevocationSet::new());
        let papaya: Arc<dyn Side> = Arc::new(Papaya::new());
        for entry in entries(count) {
            ours.insert(&entry);
            papaya.insert(&entry);
        }
        Self { count, ours, papaya, plain: Plain::of(count), chase: Chase::over(count * TAGS) }
    }

    fn measure(&self, bench: &Bench, figures: &mut Figures) -> Outcome {
        self.misses(bench, figures);
        if self.count >= bench.choose(LARGE, 0) {
            self.readers(bench, figures)?;
            self.prunes(bench, figures)?;
        }
        Ok(())
    }

    fn row(&self, what: &str, unit: Unit) -> Series {
        Series::new(format!("{}: {what}", self.count), unit)
    }

    /// Four keys, nothing found.
    fn misses(&self, bench: &Bench, figures: &mut Figures) {
        let mut streaming = self.row("a miss of four keys, streaming", Unit::Nanos);
        let mut isolated = self.row("the same, isolated", Unit::Nanos);
        let mut map = self.row("isolated; the floor is a plain map", Unit::Nanos);
        let mut loads = self.row("isolated, one key; the floor is a load", Unit::Nanos);
        let tokens = look::tokens(bench);
        for _ in 0..bench.rounds {
            let both = |apart| {
                let papaya = look::each(&tokens, apart, |token| self.papaya.killed(token, 1));
                (papaya, look::each(&tokens, apart, |token| self.ours.killed(token, 1)))
            };
            let (papaya, ours) = both(false);
            streaming.add(papaya, ours);
            let (papaya, ours) = both(true);
            isolated.add(papaya, ours);
            map.add(look::each(&tokens, true, |token| self.plain.killed(token, 1)), ours);
            loads.add(self.chase.each(), ours / 4.0);
        }
        if self.count == MOST {
            let what = format!("{}: dependent loads for each key of an isolated miss", self.count);
            figures.verdict(&what, loads.ratio(), MOST_LOADS, "");
        }
        figures.peer.extend([streaming, isolated]);
        figures.floors.extend([map, loads]);
    }

    /// Readers alone, and beside a writer on the other core.
    fn readers(&self, bench: &Bench, figures: &mut Figures) -> Outcome {
        let what = "p99 of a miss beside 100,000 insertions a second";
        let mut beside = self.row(what, Unit::Nanos);
        let floor = "the floor is at rest";
        let mut ours_at_rest = self.row(&format!("{what}; {floor}"), Unit::Nanos);
        let mut papaya_at_rest = self.row(&format!("`papaya`, {what}; {floor}"), Unit::Nanos);
        let tokens = look::tokens(bench);
        let mut rates = Vec::new();
        for round in 0..bench.rounds.div_ceil(2) {
            let mut seen = [0.0; 2];
            let sides = [(&self.papaya, &mut papaya_at_rest), (&self.ours, &mut ours_at_rest)];
            for ((side, series), busy) in sides.into_iter().zip(&mut seen) {
                let rest = look::p99(bench, &**side, &tokens);
                let more = later(round as u64);
                let (p99, rate) = look::p99_beside_a_writer(bench, side, &tokens, more)?;
                series.add(rest, p99);
                rates.push(rate);
                *busy = p99;
            }
            beside.add(seen[0], seen[1]);
        }
        if quantile(&mut rates, 0.0) < 90_000.0 {
            say("  the writer did not keep its pace");
        }
        let about = format!("{}: the readers' p99 beside a writer, of that at rest", self.count);
        figures.verdict(&about, ours_at_rest.ratio(), MOST_P99, " ×");
        figures.peer.push(beside);
        figures.floors.extend([ours_at_rest, papaya_at_rest]);
        Ok(())
    }

    /// Half expires, and the other half; meanwhile the other core inserts.
    fn prunes(&self, bench: &Bench, figures: &mut Figures) -> Outcome {
        let mut total = self.row("to forget half of all", Unit::Millis);
        let mut longest = self.row("longest insertion meanwhile", Unit::Millis);
        let halves = |side| -> Outcome<[(f64, f64); 2]> {
            Ok([prune(bench, side, expired(0.5))?, prune(bench, side, expired(1.0))?])
        };
        // Not in turns: what `papaya` has freed, entry by entry, the allocator puts together when the next large
        // piece is freed, whoever does that, and that takes a second.
        let (ours, papaya) = (halves(&self.ours)?, halves(&self.papaya)?);
        for (ours, papaya) in ours.into_iter().zip(papaya) {
            total.add(papaya.0, ours.0);
            longest.add(papaya.1, ours.1);
        }
        figures.peer.extend([total, longest]);
        Ok(())
    }
}

/// Seconds to forget on the servers' core, and of the longest insertion on this one meanwhile.
fn prune(bench: &Bench, side: &Arc<dyn Side>, before: u64) -> Outcome<(f64, f64)> {
    let set = Arc::clone(side);
    let pruning = bench.servers.spawn(async move {
        let watch = Stopwatch::start();
        set.prune(before);
        watch.each(1)
    });
    let (mut longest, mut last) = (0.0_f64, Stopwatch::start());
    for entry in later(before) {
        if pruning.is_finished() {
            break;
        }
        while last.each(1) < 1e-5 {
            std::hint::spin_loop();
        }
        let watch = Stopwatch::start();
        side.insert(&entry);
        last = Stopwatch::start();
        longest = longest.max(last.since(watch));
    }
    Ok((bench.clients.block_on(pruning)?, longest))
}

fn text(run: &str, figures: &Figures, streams: &[stream::Streamed]) -> String {
    let rows = |series: &[Series]| -> String { series.iter().map(Series::row).collect() };
    let streams: String = streams
        .iter()
        .map(|s| format!("| {} | {:.2} s | {:.0} ms |\n", s.count, s.committed, s.after * 1e3))
        .collect();
    format!(
        "# The set of revocations at scale

Written by `cargo xtask bench set`; no figure by hand. [The set](../../crates/verifier/src/set.rs) beside the map of `papaya`
that it replaced, in turns in one process; why, says [0018](../decisions/0018-the-revocation-set-is-a-table-of-our-own.md).
Medians of the rounds; of the ratios also the least and the most. \"Miss\" is a look-up of a token of four keys that finds
none of them. Streaming: one after the other. Isolated: each begins when the one before has ended. Forgetting alone is not
measured in turns: the set first.

{run}
| Entries: what | `papaya` | The set | The set ÷ `papaya` |
|---|---|---|---|
{}
Beside their floors: a plain map of the standard library, for one thread, that holds the same; one load that waits for the load
before, over as many cache lines as a miss of the set may read; the same readers at rest.

| Entries: what | Floor | Here | Here ÷ floor |
|---|---|---|---|
{}
Revocations through an authority's store, its feed and a verifier, in transactions of ten thousand. The authority runs on one core, the
verifier on the other.

| Revocations | First call to last commit | Last commit until all are applied |
|---|---|---|
{streams}
{}",
        rows(&figures.peer),
        rows(&figures.floors),
        figures.verdicts.concat(),
    )
}

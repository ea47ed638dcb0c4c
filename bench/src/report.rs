//! From measured rounds to the page: medians, with the least and the most.
//!
//! A measurement gives [`Series`]; with a bound it shows a promise ([`promise`](crate::promise)):
//! `Series::new("Refresh", Unit::Requests).at_least(Row::Refresh, 0.5)`.

use crate::bench::say;
use crate::load::Load;
use crate::promise::{self, Bound, Row};

/// How a value is written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unit {
    /// Of a time, in seconds.
    Nanos,
    /// Of a time, in seconds.
    Micros,
    /// Of a time, in seconds.
    Millis,
    /// Per second.
    Requests,
    /// Of each entry.
    Bytes,
    /// Of bytes.
    Megabytes,
}

impl Unit {
    pub(crate) fn write(self, value: f64) -> String {
        match self {
            Self::Nanos => format!("{:.0} ns", value * 1e9),
            Self::Micros => format!("{:.1} µs", value * 1e6),
            Self::Millis => format!("{:.2} ms", value * 1e3),
            Self::Requests => format!("{value:.0}/s"),
            Self::Bytes => format!("{value:.1} B"),
            Self::Megabytes => format!("{:.1} MB", value / 1e6),
        }
    }
}

/// One figure beside its floor or a peer, round by round. The ratio is always ours ÷ theirs.
#[derive(Debug)]
pub(crate) struct Series {
    what: String,
    unit: Unit,
    bounds: Vec<(Row, Bound)>,
    rounds: Vec<(f64, f64)>,
    loads: Vec<(Load, Load)>,
}

impl Series {
    /// One of times, in seconds, of rates or of bytes, by its unit.
    pub(crate) fn new(what: impl Into<String>, unit: Unit) -> Self {
        let (bounds, rounds, loads) = (Vec::new(), Vec::new(), Vec::new());
        Self { what: what.into(), unit, bounds, rounds, loads }
    }

    /// Promises a ratio of at least this, as a rate should have.
    pub(crate) fn at_least(self, row: Row, ratio: f64) -> Self {
        self.bound(row, Bound::AtLeast(ratio))
    }

    /// Promises a ratio of at most this, as a time should have.
    pub(crate) fn at_most(self, row: Row, ratio: f64) -> Self {
        self.bound(row, Bound::AtMost(ratio))
    }

    /// Promises that our own figure is at least this, whatever the floor.
    pub(crate) fn ours_at_least(self, row: Row, value: f64) -> Self {
        self.bound(row, Bound::OursAtLeast(value))
    }

    /// Promises that our own figure is at most this, whatever the floor.
    pub(crate) fn ours_at_most(self, row: Row, value: f64) -> Self {
        self.bound(row, Bound::OursAtMost(value))
    }

    /// Promises a ratio of at most this, or our own figure of at most `value`.
    pub(crate) fn at_most_or(self, row: Row, ratio: f64, value: f64) -> Self {
        self.bound(row, Bound::AtMostOr(ratio, value))
    }

    fn bound(mut self, row: Row, bound: Bound) -> Self {
        self.bounds.push((row, bound));
        self
    }

    /// Adds a round, and shows it.
    pub(crate) fn add(&mut self, floor: f64, ours: f64) {
        let [floor_text, ours_text] = [floor, ours].map(|value| self.unit.write(value));
        say(&format!("  {}: {ours_text}, beside {floor_text}", self.what));
        self.rounds.push((floor, ours));
    }

    /// Adds a round of a figure that nothing stands beside.
    pub(crate) fn add_ours(&mut self, ours: f64) {
        say(&format!("  {}: {}", self.what, self.unit.write(ours)));
        self.rounds.push((f64::NAN, ours));
    }

    /// Adds a round of requests, of which also latency and cost are kept.
    pub(crate) fn add_loads(&mut self, floor: Load, ours: Load) {
        self.add(floor.rate, ours.rate);
        self.loads.push((floor, ours));
    }

    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    pub(crate) fn unit(&self) -> Unit {
        self.unit
    }

    pub(crate) fn bounds(&self) -> &[(Row, Bound)] {
        &self.bounds
    }

    /// Rounds of requests, theirs and ours; none of other figures.
    pub(crate) fn loads(&self) -> &[(Load, Load)] {
        &self.loads
    }

    /// Ours ÷ theirs, in the middle; no number if nothing stands beside it.
    pub(crate) fn ratio(&self) -> f64 {
        middle(self.ratios())
    }

    /// Our own figure, in the middle.
    pub(crate) fn ours(&self) -> f64 {
        middle(self.rounds.iter().map(|(_, ours)| *ours).collect())
    }

    fn ratios(&self) -> Vec<f64> {
        self.rounds.iter().map(|(floor, ours)| ours / floor).collect()
    }

    /// The medians of floor and figure, and of the ratio with its least and most.
    pub(crate) fn row(&self) -> String {
        let ours = self.unit.write(self.ours());
        let floor = middle(self.rounds.iter().map(|(floor, _)| *floor).collect());
        if floor.is_nan() {
            return format!("| {} | – | {ours} | – |\n", self.what);
        }
        let mut ratios = self.ratios();
        let [least, median, most] =
            [0.0, 0.5, 1.0].map(|share| times(quantile(&mut ratios, share)));
        let floor = self.unit.write(floor);
        format!("| {} | {floor} | {ours} | **{median}** ({least}–{most}) |\n", self.what)
    }

    /// What a request costs on either side, and how long it takes, if these are requests.
    fn costs(&self) -> String {
        let side = |name: &str, loads: Vec<&Load>| {
            let of = |part: fn(&Load) -> f64| middle(loads.iter().map(|load| part(load)).collect());
            let [cpu, p50, p99] = [of(|load| load.cpu), of(Load::p50), of(Load::p99)];
            let memory = loads.iter().filter_map(|load| load.memory).reduce(f64::max);
            let memory = memory.map_or("–".to_owned(), |most| Unit::Megabytes.write(most));
            let [p50, p99] = [p50, p99].map(|time| Unit::Millis.write(time));
            let cpu = Unit::Micros.write(cpu);
            format!("| {}: {name} | {cpu} | {p50} | {p99} | {memory} |\n", self.what)
        };
        if self.loads.is_empty() {
            return String::new();
        }
        let (theirs, ours) = self.loads.iter().map(|(theirs, ours)| (theirs, ours)).unzip();
        side("beside", theirs) + &side("Rescind", ours)
    }
}

/// A ratio, with as many digits as it deserves.
pub(crate) fn times(ratio: f64) -> String {
    if ratio < 10.0 { format!("{ratio:.2}") } else { format!("{ratio:.1}") }
}

/// The median; no number if there is none or one is none.
pub(crate) fn middle(mut values: Vec<f64>) -> f64 {
    if values.is_empty() { f64::NAN } else { quantile(&mut values, 0.5) }
}

/// The value below which this share of the values lies; 0 if there are none.
pub(crate) fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len().saturating_sub(1) as f64 * share).round() as usize;
    values.get(at).copied().unwrap_or_default()
}

/// The whole page.
pub(crate) fn page(run: &str, rounds: usize, methods: &str, all: &[Series]) -> String {
    let rows: String = all.iter().map(Series::row).collect();
    let costs: String = all.iter().map(Series::costs).collect();
    let verdicts = promise::verdicts(all);
    format!(
        "# Benchmarks

Written by `cargo xtask bench`; no figure by hand. Machines differ and change their pace, so a figure means little by
itself: each stands beside its **floor**, the least that anybody could do for it, or beside what people use today, measured
in turns with it in the same run. The ratio is Rescind's figure ÷ the other: of rates how large a share, of times how many
times as long. Medians of {rounds} rounds where nothing else is said; of the ratios also the least and the most.
Where the time goes: [performance](../performance.md).

{run}
| What | Floor or peer | Rescind | Rescind ÷ it |
|---|---|---|---|
{rows}
## Cost of a request, and its latency

At the highest rate, with 64 connections open: so the latency is that of a queue of 64. CPU is all that the server's core
spends: the server's own, and Redis where a peer needs it. Memory is the peak of the peer's processes.

| What | CPU of a request | p50 | p99 | Memory |
|---|---|---|---|---|
{costs}
## What is measured

Servers run on one core, whoever asks them on another. HTTP is plain HTTP/1.1 over loopback, by 64 connections. Stores
are SQLite files on the disk. Settings are the defaults, but that hashes of passwords are cheap where sign-ins are not what
is measured, and one account may have many sessions. The authority's log is written to a file.

{methods}
## What is promised

{verdicts}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_ours_divided_by_theirs() {
        let mut times = Series::new("t", Unit::Micros);
        let mut rates = Series::new("r", Unit::Requests);
        for (floor, ours) in [(1e-6, 3e-6), (1e-6, 2e-6), (2e-6, 2e-6)] {
            times.add(floor, ours);
            rates.add(1.0 / floor, 1.0 / ours);
        }
        assert_eq!(times.row(), "| t | 1.0 µs | 2.0 µs | **2.00** (1.00–3.00) |\n");
        assert_eq!(rates.row(), "| r | 1000000/s | 500000/s | **0.50** (0.33–1.00) |\n");
    }

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let mut values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert_eq!(quantile(&mut values, 0.5), 3.0);
        assert_eq!((quantile(&mut values, 0.0), quantile(&mut values, 0.99)), (1.0, 5.0));
        assert_eq!(quantile(&mut [], 0.5), 0.0);
        assert!(middle(Vec::new()).is_nan());
    }
}

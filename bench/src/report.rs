//! From measured rounds to the page: medians, with the least and the most.

use crate::bench::say;

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
}

impl Unit {
    fn write(self, value: f64) -> String {
        match self {
            Self::Nanos => format!("{:.0} ns", value * 1e9),
            Self::Micros => format!("{:.1} µs", value * 1e6),
            Self::Millis => format!("{:.2} ms", value * 1e3),
            Self::Requests => format!("{value:.0}/s"),
            Self::Bytes => format!("{value:.1} B"),
        }
    }
}

/// One figure and its floor, round by round.
#[derive(Debug)]
pub(crate) struct Series {
    what: String,
    unit: Unit,
    rounds: Vec<(f64, f64)>,
}

impl Series {
    /// One of times, in seconds, or of rates, by its unit.
    pub(crate) fn new(what: impl Into<String>, unit: Unit) -> Self {
        Self { what: what.into(), unit, rounds: Vec::new() }
    }

    /// Adds a round, and shows it.
    pub(crate) fn add(&mut self, floor: f64, ours: f64) {
        let [floor_text, ours_text] = [floor, ours].map(|value| self.unit.write(value));
        say(&format!("  {}: {ours_text}, floor {floor_text}", self.what));
        self.rounds.push((floor, ours));
    }

    /// How many times the floor's time each round took, in the middle.
    pub(crate) fn ratio(&self) -> f64 {
        quantile(&mut self.ratios(), 0.5)
    }

    /// How many times the floor's time each round took.
    fn ratios(&self) -> Vec<f64> {
        let ratio = |&(floor, ours): &(f64, f64)| match self.unit {
            Unit::Requests => floor / ours,
            Unit::Nanos | Unit::Micros | Unit::Millis | Unit::Bytes => ours / floor,
        };
        self.rounds.iter().map(ratio).collect()
    }

    /// The medians of floor and figure, and of the ratio with its least and most.
    pub(crate) fn row(&self) -> String {
        let (mut floors, mut ours): (Vec<f64>, Vec<f64>) = self.rounds.iter().copied().unzip();
        let mut ratios = self.ratios();
        let (least, most) = (quantile(&mut ratios, 0.0), quantile(&mut ratios, 1.0));
        format!(
            "| {} | {} | {} | **{:.2}** ({least:.2}–{most:.2}) |\n",
            self.what,
            self.unit.write(quantile(&mut floors, 0.5)),
            self.unit.write(quantile(&mut ours, 0.5)),
            quantile(&mut ratios, 0.5),
        )
    }
}

/// The value below which this share of the values lies; 0 if there are none.
pub(crate) fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len().saturating_sub(1) as f64 * share).round() as usize;
    values.get(at).copied().unwrap_or_default()
}

/// The whole page.
pub(crate) fn page(run: &str, rounds: usize, all: &[Series]) -> String {
    let rows: String = all.iter().map(Series::row).collect();
    format!(
        "# Benchmarks

Written by `cargo xtask bench`; no figure by hand. Machines differ and change their pace, so a figure means little by
itself: each stands beside its **floor**, the least that anybody could do for it, measured in turns with it in the same
run. The ratio says how many times the floor's time it takes. Medians of {rounds} rounds; of the ratios also the least
and the most.

{run}
| What | Floor | Rescind | Ratio |
|---|---|---|---|
{rows}
{METHOD}"
    )
}

/// What each figure and its floor are.
const METHOD: &str = "\
## What is measured

Servers run on one core, whoever asks them on another. HTTP is plain HTTP/1.1 over loopback, by 64 connections. Stores
are SQLite files on the disk. Settings are the defaults, but that hashes of passwords are cheap and one account may have
many sessions: no figure is of sign-ins. The authority's log is written to a file.

- **Check of a new access token**: `Verifier::check` of tokens that it has never seen. Floor: the bare verification of
  their signatures by aws-lc-rs, with key and signature decoded before.
- **Check of a known access token**: `Verifier::check` of 4096 tokens in turn that it has seen. Floor: the look-up of the
  same tokens in a `HashMap` with a fast seeded hash.
- **Protected route**: a handler of axum behind `verifier.layer()` that takes the `Principal`, asked by `wrk` with 64
  tokens in turn. Floor: the same handler without both, with the same requests and answers.
- **`GET /whoami`**: asked by `wrk` with the cookies of 64 sessions in turn. Floor: a handler of axum that gives a fixed
  answer with the same headers and as long a body.
- **Refresh**: `POST /token` by 64 clients, each with the token that it was given last. Floor: transactions of the store
  alone that load a session and move its line, asked for by 64 tasks at once, which it groups as it does there.
- **Revocation**: from the call of `Authority::revoke` for a session until a verifier on the other core refuses its
  token: commit to the disk, signature, feed, check. Floor: as many bytes written to a TCP connection on one core, read on
  the other, and their signature verified. With more verifiers: [the delay of a revocation](revocation-delay.md).
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_says_how_many_times_the_floors_time_it_takes() {
        let mut times = Series::new("t", Unit::Micros);
        let mut rates = Series::new("r", Unit::Requests);
        for (floor, ours) in [(1e-6, 3e-6), (1e-6, 2e-6), (2e-6, 2e-6)] {
            times.add(floor, ours);
            rates.add(1.0 / floor, 1.0 / ours);
        }
        assert_eq!(times.row(), "| t | 1.0 µs | 2.0 µs | **2.00** (1.00–3.00) |\n");
        assert_eq!(rates.row(), "| r | 1000000/s | 500000/s | **2.00** (1.00–3.00) |\n");
    }

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let mut values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert_eq!(quantile(&mut values, 0.5), 3.0);
        assert_eq!((quantile(&mut values, 0.0), quantile(&mut values, 0.99)), (1.0, 5.0));
        assert_eq!(quantile(&mut [], 0.5), 0.0);
    }
}

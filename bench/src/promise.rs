//! What is promised: one row for each promise, the bounds of the figures that show it, and the verdict, which is
//! computed from them and never written by hand.

use crate::report::{Series, Unit, times};

/// A row of the promises, in their order on the page. Each is shown by one figure or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Row {
    Route,
    RoutePeers,
    NewTokens,
    Hit,
    Verification,
    Whoami,
    Refresh,
    Login,
    Flood,
    Memory,
    Start,
    Growth,
}

/// What stands on the page for each.
const ROWS: [(Row, &str); 12] = [
    (
        Row::Route,
        "Protected route, known tokens, a million live revocations ÷ the same route unprotected",
    ),
    (Row::RoutePeers, "The same ÷ Express with jsonwebtoken (RS256) and a deny-list in Redis"),
    (Row::NewTokens, "Every token new, ES256 ÷ axum with jsonwebtoken, ES256"),
    (Row::Hit, "Cache hit with the checks of revocation and freshness"),
    (Row::Verification, "Verification without a cache ÷ of the bare signature, ES256 and Ed25519"),
    (
        Row::Whoami,
        "`/whoami` by cookie, drawn over a million sessions ÷ axum's hello, and ÷ others",
    ),
    (Row::Refresh, "Refresh over HTTP, durable, 64 clients ÷ the store's own grouped rate"),
    (Row::Login, "Logins ÷ bare hashes with as many threads"),
    (Row::Flood, "`/whoami` at half its peak during a flood of logins"),
    (Row::Memory, "Memory: idle, of a cached session, of ten million revocations"),
    (Row::Start, "Start to the first answer: empty, and with ten million sessions"),
    (Row::Growth, "Refresh, login and cookie check over ten million ÷ over a thousand"),
];

/// What a figure must be. A ratio is always ours ÷ theirs: of rates it says how large a share, of times how many
/// times as long.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    /// The ratio.
    AtLeast(f64),
    /// The ratio.
    AtMost(f64),
    /// Our own figure, in the unit's base: seconds, bytes or per second.
    OursAtLeast(f64),
    /// Our own figure.
    OursAtMost(f64),
    /// The ratio, or our own figure: whichever is kept.
    AtMostOr(f64, f64),
}

impl Bound {
    /// By what share of the bound it is missed; 0 or less if it is kept.
    fn missed_by(self, ratio: f64, ours: f64) -> f64 {
        let missed = match self {
            Self::AtLeast(least) => 1.0 - ratio / least,
            Self::AtMost(most) => ratio / most - 1.0,
            Self::OursAtLeast(least) => 1.0 - ours / least,
            Self::OursAtMost(most) => ours / most - 1.0,
            Self::AtMostOr(times, most) => (ratio / times - 1.0).min(ours / most - 1.0),
        };
        // A figure that is none keeps nothing.
        if missed.is_nan() { f64::INFINITY } else { missed }
    }

    /// The measured value and what it must be.
    fn text(self, unit: Unit, ratio: f64, ours: f64) -> String {
        let write = |value| unit.write(value);
        match self {
            Self::AtLeast(least) => format!("{} ×, at least {least} ×", times(ratio)),
            Self::AtMost(most) => format!("{} ×, at most {most} ×", times(ratio)),
            Self::OursAtLeast(least) => format!("{}, at least {}", write(ours), write(least)),
            Self::OursAtMost(most) => format!("{}, at most {}", write(ours), write(most)),
            Self::AtMostOr(most, bound) => {
                let (ours, bound) = (write(ours), write(bound));
                format!("{ours}, {} ×, at most {most} × or {bound}", times(ratio))
            }
        }
    }
}

/// The last part of the page: a line for each row, whether it was measured or not.
pub(crate) fn verdicts(all: &[Series]) -> String {
    let lines = ROWS.iter().map(|(row, about)| verdict(*row, about, all));
    let head = "| Promised | Verdict | Measured |\n|---|---|---|\n".to_owned();
    head + &lines.collect::<String>()
}

fn verdict(row: Row, about: &str, all: &[Series]) -> String {
    let (mut worst, mut parts) = (f64::NEG_INFINITY, Vec::new());
    for series in all {
        for (_, bound) in series.bounds().iter().filter(|(of, _)| *of == row) {
            let (ratio, ours) = (series.ratio(), series.ours());
            let missed = bound.missed_by(ratio, ours);
            worst = worst.max(missed);
            let mark = if missed > 0.0 { "*falls short*: " } else { "" };
            parts.push(format!(
                "{mark}{}: {}",
                series.what(),
                bound.text(series.unit(), ratio, ours)
            ));
        }
    }
    let verdict = match worst {
        _ if parts.is_empty() => "not measured".to_owned(),
        missed if missed > 0.0 => format!("*falls short* by {:.0} %", (missed * 100.0).ceil()),
        _ => "reached".to_owned(),
    };
    format!("| {about} | {verdict} | {} |\n", parts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(series: Series) -> String {
        verdict(Row::Route, "r", &[series])
    }

    #[test]
    fn a_share_of_a_rate_and_a_multiple_of_a_time_are_judged() {
        let rate = |ours| {
            let mut series = Series::new("s", Unit::Requests).at_least(Row::Route, 0.9);
            series.add(100.0, ours);
            line(series)
        };
        assert_eq!(rate(90.0), "| r | reached | s: 0.90 ×, at least 0.9 × |\n");
        assert!(rate(81.0).contains("*falls short* by 10 %"), "{}", rate(81.0));
        let time = |ours| {
            let mut series = Series::new("s", Unit::Micros).at_most(Row::Route, 2.0);
            series.add(1e-6, ours);
            line(series)
        };
        assert!(time(2e-6).contains("reached"));
        assert!(time(3e-6).contains("*falls short* by 50 %"), "{}", time(3e-6));
    }

    #[test]
    fn absolute_bounds_need_no_floor() {
        let idle = |ours| {
            let mut series = Series::new("s", Unit::Megabytes).ours_at_most(Row::Route, 20e6);
            series.add_ours(ours);
            line(series)
        };
        assert_eq!(idle(1e7), "| r | reached | s: 10.0 MB, at most 20.0 MB |\n");
        assert!(idle(3e7).contains("*falls short* by 50 %"));
        let mut series = Series::new("s", Unit::Requests).ours_at_least(Row::Route, 3000.0);
        series.add_ours(1500.0);
        assert!(line(series).contains("*falls short* by 50 %"));
    }

    #[test]
    fn either_of_two_bounds_is_enough() {
        let flood = |without, during| {
            let series = Series::new("s", Unit::Millis);
            let mut series = series.at_most_or(Row::Route, 3.0, 5e-3);
            series.add(without, during);
            line(series)
        };
        assert!(flood(1e-3, 5e-3).contains("reached"));
        assert!(flood(4e-3, 12e-3).contains("reached"));
        assert!(flood(1e-3, 6e-3).contains("*falls short* by 20 %"));
    }

    #[test]
    fn what_was_not_measured_is_never_reached() {
        assert_eq!(verdict(Row::Start, "r", &[]), "| r | not measured |  |\n");
        let without_rounds = Series::new("s", Unit::Requests).at_least(Row::Route, 0.9);
        assert!(line(without_rounds).contains("*falls short*"));
        let floor_is_missing = {
            let mut series = Series::new("s", Unit::Micros).at_most(Row::Route, 2.0);
            series.add_ours(1.0);
            series
        };
        assert!(line(floor_is_missing).contains("*falls short*"));
    }

    #[test]
    fn every_row_stands_on_the_page() {
        assert_eq!(verdicts(&[]).lines().count(), 2 + ROWS.len());
        assert!(ROWS.iter().enumerate().all(|(at, (row, _))| *row as usize == at));
    }
}

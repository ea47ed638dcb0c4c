//! The table at the end: what ran, what it found, how long it took, what was left out.

use std::time::Duration;

use crate::libtest::Tests;
use crate::steps::Findings;

/// A whole run is promised to fit in this time on two cores.
const PROMISED: Duration = Duration::from_secs(30 * 60);

/// One step that ran.
pub(crate) struct Row {
    step: &'static str,
    took: Duration,
    findings: Findings,
}

impl Row {
    /// A step, how long it took and what it found.
    pub(crate) fn new(step: &'static str, took: Duration, findings: Findings) -> Self {
        Self { step, took, findings }
    }
}

/// All steps of a run.
#[derive(Default)]
pub(crate) struct Summary {
    rows: Vec<Row>,
    left_out: Vec<(&'static str, &'static str)>,
}

impl Summary {
    /// A step ran; its problems are printed at once, below its own output.
    pub(crate) fn ran(&mut self, row: Row) {
        for problem in &row.findings.problems {
            println!("FAILED {}: {problem}", row.step);
        }
        for note in &row.findings.notes {
            println!("note: {note}");
        }
        self.rows.push(row);
    }

    /// A step was left out, by this option.
    pub(crate) fn left_out(&mut self, step: &'static str, option: &'static str) {
        self.left_out.push((step, option));
    }

    /// True if at least one step ran and none failed.
    pub(crate) fn ok(&self) -> bool {
        !self.rows.is_empty() && self.rows.iter().all(|row| row.findings.problems.is_empty())
    }

    /// Prints the table; the last line is `N passed, N failed`.
    pub(crate) fn print(&self, tests: &[&Tests], took: Duration) {
        println!("\n=== Summary");
        for row in &self.rows {
            let verdict = if row.findings.problems.is_empty() { "ok" } else { "FAILED" };
            println!("{:<8} {verdict:<6} {:>8}  {}", row.step, time(row.took), row.findings.seen);
        }
        for row in &self.rows {
            for problem in &row.findings.problems {
                println!("FAILED {}: {problem}", row.step);
            }
            for note in &row.findings.notes {
                println!("note: {}: {note}", row.step);
            }
        }
        for (step, option) in &self.left_out {
            println!("NOT RUN: {step} (left out by {option})");
        }
        println!("took {}", time(took));
        if took > PROMISED {
            println!("note: longer than the promised {}", time(PROMISED));
        }
        let (passed, failed) = self.totals(tests);
        println!("{passed} passed, {failed} failed");
    }

    /// Tests that passed; tests that failed, and one for each step that failed by itself.
    fn totals(&self, tests: &[&Tests]) -> (usize, usize) {
        let passed = tests.iter().map(|tests| tests.passed()).sum();
        let failed: usize = tests.iter().map(|tests| tests.failed()).sum();
        let steps = self.rows.iter().filter(|row| !row.findings.problems.is_empty()).count();
        let of_tests = tests.iter().filter(|tests| tests.failed() > 0).count();
        (passed, failed + steps.saturating_sub(of_tests))
    }
}

fn time(span: Duration) -> String {
    let seconds = span.as_secs();
    if seconds < 60 {
        format!("{:.1} s", span.as_secs_f64())
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(problems: &[&str]) -> Row {
        let problems = problems.iter().map(|&problem| problem.to_owned()).collect();
        Row::new("step", Duration::ZERO, Findings { problems, ..Findings::default() })
    }

    #[test]
    fn a_failed_step_is_never_counted_as_no_failure() {
        let mut summary = Summary::default();
        summary.ran(row(&[]));
        assert_eq!((summary.ok(), summary.totals(&[])), (true, (0, 0)));
        summary.ran(row(&["why", "and why"]));
        assert_eq!((summary.ok(), summary.totals(&[])), (false, (0, 1)));
    }

    #[test]
    fn a_run_without_any_step_is_not_ok() {
        let mut summary = Summary::default();
        summary.left_out("step", "--quick");
        assert!(!summary.ok());
    }

    #[test]
    fn times_are_for_people() {
        assert_eq!(time(Duration::from_millis(1260)), "1.3 s");
        assert_eq!(time(Duration::from_secs(125)), "2 min 05 s");
    }
}

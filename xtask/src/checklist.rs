//! Reads `docs/checks.toml`: what must hold, in our words, and the tests that show it.
//!
//! A line is shown only by tests that ran and passed in this run. Refuses a line without a claim or
//! without a test, a test that is not there, and a required id that is missing. Lines that a feature
//! still to come will show stand under `later`, each with the reason, and are named in the summary.

use std::collections::BTreeSet;

use toml::{Table, Value};

use crate::libtest::{Tests, Verdict};
use crate::steps::{Findings, Run};
use crate::suite::E2E;

const FILE: &str = "docs/checks.toml";

/// The step.
pub(crate) fn step(run: &mut Run) -> Findings {
    let parsed = std::fs::read_to_string(run.root.join(FILE)).map_err(|error| error.to_string());
    let parsed = parsed.and_then(|text| text.parse::<Table>().map_err(|error| error.to_string()));
    match parsed {
        Ok(checks) => judge(&checks, run.suite.as_ref(), run.e2e.as_ref()),
        Err(error) => Findings::problem(format!("{FILE}: {error}")),
    }
}

/// What is wrong with the list, given the results of the steps that ran.
fn judge(checks: &Table, suite: Option<&Tests>, e2e: Option<&Tests>) -> Findings {
    let mut findings = Findings::default();
    let required = strings(checks.get("required")).unwrap_or_default();
    let settings = ["required", "later"];
    let lines: Vec<(&String, &Value)> =
        checks.iter().filter(|(id, _)| !settings.contains(&id.as_str())).collect();
    required_and_present(&required, &lines, &mut findings.problems);
    note_later(checks.get("later"), &lines, &mut findings);

    let mut without = Vec::new();
    let mut unjudged = 0;
    for (id, line) in &lines {
        if line.get("claim").and_then(Value::as_str).is_none_or(|claim| claim.trim().is_empty()) {
            findings.problems.push(format!("{id}: no claim"));
        }
        let Some(tests) = strings(line.get("tests")) else {
            findings.problems.push(format!("{id}: `tests` is no list of strings"));
            continue;
        };
        if tests.is_empty() {
            without.push(id.as_str());
        }
        for test in tests {
            let results = if test.starts_with(&format!("{E2E}::")) { e2e } else { suite };
            match results.map(|results| results.verdicts.get(test)) {
                None => unjudged += 1,
                Some(Some(Verdict::Passed)) => {}
                Some(Some(_)) => findings.problems.push(format!("{id}: {test} did not pass")),
                Some(None) => findings.problems.push(format!("{id}: there is no test {test}")),
            }
        }
    }
    if !without.is_empty() {
        let count = without.len();
        findings.problems.push(format!("{count} lines without a test: {}", without.join(" ")));
    }
    if unjudged > 0 {
        let note =
            format!("{unjudged} of the tests named in {FILE} belong to a step that did not run");
        findings.notes.push(note);
    }
    findings.seen = format!("{} lines, {} with tests", lines.len(), lines.len() - without.len());
    findings
}

/// Lines to come are not lines that are there, and each says what it waits for.
fn note_later(later: Option<&Value>, lines: &[(&String, &Value)], findings: &mut Findings) {
    let later = later.and_then(Value::as_table);
    for (id, reason) in later.into_iter().flatten() {
        match reason.as_str().filter(|reason| !reason.trim().is_empty()) {
            _ if lines.iter().any(|(line, _)| *line == id) => {
                findings.problems.push(format!("{id}: both there and still to come"));
            }
            Some(reason) => findings.notes.push(format!("{id} comes later: {reason}")),
            None => findings.problems.push(format!("{id}: comes later, without a reason")),
        }
    }
}

fn required_and_present(
    required: &[&str],
    lines: &[(&String, &Value)],
    problems: &mut Vec<String>,
) {
    let present: BTreeSet<&str> = lines.iter().map(|(id, _)| id.as_str()).collect();
    let wanted: BTreeSet<&str> = required.iter().copied().collect();
    if wanted.is_empty() || wanted.len() < required.len() {
        problems.push("`required` must list every id once".to_owned());
    }
    problems.extend(wanted.difference(&present).map(|id| format!("{id}: required, but missing")));
    problems.extend(present.difference(&wanted).map(|id| format!("{id}: not in `required`")));
}

fn strings(value: Option<&Value>) -> Option<Vec<&str>> {
    value?.as_array()?.iter().map(Value::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(results: &[(&str, Verdict)]) -> Tests {
        let verdicts = results.iter().map(|(id, verdict)| ((*id).to_owned(), *verdict)).collect();
        Tests { verdicts, problems: Vec::new() }
    }

    fn problems(text: &str, suite: &[(&str, Verdict)]) -> Vec<String> {
        judge(&text.parse().unwrap(), Some(&ran(suite)), None).problems
    }

    const ONE: &str = "required = ['T01']\n[T01]\nclaim = 'holds'\ntests = ['a::lib::b']";

    #[test]
    fn a_line_is_shown_only_by_a_test_that_passed() {
        assert_eq!(problems(ONE, &[("a::lib::b", Verdict::Passed)]), [""; 0]);
        assert_eq!(problems(ONE, &[("a::lib::b", Verdict::Failed)]).len(), 1);
        assert_eq!(problems(ONE, &[("a::lib::b", Verdict::Ignored)]).len(), 1);
        assert_eq!(problems(ONE, &[]), ["T01: there is no test a::lib::b"]);
    }

    #[test]
    fn lines_without_claim_or_test_are_listed() {
        let text = "required = ['T01', 'T02']\n[T01]\nclaim = ' '\ntests = []\n[T02]\nclaim = 'x'\ntests = []";
        assert_eq!(problems(text, &[]), ["T01: no claim", "2 lines without a test: T01 T02"]);
    }

    #[test]
    fn required_and_present_ids_are_the_same() {
        let missing = ONE.replace("['T01']", "['T01', 'T02']");
        let passed = [("a::lib::b", Verdict::Passed)];
        assert_eq!(problems(&missing, &passed), ["T02: required, but missing"]);
        let extra = ONE.replace("['T01']", "['T02']");
        assert_eq!(problems(&extra, &passed).len(), 2);
        let twice = ONE.replace("['T01']", "['T01', 'T01']");
        assert_eq!(problems(&twice, &passed).len(), 1);
    }

    #[test]
    fn tests_of_a_step_that_did_not_run_are_said_to_be_unjudged() {
        let findings = judge(&ONE.replace("a::", "rescind-e2e::").parse().unwrap(), None, None);
        assert_eq!(findings.problems, [""; 0]);
        assert_eq!(findings.notes.len(), 1);
    }

    #[test]
    fn what_comes_later_is_named_with_its_reason_and_is_not_there_yet() {
        let passed = [("a::lib::b", Verdict::Passed)];
        let later = |reason: &str| ONE.replace("[T01]", &format!("later = {{ {reason} }}\n[T01]"));
        let text = later("L16 = 'needs registration'");
        let findings = judge(&text.parse().unwrap(), Some(&ran(&passed)), None);
        assert_eq!(findings.problems, [""; 0]);
        assert_eq!(findings.notes, ["L16 comes later: needs registration"]);
        assert_eq!(problems(&later("T01 = 'why'"), &passed), ["T01: both there and still to come"]);
        assert_eq!(problems(&later("L16 = ' '"), &passed), ["L16: comes later, without a reason"]);
    }
}

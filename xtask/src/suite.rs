//! Runs `cargo test` so that a person sees it live and the results are kept by id.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::libtest::{Binaries, Reader, Tests, Verdict};
use crate::steps::{Findings, Run};
use crate::{process, secrets};

/// The package that drives the release binaries; it has a step of its own.
pub(crate) const E2E: &str = "rescind-e2e";

/// Tests of one program at once, for each core: most of them wait for something, and not for a core.
const AT_ONCE: usize = 3;

/// The step: all tests outside `e2e/`.
pub(crate) fn step(run: &mut Run) -> Findings {
    let packages = match packages(&run.root) {
        Ok(packages) => packages,
        Err(problem) => return Findings::problem(problem),
    };
    let mut selection = vec!["--workspace"];
    if packages.values().any(|name| name == E2E) {
        selection.extend(["--exclude", E2E]);
    }
    let evidence = match secrets::begin(&run.root) {
        Ok(evidence) => evidence,
        Err(problem) => return Findings::problem(problem),
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = (AT_ONCE * cores).to_string();
    let variables = [("EVIDENCE", &*evidence), ("RUST_TEST_THREADS", Path::new(&threads))];
    match tests(&run.root, &packages, &selection, &variables) {
        Ok((tests, findings)) => {
            run.suite = Some(tests);
            findings
        }
        Err(problem) => Findings::problem(problem),
    }
}

/// Builds and runs the selected tests with these variables in their environment.
pub(crate) fn tests(
    root: &Path,
    packages: &HashMap<String, String>,
    selection: &[&str],
    variables: &[(&str, &Path)],
) -> Result<(Tests, Findings), String> {
    let mut build = Command::new("cargo");
    build
        .arg("test")
        .args(selection)
        .args(["--no-run", "--message-format=json-render-diagnostics"]);
    build.current_dir(root).envs(variables.iter().copied());
    let messages = process::captured(&mut build)?;

    let mut reader = Reader::new(Binaries::read(root, packages, &messages));
    let mut tests = Command::new("cargo");
    tests.arg("test").args(selection).arg("--no-fail-fast");
    tests.current_dir(root).envs(variables.iter().copied()).env("CARGO_TERM_COLOR", "never");
    let ok = process::streamed(&mut tests, |line| reader.line(line))?;
    let tests = reader.finish();
    let findings = judge(ok, &tests);
    Ok((tests, findings))
}

/// The ids of the workspace's packages and their names.
pub(crate) fn packages(root: &Path) -> Result<HashMap<String, String>, String> {
    let packages = metadata(root)?["packages"].as_array().cloned().unwrap_or_default();
    let entry = |package: &Value| {
        Some((package["id"].as_str()?.to_owned(), package["name"].as_str()?.to_owned()))
    };
    Ok(packages.iter().filter_map(entry).collect())
}

/// What cargo says of the workspace, without its dependencies.
fn metadata(root: &Path) -> Result<Value, String> {
    let mut command = Command::new("cargo");
    command.args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(root);
    let text = process::output(&mut command)?;
    serde_json::from_str(&text).map_err(|error| format!("`cargo metadata`: {error}"))
}

/// Where cargo puts what it builds.
pub(crate) fn target(root: &Path) -> Result<PathBuf, String> {
    let metadata = metadata(root)?;
    let target = metadata["target_directory"].as_str().ok_or("cargo names no target directory")?;
    Ok(target.into())
}

fn judge(ok: bool, tests: &Tests) -> Findings {
    let mut findings = Findings { problems: tests.problems.clone(), ..Findings::default() };
    for id in tests.ids(Verdict::Failed) {
        findings.problems.push(id.to_owned());
    }
    for id in tests.ids(Verdict::Ignored) {
        findings.problems.push(format!("{id} is ignored: a test runs or is removed"));
    }
    if !ok && findings.problems.is_empty() {
        findings.problems.push("`cargo test` failed although every line read is ok".to_owned());
    }
    if tests.verdicts.is_empty() {
        findings.problems.push("no test ran".to_owned());
    }
    findings.seen = format!("{} tests", tests.verdicts.len());
    findings
}

#[cfg(test)]
mod tests_of_the_judgement {
    use super::*;

    fn some(verdict: Verdict) -> Tests {
        Tests { verdicts: [("a::lib::b".to_owned(), verdict)].into(), problems: Vec::new() }
    }

    #[test]
    fn only_a_clean_run_is_ok() {
        assert!(judge(true, &some(Verdict::Passed)).problems.is_empty());
        assert_eq!(judge(false, &some(Verdict::Passed)).problems.len(), 1);
        assert_eq!(judge(false, &some(Verdict::Failed)).problems, ["a::lib::b"]);
        assert_eq!(judge(true, &some(Verdict::Ignored)).problems.len(), 1);
        assert_eq!(judge(true, &Tests::default()).problems, ["no test ran"]);
    }
}

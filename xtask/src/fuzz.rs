//! `cargo xtask fuzz`: each target of `fuzz/` for some minutes, guided by coverage.
//!
//! On stable Rust: LLVM's own pass counts the edges, libFuzzer inside the test program reads the counters.
//! Each target works in `target/fuzz/<target>`: its seeds, what it found worth keeping, and the input of a
//! finding.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use serde_json::Value;

use crate::{process, suite};

/// What makes the compiler count edges and the harness hand over to libFuzzer.
const FLAGS: &str = "--cfg fuzzing --cfg fuzzing_libfuzzer -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares";
/// A single input may take so many seconds, and the program so many MiB.
const BOUNDS: &str = "-timeout=10 -rss_limit_mb=2048";
/// Its schedule by rare features takes more time than a target itself.
const SCHEDULE: &str = "-entropic=0";

/// What the person who started the command asked for.
#[derive(Debug)]
pub(crate) struct Plan {
    minutes: u64,
    /// Only these; empty means all.
    targets: Vec<String>,
}

/// Reads what follows `fuzz`.
pub(crate) fn parse(arguments: &[String]) -> Result<Plan, String> {
    let mut plan = Plan { minutes: 10, targets: Vec::new() };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == "--minutes" {
            let number = arguments.next().and_then(|n| n.parse().ok()).filter(|n| *n > 0);
            plan.minutes = number.ok_or("--minutes needs a number from 1 on")?;
        } else if argument.starts_with('-') {
            return Err(format!("unknown option: {argument}"));
        } else {
            plan.targets.push(argument.replace('-', "_"));
        }
    }
    Ok(plan)
}

/// Runs the plan, to the end even if something is found.
pub(crate) fn run(root: &Path, plan: &Plan) -> ExitCode {
    match all(root, plan) {
        Ok(reports) => {
            println!();
            reports.iter().for_each(|report| println!("{}", report.line()));
            let clean = reports.iter().all(|report| report.finding.is_none());
            if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn all(root: &Path, plan: &Plan) -> Result<Vec<Report>, String> {
    let folder = suite::target(root)?.join("fuzz");
    let program = build(root, &folder)?;
    let listed = process::output(Command::new(&program).args(["--list", "--format", "terse"]))?;
    let tests = chosen(&listed, &plan.targets)?;
    tests.iter().map(|test| fuzz(&program, &folder, test, plan.minutes)).collect()
}

/// Builds the targets; gives the program's file. With an explicit target the flags spare build scripts.
fn build(root: &Path, folder: &Path) -> Result<PathBuf, String> {
    let version = process::output(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let mut build = Command::new("cargo");
    build.args(["test", "--package", "rescind-fuzz", "--test", "targets", "--features", "guided"]);
    build.args(["--profile", "fuzz", "--target", host.ok_or("rustc names no host")?]);
    build.args(["--no-run", "--message-format=json-render-diagnostics", "--target-dir"]);
    build.arg(folder).current_dir(root).env("RUSTFLAGS", FLAGS);
    let messages = process::captured(&mut build)?;
    let artifact = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        let file = message["executable"].as_str()?;
        (message["target"]["name"] == "targets").then(|| PathBuf::from(file))
    };
    messages.lines().find_map(artifact).ok_or("cargo names no program".to_owned())
}

/// The tests of these targets, from lines of the form `target::claim: test`.
fn chosen(listed: &str, targets: &[String]) -> Result<Vec<String>, String> {
    let tests = || listed.lines().filter_map(|line| line.strip_suffix(": test"));
    let of = |test: &str, target: &str| test.split("::").next() == Some(target);
    if let Some(unknown) = targets.iter().find(|target| !tests().any(|test| of(test, target))) {
        return Err(format!("no target is called {unknown}"));
    }
    let wanted = |test: &&str| targets.is_empty() || targets.iter().any(|target| of(test, target));
    Ok(tests().filter(wanted).map(str::to_owned).collect())
}

fn fuzz(program: &Path, folder: &Path, test: &str, minutes: u64) -> Result<Report, String> {
    let target = test.split("::").next().unwrap_or(test);
    let folder = folder.join(target);
    std::fs::create_dir_all(folder.join("found"))
        .map_err(|error| format!("{}: {error}", folder.display()))?;
    let arguments = format!(
        "found seeds {BOUNDS} {SCHEDULE} -max_total_time={} -print_final_stats=1",
        minutes * 60
    );
    let mut command = Command::new(program);
    command.args([test, "--exact", "--nocapture", "--test-threads", "1"]);
    command.current_dir(&folder).env("BOLERO_LIBFUZZER_ARGS", arguments);
    let mut report = Report { target: target.to_owned(), ..Report::default() };
    let mut kept = None;
    let ok = process::streamed(&mut command, |line| {
        let number = |name: &str| line.strip_prefix(name)?.trim().parse().ok();
        report.runs = number("stat::number_of_executed_units:").unwrap_or(report.runs);
        report.each_second = number("stat::average_exec_per_sec:").unwrap_or(report.each_second);
        if let Some((_, file)) = line.split_once("Test unit written to ") {
            kept = Some(folder.join(file.trim_start_matches("./")).display().to_string());
        }
    })?;
    if !ok {
        report.finding = Some(kept.unwrap_or("the program ended, and kept no input".to_owned()));
    }
    Ok(report)
}

/// What one target came to.
#[derive(Debug, Default)]
struct Report {
    target: String,
    runs: u64,
    each_second: u64,
    /// Where the input stands that found something.
    finding: Option<String>,
}

impl Report {
    fn line(&self) -> String {
        let end = self.finding.as_ref().map_or("ok".to_owned(), |kept| format!("FOUND {kept}"));
        format!("{:<10} {:>12} runs {:>8}/s  {end}", self.target, self.runs, self.each_second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> Result<Plan, String> {
        parse(&text.split_whitespace().map(String::from).collect::<Vec<_>>())
    }

    #[test]
    fn minutes_and_targets_are_read() {
        assert_eq!(plan("").unwrap().minutes, 10);
        let plan = plan("--minutes 3 key-set token").unwrap();
        assert_eq!((plan.minutes, plan.targets), (3, vec!["key_set".into(), "token".into()]));
    }

    #[test]
    fn what_is_no_minute_and_no_option_is_refused() {
        for bad in ["--minutes", "--minutes 0", "--minutes x", "--forever"] {
            assert!(plan(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn targets_are_chosen_by_their_whole_name() {
        let listed = "head::a: test\nheading::b: test\n";
        assert_eq!(chosen(listed, &["head".into()]).unwrap(), ["head::a"]);
        assert_eq!(chosen(listed, &[]).unwrap().len(), 2);
        assert!(chosen(listed, &["hea".into()]).is_err());
    }
}

//! The steps of `cargo xtask test`, their order, and the loop that runs them.
//!
//! A step never stops the next one. What was left out is said in the summary, never passed over.

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Instant;

use crate::libtest::Tests;
use crate::summary::{Row, Summary};
use crate::{bench, borders, checklist, deny, e2e, files, model, process, secrets, suite, torture};

/// What the person who started the command asked for.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Leave out the slow steps.
    pub(crate) quick: bool,
    /// Run only these; empty means all.
    pub(crate) only: Vec<&'static str>,
}

/// What the steps share.
pub(crate) struct Run {
    /// The root of the repository.
    pub(crate) root: PathBuf,
    /// Results of the tests outside `e2e/`; `None` until that step has run.
    pub(crate) suite: Option<Tests>,
    /// Results of the tests in `e2e/`; `None` until that step has run.
    pub(crate) e2e: Option<Tests>,
}

/// What a step found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Why the step failed; none means that it is ok.
    pub(crate) problems: Vec<String>,
    /// What the reader should know although nothing failed.
    pub(crate) notes: Vec<String>,
    /// What was looked at, in a few words.
    pub(crate) seen: String,
}

impl Findings {
    /// One problem and nothing else.
    pub(crate) fn problem(problem: impl Into<String>) -> Self {
        Self { problems: vec![problem.into()], ..Self::default() }
    }
}

/// One step.
pub(crate) struct Step {
    /// The name that `--only` takes.
    pub(crate) name: &'static str,
    /// One line for the help text.
    pub(crate) about: &'static str,
    /// Left out by `--quick`.
    pub(crate) slow: bool,
    run: fn(&mut Run) -> Findings,
}

/// All steps, in the order in which they run: what fails quickly comes first.
pub(crate) const STEPS: &[Step] = &[
    Step { name: "fmt", about: "the code is formatted", slow: false, run: fmt },
    Step {
        name: "files",
        about: "no secret, no path of one machine; links in *.md lead somewhere",
        slow: false,
        run: files::step,
    },
    Step {
        name: "borders",
        about: "no crate depends on what its border forbids, and nothing shipped can be told to fail",
        slow: false,
        run: borders::step,
    },
    Step {
        name: "deny",
        about: "licences, bans and sources (cargo deny)",
        slow: true,
        run: deny::step,
    },
    Step { name: "clippy", about: "no warning in any target", slow: false, run: clippy },
    Step { name: "test", about: "all tests outside e2e/", slow: false, run: suite::step },
    Step {
        name: "e2e",
        about: "the release binaries, a real browser, other libraries (installs them on Debian)",
        slow: true,
        run: e2e::step,
    },
    Step {
        name: "secrets",
        about: "nothing that opens something stands in what the tests have left",
        slow: false,
        run: secrets::step,
    },
    Step {
        name: "model",
        about: "the models of the promise are searched whole; every mutant is caught",
        slow: true,
        run: model::step,
    },
    Step {
        name: "torture",
        about: "the promise holds under attack for a minute",
        slow: true,
        run: torture::step,
    },
    Step {
        name: "bench",
        about: "each benchmark runs for a moment; no figure is judged (installs wrk, Redis, Node.js on Debian)",
        slow: true,
        run: bench::step,
    },
    Step {
        name: "checks",
        about: "every line of docs/checks.toml is shown by tests that ran and passed",
        slow: false,
        run: checklist::step,
    },
];

/// Runs the plan and prints the summary; the exit code says whether all is well.
#[expect(clippy::disallowed_methods, reason = "measures how long the steps take in real time")]
pub(crate) fn run(root: PathBuf, plan: &Plan) -> ExitCode {
    let begun = Instant::now();
    let mut run = Run { root, suite: None, e2e: None };
    let mut summary = Summary::default();
    for step in STEPS {
        if !plan.only.is_empty() && !plan.only.contains(&step.name) {
            summary.left_out(step.name, "--only");
        } else if plan.quick && step.slow && !plan.only.contains(&step.name) {
            summary.left_out(step.name, "--quick");
        } else {
            println!("\n=== {}: {}", step.name, step.about);
            let from = Instant::now();
            let findings = (step.run)(&mut run);
            summary.ran(Row::new(step.name, from.elapsed(), findings));
        }
    }
    let tests = [run.suite.as_ref(), run.e2e.as_ref()];
    summary.print(&tests.into_iter().flatten().collect::<Vec<_>>(), begun.elapsed());
    if summary.ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn fmt(run: &mut Run) -> Findings {
    plain(run, &["fmt", "--all", "--check"], "run `cargo fmt --all`")
}

fn clippy(run: &mut Run) -> Findings {
    let arguments = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    plain(run, &arguments, "the warnings stand above")
}

/// A step that is one cargo command.
fn plain(run: &Run, arguments: &[&str], advice: &str) -> Findings {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(&run.root);
    match process::passes(&mut command) {
        Ok(()) => Findings::default(),
        Err(problem) => Findings::problem(format!("{problem}; {advice}")),
    }
}

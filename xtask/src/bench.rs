//! `cargo xtask bench`, and the step that only looks whether it works.
//!
//! Builds and runs `rescind-bench` and keeps what it prints. No figure is judged.

use std::path::Path;
use std::process::Command;

use crate::steps::{Findings, Run};
use crate::{debian, process, suite};

/// The page that a whole run writes.
const PAGE: &str = "docs/generated/benchmarks.md";

/// The command. A quick run prints its page and writes nothing.
pub(crate) fn run(root: &Path, quick: bool) -> Result<(), String> {
    let page = measured(root, quick)?;
    if quick {
        println!("{page}");
        return Ok(());
    }
    std::fs::write(root.join(PAGE), page).map_err(|error| format!("{PAGE}: {error}"))?;
    println!("written: {PAGE}");
    Ok(())
}

/// The step.
pub(crate) fn step(run: &mut Run) -> Findings {
    match measured(&run.root, true) {
        Ok(page) => {
            let figures =
                page.lines().filter(|line| line.starts_with('|') && line.contains("**")).count();
            Findings { seen: format!("{figures} figures"), ..Findings::default() }
        }
        Err(problem) => Findings::problem(problem),
    }
}

fn measured(root: &Path, quick: bool) -> Result<String, String> {
    debian::install(&[("wrk", "wrk")], &[])?;
    let mut build = Command::new("cargo");
    build.args(["build", "--release", "-p", "rescind-bench"]).current_dir(root);
    process::passes(&mut build)?;
    let mut bench = Command::new(suite::target(root)?.join("release/rescind-bench"));
    if quick {
        bench.arg("--quick");
    }
    process::captured(&mut bench)
}

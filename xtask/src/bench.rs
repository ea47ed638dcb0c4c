//! `cargo xtask bench`, and the step that only looks whether it works.
//!
//! Builds and runs `rescind-bench` and keeps what it prints. No figure is judged.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::steps::{Findings, Run};
use crate::{debian, peers, process, suite};

/// A page that a whole run writes, and how the program is asked for it.
pub(crate) struct Page {
    /// The file.
    file: &'static str,
    /// What the program is told to measure.
    measured: &'static str,
    /// Where it draws: one picture, or a folder for several.
    drawn: Option<&'static str>,
    /// Whether others are measured beside it.
    peers: bool,
}

/// All measurements.
pub(crate) const ALL: Page = Page {
    file: "docs/generated/benchmarks.md",
    measured: "all",
    drawn: Some("docs/generated"),
    peers: true,
};
/// The delay of a revocation, by the number of verifiers.
pub(crate) const DELAY: Page = Page {
    file: "docs/generated/revocation-delay.md",
    measured: "revoke",
    drawn: Some("docs/generated/revocation-delay.svg"),
    peers: false,
};
/// The set of revocations with up to ten million of them.
pub(crate) const SET: Page =
    Page { file: "docs/generated/revocation-set.md", measured: "set", drawn: None, peers: false };

/// The command. A quick run prints its page and writes nothing that stays.
pub(crate) fn run(root: &Path, page: &Page, quick: bool) -> Result<(), String> {
    let text = measured(root, page, quick)?;
    if quick {
        println!("{text}");
        return Ok(());
    }
    let file = page.file;
    std::fs::write(root.join(file), text).map_err(|error| format!("{file}: {error}"))?;
    println!("written: {file}");
    Ok(())
}

/// One measurement of the page of all, printed. Its pictures are found below `target`.
pub(crate) fn only(root: &Path, name: &str, quick: bool) -> Result<(), String> {
    let (built, target) = (built(root)?, suite::target(root)?);
    peers::prepare(root, &target, quick)?;
    let mut bench = Command::new(built.join("rescind-bench"));
    let pictures = target.join("pictures");
    let failed = |error| format!("{}: {error}", pictures.display());
    std::fs::create_dir_all(&pictures).map_err(failed)?;
    bench.args(["only", name]).arg(&pictures).args(quick.then_some("--quick"));
    println!("{}", process::captured(&mut bench)?);
    Ok(())
}

/// Everything for a moment.
pub(crate) fn quick(root: &Path) -> Result<String, String> {
    [&ALL, &DELAY, &SET].into_iter().map(|page| measured(root, page, true)).collect()
}

/// The step.
pub(crate) fn step(run: &mut Run) -> Findings {
    match quick(&run.root) {
        Ok(text) => {
            let figures =
                text.lines().filter(|line| line.starts_with('|') && line.contains("**")).count();
            Findings { seen: format!("{figures} figures"), ..Findings::default() }
        }
        Err(problem) => Findings::problem(problem),
    }
}

fn measured(root: &Path, page: &Page, quick: bool) -> Result<String, String> {
    let (built, target) = (built(root)?, suite::target(root)?);
    if page.peers {
        peers::prepare(root, &target, quick)?;
    }
    let mut bench = Command::new(built.join("rescind-bench"));
    bench.arg(page.measured);
    if let Some(drawn) = page.drawn {
        // What a quick run draws is looked at by nobody.
        let place = if quick { target.join("quick") } else { root.to_path_buf() }.join(drawn);
        let folder = if place.extension().is_some() { place.parent() } else { Some(&*place) };
        let folder = folder.unwrap_or(&place);
        std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        bench.arg(place);
    }
    if quick {
        bench.arg("--quick");
    }
    process::captured(&mut bench)
}

/// The folder of the program, with all that it needs.
fn built(root: &Path) -> Result<PathBuf, String> {
    debian::install(&[("wrk", "wrk")], &[])?;
    // One after the other: together, the program would be built with what only tests may use.
    for package in ["rescind-server", "rescind-bench"] {
        let mut build = Command::new("cargo");
        build.args(["build", "--release", "-p", package]).current_dir(root);
        process::passes(&mut build)?;
    }
    Ok(suite::target(root)?.join("release"))
}

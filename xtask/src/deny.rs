//! Licences, banned crates, duplicates and sources, by cargo-deny and `deny.toml`.
//!
//! The tool is built once into the target folder (about a minute on two cores: it runs for seconds, so it is not
//! optimised), in the one version that the configuration was written for. Advisories need a database from the network: people run
//! that check, and the summary says that it was not made here.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::steps::{Findings, Run};
use crate::{process, suite};

const VERSION: &str = "0.20.2";

/// The step.
pub(crate) fn step(run: &mut Run) -> Findings {
    let check = installed(&run.root).and_then(|program| {
        let mut command = Command::new(program);
        command.args([
            "--locked",
            "check",
            "--hide-inclusion-graph",
            "licenses",
            "bans",
            "sources",
        ]);
        process::passes(command.current_dir(&run.root))
    });
    let note = "advisories were not checked here: run `cargo deny check advisories`".to_owned();
    Findings {
        problems: check.err().into_iter().collect(),
        notes: vec![note],
        ..Default::default()
    }
}

/// The tool's file, installed if it is missing or of another version.
fn installed(root: &Path) -> Result<PathBuf, String> {
    let tools = suite::target(root)?.join("tools");
    let program = tools.join("bin/cargo-deny");
    let version = process::output(Command::new(&program).arg("--version"));
    if !version.is_ok_and(|version| version.trim() == format!("cargo-deny {VERSION}")) {
        let mut install = Command::new("cargo");
        install.args(["install", "--debug", "--locked", "--version", VERSION, "cargo-deny"]);
        install.env("CARGO_PROFILE_DEV_DEBUG", "0").arg("--root").arg(&tools);
        process::passes(install.current_dir(root))?;
    }
    Ok(program)
}

//! What others have written, put together for the benchmark: programs of ours on their packages, in `bench/peers`.
//!
//! Everything goes below `target/`; the versions stand in lock files.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{debian, process};

/// Programs that they need, and the Debian package of each.
const NEEDED: &[(&str, &str)] = &[
    ("node", "nodejs"),
    ("npm", "npm"),
    ("redis-server", "redis-server"),
    ("setpriv", "util-linux"),
];

/// The list of all packages of Node.js, with their versions.
const LOCK: &str = "package-lock.json";

/// Puts all of them together, where the benchmark finds them: below `target`.
pub(crate) fn prepare(root: &Path, target: &Path) -> Result<(), String> {
    debian::install(NEEDED, &[])?;
    let peers = root.join("bench/peers");
    rust(&peers.join("rust"), target)?;
    node(&peers.join("node"), &target.join("peers/node"))
}

/// Into the folder of the benchmark's program. What both use is compiled once.
fn rust(from: &Path, target: &Path) -> Result<(), String> {
    let mut build = Command::new("cargo");
    build.args(["build", "--release", "--locked", "--target-dir"]).arg(target).current_dir(from);
    process::passes(&mut build)
}

/// The packages are installed again only if their list has changed.
fn node(from: &Path, to: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", to.display());
    fs::create_dir_all(to).map_err(failed)?;
    let installed = to.join("node_modules").join(LOCK);
    let wanted = fs::read(from.join(LOCK)).map_err(failed)?;
    let there = fs::read(&installed).is_ok_and(|lock| lock == wanted);
    for file in fs::read_dir(from).map_err(failed)? {
        let file = file.map_err(failed)?;
        fs::copy(file.path(), to.join(file.file_name())).map_err(failed)?;
    }
    if there {
        return Ok(());
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-audit", "--no-fund"]).current_dir(to);
    process::passes(&mut npm)?;
    // Only now: what was broken off is done again.
    fs::copy(from.join(LOCK), installed).map(drop).map_err(failed)
}

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

/// Puts all of them together, where the benchmark finds them: below `target`. For a quick run what is compiled need not
/// be fast.
pub(crate) fn prepare(root: &Path, target: &Path, quick: bool) -> Result<(), String> {
    debian::install(NEEDED, &[])?;
    let peers = root.join("bench/peers");
    node(&peers.join("node"), &target.join("peers/node"), quick)?;
    rust(&peers.join("rust"), target, quick)
}

/// Those of Rust are one program.
fn rust(from: &Path, target: &Path, quick: bool) -> Result<(), String> {
    let mut build = Command::new("cargo");
    build.args(["build", "--locked", "--target-dir"]).arg(target).current_dir(from);
    let profile = if quick { "debug" } else { "release" };
    if quick {
        build.env("CARGO_PROFILE_DEV_DEBUG", "false");
    } else {
        build.arg("--release");
    }
    process::passes(&mut build)?;
    let name = "rescind-bench-peers";
    let to = target.join("peers").join(name);
    fs::copy(target.join(profile).join(name), &to)
        .map(drop)
        .map_err(|e| format!("{}: {e}", to.display()))
}

/// The packages are installed again only if their list has changed, or if a quick run has installed them.
fn node(from: &Path, to: &Path, quick: bool) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", to.display());
    fs::create_dir_all(to).map_err(failed)?;
    for file in fs::read_dir(from).map_err(failed)? {
        let file = file.map_err(failed)?;
        fs::copy(file.path(), to.join(file.file_name())).map_err(failed)?;
    }
    let wanted = fs::read(from.join(LOCK)).map_err(failed)?;
    let installed = |how: &str| to.join(format!("node_modules/{how}-{LOCK}"));
    let there = |how| fs::read(installed(how)).is_ok_and(|lock| lock == wanted);
    if there("fast") || quick && there("quick") {
        return Ok(());
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-audit", "--no-fund"]).current_dir(to);
    if quick {
        // Comes after the package's own flags, and so wins: its SQLite is compiled in a moment.
        npm.env("CFLAGS", "-O0").env("CXXFLAGS", "-O0").env("JOBS", "max");
    }
    process::passes(&mut npm)?;
    // Only now: what was broken off is done again.
    fs::copy(from.join(LOCK), installed(if quick { "quick" } else { "fast" }))
        .map(drop)
        .map_err(failed)
}

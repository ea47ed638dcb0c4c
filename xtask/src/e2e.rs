//! The step that drives the release binaries, a real browser, and other people's libraries.
//!
//! Chromium, Node.js and Python are installed by [`crate::debian`]. The libraries are in [`crate::clients`].

use std::path::Path;
use std::process::Command;

use crate::debian::{find, install};
use crate::steps::{Findings, Run};
use crate::{clients, process, secrets, suite};

/// Programs that the tests start, and the Debian package of each.
const NEEDED: &[(&str, &str)] = &[
    ("chromium", "chromium"),
    ("chromedriver", "chromium-driver"),
    ("curl", "curl"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("python3", "python3"),
];

/// A Python that cannot make environments of its own lacks this Debian package.
const VENV: &str = "python3-venv";

/// The step.
pub(crate) fn step(run: &mut Run) -> Findings {
    match all(run) {
        Ok(findings) => findings,
        Err(problem) => Findings::problem(problem),
    }
}

fn all(run: &mut Run) -> Result<Findings, String> {
    let packages = suite::packages(&run.root)?;
    if !packages.values().any(|name| name == suite::E2E) {
        return Err(format!("the workspace has no package {}: e2e/ is missing", suite::E2E));
    }
    let venv = process::output(Command::new("python3").args(["-c", "import ensurepip, venv"]));
    install(NEEDED, if venv.is_err() { &[VENV] } else { &[] })?;
    let chromium = find("chromium").ok_or("chromium is still missing")?;
    let chromedriver = find("chromedriver").ok_or("chromedriver is still missing")?;

    let mut build = Command::new("cargo");
    build.args(["build", "--release", "-p", "rescind-server", "-p", "posts-api"]);
    process::passes(build.current_dir(&run.root))?;
    let target = suite::target(&run.root)?;
    let clients = clients::prepare(&target)?;
    let release = target.join("release");
    let (rescind, posts_api) = (release.join("rescind"), release.join("posts-api"));

    let evidence = secrets::folder(&run.root)?;
    std::fs::create_dir_all(&evidence)
        .map_err(|error| format!("{}: {error}", evidence.display()))?;

    let variables: [(&str, &Path); 8] = [
        ("EVIDENCE", &evidence),
        ("E2E_RESCIND", &rescind),
        ("POSTS_API_BIN", &posts_api),
        ("CHROMEDRIVER", &chromedriver),
        ("CHROMIUM", &chromium),
        ("AXE_DIR", &clients.axe),
        ("JOSE_DIR", &clients.jose),
        ("PYJWT_PYTHON", &clients.python),
    ];
    for (name, path) in variables {
        if !path.exists() {
            return Err(format!("{name}: there is no {}", path.display()));
        }
    }
    let (tests, findings) = suite::tests(&run.root, &packages, &["-p", suite::E2E], &variables)?;
    run.e2e = Some(tests);
    Ok(findings)
}

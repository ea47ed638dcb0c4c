//! The step that drives the release binaries, a real browser, and other people's libraries.
//!
//! Installs Chromium, Node.js and Python with apt-get where it may; elsewhere it fails and says what to
//! install. The libraries are in [`crate::clients`].

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::steps::{Findings, Run};
use crate::{clients, process, suite};

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
    install_missing()?;
    let chromium = find("chromium").ok_or("chromium is still missing")?;
    let chromedriver = find("chromedriver").ok_or("chromedriver is still missing")?;

    let mut build = Command::new("cargo");
    build.args(["build", "--release", "-p", "rescind-server", "-p", "posts-api"]);
    process::passes(build.current_dir(&run.root))?;
    let target = suite::metadata(&run.root)?;
    let target = target["target_directory"].as_str().ok_or("cargo names no target directory")?;
    let clients = clients::prepare(Path::new(target))?;
    let release = Path::new(target).join("release");
    let (rescind, posts_api) = (release.join("rescind"), release.join("posts-api"));

    let variables: [(&str, &Path); 7] = [
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

/// Installs the Debian packages of the programs that are not there.
fn install_missing() -> Result<(), String> {
    let mut missing: Vec<&str> =
        NEEDED.iter().filter(|(program, _)| find(program).is_none()).map(|(_, p)| *p).collect();
    if process::output(Command::new("python3").args(["-c", "import ensurepip, venv"])).is_err() {
        missing.push(VENV);
    }
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    let Some(prefix) = may_install() else {
        return Err(format!("install {names} (this needs apt-get, and root or sudo), then retry"));
    };
    let retry = |_| format!("apt-get cannot install {names}: install them, then retry");
    apt(prefix, &["update"]).map_err(retry)?;
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(missing);
    apt(prefix, &arguments).map_err(retry)
}

fn apt(prefix: &[&str], arguments: &[&str]) -> Result<(), String> {
    let words: Vec<&str> = prefix.iter().chain(&["apt-get"]).chain(arguments).copied().collect();
    let (program, rest) = words.split_first().ok_or("nothing to run")?;
    process::passes(Command::new(program).args(rest).env("DEBIAN_FRONTEND", "noninteractive"))
}

/// The words in front of `apt-get`: none for root, `sudo` where it asks for no password.
fn may_install() -> Option<&'static [&'static str]> {
    if find("apt-get").is_none() || !Path::new("/etc/debian_version").exists() {
        return None;
    }
    if process::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0") {
        return Some(&[]);
    }
    let sudo = process::output(Command::new("sudo").args(["--non-interactive", "true"]));
    sudo.is_ok().then_some(&["sudo", "--non-interactive"])
}

/// The program's file, searched as a shell does.
#[expect(clippy::disallowed_methods, reason = "PATH is where programs are looked for")]
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_on_the_path() {
        assert!(find("sh").is_some_and(|file| file.is_absolute()));
        assert_eq!(find("no-such-program-here"), None);
    }
}

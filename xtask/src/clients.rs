//! Other people's libraries: jose for Node.js and PyJWT for Python verify our tokens, axe-core judges our
//! pages.
//!
//! They are installed under `target/`, once; nothing of them is in the repository. The programs that install
//! them are [`crate::e2e`]'s to find.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process;

/// Another version has other rules: it is taken on purpose, not by the way.
const AXE: &str = "4.14.1";

/// Where they are.
pub(crate) struct Clients {
    /// The folder of the npm package jose.
    pub(crate) jose: PathBuf,
    /// A Python that has PyJWT.
    pub(crate) python: PathBuf,
    /// The folder of the npm package axe-core.
    pub(crate) axe: PathBuf,
}

/// Finds them in `target`, or installs them there.
pub(crate) fn prepare(target: &Path) -> Result<Clients, String> {
    let folder = target.join("clients");
    Ok(Clients {
        jose: npm(&folder, "jose", "6")?,
        python: pyjwt(&folder.join("pyjwt"))?,
        axe: npm(&folder, "axe-core", AXE)?,
    })
}

fn advice(what: &str, folder: &Path, error: &str) -> String {
    format!(
        "cannot install {what}: {error}. It needs its package registry; remove {} and retry where that can \
         be reached",
        folder.display()
    )
}

/// A package of npm in this version, each in a folder of its own.
fn npm(clients: &Path, name: &str, version: &str) -> Result<PathBuf, String> {
    let folder = clients.join(format!("{name}-{version}"));
    let package = folder.join("node_modules").join(name);
    if package.join("package.json").is_file() {
        return Ok(package);
    }
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--no-save", "--prefix"]).arg(&folder);
    npm.arg(format!("{name}@{version}"));
    process::passes(&mut npm).map_err(|error| advice(name, &folder, &error))?;
    Ok(package)
}

fn pyjwt(folder: &Path) -> Result<PathBuf, String> {
    let python = folder.join("bin/python");
    let there = |python: &Path| {
        process::output(Command::new(python).args(["-c", "import jwt, cryptography"])).is_ok()
    };
    if there(&python) {
        return Ok(python);
    }
    let failed = |error: String| advice("PyJWT", folder, &error);
    process::passes(Command::new("python3").args(["-m", "venv"]).arg(folder)).map_err(failed)?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "pyjwt[crypto]"]);
    process::passes(&mut pip).map_err(failed)?;
    Ok(python)
}

//! Programs that steps need: found on the path, or installed from Debian's packages with apt-get where that
//! is possible. Elsewhere the error says what to install.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process;

/// Installs the Debian packages of the programs that are not there, and those of `more`.
pub(crate) fn install(needed: &[(&str, &str)], more: &[&str]) -> Result<(), String> {
    let missing = needed.iter().filter(|(program, _)| find(program).is_none());
    let missing: Vec<&str> =
        missing.map(|(_, package)| *package).chain(more.iter().copied()).collect();
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
pub(crate) fn find(program: &str) -> Option<PathBuf> {
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

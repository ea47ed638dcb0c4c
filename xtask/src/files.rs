//! Looks through the repository's text files for what must not be published, and for dead links.

use std::path::Path;
use std::process::Command;

use crate::steps::{Findings, Run};
use crate::{links, process};

/// What a private key begins with, in two halves so that this file does not hold it either.
const PRIVATE_KEY: (&str, &str) = ("PRIVATE ", "KEY-----");

/// Lock files are written by their package managers and name where packages come from.
const LOCK_FILES: &[&str] = &["Cargo.lock"];

/// The step.
pub(crate) fn step(run: &mut Run) -> Findings {
    match all(&run.root) {
        Ok(findings) => findings,
        Err(problem) => Findings::problem(problem),
    }
}

fn all(root: &Path) -> Result<Findings, String> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root);
    let listed = process::output(&mut git)?;
    let here = format!("{}/", root.display());
    let mut findings = Findings::default();
    let mut count = 0;
    for name in listed.split('\0').filter(|name| !name.is_empty()) {
        let path = root.join(name);
        if !path.is_file() {
            continue;
        }
        let bytes = std::fs::read(&path).map_err(|error| format!("{name}: {error}"))?;
        count += 1;
        if is_key_file(name) {
            findings.problems.push(format!("{name}: looks like a key or an environment file"));
        }
        let text = String::from_utf8_lossy(&bytes);
        if !LOCK_FILES.iter().any(|lock| name.ends_with(lock)) {
            findings.problems.extend(unpublishable(name, &text, &here));
        }
        if name.ends_with(".md") {
            findings.problems.extend(links::dead(root, name, &text));
        }
    }
    if count == 0 {
        findings.problems.push("git lists no file here".to_owned());
    }
    findings.seen = format!("{count} files");
    Ok(findings)
}

/// The lines of a file that must not be published.
fn unpublishable(name: &str, text: &str, here: &str) -> Vec<String> {
    let mut problems = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let mut say = |what: &str| problems.push(format!("{name}:{}: {what}", number + 1));
        if line.contains(&format!("{}{}", PRIVATE_KEY.0, PRIVATE_KEY.1)) {
            say("a private key");
        }
        if stands_alone(line, here) {
            say("the path of this checkout");
        }
        if holds_credential(line) {
            say("a refresh token of full length");
        }
    }
    problems
}

/// True if the line holds the path other than as the end of a longer one.
fn stands_alone(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && !"./-_~}".contains(c))
    })
}

/// A refresh token is 72 characters after its prefix; a shortened one in the docs is none.
fn holds_credential(line: &str) -> bool {
    line.match_indices("rsc_rt_").any(|(at, prefix)| {
        let rest = line[at + prefix.len()..].bytes();
        rest.take_while(|b| b.is_ascii_alphanumeric() || b"-_".contains(b)).count() >= 72
    })
}

fn is_key_file(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    file == ".env" || [".pem", ".key", ".p12", ".pfx"].iter().any(|end| file.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> usize {
        unpublishable("file", line, "/home/somebody/checkout/").len()
    }

    #[test]
    fn the_path_of_the_checkout_is_found_and_paths_in_the_repository_are_not() {
        assert_eq!(found("in /home/somebody/checkout/src"), 1);
        assert_eq!(found("docs/home/somebody/checkout/plan.md"), 0);
    }

    #[test]
    fn secrets_are_found() {
        assert_eq!(found(concat!("-----BEGIN EC PRIVATE ", "KEY-----")), 1);
        assert_eq!(found(&format!("rsc_rt_{}", "A".repeat(72))), 1);
        assert_eq!(found("rsc_rt_AQAB…"), 0);
    }

    #[test]
    fn key_files_are_known_by_name() {
        assert!(is_key_file("deploy/.env") && is_key_file("tls/server.key"));
        assert!(!is_key_file("crates/server/src/key.rs"));
    }
}

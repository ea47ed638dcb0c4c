//! The search for secrets in what the tests have left: logs of all processes, metrics, and bodies of errors.
//!
//! The tests write into the folder that `EVIDENCE` names: what was given to them, and what was said meanwhile.
//! Each secret is looked for as it is, in hexadecimal, in base64 and percent-encoded. The search plants a
//! canary of its own, disguised in each way, and must find it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::steps::{Findings, Run};
use crate::suite;

/// What is compared of each disguise: its end, since tokens begin alike.
const TAIL: usize = 16;
/// Something that nothing else can hold.
const CANARY: &str = "planted-canary-of-the-search-for-secrets-7f3a/~";

/// Where the tests leave it.
pub(crate) fn folder(root: &Path) -> Result<PathBuf, String> {
    Ok(suite::target(root)?.join("evidence"))
}

/// Empties the folder, before the first tests.
pub(crate) fn begin(root: &Path) -> Result<PathBuf, String> {
    let folder = folder(root)?;
    let told = |error| format!("{}: {error}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(told)?;
    }
    fs::create_dir_all(&folder).map_err(told)?;
    Ok(folder)
}

/// The step.
pub(crate) fn step(run: &mut Run) -> Findings {
    match folder(&run.root).and_then(|folder| search(&folder)) {
        Ok(findings) => findings,
        Err(problem) => Findings::problem(problem),
    }
}

fn search(folder: &Path) -> Result<Findings, String> {
    // By process: what one process has drawn as a secret, another one may have drawn as an id, since tests draw
    // from seeds.
    let (mut secrets, mut said) = (HashMap::<String, HashSet<Vec<u8>>>::new(), Vec::new());
    for entry in fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))? {
        let path = entry.map_err(|error| error.to_string())?.path();
        let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(process) = name.strip_prefix("secrets.") {
            let lines = bytes.split(|byte| *byte == b'\n');
            let long = lines.filter(|line| line.len() >= TAIL).map(<[u8]>::to_vec);
            secrets.entry(process.to_owned()).or_default().extend(long);
        } else {
            said.push((name, bytes));
        }
    }
    let mut problems = Vec::new();
    if secrets.is_empty() || said.iter().all(|(name, _)| !name.starts_with("log.")) {
        problems
            .push("the tests have left nothing to search: run the step `test` before".to_owned());
    }
    let tails: HashMap<&str, HashSet<[u8; TAIL]>> =
        secrets.iter().map(|(process, secrets)| (process.as_str(), tails(secrets))).collect();
    for (name, bytes) in &said {
        let process = name.rsplit('.').next().unwrap_or_default();
        let places = tails.get(process).map(|tails| found(bytes, tails)).unwrap_or_default();
        if let Some(first) = places.first() {
            problems.push(format!("{name}: {} secrets, the first at byte {first}", places.len()));
        }
    }
    problems.extend(canary());
    let size: usize = said.iter().map(|(_, bytes)| bytes.len()).sum();
    let count: usize = secrets.values().map(HashSet::len).sum();
    let seen = format!("{count} secrets in {} kB", size / 1000);
    Ok(Findings { problems, seen, ..Findings::default() })
}

/// The ends of all disguises.
fn tails(secrets: &HashSet<Vec<u8>>) -> HashSet<[u8; TAIL]> {
    secrets.iter().flat_map(|secret| disguises(secret)).filter_map(|form| tail(&form)).collect()
}

/// Whether the search is blind to a disguise.
fn canary() -> Vec<String> {
    let tails: HashSet<_> = disguises(CANARY.as_bytes()).iter().filter_map(|d| tail(d)).collect();
    let blind = |disguise: &Vec<u8>| {
        let line = [b"{\"event\":\"x\",\"value\":\"", &disguise[..], b"\"}\n"].concat();
        found(&line, &tails).is_empty()
    };
    let missed = disguises(CANARY.as_bytes()).into_iter().filter(blind);
    missed
        .map(|form| {
            format!("the planted canary was not found as {}", String::from_utf8_lossy(&form))
        })
        .collect()
}

/// Where in these bytes one of the tails stands.
fn found(bytes: &[u8], tails: &HashSet<[u8; TAIL]>) -> Vec<usize> {
    let windows = bytes.windows(TAIL).enumerate();
    windows.filter(|(_, window)| tails.contains(*window)).map(|(at, _)| at).collect()
}

fn tail(disguise: &[u8]) -> Option<[u8; TAIL]> {
    disguise.last_chunk().copied()
}

/// The forms under which a secret may hide in a line.
fn disguises(secret: &[u8]) -> Vec<Vec<u8>> {
    let hex = |upper: bool| {
        let text: String = secret.iter().map(|b| format!("{b:02x}")).collect();
        if upper { text.to_uppercase() } else { text }.into_bytes()
    };
    let percent: String = secret
        .iter()
        .map(|b| match b.is_ascii_alphanumeric() || b"-._~".contains(b) {
            true => char::from(*b).to_string(),
            false => format!("%{b:02X}"),
        })
        .collect();
    let mut forms = vec![secret.to_vec(), hex(false), hex(true), percent.into_bytes()];
    // However many bytes stand before it: whole groups of three only, which depend on nothing beside them.
    for skip in 0..3 {
        let whole = secret.len().saturating_sub(skip) / 3 * 3;
        let groups = &secret[skip..skip + whole];
        forms.extend([STANDARD, URL_SAFE].map(|engine| engine.encode(groups).into_bytes()));
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    // G02
    #[test]
    fn a_secret_is_found_in_every_disguise_and_nothing_else_is() {
        assert_eq!(canary(), Vec::<String>::new());
        let folder = tempfile::tempdir().unwrap();
        let leave = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        leave("secrets.1", "a-secret-that-was-given\n");
        leave("log.1", "{\"event\":\"request\",\"id\":\"a-secret-of-nobody\"}\n");
        assert!(search(folder.path()).unwrap().problems.is_empty());
        leave("error.1", "{\"detail\":\"a-secret-that-was-given\"}\n");
        assert!(search(folder.path()).unwrap().problems[0].starts_with("error.1: 1 secrets"));
        leave("error.1", "");
        leave("metrics.1", "x{y=\"612d7365637265742d746861742d7761732d676976656e\"} 1\n");
        assert!(search(folder.path()).unwrap().problems[0].starts_with("metrics.1: 1 secrets"));
    }

    #[test]
    fn a_search_in_nothing_fails() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(search(folder.path()).unwrap().problems.len(), 1);
    }
}

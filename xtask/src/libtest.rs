//! Reads what `cargo test` prints and keeps each test's result under its id.
//!
//! The id is `<package>::<target>::<path of the test>`; the target is `lib`, the name of a file in
//! `tests/`, `bin-<name>`, `example-<name>`, `bench-<name>` or `doc`. Refuses to guess: a heading that belongs
//! to no known binary, or a total that differs from the lines read, is a problem.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde_json::Value;

/// How one test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    Passed,
    Ignored,
    Failed,
}

/// The results of a run.
#[derive(Debug, Default)]
pub(crate) struct Tests {
    /// Result by id; of two results for one id the worse one stays.
    pub(crate) verdicts: BTreeMap<String, Verdict>,
    /// What could not be read.
    pub(crate) problems: Vec<String>,
}

impl Tests {
    /// How many passed.
    pub(crate) fn passed(&self) -> usize {
        self.ids(Verdict::Passed).count()
    }

    /// How many failed.
    pub(crate) fn failed(&self) -> usize {
        self.ids(Verdict::Failed).count()
    }

    /// The ids of the tests that ended so.
    pub(crate) fn ids(&self, verdict: Verdict) -> impl Iterator<Item = &str> {
        let found = self.verdicts.iter().filter(move |(_, found)| **found == verdict);
        found.map(|(id, _)| id.as_str())
    }
}

/// Which package and target a heading of `cargo test` means.
#[derive(Debug, Default)]
pub(crate) struct Binaries {
    root: PathBuf,
    /// Executable → `<package>::<target>`.
    executables: HashMap<PathBuf, String>,
    /// Name of a library target → `<package>::doc`.
    libraries: HashMap<String, String>,
}

impl Binaries {
    /// Reads the messages of `cargo test --no-run --message-format=json`; `packages` maps the ids
    /// of the workspace's packages to their names.
    pub(crate) fn read(root: &Path, packages: &HashMap<String, String>, messages: &str) -> Self {
        let mut found = Self { root: root.to_path_buf(), ..Self::default() };
        for message in messages.lines().filter_map(|line| serde_json::from_str(line).ok()) {
            found.artifact(packages, &message);
        }
        found
    }

    fn artifact(&mut self, packages: &HashMap<String, String>, message: &Value) {
        if message["reason"] != "compiler-artifact" {
            return;
        }
        let Some(package) = message["package_id"].as_str().and_then(|id| packages.get(id)) else {
            return;
        };
        let name = message["target"]["name"].as_str().unwrap_or_default();
        let kind = message["target"]["kind"][0].as_str().unwrap_or_default();
        if matches!(kind, "lib" | "rlib" | "proc-macro") {
            self.libraries.insert(name.to_owned(), format!("{package}::doc"));
        }
        let target = match kind {
            "test" => name.to_owned(),
            "bin" | "example" | "bench" => format!("{kind}-{name}"),
            _ => "lib".to_owned(),
        };
        if let (Some(path), Some(true)) =
            (message["executable"].as_str(), message["profile"]["test"].as_bool())
        {
            self.executables.insert(PathBuf::from(path), format!("{package}::{target}"));
        }
    }

    fn executable(&self, path: &str) -> Option<&String> {
        self.executables.get(&self.root.join(path))
    }
}

/// Takes the output line by line.
pub(crate) struct Reader {
    binaries: Binaries,
    tests: Tests,
    /// Prefix of the ids of the binary that is running.
    prefix: Option<String>,
    /// A test whose name was printed before it ran.
    pending: Option<String>,
    /// Inside the replayed output of failed tests.
    replay: bool,
    /// Read since the heading: passed, failed, ignored.
    counted: [usize; 3],
}

impl Reader {
    /// Nothing read yet.
    pub(crate) fn new(binaries: Binaries) -> Self {
        let tests = Tests::default();
        Self { binaries, tests, prefix: None, pending: None, replay: false, counted: [0; 3] }
    }

    /// The next line, without its end.
    pub(crate) fn line(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("     Running ") {
            let path = rest.rsplit_once('(').and_then(|(_, path)| path.strip_suffix(')'));
            let prefix = path.and_then(|path| self.binaries.executable(path)).cloned();
            self.heading(prefix, line);
        } else if let Some(library) = line.strip_prefix("   Doc-tests ") {
            let prefix = self.binaries.libraries.get(library).cloned();
            self.heading(prefix, line);
        } else if let Some(totals) = line.strip_prefix("test result: ") {
            self.totals(totals);
        } else if line == "failures:" {
            self.replay = true;
        } else if !self.replay {
            self.result(line);
        }
    }

    /// All results; a binary that was still running has ended without its totals.
    pub(crate) fn finish(mut self) -> Tests {
        self.close();
        self.tests
    }

    fn heading(&mut self, prefix: Option<String>, line: &str) {
        self.close();
        if prefix.is_none() {
            self.tests.problems.push(format!("no known target belongs to `{}`", line.trim()));
        }
        self.prefix = prefix;
    }

    fn close(&mut self) {
        if let Some(prefix) = self.prefix.take() {
            self.tests.problems.push(format!("{prefix} ended without its totals"));
        }
        self.pending = None;
        self.replay = false;
        self.counted = [0; 3];
    }

    fn totals(&mut self, totals: &str) {
        let said = ["passed", "failed", "ignored"].map(|word| number_before(totals, word));
        let read = self.counted.map(Some);
        if let Some(prefix) = self.prefix.take()
            && said != read
        {
            let problem = format!("{prefix} says `{totals}`, but {:?} were read", self.counted);
            self.tests.problems.push(problem);
        }
        self.close();
    }

    fn result(&mut self, line: &str) {
        let (name, word) = match line.strip_prefix("test ").and_then(|l| l.rsplit_once(" ... ")) {
            Some((name, word)) => (name.to_owned(), word),
            None => match self.pending.clone() {
                Some(name) => (name, line),
                None => return,
            },
        };
        let verdict = match word.split([',', ' ']).next() {
            Some("ok") => Verdict::Passed,
            Some("FAILED") => Verdict::Failed,
            Some("ignored") => Verdict::Ignored,
            _ => {
                self.pending = Some(name);
                return;
            }
        };
        self.pending = None;
        self.keep(&name, verdict);
    }

    fn keep(&mut self, name: &str, verdict: Verdict) {
        let Some(prefix) = &self.prefix else { return };
        let name = name.strip_suffix(" - should panic").unwrap_or(name);
        let kept = self.tests.verdicts.entry(format!("{prefix}::{name}")).or_insert(verdict);
        *kept = verdict.max(*kept);
        self.counted[match verdict {
            Verdict::Passed => 0,
            Verdict::Failed => 1,
            Verdict::Ignored => 2,
        }] += 1;
    }
}

/// The number in front of a word: `3 passed` → 3.
fn number_before(text: &str, word: &str) -> Option<usize> {
    let before = text.split(word).next()?.trim_end();
    before.rsplit([' ', '.']).next()?.parse().ok()
}

#[cfg(test)]
#[path = "libtest_tests.rs"]
mod tests;

//! From file, environment and flags to one tree. Later ones win: the defaults, the file, the `--env-file`,
//! the environment, the flags. Whatever is not understood is refused, with its place and with what to write;
//! never with the value, which may be a secret in the wrong place.

use super::tree::{Setting, Tree};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

/// Variables of the environment that begin like ours and are read by the programs that link a verifier.
const OF_OTHERS: [&str; 2] = ["RESCIND_CLIENT_SECRET", "RESCIND_SHARED_SECRET"];
/// Variables that are no settings: the master key itself, and which file is read.
const APART: [&str; 2] = [MASTER_KEY, CONFIG];
/// The master key itself, in base64.
pub(crate) const MASTER_KEY: &str = "RESCIND_MASTER_KEY";
/// The configuration file.
const CONFIG: &str = "RESCIND_CONFIG";

/// Where values come from.
#[derive(Default)]
pub struct Sources {
    /// The configuration file, if one is named.
    pub file: Option<PathBuf>,
    /// A file of `NAME=value` lines.
    pub env_file: Option<PathBuf>,
    /// The environment.
    pub environment: Vec<(String, String)>,
    /// From the command line: the setting, its text, and the flag.
    pub flags: Vec<(String, String, String)>,
}

/// What was read.
#[derive(Default)]
pub struct Loaded {
    /// The settings.
    pub tree: Tree,
    /// Where each one comes from that is not a default.
    pub origins: BTreeMap<&'static str, String>,
    /// The text of [`MASTER_KEY`].
    pub(crate) master_key: Option<Zeroizing<String>>,
    problems: Vec<String>,
}

/// Reads all sources; an error is a line for each thing that is wrong.
pub fn load(sources: &Sources) -> Result<Loaded, String> {
    let mut loaded = Loaded::default();
    let mut environment: BTreeMap<String, (String, String)> = BTreeMap::new();
    if let Some(path) = &sources.env_file {
        for (name, value) in env_file(path)? {
            let place = format!("{} ({name})", path.display());
            environment.insert(name, (value, place));
        }
    }
    for (name, value) in &sources.environment {
        let place = format!("environment ({name})");
        environment.insert(name.clone(), (value.clone(), place));
    }
    let named = environment.get(CONFIG).map(|(value, _)| PathBuf::from(value));
    if let Some(path) = sources.file.clone().or(named) {
        loaded.file(&path)?;
    }
    for (name, (value, place)) in environment {
        loaded.variable(&name, value, place);
    }
    for (key, value, flag) in &sources.flags {
        match Setting::find(key) {
            Some(setting) => loaded.set(setting, value, flag.clone()),
            None => loaded.unknown(flag, key),
        }
    }
    match loaded.problems.is_empty() {
        true => Ok(loaded),
        false => Err(loaded.problems.join("\n")),
    }
}

/// The lines of an environment file.
fn env_file(path: &Path) -> Result<Vec<(String, String)>, String> {
    let place = path.display();
    let lines = dotenvy::from_path_iter(path)
        .map_err(|error| {
            format!(
                "cannot read the environment file {place} ({error}): name one by --env-file that is there, and \
                 that this user may read"
            )
        })?;
    // Not the error's own text: it shows the line, which may hold a secret.
    let lines: Vec<(String, String)> = lines.collect::<Result<_, _>>().map_err(|_| {
        format!("{place}: a line is not of the form NAME=value, or its quotes do not close")
    })?;
    let mode = std::fs::metadata(path).map_or(0, |about| about.mode());
    if mode & 0o077 != 0 && lines.iter().any(|(name, _)| name == MASTER_KEY) {
        return Err(format!(
            "{place} holds {MASTER_KEY} and can be read by others: run `chmod 600 {place}`"
        ));
    }
    Ok(lines)
}

/// Shows no key.
impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loaded")
            .field("tree", &self.tree)
            .field("origins", &self.origins)
            .finish_non_exhaustive()
    }
}

impl Loaded {
    fn file(&mut self, path: &Path) -> Result<(), String> {
        let text = std::fs::read_to_string(path).map_err(|error| cannot_read(path, &error))?;
        let file = File { path, text: &text };
        let table = DeTable::parse(&text).map_err(|error| {
            // Not the error's own form: it shows the line.
            format!("{}: {}", file.at(error.span().map_or(0, |span| span.start)), error.message())
        })?;
        let mut lines = Vec::new();
        read_table("", table.get_ref(), &mut lines);
        // As they stand in the file, and not by name.
        lines.sort_by_key(|line| line.at);
        for Line { at, key, value } in lines {
            match Setting::find(&key) {
                None => self.unknown(&file.at(at), &key),
                Some(setting) => {
                    let place = file.at(value.span().start);
                    match text_of(setting, value) {
                        Some(text) => self.set(setting, &text, place),
                        None => self.wrong(setting, &place),
                    }
                }
            }
        }
        Ok(())
    }

    fn variable(&mut self, name: &str, value: String, place: String) {
        if name == MASTER_KEY {
            self.master_key = Some(Zeroizing::new(value));
        } else if let Some(setting) = Setting::all().find(|setting| setting.variable() == name) {
            self.set(setting, &value, place);
        } else if name.starts_with("RESCIND_")
            && !APART.contains(&name)
            && !OF_OTHERS.contains(&name)
        {
            let names = Setting::all().map(|setting| Cow::Owned(setting.variable()));
            self.problems.push(format!("{place}: there is no such variable{}", hint(name, names)));
        }
    }

    fn set(&mut self, setting: &'static Setting, text: &str, place: String) {
        if setting.set(&mut self.tree, text) {
            self.origins.insert(setting.key, place);
        } else {
            self.wrong(setting, &place);
        }
    }

    fn wrong(&mut self, setting: &Setting, place: &str) {
        self.problems.push(format!(
            "{place}: {} must be {}, like {}",
            setting.key,
            setting.wants(),
            setting.toml(setting.right),
        ));
    }

    fn unknown(&mut self, place: &str, key: &str) {
        let problem = if key == "master_key" {
            format!(
                "{place}: the master key itself is no setting: put it into a file of its own, and name that \
                 by master_key_file"
            )
        } else {
            let keys = Setting::all().map(|setting| Cow::Borrowed(setting.key));
            // The name is the operator's own and stands in his file: unlike a value it is no secret.
            format!("{place}: there is no setting {key:?}{}", hint(key, keys))
        };
        self.problems.push(problem);
    }
}

pub(super) fn cannot_read(path: &Path, error: &io::Error) -> String {
    let place = path.display();
    let todo = match error.kind() {
        ErrorKind::NotFound => format!("`rescind config init {place}` makes one"),
        ErrorKind::PermissionDenied => {
            "Run this as a user who may read it, or give it to the group of the one who runs this, like \
             `chgrp rescind` with `chmod 640`"
                .to_owned()
        }
        _ => "Name the file by --config or RESCIND_CONFIG".to_owned(),
    };
    format!("cannot read the configuration file {place}: {error}. {todo}")
}

/// The name that was perhaps meant, and where all of them stand.
fn hint(name: &str, names: impl Iterator<Item = Cow<'static, str>>) -> String {
    let near = names
        .map(|known| (strsim::jaro_winkler(name, &known), known))
        .filter(|(likeness, _)| *likeness > 0.85)
        .max_by(|one, other| one.0.total_cmp(&other.0));
    let meant = near.map(|(_, known)| format!(": did you mean {known}?")).unwrap_or_default();
    format!("{meant} (all of them: rescind config reference)")
}

/// Something that the file sets.
struct Line<'t, 'i> {
    /// Where its name begins.
    at: usize,
    key: String,
    value: &'t Spanned<DeValue<'i>>,
}

/// All that a table sets, with the tables in it.
fn read_table<'t, 'i>(prefix: &str, table: &'t DeTable<'i>, lines: &mut Vec<Line<'t, 'i>>) {
    for (name, value) in table.iter() {
        let key = format!("{prefix}{}", name.get_ref());
        let inside = format!("{key}.");
        match value.get_ref() {
            DeValue::Table(table) if Setting::all().any(|s| s.key.starts_with(&inside)) => {
                read_table(&inside, table, lines);
            }
            _ => lines.push(Line { at: name.span().start, key, value }),
        }
    }
}

/// A value of the file as text; `None` if it is of another kind.
fn text_of(setting: &Setting, value: &Spanned<DeValue<'_>>) -> Option<String> {
    match value.get_ref() {
        DeValue::String(text) => (!setting.bare && !text.is_empty()).then(|| text.to_string()),
        DeValue::Integer(number) if setting.bare => Some(number.to_string()),
        DeValue::Array(items) if setting.list => {
            let items: Option<Vec<&str>> =
                items.iter().map(|item| item.get_ref().as_str()).collect();
            items.map(|items| items.join(","))
        }
        _ => None,
    }
}

/// A file that is being read.
struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    /// A place in it, as editors take it: path, line, column.
    fn at(&self, offset: usize) -> String {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!("{}:{line}:{column}", self.path.display())
    }
}

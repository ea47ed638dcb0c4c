//! `rescind doctor`: looks at all that must be right around an authority, and changes nothing. The settings
//! here; `certificate`, `folders` (modes, free space), `realm` (store, clock, keys, marker), `running` (the
//! authority's own word).

mod certificate;
mod folders;
mod realm;
mod running;

use super::failed::Failed;
use super::out::{LOOKED, json_text, print, table};
use super::place::config;
use super::serving::{Serving, judge};
use crate::config::Loaded;
use crate::run::Config;
use crate::store::sqlite::FILE_NAME;
use clap::Args;
use serde_json::{Value, json};

/// Look at everything that must be right, and say what is not. Changes nothing.
#[derive(Args)]
#[command(after_help = "Examples:
  rescind doctor
  rescind doctor --config /etc/rescind/rescind.toml --json
  rescind doctor --issuer https://auth.example.com --trusted-proxy 127.0.0.1

It takes all that `serve` takes. What the first start makes by itself is a note before it. Exit code 1 if there is a problem; a warning alone is 0.")]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    serving: Serving,
    /// Print one JSON document for programs instead of words for people.
    #[arg(long)]
    json: bool,
}

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum State {
    Ok,
    /// Not as it will be, and nothing is to be done.
    Note,
    Warning,
    Problem,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Note => "note",
            State::Warning => "warning",
            State::Problem => "problem",
        }
    }
}

/// What one look has shown.
#[derive(Debug)]
struct Finding {
    check: &'static str,
    state: State,
    said: String,
    /// What to do about it.
    todo: String,
}

impl Finding {
    fn ok(check: &'static str, said: impl Into<String>) -> Self {
        Self { check, state: State::Ok, said: said.into(), todo: String::new() }
    }

    fn note(check: &'static str, said: impl Into<String>) -> Self {
        Self { check, state: State::Note, said: said.into(), todo: String::new() }
    }

    fn warning(check: &'static str, said: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { check, state: State::Warning, said: said.into(), todo: todo.into() }
    }

    fn problem(check: &'static str, said: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { check, state: State::Problem, said: said.into(), todo: todo.into() }
    }

    /// A problem whose words say already what to do.
    fn told(check: &'static str, error: impl ToString) -> Self {
        Self::problem(check, error.to_string(), "")
    }
}

pub(super) async fn run(args: DoctorArgs) -> Result<(), Failed> {
    let loaded = args.serving.load()?;
    let (data, keys) = (&loaded.tree.main.data, &loaded.tree.main.keys);
    let mut found = vec![];
    let config = config(&loaded).map(|mut config| {
        config.accept_clock = args.serving.accept_clock;
        config
    });
    match &config {
        Ok(config) => found.extend(settings(&loaded, config)),
        Err(error) => found.push(Finding::told("configuration", error)),
    }
    found.extend(folders::look(data, keys, !data.join(FILE_NAME).exists()));
    // The marker is written after the commit: read before the store, it is never ahead of a sound one.
    found.extend(realm::look(data, keys, config.as_ref().ok()));
    found.extend(running::look(data).await);
    show(args.json, &found)
}

/// Whether the settings allow a start, and TLS.
fn settings(loaded: &Loaded, config: &Config) -> Vec<Finding> {
    let start = match judge(loaded, config) {
        Ok(()) => {
            let from = loaded.origins.get("issuer").map_or("the store", String::as_str);
            Finding::ok("configuration", format!("issuer {}, from {from}", config.settings.issuer))
        }
        Err(error) => Finding::told("configuration", error),
    };
    vec![start, certificate::look(config)]
}

fn show(json: bool, found: &[Finding]) -> Result<(), Failed> {
    let worst = found.iter().map(|finding| finding.state).max().unwrap_or(State::Ok);
    let view = |f: &Finding| {
        let todo = (!f.todo.is_empty()).then_some(&f.todo);
        json!({ "check": f.check, "state": f.state.name(), "found": f.said, "todo": todo })
    };
    let all: Vec<Value> = found.iter().map(view).collect();
    let words = match json {
        true => json_text(&json!({ "worst": worst.name(), "findings": all })),
        false => {
            let row = |f: &Finding| {
                let advice = if f.todo.is_empty() { "" } else { " → " };
                let said = format!("{}{advice}{}", f.said, f.todo);
                [f.state.name().to_owned(), f.check.to_owned(), said]
            };
            table(["STATE", "CHECK", "FOUND"], found.iter().map(row))
        }
    };
    print(&words, LOOKED)?;
    match found.iter().filter(|finding| finding.state == State::Problem).count() {
        0 => Ok(()),
        1 => Err("there is a problem: see above".to_owned().into()),
        many => Err(format!("there are {many} problems: see above").into()),
    }
}

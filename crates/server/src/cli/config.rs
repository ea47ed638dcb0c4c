//! `rescind config`: the configuration checked, shown, begun.

use super::failed::Failed;
use super::out::{LOOKED, json_text, print, table};
use super::place::config;
use super::serving::{Serving, certificate, judge, master_key};
use crate::config::{SECTIONS, default_file, reference};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The configuration.
#[derive(Subcommand)]
#[command(after_help = "Examples:
  rescind config init rescind.toml
  rescind config check --config rescind.toml
  rescind config show --config rescind.toml
  RESCIND_TOKENS_ACCESS_LIFE=10m rescind config show --json")]
pub(super) enum ConfigCommand {
    /// Judge the configuration as `serve` would, without starting anything.
    #[command(after_help = "Examples:
  rescind config check --config rescind.toml
  rescind config check --env-file .env
  rescind config check --issuer https://auth.example.com --trusted-proxy 127.0.0.1")]
    Check {
        #[command(flatten)]
        serving: Serving,
    },
    /// Show what is in force, and where each value comes from. No secret is among it.
    #[command(after_help = "Examples:
  rescind config show
  rescind config show --config rescind.toml --json")]
    Show {
        #[command(flatten)]
        serving: Serving,
        /// As JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Write a file with every setting, its default and its meaning.
    #[command(after_help = "Examples:
  rescind config init
  rescind config init /etc/rescind/rescind.toml")]
    Init(Init),
    /// Print the reference of all settings, in Markdown.
    #[command(after_help = "Examples:
  rescind config reference > configuration.md")]
    Reference,
}

/// Where to write.
#[derive(Args)]
pub(super) struct Init {
    /// The file; it must not exist yet.
    #[arg(default_value = "rescind.toml", value_name = "FILE")]
    file: PathBuf,
}

/// Runs the command.
pub(super) fn run(command: ConfigCommand) -> Result<(), Failed> {
    match command {
        ConfigCommand::Check { serving } => print(&check(&serving)?, LOOKED),
        ConfigCommand::Show { serving, json } => print(&show(&serving, json)?, LOOKED),
        ConfigCommand::Init(Init { file }) => {
            let place = file.display();
            init(&file).map_err(|error| cannot_write(&file, &error))?;
            let words = format!(
                "wrote {place}: change what you need, then\n  rescind config check --config {place}\n  \
                 rescind serve --config {place}"
            );
            print(&words, &format!("but {place} is written"))
        }
        ConfigCommand::Reference => print(&reference(), LOOKED),
    }
}

fn check(serving: &Serving) -> Result<String, String> {
    let loaded = serving.load()?;
    let config = config(&loaded)?;
    judge(&loaded, &config)?;
    certificate(&config)?;
    let first = master_key(&config)?.map(|makes| format!("; {makes}")).unwrap_or_default();
    Ok(format!("the configuration is good{first}"))
}

fn show(serving: &Serving, json: bool) -> Result<String, String> {
    let loaded = serving.load()?;
    let (mut object, mut rows) = (Map::new(), Vec::new());
    for setting in SECTIONS.iter().flat_map(|section| section.settings) {
        let value = setting.show(&loaded.tree);
        let origin = loaded.origins.get(setting.key).map_or("default", String::as_str);
        let shown = if value.is_empty() { "(not set)".to_owned() } else { setting.toml(&value) };
        rows.push([setting.key.to_owned(), shown, origin.to_owned()]);
        object.insert(
            setting.key.to_owned(),
            json!({ "value": setting.json(&value), "from": origin }),
        );
    }
    match json {
        true => Ok(json_text(&Value::Object(object))),
        false => Ok(table(["SETTING", "VALUE", "FROM"], rows)),
    }
}

/// Whole or not at all; a name that is taken is never written over.
fn init(file: &Path) -> io::Result<()> {
    let mut opened = OpenOptions::new().write(true).create_new(true).mode(0o640).open(file)?;
    opened.write_all(default_file().as_bytes()).inspect_err(|_| {
        let _ = std::fs::remove_file(file);
    })
}

fn cannot_write(file: &Path, error: &io::Error) -> String {
    let place = file.display();
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).display();
    match error.kind() {
        ErrorKind::AlreadyExists => {
            format!("{place} exists, and is never written over: name another file")
        }
        ErrorKind::NotFound => {
            format!(
                "cannot write {place}: there is no folder {folder}. Make it, or name another file"
            )
        }
        ErrorKind::PermissionDenied => format!(
            "cannot write {place}: you may not write into {folder}. Run this as a user who may, or name \
             another file"
        ),
        _ => format!("cannot write {place}: {error}. Name another file"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_made_is_named_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let told = |file: &Path| cannot_write(file, &init(file).unwrap_err());
        let there = folder.path().join("there.toml");
        init(&there).unwrap();
        assert!(told(&there).contains("there.toml exists"), "{}", told(&there));
        assert_eq!(std::fs::read_to_string(&there).unwrap(), default_file());
        let said = told(Path::new("/nope/x.toml"));
        assert!(said.contains("/nope/x.toml") && said.contains("no folder /nope"), "{said}");
        assert!(!said.contains("exists"), "{said}");
        let said = cannot_write(Path::new("x.toml"), &ErrorKind::PermissionDenied.into());
        assert!(said.contains("you may not write into ."), "{said}");
    }
}

//! `rescind config`: the configuration checked, shown, begun.

use super::place::{Place, config};
use crate::config::{SECTIONS, default_file, reference};
use crate::tls;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

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
  rescind config check --env-file .env")]
    Check {
        #[command(flatten)]
        place: Place,
    },
    /// Show what is in force, and where each value comes from. No secret is among it.
    #[command(after_help = "Examples:
  rescind config show
  rescind config show --config rescind.toml --json")]
    Show {
        #[command(flatten)]
        place: Place,
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
    #[command(after_help = "Example:
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

/// Runs the command; gives what is to be printed.
pub(super) fn run(command: ConfigCommand) -> Result<String, String> {
    match command {
        ConfigCommand::Check { place } => check(&place),
        ConfigCommand::Show { place, json } => show(&place, json),
        ConfigCommand::Init(Init { file }) => init(&file),
        ConfigCommand::Reference => Ok(reference()),
    }
}

fn check(place: &Place) -> Result<String, String> {
    let loaded = place.load(Vec::new())?;
    let config = config(&loaded)?;
    super::serve::judge(&config, loaded.tree.main.listen)?;
    if let Some(files) = &config.tls {
        tls::Certificates::open(files.clone(), &config.settings.issuer)
            .map_err(|error| error.to_string())?;
    }
    Ok("the configuration is good\n".to_owned())
}

fn show(place: &Place, json: bool) -> Result<String, String> {
    let loaded = place.load(Vec::new())?;
    let mut object = Map::new();
    let mut text = String::new();
    for setting in SECTIONS.iter().flat_map(|section| section.settings) {
        let value = setting.show(&loaded.tree);
        let origin = loaded.origins.get(setting.key).map_or("default", String::as_str);
        let shown = if value.is_empty() { "(not set)".to_owned() } else { setting.toml(&value) };
        text.push_str(&format!("{:<26} {shown:<34} {origin}\n", setting.key));
        object.insert(setting.key.to_owned(), json!({ "value": value, "from": origin }));
    }
    if json { Ok(format!("{:#}\n", Value::Object(object))) } else { Ok(text) }
}

fn init(file: &PathBuf) -> Result<String, String> {
    let place = file.display();
    let written = OpenOptions::new().write(true).create_new(true).mode(0o640).open(file);
    written.and_then(|mut opened| opened.write_all(default_file().as_bytes())).map_err(|error| {
        format!("cannot write {place}: {error}. A file that exists is never written over: name another")
    })?;
    Ok(format!(
        "wrote {place}: change what you need, then\n  rescind config check --config {place}\n  \
         rescind serve --config {place}\n"
    ))
}

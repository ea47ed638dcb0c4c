//! The command line. Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 nobody knows whether it was
//! done.

mod audit;
mod backup;
mod call;
mod client;
mod completions;
mod confirm;
mod demo;
mod failed;
mod keys;
mod out;
mod posts_api;
mod revoke;
mod serve;
mod session;
#[cfg(test)]
mod tests;
mod user;

use crate::keys::MasterSource;
use crate::run::Config;
use crate::store::sqlite::{FILE_NAME, peek};
use crate::telemetry;
use clap::{Args, Parser, Subcommand};
use failed::Failed;
use rescind_authority::Settings;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroizing;

/// Sign people in, check them anywhere, take it back at once.
#[derive(Parser)]
#[command(name = "rescind", version, max_term_width = 100)]
#[command(after_help = "Examples:
  rescind demo
  rescind user add alice --issuer http://localhost:4000
  rescind client add posts-api --audience posts-api --permission feed
  rescind serve --issuer http://localhost:4000 --listen 127.0.0.1:4000
  rescind revoke --user alice

Exit codes:
  0  done
  1  refused or failed: the message says why, and what to do
  2  wrong usage, or something big that is to be confirmed by --yes
  3  the running authority was lost in between: it may or may not be done")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Try everything: an authority, a second server and a page, on a temporary store.
    Demo(demo::DemoArgs),
    /// Run the authority.
    Serve(serve::ServeArgs),
    /// Make, list, close, open and delete accounts; give them roles.
    #[command(subcommand)]
    User(user::UserCommand),
    /// List, show and end sessions.
    #[command(subcommand)]
    Session(session::SessionCommand),
    /// Register, list and remove API servers.
    #[command(subcommand)]
    Client(client::ClientCommand),
    /// Take back what an account, a session, a token or a client may do, on every server.
    Revoke(revoke::RevokeArgs),
    /// List, rotate and retire keys; share a secret with one audience.
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Search and export the record of who did what to whom.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Copy the store, while an authority runs or not.
    Backup(backup::BackupArgs),
    /// Print what a shell needs to complete the commands.
    Completions(completions::CompletionsArgs),
}

/// Where a realm lives.
#[derive(Args, Clone)]
pub(crate) struct Place {
    /// Folder of the store.
    #[arg(long, env = "RESCIND_DATA", default_value = "rescind-data", value_name = "DIR")]
    data: PathBuf,
    /// Folder of the master key and the marker; keep it apart from the store and out of its backups.
    #[arg(long, env = "RESCIND_KEYS", default_value = "rescind-keys", value_name = "DIR")]
    keys: PathBuf,
    /// File of the master key, if it is not master.key in the key folder. RESCIND_MASTER_KEY may hold the
    /// key itself, in base64; a systemd credential named rescind-master-key is found by itself.
    #[arg(long, env = "RESCIND_MASTER_KEY_FILE", value_name = "FILE")]
    master_key_file: Option<PathBuf>,
    /// URL of this authority, as browsers and API servers see it. Needed until the store is made.
    #[arg(long, env = "RESCIND_ISSUER", value_name = "URL")]
    issuer: Option<String>,
}

impl Place {
    /// The configuration with defaults; the issuer from the store if it was not given.
    fn config(&self) -> Result<Config, String> {
        let issuer = match &self.issuer {
            Some(issuer) => issuer.clone(),
            None => peek::issuer(&self.data.join(FILE_NAME)).map_err(|error| error.to_string())?,
        };
        Ok(Config {
            settings: Settings::new(issuer),
            data: self.data.clone(),
            keys: self.keys.clone(),
            master: self.master()?,
            trusted_proxies: Vec::new(),
            demo_api: None,
            accept_clock: false,
        })
    }
}

impl Place {
    /// Where the master key comes from: what is named, else the environment, else systemd, else the folder.
    fn master(&self) -> Result<MasterSource, String> {
        let text = environment("RESCIND_MASTER_KEY").map(Zeroizing::new);
        match (&self.master_key_file, text) {
            (Some(_), Some(_)) => {
                Err("both --master-key-file and RESCIND_MASTER_KEY name a master key: \
                                       give one of them"
                    .into())
            }
            (Some(path), None) => Ok(MasterSource::File(path.clone())),
            (None, Some(text)) => Ok(MasterSource::Text(text)),
            (None, None) => Ok(credential().map_or(MasterSource::Folder, MasterSource::Credential)),
        }
    }
}

/// The credential that systemd has handed to this service, if it has (`LoadCredential=`).
fn credential() -> Option<PathBuf> {
    let folder = environment("CREDENTIALS_DIRECTORY")?;
    let path = PathBuf::from(folder).join("rescind-master-key");
    path.is_file().then_some(path)
}

#[expect(clippy::disallowed_methods, reason = "the configuration is read once, here")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// Runs the command line; gives the exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = match &cli.command {
        Command::Serve(args) => &args.log,
        _ => "error",
    };
    if let Err(error) = telemetry::start(filter) {
        return fail(&error);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start the runtime: {error}")),
    };
    let outcome = runtime.block_on(async {
        match cli.command {
            Command::Demo(args) => demo::run(args).await,
            Command::Serve(args) => Ok(serve::run(args).await?),
            Command::User(command) => user::run(command).await,
            Command::Session(command) => session::run(command).await,
            Command::Client(command) => client::run(command).await,
            Command::Revoke(args) => revoke::run(args).await,
            Command::Keys(command) => keys::run(command).await,
            Command::Audit(command) => audit::run(command).await,
            Command::Backup(args) => backup::run(args).await,
            Command::Completions(args) => completions::run(&args),
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => failed.exit(),
    }
}

fn fail(error: &str) -> ExitCode {
    Failed::from(error.to_owned()).exit()
}

/// Resolves at Ctrl-C or SIGTERM.
async fn asked_to_stop() -> Result<(), String> {
    let mut terminate =
        signal(SignalKind::terminate()).map_err(|e| format!("cannot listen for signals: {e}"))?;
    let mut interrupt =
        signal(SignalKind::interrupt()).map_err(|e| format!("cannot listen for signals: {e}"))?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

//! The command line. Exit codes: 0 done, 1 refused or failed, 2 wrong usage.

mod demo;
mod keys;
mod manage;
mod posts_api;
mod serve;

use crate::keys::MasterSource;
use crate::run::Config;
use crate::store::sqlite::{FILE_NAME, peek::stored_issuer};
use crate::telemetry;
use clap::{Args, Parser, Subcommand};
use rescind_authority::Settings;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
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
  rescind revoke --user alice")]
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
    User(manage::UserCommand),
    /// Register, list and remove API servers.
    #[command(subcommand)]
    Client(manage::ClientCommand),
    /// Take back what an account, a session, a token or a client may do, on every server.
    Revoke(manage::RevokeArgs),
    /// List, rotate and retire keys; share a secret with one audience.
    #[command(subcommand)]
    Keys(keys::KeysCommand),
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
        let stored = || stored_issuer(&self.data.join(FILE_NAME));
        let issuer = self.issuer.clone().or_else(stored).ok_or(
            "this store has no realm yet: say which by --issuer, like --issuer http://localhost:4000",
        )?;
        Ok(Config {
            settings: Settings::new(issuer),
            data: self.data.clone(),
            keys: self.keys.clone(),
            master: self.master()?,
            trusted_proxies: Vec::new(),
            demo_api: None,
            accept_clock: false,
            metrics_listen: None,
            drain_delay: Duration::ZERO,
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
            Command::Serve(args) => serve::run(args).await,
            Command::User(command) => manage::user(command).await,
            Command::Client(command) => manage::client(command).await,
            Command::Revoke(args) => manage::revoke(args).await,
            Command::Keys(command) => keys::run(command).await,
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &str) -> ExitCode {
    eprintln!("rescind: {error}");
    ExitCode::FAILURE
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

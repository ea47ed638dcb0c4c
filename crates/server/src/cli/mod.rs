//! The command line. Exit codes: 0 done, 1 refused or failed, 2 wrong usage.

mod config;
mod demo;
mod keys;
mod manage;
mod place;
mod posts_api;
mod serve;

use crate::config::Format;
use crate::telemetry;
use clap::{Parser, Subcommand};
pub(crate) use place::Place;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

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
    /// Check, show and begin the configuration; print the reference of all settings.
    #[command(subcommand)]
    Config(config::ConfigCommand),
}

/// Runs the command line; gives the exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // `serve` begins to log once it knows what.
    if !matches!(cli.command, Command::Serve(_))
        && let Err(error) = telemetry::start("error", Format::Auto)
    {
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
            Command::Config(command) => config::run(command).map(|text| print!("{text}")),
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

//! The command line. Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 nobody knows whether it was
//! done.

mod audit;
mod backup;
mod call;
mod client;
mod completions;
mod config;
mod confirm;
mod demo;
mod doctor;
mod failed;
mod fleet;
mod keys;
mod out;
mod place;
mod posts_api;
mod relay;
mod restore;
mod revoke;
mod serve;
mod serving;
mod session;
#[cfg(test)]
mod tests;
mod user;

use crate::config::Format;
use crate::telemetry;
use clap::{Parser, Subcommand};
use failed::Failed;
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
    /// Stand between the authority and many verifiers.
    Relay(relay::RelayArgs),
    /// Make, list, close, open and delete accounts; give them roles.
    #[command(subcommand)]
    User(user::UserCommand),
    /// List, show and end sessions.
    #[command(subcommand)]
    Session(session::SessionCommand),
    /// Register, list and remove API servers.
    #[command(subcommand)]
    Client(client::ClientCommand),
    /// Show the API servers that follow, and how far each is.
    Fleet(fleet::FleetArgs),
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
    /// Put a backup in the place of the store.
    Restore(restore::RestoreArgs),
    /// Look at everything that must be right, and say what is not.
    Doctor(doctor::DoctorArgs),
    /// Print what a shell needs to complete the commands.
    Completions(completions::CompletionsArgs),
    /// Check, show and begin the configuration; print the reference of all settings.
    #[command(subcommand)]
    Config(config::ConfigCommand),
}

/// Runs the command line; gives the exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // These begin to log once they know what.
    if !matches!(cli.command, Command::Serve(_) | Command::Relay(_))
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
            Command::Serve(args) => Ok(serve::run(args).await?),
            Command::Relay(args) => Ok(relay::run(args).await?),
            Command::User(command) => user::run(command).await,
            Command::Session(command) => session::run(command).await,
            Command::Client(command) => client::run(command).await,
            Command::Fleet(args) => fleet::run(args).await,
            Command::Revoke(args) => revoke::run(args).await,
            Command::Keys(command) => keys::run(command).await,
            Command::Audit(command) => audit::run(command).await,
            Command::Backup(args) => backup::run(args).await,
            Command::Restore(args) => restore::run(args).await,
            Command::Doctor(args) => doctor::run(args).await,
            Command::Completions(args) => completions::run(&args),
            Command::Config(command) => config::run(command),
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

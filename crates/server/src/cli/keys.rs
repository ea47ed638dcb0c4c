//! `rescind keys`: through a running authority, or on the store.

use super::call::{Common, Why};
use super::confirm::Sure;
use super::failed::Failed;
use super::out::{each, note, table, text};
use crate::admin::client::CallError;
use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// Keys.
#[derive(Subcommand)]
#[command(after_help = "Examples:
  rescind keys list
  rescind keys rotate token
  rescind keys retire NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs --compromised
  rescind keys share games-api
  rescind keys rotate shared --audience games-api")]
pub(super) enum KeysCommand {
    /// List all keys, without anything secret.
    #[command(after_help = "Examples:
  rescind keys list
  rescind keys list --json")]
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Let the next key take over; the old one stays understood until nothing it has made is alive.
    #[command(after_help = "Examples:
  rescind keys rotate token
  rescind keys rotate line --reason 'yearly'
  rescind keys rotate shared --audience games-api --no-wait")]
    Rotate {
        #[command(flatten)]
        common: Common,
        /// Which.
        purpose: Purpose,
        /// The audience of a shared secret.
        #[arg(long)]
        audience: Option<String>,
        /// Fail instead of waiting until the next key is known everywhere.
        #[arg(long)]
        no_wait: bool,
        #[command(flatten)]
        why: Why,
    },
    /// Retire one key.
    Retire(Retire),
    /// Draw a secret for one audience, printed this once: its tokens are then signed by HS256, for it alone. The
    /// first one counts at once: shows what it hits, and asks.
    #[command(after_help = "Examples:
  rescind keys share games-api
  rescind keys share games-api --yes --json")]
    Share {
        #[command(flatten)]
        common: Common,
        /// The audience.
        audience: String,
        #[command(flatten)]
        why: Why,
        #[command(flatten)]
        sure: Sure,
    },
}

/// Retire one key.
#[derive(Args)]
#[command(after_help = "Examples:
  rescind keys retire NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs
  rescind keys retire line-1 --compromised --yes --reason 'found in a log'")]
pub(super) struct Retire {
    #[command(flatten)]
    common: Common,
    /// Its id, from `rescind keys list`.
    #[arg(allow_hyphen_values = true)]
    kid: String,
    /// Somebody else has it: refuse at once, everywhere, all that it has signed. Shows what it hits, and
    /// asks.
    #[arg(long)]
    compromised: bool,
    #[command(flatten)]
    why: Why,
    #[command(flatten)]
    sure: Sure,
}

/// What a key is for.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Purpose {
    /// Signs access tokens.
    Token,
    /// Signs the feed to the API servers.
    Feed,
    /// Makes cookies and refresh tokens.
    Line,
    /// Makes CSRF values.
    Csrf,
    /// The secret shared with one audience.
    Shared,
}

pub(super) async fn run(command: KeysCommand) -> Result<(), Failed> {
    match command {
        KeysCommand::List { common } => {
            let keys = common.ask("/admin/keys").await?;
            common.show(&keys, || {
                let row = |key| {
                    ["purpose", "state", "alg", "kid", "audience"].map(|member| text(key, member))
                };
                table(["PURPOSE", "STATE", "ALG", "KID", "AUDIENCE"], each(&keys).map(row))
            })
        }
        KeysCommand::Rotate { common, purpose, audience, no_wait, why } => {
            let name = purpose.to_possible_value().map(|v| v.get_name().to_owned());
            let body = json!({ "purpose": name, "audience": audience, "reason": why.reason });
            let done = rotate(&common, body, no_wait).await?;
            common.done(&done, "rotated")
        }
        KeysCommand::Retire(retire) => retire.run().await,
        KeysCommand::Share { common, audience, why, sure } => {
            if !is_shared(&common, &audience).await? {
                let words = |hit: &str| {
                    format!(
                        "From now on tokens for {audience} are signed by a secret of its own (HS256), for it alone: its \
                         server takes no others once it has the secret, and none of these before. This concerns \
                         {hit}."
                    )
                };
                sure.confirm(&common, &[("audience", Some(&audience))], words).await?;
            }
            let body = json!({ "audience": audience, "reason": why.reason });
            let made = common.act(Method::POST, "/admin/keys/share", body).await?;
            let mut words =
                format!("secret of {audience} (shown this once): {}", text(&made, "secret"));
            if made["state"] == "next" {
                words.push_str(&format!(
                    "\nGive it to the server beside the one it has, then: \
                     rescind keys rotate shared --audience {audience}"
                ));
            }
            let lost = format!(
                "but {audience} has a secret that nobody has seen: run `rescind keys retire {}`, then this \
                 again",
                text(&made, "kid")
            );
            common.tell(&made, || words, &lost)
        }
    }
}

impl Retire {
    async fn run(self) -> Result<(), Failed> {
        let Self { common, kid, compromised, why, sure } = self;
        if compromised {
            let words = |hit: &str| {
                format!(
                    "This refuses, at once and for good, all that {kid} has made; {hit} depend on it."
                )
            };
            sure.confirm(&common, &[("kid", Some(&kid))], words).await?;
        }
        let body = json!({ "kid": kid, "compromised": compromised, "reason": why.reason });
        let done = common.act(Method::POST, "/admin/keys/retire", body).await?;
        let what = match compromised {
            true => format!("{kid} is retired as compromised: nothing that it has made is taken"),
            false => format!("{kid} is retired"),
        };
        common.done(&done, &what)
    }
}

/// Whether tokens for the audience are signed by a secret of its own.
async fn is_shared(common: &Common, audience: &str) -> Result<bool, Failed> {
    let keys = common.ask("/admin/keys").await?;
    Ok(each(&keys).any(|key| {
        key["purpose"] == "shared" && key["state"] == "active" && key["audience"] == audience
    }))
}

/// Rotates, and waits for the next key to be known everywhere if it has to.
async fn rotate(common: &Common, body: Value, no_wait: bool) -> Result<Value, Failed> {
    loop {
        let door = common.door().await?;
        match door.call(Method::POST, "/admin/keys/rotate", body.clone()).await {
            Err(CallError::Early { wait, .. }) if !no_wait => {
                note(&format!("the next key is not yet known everywhere: waiting {wait} s"));
                // Meanwhile an authority may start on the store.
                drop(door);
                tokio::time::sleep(Duration::from_secs(wait)).await;
            }
            Err(CallError::Early { wait, .. }) => {
                let said = format!("the next key is not yet known everywhere: try in {wait} s");
                return Err(said.into());
            }
            outcome => return Ok(outcome?),
        }
    }
}

//! `rescind keys`: through a running authority, or on the store.

use super::Place;
use super::manage::{Why, call};
use crate::admin::client::{CallError, Door};
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
    List {
        #[command(flatten)]
        place: Place,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Let the next key take over; the old one stays understood until nothing it has made is alive.
    Rotate {
        #[command(flatten)]
        place: Place,
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
    /// Draw a secret for one audience, printed this once: its tokens are then signed by HS256, for it alone.
    Share {
        #[command(flatten)]
        place: Place,
        /// The audience.
        audience: String,
        #[command(flatten)]
        why: Why,
    },
}

/// Retire one key.
#[derive(Args)]
pub(super) struct Retire {
    #[command(flatten)]
    place: Place,
    /// Its id, from `rescind keys list`.
    kid: String,
    /// Somebody else has it: refuse at once, everywhere, all that it has signed.
    #[arg(long)]
    compromised: bool,
    #[command(flatten)]
    why: Why,
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

pub(super) async fn run(command: KeysCommand) -> Result<(), String> {
    match command {
        KeysCommand::List { place, json } => {
            let keys = call(&place, Method::GET, "/admin/keys", Value::Null).await?;
            match json {
                true => println!("{keys:#}"),
                false => table(&keys),
            }
        }
        KeysCommand::Rotate { place, purpose, audience, no_wait, why } => {
            let name = purpose.to_possible_value().map(|v| v.get_name().to_owned());
            let body = json!({ "purpose": name, "audience": audience, "reason": why.reason });
            rotate(&place, body, no_wait).await?;
        }
        KeysCommand::Retire(Retire { place, kid, compromised, why }) => {
            let body = json!({ "kid": kid, "compromised": compromised, "reason": why.reason });
            let done = call(&place, Method::POST, "/admin/keys/retire", body).await?;
            println!("retired; durable at position {}", done["pos"]);
        }
        KeysCommand::Share { place, audience, why } => {
            let body = json!({ "audience": audience, "reason": why.reason });
            let made = call(&place, Method::POST, "/admin/keys/share", body).await?;
            println!("secret of {audience} (shown this once): {}", text(&made["secret"]));
            if made["state"] == "next" {
                println!(
                    "Give it to the server beside the one it has, then: \
                     rescind keys rotate shared --audience {audience}"
                );
            }
        }
    }
    Ok(())
}

/// Rotates, and waits for the next key to be known everywhere if it has to.
async fn rotate(place: &Place, body: Value, no_wait: bool) -> Result<(), String> {
    let config = place.config()?;
    loop {
        let door = Door::find(&config).await.map_err(|error| error.to_string())?;
        match door.call(Method::POST, "/admin/keys/rotate", body.clone()).await {
            Ok(_) => {
                println!("rotated");
                return Ok(());
            }
            Err(CallError::Early { wait, .. }) if !no_wait => {
                eprintln!("the next key is not yet known everywhere: waiting {wait} s");
                tokio::time::sleep(Duration::from_secs(wait)).await;
            }
            Err(CallError::Early { wait, .. }) => {
                return Err(format!("the next key is not yet known everywhere: try in {wait} s"));
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

fn table(keys: &Value) {
    println!("{:<8} {:<12} {:<8} {:<44} AUDIENCE", "PURPOSE", "STATE", "ALG", "KID");
    for key in keys.as_array().into_iter().flatten() {
        let column = |name: &str| text(&key[name]);
        let (purpose, state, alg) = (column("purpose"), column("state"), column("alg"));
        let audience = key["audience"].as_str().unwrap_or("");
        println!("{purpose:<8} {state:<12} {alg:<8} {:<44} {audience}", column("kid"));
    }
}

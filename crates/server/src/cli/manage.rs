//! `rescind user`, `rescind client`, `rescind revoke`: through a running authority, or on the store.

use super::Place;
use crate::admin::client::Door;
use crate::clock::SystemEntropy;
use clap::{Args, Subcommand};
use http::Method;
use rescind_authority::clock::random;
use rescind_wire::b64;
use serde_json::{Value, json};
use std::io::Read as _;

/// Accounts.
#[derive(Subcommand)]
#[command(after_help = "Examples:
  rescind user add alice --role editor
  printf %s \"$PASSWORD\" | rescind user add bob --password-stdin
  rescind user add carol --password-hash '$2b$12$…'
  rescind user suspend alice")]
pub(super) enum UserCommand {
    /// Make an account; without one of the password options, one is drawn and printed this once.
    Add {
        #[command(flatten)]
        place: Place,
        /// User name or e-mail address.
        name: String,
        /// A role that the account's tokens carry. May be given several times.
        #[arg(long)]
        role: Vec<String>,
        /// Read the password from standard input.
        #[arg(long)]
        password_stdin: bool,
        /// The hash of another system: bcrypt, or scrypt, PBKDF2-SHA256, PBKDF2-SHA512 or Argon2id as a
        /// PHC string. Replaced by Argon2id at the first sign-in.
        #[arg(long, value_name = "PHC", conflicts_with = "password_stdin")]
        password_hash: Option<String>,
    },
    /// List the accounts as JSON.
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Close an account and take back everything it holds.
    Suspend {
        #[command(flatten)]
        place: Place,
        /// User name.
        name: String,
    },
    /// Open a suspended account again.
    Activate {
        #[command(flatten)]
        place: Place,
        /// User name.
        name: String,
    },
}

/// API servers.
#[derive(Subcommand)]
#[command(after_help = "Examples:
  rescind client add posts-api --audience posts-api --permission feed
  rescind client list")]
pub(super) enum ClientCommand {
    /// Register an API server; its secret is printed this once.
    Add {
        #[command(flatten)]
        place: Place,
        /// The client's id.
        id: String,
        /// An audience it answers for. May be given several times.
        #[arg(long, required = true)]
        audience: Vec<String>,
        /// What it may do: feed (follow the revocations). May be given several times.
        #[arg(long)]
        permission: Vec<String>,
    },
    /// List the API servers as JSON.
    List {
        #[command(flatten)]
        place: Place,
    },
}

/// Take something back.
#[derive(Args)]
#[command(after_help = "Examples:
  rescind revoke --user alice
  rescind revoke --session 3vXq0y7tT6y8o1T0r5n0gA
  rescind revoke --everything")]
pub(super) struct RevokeArgs {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    what: What,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct What {
    /// All sessions and tokens of an account, up to now.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// One session, with its tokens.
    #[arg(long, value_name = "SID")]
    session: Option<String>,
    /// One access token.
    #[arg(long, value_name = "JTI")]
    token: Option<String>,
    /// All sessions and tokens of everybody, up to now.
    #[arg(long)]
    everything: bool,
}

async fn call(place: &Place, method: Method, path: &str, body: Value) -> Result<Value, String> {
    let config = place.config()?;
    let door = Door::find(&config).await.map_err(|error| error.to_string())?;
    door.call(method, path, body).await.map_err(|error| error.to_string())
}

/// A password of 120 random bits, for somebody to change or keep in a password manager.
pub(super) fn draw_password() -> String {
    b64::encode(random::<15>(&SystemEntropy))
}

fn read_password() -> Result<String, String> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| format!("cannot read the password from standard input: {error}"))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

pub(super) async fn user(command: UserCommand) -> Result<(), String> {
    match command {
        UserCommand::Add { place, name, role, password_stdin, password_hash } => {
            let mut body = json!({ "username": name, "roles": role });
            let mut drawn = None;
            match password_hash {
                Some(hash) => body["password_hash"] = hash.into(),
                None if password_stdin => body["password"] = read_password()?.into(),
                None => body["password"] = drawn.insert(draw_password()).as_str().into(),
            }
            let made = call(&place, Method::POST, "/admin/users", body).await?;
            println!("made {}", made["username"].as_str().unwrap_or_default());
            if let Some(password) = drawn {
                println!("password (shown this once): {password}");
            }
        }
        UserCommand::List { place } => {
            println!("{:#}", call(&place, Method::GET, "/admin/users", Value::Null).await?);
        }
        UserCommand::Suspend { place, name } => set_state(&place, &name, "suspended").await?,
        UserCommand::Activate { place, name } => set_state(&place, &name, "active").await?,
    }
    Ok(())
}

async fn set_state(place: &Place, name: &str, state: &str) -> Result<(), String> {
    let encoded: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
    let path = format!("/admin/users/{}/state", encoded.replace('+', "%20"));
    call(place, Method::POST, &path, json!({ "state": state })).await?;
    println!("{name} is {state}");
    Ok(())
}

pub(super) async fn client(command: ClientCommand) -> Result<(), String> {
    match command {
        ClientCommand::Add { place, id, audience, permission } => {
            let body = json!({ "client_id": id, "audiences": audience, "permissions": permission });
            let made = call(&place, Method::POST, "/admin/clients", body).await?;
            println!("registered {id}");
            let secret = made["client_secret"].as_str().unwrap_or_default();
            println!("client secret (shown this once): {secret}");
        }
        ClientCommand::List { place } => {
            println!("{:#}", call(&place, Method::GET, "/admin/clients", Value::Null).await?);
        }
    }
    Ok(())
}

pub(super) async fn revoke(args: RevokeArgs) -> Result<(), String> {
    let What { user, session, token, everything } = args.what;
    let body = match (user, session, token) {
        (Some(name), _, _) => json!({ "user": name }),
        (_, Some(sid), _) => json!({ "session": sid }),
        (_, _, Some(jti)) => json!({ "token": jti }),
        _ => json!({ "everything": everything }),
    };
    let done = call(&args.place, Method::POST, "/admin/revoke", body).await?;
    println!("revoked; durable at position {}", done["pos"]);
    Ok(())
}

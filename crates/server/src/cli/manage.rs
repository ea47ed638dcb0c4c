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
  rescind user roles alice --role editor --role owner
  rescind user ban mallory --reason 'spam, case 12'
  rescind user sessions alice
  rescind user delete alice")]
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
    /// Close an account for a time, and take back everything it holds.
    Suspend(Named),
    /// Close an account for good, and take back everything it holds.
    Ban(Named),
    /// Open a suspended or banned account again.
    Activate(Named),
    /// Set the roles. Access tokens of before are refused; apps refresh and go on with the new ones.
    Roles {
        #[command(flatten)]
        who: Named,
        /// A role; may be given several times. None takes all roles away.
        #[arg(long)]
        role: Vec<String>,
    },
    /// List the live sessions of an account as JSON.
    Sessions(Named),
    /// Delete an account with its sessions. Its id is never given out again.
    Delete(Named),
}

/// An account, and why.
#[derive(Args)]
pub(super) struct Named {
    #[command(flatten)]
    place: Place,
    /// User name.
    name: String,
    #[command(flatten)]
    why: Why,
}

/// Why, for the record.
#[derive(Args)]
pub(super) struct Why {
    /// Why, in at most 200 characters: kept in the record of who did what.
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
}

/// API servers.
#[derive(Subcommand)]
#[command(after_help = "Examples:
  rescind client add posts-api --audience posts-api --permission feed
  rescind client secret posts-api
  rescind client remove posts-api")]
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
        /// What it may do: feed (follow the revocations), introspect (ask about tokens), revoke (take tokens
        /// back). May be given several times.
        #[arg(long)]
        permission: Vec<String>,
    },
    /// List the API servers as JSON.
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Draw another secret, printed this once. The old one is refused at once.
    Secret(NamedClient),
    /// Remove an API server, with everything that was issued to it.
    Remove(NamedClient),
}

/// A client, and why.
#[derive(Args)]
pub(super) struct NamedClient {
    #[command(flatten)]
    place: Place,
    /// The client's id.
    id: String,
    #[command(flatten)]
    why: Why,
}

/// Take something back.
#[derive(Args)]
#[command(after_help = "Examples:
  rescind revoke --user alice
  rescind revoke --user alice --client mobile-app
  rescind revoke --session 3vXq0y7tT6y8o1T0r5n0gA --reason 'lost phone'
  rescind revoke --audience posts-api
  rescind revoke --everything
A signing key is taken back by `rescind keys retire KID --compromised`.")]
pub(super) struct RevokeArgs {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    why: Why,
}

#[derive(Args)]
#[group(required = true)]
struct What {
    /// All sessions and tokens of an account, up to now; with --client those at that client.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["session", "token", "audience", "everything"])]
    user: Option<String>,
    /// One session, with its tokens.
    #[arg(long, value_name = "SID", conflicts_with_all = ["token", "client", "audience", "everything"])]
    session: Option<String>,
    /// One access token.
    #[arg(long, value_name = "JTI", conflicts_with_all = ["client", "audience", "everything"])]
    token: Option<String>,
    /// All sessions and tokens that were issued to a client, up to now.
    #[arg(long, value_name = "ID", conflicts_with_all = ["audience", "everything"])]
    client: Option<String>,
    /// All access tokens for an audience, up to now; sessions go on and refresh.
    #[arg(long, value_name = "AUDIENCE", conflicts_with = "everything")]
    audience: Option<String>,
    /// All sessions and tokens of everybody, up to now.
    #[arg(long)]
    everything: bool,
}

pub(super) async fn call(
    place: &Place,
    method: Method,
    path: &str,
    body: Value,
) -> Result<Value, String> {
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
        UserCommand::Suspend(who) => set_state(&who, "suspended").await?,
        UserCommand::Ban(who) => set_state(&who, "banned").await?,
        UserCommand::Activate(who) => set_state(&who, "active").await?,
        UserCommand::Roles { who, role } => {
            let body = json!({ "roles": role, "reason": who.why.reason });
            let done = who.call(Method::POST, "/roles", body).await?;
            println!("{} has the roles {role:?}; durable at position {}", who.name, done["pos"]);
        }
        UserCommand::Sessions(who) => {
            println!("{:#}", who.call(Method::GET, "/sessions", Value::Null).await?);
        }
        UserCommand::Delete(who) => {
            let body = json!({ "reason": who.why.reason });
            let done = who.call(Method::DELETE, "", body).await?;
            println!("{} is deleted; durable at position {}", who.name, done["pos"]);
        }
    }
    Ok(())
}

impl Named {
    async fn call(&self, method: Method, below: &str, body: Value) -> Result<Value, String> {
        let path = format!("/admin/users/{}{below}", in_path(&self.name));
        call(&self.place, method, &path, body).await
    }
}

async fn set_state(who: &Named, state: &str) -> Result<(), String> {
    let body = json!({ "state": state, "reason": who.why.reason });
    let done = who.call(Method::POST, "/state", body).await?;
    println!("{} is {state}; durable at position {}", who.name, done["pos"]);
    Ok(())
}

/// A name as one segment of a path.
fn in_path(name: &str) -> String {
    let encoded: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
    encoded.replace('+', "%20")
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
        ClientCommand::Secret(which) => {
            let path = format!("/admin/clients/{}/secret", in_path(&which.id));
            let body = json!({ "reason": which.why.reason });
            let made = call(&which.place, Method::POST, &path, body).await?;
            let secret = made["client_secret"].as_str().unwrap_or_default();
            println!("client secret (shown this once): {secret}");
        }
        ClientCommand::Remove(which) => {
            let path = format!("/admin/clients/{}", in_path(&which.id));
            let body = json!({ "reason": which.why.reason });
            let done = call(&which.place, Method::DELETE, &path, body).await?;
            println!("{} is removed; durable at position {}", which.id, done["pos"]);
        }
    }
    Ok(())
}

pub(super) async fn revoke(args: RevokeArgs) -> Result<(), String> {
    let What { user, session, token, client, audience, everything } = args.what;
    let body = json!({
        "user": user,
        "session": session,
        "token": token,
        "client": client,
        "audience": audience,
        "everything": everything.then_some(true),
        "reason": args.why.reason,
    });
    let done = call(&args.place, Method::POST, "/admin/revoke", body).await?;
    println!("revoked; durable at position {}", done["pos"]);
    Ok(())
}

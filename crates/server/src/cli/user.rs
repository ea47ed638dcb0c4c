//! `rescind user`.

use super::call::{Common, Why, in_path};
use super::confirm::Sure;
use super::failed::Failed;
use super::fleet::WaitFor;
use super::out::{each, table, text};
use super::session;
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
  rescind user list
  rescind user roles alice --role editor --role owner
  rescind user ban mallory --reason 'spam, case 12' --wait fleet
  rescind user delete alice")]
pub(super) enum UserCommand {
    /// Make an account; without one of the password options, one is drawn and printed this once.
    #[command(after_help = "Examples:
  rescind user add alice --role editor
  printf %s \"$PASSWORD\" | rescind user add bob --password-stdin
  rescind user add carol --password-hash '$2b$12$…'
  rescind user add dave --json")]
    Add(Add),
    /// List the accounts.
    #[command(after_help = "Examples:
  rescind user list
  rescind user list --json")]
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Close an account for a time, and take back everything it holds.
    #[command(after_help = "Examples:
  rescind user suspend alice --reason 'phone lost, case 7'")]
    Suspend(Named),
    /// Close an account for good, and take back everything it holds.
    #[command(after_help = "Examples:
  rescind user ban mallory --reason 'spam, case 12'")]
    Ban(Named),
    /// Open a suspended or banned account again.
    #[command(after_help = "Examples:
  rescind user activate alice")]
    Activate(Named),
    /// Set the roles. Access tokens of before are refused; apps refresh and go on with the new ones.
    #[command(after_help = "Examples:
  rescind user roles alice --role editor --role owner
  rescind user roles alice")]
    Roles {
        #[command(flatten)]
        who: Named,
        /// A role; may be given several times. None takes all roles away.
        #[arg(long)]
        role: Vec<String>,
    },
    /// List the live sessions of an account, as `rescind session list` does.
    #[command(after_help = "Examples:
  rescind user sessions alice
  rescind user sessions alice --json")]
    Sessions(session::Of),
    /// Delete an account with its sessions. Its id is never given out again.
    #[command(after_help = "Examples:
  rescind user delete alice
  rescind user delete alice --yes --reason 'asked by its owner'")]
    Delete {
        #[command(flatten)]
        who: Named,
        #[command(flatten)]
        sure: Sure,
    },
}

/// An account to be made.
#[derive(Args)]
pub(super) struct Add {
    #[command(flatten)]
    common: Common,
    /// User name or e-mail address.
    name: String,
    /// A role that the account's tokens carry. May be given several times.
    #[arg(long)]
    role: Vec<String>,
    /// Read the password from standard input.
    #[arg(long)]
    password_stdin: bool,
    /// The hash of another system: bcrypt, or scrypt, PBKDF2-SHA256, PBKDF2-SHA512 or Argon2id as a PHC
    /// string. Replaced by Argon2id at the first sign-in.
    #[arg(long, value_name = "PHC", conflicts_with = "password_stdin")]
    password_hash: Option<String>,
    #[command(flatten)]
    why: Why,
}

/// An account, and why.
#[derive(Args)]
pub(super) struct Named {
    #[command(flatten)]
    common: Common,
    /// User name.
    name: String,
    #[command(flatten)]
    wait: WaitFor,
    #[command(flatten)]
    why: Why,
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

pub(super) async fn run(command: UserCommand) -> Result<(), Failed> {
    match command {
        UserCommand::Add(new) => add(new).await,
        UserCommand::List { common } => {
            let users = common.ask("/admin/users").await?;
            common.show(&users, || {
                let row = |user| ["username", "state", "roles", "sub"].map(|of| text(user, of));
                table(["NAME", "STATE", "ROLES", "ID"], each(&users).map(row))
            })
        }
        UserCommand::Suspend(who) => set_state(&who, "suspended").await,
        UserCommand::Ban(who) => set_state(&who, "banned").await,
        UserCommand::Activate(who) => set_state(&who, "active").await,
        UserCommand::Roles { who, role } => {
            let body = json!({ "roles": role, "reason": who.why.reason });
            let done = who.act(Method::POST, "/roles", body).await?;
            let what = match role.is_empty() {
                true => format!("{} has no roles", who.name),
                false => format!("{} has the roles {}", who.name, role.join(", ")),
            };
            who.common.done(&done, &what)
        }
        UserCommand::Sessions(of) => session::list(of).await,
        UserCommand::Delete { who, sure } => {
            let name = &who.name;
            let words = |hit: &str| format!("This deletes {name} with {hit}, for good.");
            sure.confirm(&who.common, &[("user", Some(name))], words).await?;
            let done = who.act(Method::DELETE, "", json!({ "reason": who.why.reason })).await?;
            who.common.done(&done, &format!("{name} is deleted"))
        }
    }
}

async fn add(new: Add) -> Result<(), Failed> {
    let name = &new.name;
    let mut body = json!({ "username": name, "roles": new.role, "reason": new.why.reason });
    let mut drawn = None;
    match new.password_hash {
        Some(hash) => body["password_hash"] = hash.into(),
        None if new.password_stdin => body["password"] = read_password()?.into(),
        None => body["password"] = drawn.insert(draw_password()).as_str().into(),
    }
    let mut made = new.common.act(Method::POST, "/admin/users", body).await?;
    let mut words = format!("made {}", text(&made, "username"));
    let mut lost = format!("but {name} is made");
    if let Some(password) = drawn {
        words.push_str(&format!("\npassword (shown this once): {password}"));
        lost.push_str(&format!(
            ", with a password that nobody has seen: run `rescind user delete {name}`, then this again"
        ));
        made["password"] = password.into();
    }
    new.common.tell(&made, || words, &lost)
}

impl Named {
    async fn act(&self, method: Method, below: &str, body: Value) -> Result<Value, Failed> {
        let path = self.wait.at(&format!("/admin/users/{}{below}", in_path(&self.name)));
        self.common.act(method, &path, body).await
    }
}

async fn set_state(who: &Named, state: &str) -> Result<(), Failed> {
    let body = json!({ "state": state, "reason": who.why.reason });
    let done = who.act(Method::POST, "/state", body).await?;
    who.common.done(&done, &format!("{} is {state}", who.name))
}

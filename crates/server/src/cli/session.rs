//! `rescind session`.

use super::call::{Common, Why, in_path};
use super::failed::Failed;
use super::fleet::WaitFor;
use super::out::{each, table, text, time};
use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

/// Sessions.
#[derive(Subcommand)]
#[command(after_help = "Examples:
  rescind session list alice
  rescind session show 3vXq0y7tT6y8o1T0r5n0gA
  rescind session end 3vXq0y7tT6y8o1T0r5n0gA --reason 'lost phone' --wait fleet")]
pub(super) enum SessionCommand {
    /// List the live sessions of an account, newest first.
    #[command(after_help = "Examples:
  rescind session list alice
  rescind session list alice --json")]
    List(Of),
    /// Show one session, also one that is over.
    #[command(after_help = "Examples:
  rescind session show 3vXq0y7tT6y8o1T0r5n0gA")]
    Show {
        #[command(flatten)]
        common: Common,
        /// Its id.
        #[arg(allow_hyphen_values = true)]
        sid: String,
    },
    /// End one session, with its tokens.
    #[command(after_help = "Examples:
  rescind session end 3vXq0y7tT6y8o1T0r5n0gA --reason 'lost phone'")]
    End {
        #[command(flatten)]
        common: Common,
        /// Its id.
        #[arg(allow_hyphen_values = true)]
        sid: String,
        #[command(flatten)]
        wait: WaitFor,
        #[command(flatten)]
        why: Why,
    },
}

/// Whose sessions.
#[derive(Args)]
pub(super) struct Of {
    #[command(flatten)]
    common: Common,
    /// User name.
    name: String,
}

pub(super) async fn run(command: SessionCommand) -> Result<(), Failed> {
    match command {
        SessionCommand::List(of) => list(of).await,
        SessionCommand::Show { common, sid } => {
            let seen = common.ask(&format!("/admin/sessions/{}", in_path(&sid))).await?;
            common.show(&seen, || one(&seen))
        }
        SessionCommand::End { common, sid, wait, why } => {
            let body = json!({ "session": sid, "reason": why.reason });
            let done = common.act(Method::POST, &wait.at("/admin/revoke"), body).await?;
            common.done(&done, &format!("session {sid} is ended"))
        }
    }
}

pub(super) async fn list(of: Of) -> Result<(), Failed> {
    let path = format!("/admin/users/{}/sessions", in_path(&of.name));
    let sessions = of.common.ask(&path).await?;
    of.common.show(&sessions, || {
        let row = |session| {
            let [id, client] = ["id", "client_id"].map(|member| text(session, member));
            let [seen, ends] = ["last_seen_at", "expires_at"].map(|member| time(session, member));
            [id, client, text(session, "device"), text(session, "address"), seen, ends]
        };
        let headings = ["ID", "CLIENT", "DEVICE", "ADDRESS", "LAST SEEN", "ENDS"];
        table(headings, each(&sessions).map(row))
    })
}

fn one(session: &Value) -> String {
    let members = session.as_object().into_iter().flatten();
    let row = |(name, _): (&String, &Value)| {
        let shown = match name.ends_with("_at") || name == "auth_time" {
            true => time(session, name),
            false => text(session, name),
        };
        [name.clone(), shown]
    };
    table(["WHAT", "IS"], members.map(row))
}

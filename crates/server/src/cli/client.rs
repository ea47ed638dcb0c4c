//! `rescind client`.

use super::call::{Common, Why, in_path};
use super::confirm::Sure;
use super::failed::Failed;
use super::fleet::WaitFor;
use super::out::{each, table, text};
use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

/// API servers.
#[derive(Subcommand)]
#[command(after_help = "Examples:
  rescind client add posts-api --audience posts-api --permission feed
  rescind client list
  rescind client secret posts-api
  rescind client remove posts-api")]
pub(super) enum ClientCommand {
    /// Register an API server; its secret is printed this once.
    #[command(after_help = "Examples:
  rescind client add posts-api --audience posts-api --permission feed
  rescind client add asks --audience posts-api --permission introspect --permission revoke
  rescind client add relay-eu --permission feed")]
    Add {
        #[command(flatten)]
        which: NamedClient,
        /// An audience it answers for; a relay has none. May be given several times.
        #[arg(long, required_unless_present = "permission")]
        audience: Vec<String>,
        /// What it may do: feed (follow the revocations), introspect (ask about tokens), revoke (take tokens
        /// back). May be given several times.
        #[arg(long)]
        permission: Vec<String>,
    },
    /// List the API servers.
    #[command(after_help = "Examples:
  rescind client list
  rescind client list --json")]
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Draw another secret, printed this once. The old one is refused at once.
    #[command(after_help = "Examples:
  rescind client secret posts-api
  rescind client secret posts-api --json")]
    Secret(NamedClient),
    /// Remove an API server, with everything that was issued to it.
    #[command(after_help = "Examples:
  rescind client remove posts-api
  rescind client remove posts-api --yes --reason 'replaced'")]
    Remove {
        #[command(flatten)]
        which: NamedClient,
        #[command(flatten)]
        wait: WaitFor,
        #[command(flatten)]
        sure: Sure,
    },
}

/// A client, and why.
#[derive(Args)]
pub(super) struct NamedClient {
    #[command(flatten)]
    common: Common,
    /// The client's id.
    id: String,
    #[command(flatten)]
    why: Why,
}

pub(super) async fn run(command: ClientCommand) -> Result<(), Failed> {
    match command {
        ClientCommand::Add { which, audience, permission } => {
            let body = json!({
                "client_id": which.id,
                "audiences": audience,
                "permissions": permission,
                "reason": which.why.reason,
            });
            let made = which.common.act(Method::POST, "/admin/clients", body).await?;
            which.tell_secret(&made, "registered")
        }
        ClientCommand::List { common } => {
            let clients = common.ask("/admin/clients").await?;
            common.show(&clients, || {
                let row = |client| {
                    ["client_id", "audiences", "permissions"].map(|member| text(client, member))
                };
                table(["ID", "AUDIENCES", "PERMISSIONS"], each(&clients).map(row))
            })
        }
        ClientCommand::Secret(which) => {
            let path = format!("/admin/clients/{}/secret", in_path(&which.id));
            let body = json!({ "reason": which.why.reason });
            let made = which.common.act(Method::POST, &path, body).await?;
            which.tell_secret(&made, "another secret for")
        }
        ClientCommand::Remove { which, wait, sure } => {
            let id = &which.id;
            let words = |hit: &str| {
                format!("This removes {id}, ends its feed and {hit} that were issued to it.")
            };
            sure.confirm(&which.common, &[("client", Some(id))], words).await?;
            let path = wait.at(&format!("/admin/clients/{}", in_path(id)));
            let body = json!({ "reason": which.why.reason });
            let done = which.common.act(Method::DELETE, &path, body).await?;
            which.common.done(&done, &format!("{id} is removed"))
        }
    }
}

impl NamedClient {
    fn tell_secret(&self, made: &Value, what: &str) -> Result<(), Failed> {
        let (id, secret) = (&self.id, text(made, "client_secret"));
        let words = || format!("{what} {id}\nclient secret (shown this once): {secret}");
        let lost = format!(
            "but {id} has a secret that nobody has seen: draw another by `rescind client secret {id}`"
        );
        self.common.tell(made, words, &lost)
    }
}

//! `rescind revoke`.

use super::call::{Common, Why};
use super::confirm::Sure;
use super::failed::Failed;
use super::fleet::WaitFor;
use clap::Args;
use http::Method;
use serde_json::json;

/// Take something back.
#[derive(Args)]
#[command(after_help = "Examples:
  rescind revoke --user alice
  rescind revoke --user alice --client mobile-app
  rescind revoke --session 3vXq0y7tT6y8o1T0r5n0gA --reason 'lost phone'
  rescind revoke --user alice --wait fleet
  rescind revoke --audience posts-api
  rescind revoke --everything --yes

A signing key is taken back by `rescind keys retire KID --compromised`.")]
pub(super) struct RevokeArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    wait: WaitFor,
    #[command(flatten)]
    why: Why,
    #[command(flatten)]
    sure: Sure,
}

#[derive(Args)]
#[group(required = true)]
struct What {
    /// All sessions and tokens of an account, up to now; with --client those at that client.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["session", "token", "audience", "everything"])]
    user: Option<String>,
    /// One session, with its tokens.
    #[arg(long, allow_hyphen_values = true, value_name = "SID", conflicts_with_all = ["token", "client", "audience", "everything"])]
    session: Option<String>,
    /// One access token.
    #[arg(long, allow_hyphen_values = true, value_name = "JTI", conflicts_with_all = ["client", "audience", "everything"])]
    token: Option<String>,
    /// All sessions and tokens that were issued to a client, up to now. Shows what it hits, and asks.
    #[arg(long, value_name = "ID", conflicts_with_all = ["audience", "everything"])]
    client: Option<String>,
    /// All access tokens for an audience, up to now; sessions go on and refresh. Shows what it hits, and
    /// asks.
    #[arg(long, value_name = "AUDIENCE", conflicts_with = "everything")]
    audience: Option<String>,
    /// All sessions and tokens of everybody, up to now. Shows what it hits, and asks.
    #[arg(long)]
    everything: bool,
}

impl What {
    /// What to say before it is done, if it is big.
    fn warning(&self, hit: &str) -> Option<String> {
        match (&self.client, &self.audience, self.everything) {
            (Some(client), _, _) if self.user.is_none() => {
                Some(format!("This ends {hit} that were issued to {client}."))
            }
            (_, Some(audience), _) => Some(format!(
                "This refuses the access tokens for {audience} of {hit}, which refresh and go on."
            )),
            (_, _, true) => Some(format!("This ends {hit}: everybody signs in again.")),
            _ => None,
        }
    }
}

pub(super) async fn run(args: RevokeArgs) -> Result<(), Failed> {
    let RevokeArgs { common, what, wait, why, sure } = args;
    if what.warning("").is_some() {
        let whose = [("client", what.client.as_deref()), ("audience", what.audience.as_deref())];
        sure.confirm(&common, &whose, |hit| what.warning(hit).unwrap_or_default()).await?;
    }
    let body = json!({
        "user": what.user,
        "session": what.session,
        "token": what.token,
        "client": what.client,
        "audience": what.audience,
        "everything": what.everything.then_some(true),
        "reason": why.reason,
    });
    let done = common.act(Method::POST, &wait.at("/admin/revoke"), body).await?;
    common.done(&done, "revoked")
}

//! The record of who did what to whom, searched. It is only read here.

use super::{BAD_ID, account_or};
use crate::app::App;
use crate::http::problem::Failure;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use jiff::Timestamp;
use rescind_authority::audit::{Action, Order, Record, Search};
use serde::Deserialize;
use serde_json::{Value, json};

/// Most records in one answer.
pub(crate) const PAGE: usize = 1_000;

const NO_ACCOUNT: &str = "No account of this name: see `rescind user list`. A deleted one is found by --sub: \
     `rescind audit list --action account_deleted` shows its id.";

/// What to look for; times are microseconds since 1970 UTC. With `after`: from the record after that
/// number on, else from the newest back.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    after: Option<u64>,
    actor: Option<String>,
    action: Option<String>,
    user: Option<String>,
    sub: Option<String>,
    target: Option<String>,
    since: Option<u64>,
    until: Option<u64>,
    limit: Option<usize>,
}

pub(super) async fn search(
    State(app): State<App>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Value>, Failure> {
    let bad = "Search by after, actor, action, user or sub, target, since, until and limit.";
    let Query(asked) = query.map_err(|_| Failure::bad_request(bad))?;
    let action = asked.action.map(|name| Action::from_name(&name).ok_or(Failure::bad_request(bad)));
    let sub = match (&asked.user, &asked.sub) {
        (Some(_), Some(_)) => return Err(Failure::bad_request(bad)),
        (Some(user), None) => Some(account_or(&app, user, NO_ACCOUNT).await?.sub),
        (None, Some(sub)) => Some(sub.parse().map_err(|_| Failure::bad_request(BAD_ID))?),
        (None, None) => None,
    };
    let search = Search {
        order: asked.after.map_or(Order::NewestFirst, Order::After),
        actor: asked.actor,
        action: action.transpose()?,
        sub,
        target: asked.target,
        since: asked.since,
        until: asked.until,
    };
    let most = asked.limit.unwrap_or(PAGE).min(PAGE);
    let found = app.authority.store().search(search, most).await?;
    Ok(Json(found.iter().map(|(number, record)| view(*number, record)).collect()))
}

fn view(number: u64, record: &Record) -> Value {
    let at = i64::try_from(record.at).ok().and_then(|at| Timestamp::from_microsecond(at).ok());
    json!({
        "number": number,
        "at": at.map(|at| format!("{at:.6}")),
        "actor": record.actor,
        "action": record.action.name(),
        "sub": record.sub,
        "target": record.target,
        "reason": record.reason,
        "before": record.before,
        "after": record.after,
    })
}

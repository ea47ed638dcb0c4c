//! What an act would hit, counted before it is done.

use super::{NO_AUDIENCE, NO_KEY, account, not_found, revoke::known_client};
use crate::app::App;
use crate::http::problem::Failure;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use rescind_authority::keys::Purpose;
use rescind_authority::session::Session;
use serde::Deserialize;
use serde_json::{Value, json};

/// Whose sessions: everybody's if nothing is named.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Whose {
    user: Option<String>,
    client: Option<String>,
    audience: Option<String>,
    kid: Option<String>,
}

/// How many accounts and live sessions; of a key: those whose tokens or cookies it has made.
pub(super) async fn affected(
    State(app): State<App>,
    query: Result<Query<Whose>, QueryRejection>,
) -> Result<Json<Value>, Failure> {
    let bad = "Name user, client, audience or kid, or nothing for everybody.";
    let Query(whose) = query.map_err(|_| Failure::bad_request(bad))?;
    let mut audience = whose.audience;
    if let Some(asked) = &audience
        && !app.authority.audiences().await?.contains(asked)
    {
        return Err(not_found(NO_AUDIENCE));
    }
    if let Some(kid) = &whose.kid {
        let stored = app.authority.stored_keys().await?;
        match &stored.find(kid).ok_or(not_found(NO_KEY))?.purpose {
            Purpose::Token | Purpose::Line(_) => {}
            Purpose::Shared(of) => audience = Some(of.clone()),
            Purpose::Feed(_) | Purpose::Csrf(_) => {
                return Ok(Json(json!({ "accounts": 0, "sessions": 0 })));
            }
        }
    }
    if let Some(client) = &whose.client {
        known_client(&app, client).await?;
    }
    let sub = match &whose.user {
        Some(user) => Some(account(&app, user).await?.sub),
        None => None,
    };
    let fit = move |session: &Session| {
        sub.is_none_or(|sub| session.sub == sub)
            && whose.client.as_ref().is_none_or(|client| session.client_id == *client)
            && audience.as_ref().is_none_or(|audience| may_be_for(session, audience))
    };
    let found = app.authority.affected(fit).await?;
    Ok(Json(json!({ "accounts": found.accounts, "sessions": found.sessions })))
}

/// A session that asked for no audience may have tokens for all of them.
fn may_be_for(session: &Session, audience: &String) -> bool {
    session.audiences.is_empty() || session.audiences.contains(audience)
}

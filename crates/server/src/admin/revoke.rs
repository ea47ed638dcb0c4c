//! Taking something back by its id.

use super::{Asked, BAD_ID, NO_AUDIENCE, NO_CLIENT, NO_SESSION, done, name, not_found};
use crate::app::App;
use crate::http::body::StrictJson;
use crate::http::problem::Failure;
use crate::http::wait::Wait;
use axum::Json;
use axum::extract::State;
use rescind_authority::clients::FIRST_PARTY;
use rescind_authority::revoke::RevokeError;
use rescind_wire::revocation::Target;
use serde::Deserialize;
use serde_json::Value;

/// What to take back: exactly one of them, but `user` with `client` is that user at that client. A key is
/// retired instead.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Revoke {
    user: Option<String>,
    session: Option<String>,
    token: Option<String>,
    client: Option<String>,
    audience: Option<String>,
    everything: Option<bool>,
    reason: Option<String>,
}

pub(super) async fn revoke(
    State(app): State<App>,
    asked: Asked,
    wait: Wait,
    StrictJson(what): StrictJson<Revoke>,
) -> Result<Json<Value>, Failure> {
    let by = asked.because(what.reason)?;
    let bad_id = |_| Failure::bad_request(BAD_ID);
    let given = (what.user, what.session, what.token, what.client, what.audience, what.everything);
    let head = match given {
        (Some(user), None, None, None, None, None) => {
            app.authority.revoke_account(name(&user)?, by).await?
        }
        (Some(user), None, None, Some(client), None, None) => {
            known_client(&app, &client).await?;
            app.authority.revoke_grant(name(&user)?, client, by).await?
        }
        (None, Some(sid), None, None, None, None) => {
            let target = Target::Session(sid.parse().map_err(bad_id)?);
            app.authority.revoke(target, by).await.map_err(no_session)?
        }
        (None, None, Some(jti), None, None, None) => {
            let target = Target::Token(jti.parse().map_err(bad_id)?);
            app.authority.revoke(target, by).await?
        }
        (None, None, None, Some(client), None, None) => {
            known_client(&app, &client).await?;
            app.authority.revoke(Target::Client(client), by).await?
        }
        (None, None, None, None, Some(audience), None) => {
            if !app.authority.audiences().await?.contains(&audience) {
                return Err(not_found(NO_AUDIENCE));
            }
            app.authority.revoke(Target::Audience(audience), by).await?
        }
        (None, None, None, None, None, Some(true)) => {
            app.authority.revoke(Target::Everything, by).await?
        }
        _ => {
            return Err(Failure::bad_request(
                "Name one of user, session, token, client, audience, or {\"everything\": true}; user and \
                 client together are that user at that client.",
            ));
        }
    };
    Ok(done(&app, wait, head).await)
}

fn no_session(error: RevokeError) -> Failure {
    match error {
        RevokeError::NotFound => not_found(NO_SESSION),
        other => other.into(),
    }
}

/// A name that is mistyped would take back nothing, and look as if it had.
pub(super) async fn known_client(app: &App, id: &str) -> Result<(), Failure> {
    let clients = app.authority.store().clients().await?;
    match id == FIRST_PARTY || clients.iter().any(|c| c.client_id == id) {
        true => Ok(()),
        false => Err(not_found(NO_CLIENT)),
    }
}

//! API servers: registered, listed, given another secret, removed.

use super::{Asked, NO_CLIENT, conflict, done, not_found, remember};
use crate::app::App;
use crate::http::body::StrictJson;
use crate::http::problem::Failure;
use crate::http::wait::Wait;
use axum::Json;
use axum::extract::{Path, State};
use rescind_authority::clients::{AddClientError, Client, ClientError, Permission};
use rescind_authority::rotate::RotateError;
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) async fn list(State(app): State<App>) -> Result<Json<Value>, Failure> {
    let clients = app.authority.store().clients().await?;
    let view = |c: &Client| {
        let permissions: Vec<_> = c.permissions.iter().map(|p| p.name()).collect();
        json!({ "client_id": c.client_id, "audiences": c.audiences, "permissions": permissions })
    };
    Ok(Json(clients.iter().map(view).collect()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    client_id: String,
    audiences: Vec<String>,
    permissions: Vec<String>,
    reason: Option<String>,
}

pub(super) async fn add(
    State(app): State<App>,
    asked: Asked,
    StrictJson(new): StrictJson<New>,
) -> Result<Json<Value>, Failure> {
    let permissions = new.permissions.iter().map(|p| Permission::from_name(p));
    let permissions: Option<Vec<_>> = permissions.collect();
    let permissions =
        permissions.ok_or(Failure::bad_request("Permissions are: feed, introspect, revoke."))?;
    let by = asked.because(new.reason)?;
    match app.authority.add_client(&new.client_id, new.audiences, permissions, &by).await {
        Ok(secret) => {
            Ok(Json(json!({ "client_id": new.client_id, "client_secret": secret.expose() })))
        }
        Err(AddClientError::Taken) => {
            Err(conflict("A client of this id exists already: see `rescind client list`."))
        }
        Err(AddClientError::Store(error)) => Err(error.into()),
        Err(_) => Err(Failure::bad_request(
            "Ids and audiences have 1 to 128 printable ASCII characters, no spaces or quotes, and do not \
             look like an account's id.",
        )),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Why {
    reason: Option<String>,
}

/// Draws another secret. The old one is refused at once, and the feeds that it opened end.
pub(super) async fn renew_secret(
    State(app): State<App>,
    Path(id): Path<String>,
    asked: Asked,
    StrictJson(why): StrictJson<Why>,
) -> Result<Json<Value>, Failure> {
    let by = asked.because(why.reason)?;
    let secret = app.authority.renew_client_secret(&id, &by).await?;
    Ok(Json(json!({ "client_id": id, "client_secret": secret.expose() })))
}

/// Removes a client. What it knew is compromised, and stays so in an older copy of the store.
pub(super) async fn remove(
    State(app): State<App>,
    Path(id): Path<String>,
    asked: Asked,
    wait: Wait,
    StrictJson(why): StrictJson<Why>,
) -> Result<Json<Value>, Failure> {
    let by = asked.because(why.reason)?;
    let removed = app.authority.remove_client(&id, by).await;
    // Also if it was so before: perhaps the marker could not be written then.
    if !matches!(removed, Err(ClientError::Store(_))) {
        remember(&app).await?;
    }
    Ok(done(&app, wait, removed?).await)
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Store(error) => error.into(),
            ClientError::Late => RotateError::Late.into(),
            _ => not_found(NO_CLIENT),
        }
    }
}

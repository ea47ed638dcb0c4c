//! `POST /introspect` (RFC 7662): an API server asks what a token for it says, and whether it lives. For
//! confidential clients with the permission `introspect`; about every other token it learns nothing.

use crate::app::App;
use crate::http::body::StrictForm;
use crate::http::client;
use crate::http::problem::{Failure, OAuthFailure};
use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use rescind_authority::clients::Permission;
use rescind_authority::secret::Secret;
use serde_json::{Value, json};

/// Claims of a living token for one of the caller's audiences, else exactly `{"active":false}`.
pub(super) async fn introspect(
    State(app): State<App>,
    headers: HeaderMap,
    form: Result<StrictForm, Failure>,
) -> Result<Json<Value>, OAuthFailure> {
    let form = form?;
    let known = client::confidential(&app, &headers, &form).await?;
    let client = known.ok_or_else(OAuthFailure::invalid_client)?;
    if !client.may(Permission::Introspect) {
        return Err(OAuthFailure::not_permitted());
    }
    let Some(token) = form.get("token") else {
        return Err(OAuthFailure::invalid_request("token is missing"));
    };
    let found = app.authority.introspect(&client, &Secret::new(token.to_owned())).await?;
    let Some(claims) = found else { return Ok(Json(json!({ "active": false }))) };
    Ok(Json(json!({
        "active": true,
        "token_type": "Bearer",
        "iss": claims.iss,
        "sub": claims.sub,
        "aud": claims.aud,
        "client_id": claims.client_id,
        "exp": claims.exp,
        "iat": claims.iat,
        "jti": claims.jti,
        "sid": claims.sid,
        "scope": claims.scope,
        "roles": claims.roles,
        "auth_time": claims.auth_time,
        "amr": claims.amr,
    })))
}

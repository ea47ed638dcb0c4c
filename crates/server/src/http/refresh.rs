//! `POST /token` (RFC 6749 §6): a refresh token for its successor and a fresh access token.

use crate::app::App;
use crate::http::body::StrictForm;
use crate::http::client;
use crate::http::problem::{Failure, OAuthFailure};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::HeaderMap;
use rescind_authority::clients::FIRST_PARTY;
use rescind_authority::refresh::RefreshCommand;
use rescind_authority::secret::Secret;
use serde::Serialize;

/// The token endpoint. `Idempotency-Key` makes a repeated request safe at any time.
pub(super) async fn token(
    State(app): State<App>,
    headers: HeaderMap,
    form: Result<StrictForm, Failure>,
) -> Result<Response, OAuthFailure> {
    let form = form?;
    match form.get("grant_type") {
        Some("refresh_token") => {}
        Some(_) => {
            let description = "only grant_type=refresh_token is offered";
            return Err(OAuthFailure::new("unsupported_grant_type", description));
        }
        None => return Err(OAuthFailure::invalid_request("grant_type is missing")),
    }
    let caller = client::caller(&app, &headers, &form, Some(FIRST_PARTY)).await?;
    let Some(token) = form.get("refresh_token") else {
        return Err(OAuthFailure::invalid_request("refresh_token is missing"));
    };
    // No scopes are granted at sign-in, so any that are asked for are too many.
    if form.get("scope").is_some_and(|scope| !scope.trim().is_empty()) {
        return Err(OAuthFailure::new("invalid_scope", "the sign-in granted no scopes"));
    }
    let asked = [form.get("audience"), form.get("resource")];
    let command = RefreshCommand {
        refresh_token: Secret::new(token.to_owned()),
        client_id: caller.client_id().to_owned(),
        idempotency_key: idempotency_key(&headers)?,
        audiences: asked.into_iter().flatten().map(str::to_owned).collect(),
    };
    let done = app.authority.refresh(command).await?;
    let answer = Answer {
        access_token: done.access.token.expose(),
        token_type: "Bearer",
        expires_in: done.access.expires_in,
        refresh_token: done.refresh_token.expose(),
        audience: &done.access.audiences,
    };
    Ok(Json(answer).into_response())
}

#[derive(Serialize)]
struct Answer<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u64,
    refresh_token: &'a str,
    audience: &'a [String],
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<Secret>, OAuthFailure> {
    let mut all = headers.get_all("idempotency-key").iter();
    let Some(value) = all.next() else { return Ok(None) };
    match (value.to_str(), all.next()) {
        (Ok(text), None) => Ok(Some(Secret::new(text.to_owned()))),
        _ => Err(OAuthFailure::invalid_request("send one Idempotency-Key of printable characters")),
    }
}

//! `POST /token` (RFC 6749 §6): a refresh token for its successor and a fresh access token.

use crate::app::App;
use crate::http::body::StrictForm;
use crate::http::problem::{Failure, OAuthFailure};
use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use rescind_authority::clients::FIRST_PARTY;
use rescind_authority::refresh::RefreshCommand;
use rescind_authority::secret::Secret;
use rescind_wire::b64;
use serde_json::{Value, json};

/// The token endpoint. `Idempotency-Key` makes a repeated request safe at any time.
pub(super) async fn token(
    State(app): State<App>,
    headers: HeaderMap,
    form: Result<StrictForm, Failure>,
) -> Result<Json<Value>, OAuthFailure> {
    let form = form?;
    match form.get("grant_type") {
        Some("refresh_token") => {}
        Some(_) => {
            let description = "only grant_type=refresh_token is offered";
            return Err(OAuthFailure::new("unsupported_grant_type", description));
        }
        None => return Err(OAuthFailure::invalid_request("grant_type is missing")),
    }
    let client_id = client(&app, &headers, &form).await?;
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
        client_id,
        idempotency_key: idempotency_key(&headers)?,
        audiences: asked.into_iter().flatten().map(str::to_owned).collect(),
    };
    let done = app.authority.refresh(command).await?;
    Ok(Json(json!({
        "access_token": done.access.token.expose(),
        "token_type": "Bearer",
        "expires_in": done.access.expires_in,
        "refresh_token": done.refresh_token.expose(),
        "audience": done.access.audiences,
    })))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<Secret>, OAuthFailure> {
    let mut all = headers.get_all("idempotency-key").iter();
    let Some(value) = all.next() else { return Ok(None) };
    match (value.to_str(), all.next()) {
        (Ok(text), None) => Ok(Some(Secret::new(text.to_owned()))),
        _ => Err(OAuthFailure::invalid_request("send one Idempotency-Key of printable characters")),
    }
}

/// The client that asks: authenticated by Basic if it sends that, else public by its id alone.
async fn client(app: &App, headers: &HeaderMap, form: &StrictForm) -> Result<String, OAuthFailure> {
    let named = form.get("client_id");
    match basic(headers)? {
        Some((id, secret)) => {
            // RFC 6749 §2.3: one way to authenticate in one request.
            if form.get("client_secret").is_some() {
                let description = "send the client's secret once, as HTTP Basic";
                return Err(OAuthFailure::invalid_request(description));
            }
            if named.is_some_and(|n| n != id) {
                return Err(OAuthFailure::invalid_client());
            }
            let known = app.authority.authenticate_client(&id, secret.expose()).await?;
            Ok(known.ok_or_else(OAuthFailure::invalid_client)?.client_id)
        }
        None => match named.unwrap_or(FIRST_PARTY) {
            FIRST_PARTY => Ok(FIRST_PARTY.into()),
            _ => Err(OAuthFailure::invalid_client()),
        },
    }
}

/// `client_secret_basic` (RFC 6749 §2.3.1): id and secret, each form-encoded, in one Basic header.
pub(super) fn basic(headers: &HeaderMap) -> Result<Option<(String, Secret)>, OAuthFailure> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = all.next() else { return Ok(None) };
    if all.next().is_some() {
        return Err(OAuthFailure::invalid_request("send one Authorization header"));
    }
    let parse = || {
        let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let text = String::from_utf8(b64::decode_standard(encoded)?).ok()?;
        let (id, secret) = text.split_once(':')?;
        let decode = |part: &str| {
            let raw = format!("v={part}");
            form_urlencoded::parse(raw.as_bytes()).next().map(|(_, value)| value.into_owned())
        };
        Some((decode(id)?, Secret::new(decode(secret)?)))
    };
    parse().map(Some).ok_or_else(OAuthFailure::invalid_client)
}

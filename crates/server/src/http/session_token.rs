//! `POST /session/token {"audience": …}`: a short access token for a page of this origin, which keeps
//! it in a variable. Cookie and CSRF value only; the line does not move.

use crate::app::App;
use crate::http::body::StrictJson;
use crate::http::problem::Failure;
use crate::http::{credential, whoami};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method};
use rescind_authority::line::Carrier;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Body {
    audience: String,
}

/// Mints the token.
pub(super) async fn session_token(
    State(app): State<App>,
    method: Method,
    headers: HeaderMap,
    StrictJson(body): StrictJson<Body>,
) -> Result<Response, Failure> {
    let present = credential::present(&app, &method, &headers).await?;
    if present.session.kind.carrier != Carrier::Cookie {
        return Err(Failure::bad_request("With a refresh token, use POST /token."));
    }
    let access = app.authority.session_token(&present, vec![body.audience]).await?;
    let answer = json!({
        "access_token": access.token.expose(),
        "token_type": "Bearer",
        "expires_in": access.expires_in,
    });
    Ok(whoami::with_fresh_cookie(&app, &present, Json(answer).into_response()))
}

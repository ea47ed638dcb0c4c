//! `POST /logout` and `POST /logout/everywhere`: answered when the end is durable, or with `?wait=fleet` when it
//! holds at every verifier.

use crate::app::App;
use crate::http::credential::{self, Credential};
use crate::http::csrf;
use crate::http::problem::Failure;
use crate::http::wait::Wait;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::SET_COOKIE;
use http::{HeaderMap, Method, StatusCode};
use rescind_authority::line::Carrier;
use rescind_authority::secret::Secret;
use rescind_authority::store::{Head, Load};
use serde_json::json;

/// Ends the presented session. Without a credential, or with one that is over: 204 all the same.
pub(super) async fn logout(
    State(app): State<App>,
    headers: HeaderMap,
    wait: Wait,
) -> Result<Response, Failure> {
    let value = csrf::header_value(&headers).map(str::to_owned);
    let credential = credential::find(&app, &headers)?;
    let waiting = match wait.waits() {
        true => person(&app, credential.as_ref()).await?.map(|person| wait.by(&app, person)),
        false => None,
    };
    let waiting = waiting.transpose()?;
    let ended = end_presented(&app, &headers, credential, value.as_deref()).await?;
    let mut response = match ended.zip(waiting) {
        Some((head, waiting)) => Json(waiting.answer(&app, &head, json!({})).await).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    };
    clear_cookies(&app, &mut response);
    Ok(response)
}

/// Whose session a credential names. Grants nothing. Whoever has one of a session that is over is counted apart
/// from the person whose it was: it may be a thief's, and must not keep the owner waiting.
async fn person(app: &App, credential: Option<&Credential>) -> Result<Option<String>, Failure> {
    let Some((carrier, secret)) = credential.map(carried) else { return Ok(None) };
    let Some(sid) = app.authority.session_of(carrier, secret) else { return Ok(None) };
    let loaded = app.authority.store().read(Load::session(sid)).await?;
    let lives = loaded.alive(app.authority.clock().now().wall).is_some();
    let named = |sub| if lives { format!("{sub}") } else { format!("once {sub}") };
    Ok(loaded.account.map(|account| named(account.sub)))
}

fn carried(credential: &Credential) -> (Carrier, &Secret) {
    match credential {
        Credential::Cookie(secret) => (Carrier::Cookie, secret),
        Credential::Bearer(secret) => (Carrier::Token, secret),
    }
}

/// Ends whatever session a credential names, after the CSRF check of a cookie, and says up to where that is
/// committed. No other origin may ask, even without a cookie.
pub(super) async fn end_presented(
    app: &App,
    headers: &HeaderMap,
    credential: Option<Credential>,
    csrf_value: Option<&str>,
) -> Result<Option<Head>, Failure> {
    if !matches!(credential, Some(Credential::Bearer(_))) {
        csrf::check_logout(headers, &app.origin)?;
    }
    let Some((carrier, secret)) = credential.as_ref().map(carried) else { return Ok(None) };
    let Some(sid) = app.authority.session_of(carrier, secret) else { return Ok(None) };
    if carrier == Carrier::Cookie {
        csrf::check(headers, &app.origin, &app.authority.keyring(), sid, csrf_value)?;
    }
    Ok(app.authority.logout(carrier, secret).await?)
}

/// Ends every session of the account, the present one included. Says the position of the entry, so
/// that a test can watch a verifier reach it.
pub(super) async fn everywhere(
    State(app): State<App>,
    method: Method,
    headers: HeaderMap,
    wait: Wait,
) -> Result<Response, Failure> {
    let present = credential::present(&app, &method, &headers).await?;
    let waiting = wait.by(&app, present.session.sub)?;
    let head = app.authority.logout_everywhere(&present).await?;
    let body = json!({ "epoch": head.epoch, "pos": head.pos });
    let body = waiting.answer(&app, &head, body).await;
    let mut response = Json(body).into_response();
    clear_cookies(&app, &mut response);
    Ok(response)
}

/// Takes the cookies away. Only a logout does that: a 401 never.
pub(super) fn clear_cookies(app: &App, response: &mut Response) {
    for cookie in app.cookies.clear() {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
}

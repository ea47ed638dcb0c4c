//! `/sessions`: a person's own sessions: seen, named, ended.

use crate::app::App;
use crate::http::body::StrictJson;
use crate::http::login::label;
use crate::http::problem::Failure;
use crate::http::wait::Wait;
use crate::http::{credential, logout, whoami};
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, StatusCode};
use rescind_authority::held::Held;
use rescind_authority::line::Carrier;
use rescind_authority::session::Session;
use rescind_wire::id::Sid;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// A session as its owner sees it. Nothing in it opens anything. Times are UTC seconds.
#[derive(Serialize)]
pub(super) struct View<'a> {
    address: Option<&'a str>,
    amr: &'a [String],
    auth_time: u64,
    carrier: &'static str,
    client_id: &'a str,
    created_at: u64,
    device: Option<&'a str>,
    expires_at: u64,
    id: Sid,
    last_seen_at: u64,
    present: bool,
    user_agent: Option<&'a str>,
}

fn name_of(carrier: Carrier) -> &'static str {
    match carrier {
        Carrier::Cookie => "cookie",
        Carrier::Token => "token",
    }
}

impl<'a> View<'a> {
    /// One of those that the store has, seen from the present one.
    fn of(session: &'a Session, present: Sid) -> Self {
        Self {
            id: session.sid,
            present: session.sid == present,
            carrier: name_of(session.carrier),
            device: session.device.as_deref(),
            user_agent: session.user_agent.as_deref(),
            address: session.address.as_deref(),
            client_id: &session.client_id,
            amr: &session.amr,
            created_at: session.created_at / 1_000_000,
            auth_time: session.auth_time / 1_000_000,
            last_seen_at: session.last_seen_at / 1_000_000,
            expires_at: session.expires_at / 1_000_000,
        }
    }

    /// The present one.
    pub(super) fn present(session: &'a Held) -> Self {
        Self {
            id: session.sid,
            present: true,
            carrier: name_of(session.kind.carrier),
            device: session.device(),
            user_agent: session.user_agent(),
            address: session.address(),
            client_id: &session.kind.client_id,
            amr: &session.kind.amr,
            created_at: session.created_at / 1_000_000,
            auth_time: session.auth_time / 1_000_000,
            last_seen_at: session.last_seen_at() / 1_000_000,
            expires_at: session.expires_at / 1_000_000,
        }
    }
}

/// `GET /sessions`: all live ones, newest first.
pub(super) async fn list(
    State(app): State<App>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let present = credential::present(&app, &method, &headers).await?;
    let sessions = app.authority.sessions(present.session.sub).await?;
    let all: Vec<View> = sessions.iter().map(|s| View::of(s, present.session.sid)).collect();
    Ok(whoami::with_fresh_cookie(&app, &present, Json(all).into_response()))
}

/// `DELETE /sessions[?wait=fleet]`: ends all but the present one.
pub(super) async fn end_others(
    State(app): State<App>,
    method: Method,
    headers: HeaderMap,
    wait: Wait,
) -> Result<Response, Failure> {
    let present = credential::present(&app, &method, &headers).await?;
    let waiting = wait.by(&app, present.session.sub)?;
    let (ended, head) = app.authority.end_others(&present).await?;
    let body = json!({ "ended": ended, "epoch": head.epoch, "pos": head.pos });
    let body = waiting.answer(&app, &head, body).await;
    Ok(whoami::with_fresh_cookie(&app, &present, Json(body).into_response()))
}

/// The session that a path names. What is no id names none.
fn named(path: Result<Path<Sid>, PathRejection>) -> Result<Sid, Failure> {
    path.map(|Path(sid)| sid).map_err(|_| Failure::not_found())
}

/// `DELETE /sessions/{id}[?wait=fleet]`: ends one of one's own.
pub(super) async fn end(
    State(app): State<App>,
    method: Method,
    headers: HeaderMap,
    wait: Wait,
    path: Result<Path<Sid>, PathRejection>,
) -> Result<Response, Failure> {
    let present = credential::present(&app, &method, &headers).await?;
    let sid = named(path)?;
    let waiting = wait.by(&app, present.session.sub)?;
    let head = app.authority.end_session(present.session.sub, sid).await?;
    let body = json!({ "epoch": head.epoch, "pos": head.pos });
    let body = waiting.answer(&app, &head, body).await;
    let mut response = Json(body).into_response();
    if sid == present.session.sid {
        logout::clear_cookies(&app, &mut response);
        return Ok(response);
    }
    Ok(whoami::with_fresh_cookie(&app, &present, response))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rename {
    device: Option<String>,
}

/// `PATCH /sessions/{id}` `{"device": "kitchen tablet"}`: names one of one's own; `null` takes it away.
pub(super) async fn rename(
    State(app): State<App>,
    method: Method,
    headers: HeaderMap,
    path: Result<Path<Sid>, PathRejection>,
    StrictJson(body): StrictJson<Rename>,
) -> Result<Response, Failure> {
    let present = credential::present(&app, &method, &headers).await?;
    let sid = named(path)?;
    app.authority.name_session(present.session.sub, sid, label(body.device)?).await?;
    Ok(whoami::with_fresh_cookie(&app, &present, StatusCode::NO_CONTENT.into_response()))
}

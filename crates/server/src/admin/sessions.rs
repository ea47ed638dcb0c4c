//! Sessions of any account, looked at. Nothing in them opens anything. Times are UTC seconds.

use super::{BAD_ID, NO_SESSION, account, not_found};
use crate::app::App;
use crate::http::problem::Failure;
use axum::Json;
use axum::extract::{Path, State};
use rescind_authority::line::Carrier;
use rescind_authority::session::{Dead, Session, SessionState};
use rescind_authority::store::Load;
use rescind_wire::id::Sid;
use serde_json::{Value, json};

fn view(session: &Session) -> Value {
    json!({
        "id": session.sid,
        "carrier": match session.carrier { Carrier::Cookie => "cookie", Carrier::Token => "token" },
        "device": session.device,
        "user_agent": session.user_agent,
        "address": session.address,
        "client_id": session.client_id,
        "audiences": session.audiences,
        "amr": session.amr,
        "created_at": session.created_at / 1_000_000,
        "auth_time": session.auth_time / 1_000_000,
        "last_seen_at": session.last_seen_at / 1_000_000,
        "expires_at": session.ends_at() / 1_000_000,
    })
}

/// The live sessions of an account, newest first.
pub(super) async fn list(
    State(app): State<App>,
    Path(user): Path<String>,
) -> Result<Json<Value>, Failure> {
    let sub = account(&app, &user).await?.sub;
    let sessions = app.authority.sessions(sub).await?;
    Ok(Json(sessions.iter().map(view).collect()))
}

/// One session, also one that is over: `state` is live, ended, replaced, cut_off, expired or closed (its
/// account is), and `why` says how it ended.
pub(super) async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Failure> {
    let sid: Sid = id.parse().map_err(|_| Failure::bad_request(BAD_ID))?;
    let loaded = app.authority.store().read(Load::session(sid)).await?;
    let judged = loaded.session.ok_or(not_found(NO_SESSION))?;
    let (session, account) = (&judged.session, loaded.account.as_ref());
    let now = app.authority.clock().now().wall;
    let (state, why) = match (session.check(account, &judged.cutoffs, now), &session.state) {
        (Err(Dead::Over), SessionState::Ended { why, .. }) => ("ended", Some(why.name())),
        (Err(Dead::Over), _) => ("replaced", None),
        (Err(Dead::CutOff), _) => ("cut_off", None),
        (Err(Dead::Expired), _) => ("expired", None),
        (Err(Dead::Account), _) => ("closed", None),
        (Ok(()), _) => ("live", None),
    };
    let mut seen = view(session);
    seen["sub"] = json!(session.sub);
    seen["username"] = json!(account.map(|account| account.name.as_str()));
    seen["state"] = json!(state);
    seen["why"] = json!(why);
    Ok(Json(seen))
}

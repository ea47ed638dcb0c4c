//! What stories about people share: authorities with cheap hashes, the administrator's door, what the
//! store holds of a session, and answers without what differs each time.

use crate::http::Answer;
use crate::server::{TestAuthority, until};
use http::{HeaderMap, Method, StatusCode};
use rescind_authority::line::Carrier;
use rescind_authority::secret::Secret;
use rescind_authority::session::{Dead, Session, SessionState, Why};
use rescind_authority::settings::Argon2Cost;
use rescind_authority::store::Load;
use rescind_server::admin::client::{CallError, Door};
use rescind_server::run::{Config, socket_path};
use rescind_wire::id::Sid;
use serde_json::Value;
use std::os::unix::net::UnixStream;

/// A cost at which thousands of sign-ins take a second.
pub const CHEAP: Argon2Cost = Argon2Cost { memory_kib: 64, passes: 1, lanes: 1 };

/// An authority whose hashes are cheap.
pub async fn quick() -> TestAuthority {
    quick_with(|_| {}).await
}

/// The same with other settings.
pub async fn quick_with(change: impl FnOnce(&mut Config)) -> TestAuthority {
    TestAuthority::start_with(|config| {
        config.settings.argon2 = CHEAP;
        change(config);
    })
    .await
}

/// Calls a route of the administrator through the socket, as the command line does.
pub async fn administer(
    authority: &TestAuthority,
    path: &str,
    body: Value,
) -> Result<Value, CallError> {
    socket_is_open(authority).await;
    Door::find(&authority.config).await?.call(Method::POST, path, body).await
}

/// Waits until the administrator's socket takes connections: it opens a moment after the store.
pub async fn socket_is_open(authority: &TestAuthority) {
    let path = socket_path(&authority.config.data);
    until("the administrator's socket", || UnixStream::connect(&path).is_ok()).await;
}

/// The password hashes in the store, by name.
pub async fn stored_hash(authority: &TestAuthority, name: &str) -> String {
    let accounts = authority.app.authority.store().accounts().await.unwrap();
    accounts.into_iter().find(|a| a.name.as_str() == name).unwrap().password_hash
}

/// How many password hashes were computed since the start.
pub fn hashes(authority: &TestAuthority) -> u64 {
    authority.app.authority.hasher().computed()
}

/// The session that a refresh token names.
pub fn session_of(authority: &TestAuthority, refresh_token: &str) -> Sid {
    let secret = Secret::new(refresh_token.to_owned());
    authority.app.authority.session_of(Carrier::Token, &secret).unwrap()
}

/// The session that a cookie names.
pub fn cookie_session(authority: &TestAuthority, cookie: &str) -> Sid {
    let secret = Secret::new(cookie.to_owned());
    authority.app.authority.session_of(Carrier::Cookie, &secret).unwrap()
}

/// The session as the store keeps it, if it still does.
pub async fn row(authority: &TestAuthority, sid: Sid) -> Option<Session> {
    let loaded = authority.app.authority.store().read(Load::session(sid)).await.unwrap();
    loaded.session.map(|judged| judged.session)
}

/// Whether a session lives now, and why not.
pub async fn life(authority: &TestAuthority, sid: Sid) -> Result<(), Dead> {
    let now = authority.app.authority.clock().now().wall;
    let loaded = authority.app.authority.store().read(Load::session(sid)).await.unwrap();
    let judged = loaded.session.unwrap();
    judged.session.check(loaded.account.as_ref(), &judged.cutoffs, now)
}

/// Why the session was ended, if it was.
pub async fn ended(authority: &TestAuthority, sid: Sid) -> Option<Why> {
    match row(authority, sid).await.unwrap().state {
        SessionState::Ended { why, .. } => Some(why),
        _ => None,
    }
}

/// Position of the log.
pub async fn pos(authority: &TestAuthority) -> u64 {
    authority.app.authority.store().head().await.unwrap().pos
}

/// An answer but for its date and its own id: status, headers, body.
pub fn essence(answer: &Answer) -> (StatusCode, HeaderMap, String) {
    let mut headers = answer.headers.clone();
    headers.remove("date");
    headers.remove("x-correlation-id");
    (answer.status, headers, answer.text())
}

/// An Idempotency-Key as a client draws it, but the same for the same name.
pub fn key(name: &str) -> String {
    format!("{name:-<32}")
}

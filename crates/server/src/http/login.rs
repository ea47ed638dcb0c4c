//! `POST /login`: name and password for a session, in the carrier that the client chooses.

use crate::app::App;
use crate::http::body::StrictJson;
use crate::http::cookies;
use crate::http::csrf;
use crate::http::problem::Failure;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::HeaderMap;
use http::header::{SET_COOKIE, USER_AGENT};
use rescind_authority::clients::FIRST_PARTY;
use rescind_authority::held::Held;
use rescind_authority::line::Carrier;
use rescind_authority::login::{LoggedIn, LoginCommand, MAX_LABEL};
use rescind_authority::name::Name;
use rescind_authority::password::{BadPassword, Password};
use rescind_authority::secret::Secret;
use rescind_authority::session::Session;
use rescind_authority::throttle::Source;
use rescind_wire::id::Sid;
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;
use zeroize::Zeroizing;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Body {
    username: String,
    password: Zeroizing<String>,
    carrier: BodyCarrier,
    #[serde(default)]
    remember: bool,
    device: Option<String>,
    client_id: Option<String>,
    #[serde(default)]
    audience: Vec<String>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum BodyCarrier {
    Cookie,
    Token,
}

/// Signs in and answers with the session; for `token` in the form of RFC 6749 §5.1.
pub(super) async fn login(
    State(app): State<App>,
    Extension(source): Extension<Source>,
    headers: HeaderMap,
    StrictJson(body): StrictJson<Body>,
) -> Result<Response, Failure> {
    csrf::check_sign_in(&headers, &app.origin)?;
    let form = SignInForm {
        username: &body.username,
        password: &body.password,
        remember: body.remember,
        carrier: match body.carrier {
            BodyCarrier::Cookie => Carrier::Cookie,
            BodyCarrier::Token => Carrier::Token,
        },
        device: body.device,
    };
    let mut command = form.command(&app, source, &headers)?;
    command.client_id = body.client_id.unwrap_or_else(|| FIRST_PARTY.into());
    command.audiences = body.audience;
    let done = app.authority.login(command).await?;
    Ok(answer(&app, done))
}

/// What a person filled in, on whichever door.
pub(super) struct SignInForm<'a> {
    pub(super) username: &'a str,
    pub(super) password: &'a str,
    pub(super) remember: bool,
    pub(super) carrier: Carrier,
    pub(super) device: Option<String>,
}

impl SignInForm<'_> {
    /// Bounds everything before any work is done.
    pub(super) fn command(
        self,
        app: &App,
        source: Source,
        headers: &HeaderMap,
    ) -> Result<LoginCommand, Failure> {
        let name = Name::new(self.username).map_err(|_| {
            Failure::bad_request("The user name is missing or has characters no name has.")
        })?;
        let password = Password::presented(self.password).map_err(|bad| {
            Failure::bad_request(match bad {
                BadPassword::TooLong => "The password is longer than 1,024 characters.",
                BadPassword::Empty => "The password is missing.",
                _ => "The password has control characters.",
            })
        })?;
        Ok(LoginCommand {
            name,
            password,
            carrier: self.carrier,
            remember: self.remember,
            client_id: FIRST_PARTY.into(),
            audiences: Vec::new(),
            device: label(self.device)?,
            user_agent: headers.get(USER_AGENT).and_then(|v| v.to_str().ok()).map(cut),
            source,
            presented: cookies::find(headers, app.cookies.session)?,
        })
    }
}

/// A name that a person or program gave a device: short, and without control characters.
pub(super) fn label(text: Option<String>) -> Result<Option<String>, Failure> {
    use rescind_authority::sessions::MAX_DEVICE;
    match text.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()) {
        None => Ok(None),
        Some(t) if t.chars().count() <= MAX_DEVICE && !t.chars().any(char::is_control) => {
            Ok(Some(t))
        }
        Some(_) => {
            Err(Failure::bad_request("A device's name has at most 60 characters, no controls."))
        }
    }
}

fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_LABEL).collect()
}

/// The answer to a sign-in.
fn answer(app: &App, done: LoggedIn) -> Response {
    let session = json!({
        "id": done.session.sid,
        "expires_at": done.session.expires_at / 1_000_000,
    });
    let user = json!({
        "sub": done.account.sub,
        "username": done.account.name.as_str(),
        "roles": done.account.roles,
    });
    match done.access {
        Some(access) => Json(json!({
            "access_token": access.token.expose(),
            "token_type": "Bearer",
            "expires_in": access.expires_in,
            "refresh_token": done.credential.expose(),
            "audience": access.audiences,
            "user": user,
            "session": session,
        }))
        .into_response(),
        None => {
            let csrf = app.authority.csrf_value(done.session.sid);
            let body = json!({ "user": user, "session": session, "csrf_token": csrf });
            let mut response = Json(body).into_response();
            set_cookies(app, &mut response, &(&done.session).into(), &done.credential);
            response
        }
    }
}

/// What of a session its cookies depend on.
pub(super) struct Lasting {
    sid: Sid,
    remembered: bool,
    expires_at: u64,
}

impl From<&Session> for Lasting {
    fn from(session: &Session) -> Self {
        let Session { sid, remembered, expires_at, .. } = *session;
        Self { sid, remembered, expires_at }
    }
}

impl From<&Held> for Lasting {
    fn from(session: &Held) -> Self {
        let (remembered, expires_at) = (session.kind.remembered, session.expires_at);
        Self { sid: session.sid, remembered, expires_at }
    }
}

/// Sets the session's cookie and the CSRF cookie beside it.
pub(super) fn set_cookies(app: &App, response: &mut Response, session: &Lasting, value: &Secret) {
    let cookie = app.cookies.set_session(value, cookie_life(app, session));
    response.headers_mut().append(SET_COOKIE, cookie);
    set_xsrf(app, response, session);
}

/// Sets the CSRF cookie alone.
pub(super) fn set_xsrf(app: &App, response: &mut Response, session: &Lasting) {
    let csrf = app.authority.csrf_value(session.sid);
    let cookie = app.cookies.set_xsrf(&csrf, cookie_life(app, session));
    response.headers_mut().append(SET_COOKIE, cookie);
}

/// How long a browser keeps the cookies: beyond its own end only if the session is to be remembered.
fn cookie_life(app: &App, session: &Lasting) -> Option<Duration> {
    let now = app.authority.clock().now().wall;
    let left = Duration::from_micros(session.expires_at.saturating_sub(now));
    session.remembered.then_some(left)
}

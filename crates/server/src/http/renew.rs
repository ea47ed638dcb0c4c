//! `POST /reauthenticate` and `POST /password`: the password once more, for a new session in the old
//! one's place.

use crate::app::App;
use crate::http::body::StrictJson;
use crate::http::problem::Failure;
use crate::http::{credential, login};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::{HeaderMap, Method};
use rescind_authority::line::Carrier;
use rescind_authority::password::{BadPassword, Password};
use rescind_authority::renew::{RenewError, Renewed};
use rescind_authority::throttle::Source;
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Again {
    password: Zeroizing<String>,
}

/// `POST /reauthenticate {"password": …}`: `auth_time` is now; the old credential is dead.
pub(super) async fn reauthenticate(
    State(app): State<App>,
    Extension(source): Extension<Source>,
    method: Method,
    headers: HeaderMap,
    StrictJson(body): StrictJson<Again>,
) -> Result<Response, Failure> {
    let present = credential::present(&app, &method, &headers).await?;
    let password = Password::presented(&body.password).map_err(unusable)?;
    let renewed = app.authority.reauthenticate(&present, &password, &source).await?;
    Ok(answer(&app, &renewed))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    current_password: Zeroizing<String>,
    new_password: Zeroizing<String>,
}

/// `POST /password {"current_password": …, "new_password": …}`: every other session is over.
pub(super) async fn password(
    State(app): State<App>,
    Extension(source): Extension<Source>,
    method: Method,
    headers: HeaderMap,
    StrictJson(body): StrictJson<Change>,
) -> Result<Response, Failure> {
    let present = credential::present(&app, &method, &headers).await?;
    let current = Password::presented(&body.current_password).map_err(unusable)?;
    let new = Password::chosen(&body.new_password).map_err(unusable)?;
    let renewed = app.authority.change_password(&present, &current, &new, &source).await?;
    Ok(answer(&app, &renewed))
}

fn unusable(bad: BadPassword) -> Failure {
    Failure::bad_request(match bad {
        BadPassword::Empty => "A password is missing.",
        BadPassword::TooLong => "A password is longer than 1,024 characters.",
        BadPassword::TooShort => "The new password is shorter than 8 characters.",
        _ => "A password has control characters.",
    })
}

impl From<RenewError> for Failure {
    fn from(error: RenewError) -> Self {
        match error {
            RenewError::Login(error) => error.into(),
            RenewError::Guessable => Failure::guessable(),
            _ => Failure::invalid_token(),
        }
    }
}

/// The new credential in the old one's carrier.
fn answer(app: &App, renewed: &Renewed) -> Response {
    let session = &renewed.session;
    let body = json!({
        "session": { "id": session.sid, "expires_at": session.expires_at / 1_000_000 },
    });
    match session.carrier {
        Carrier::Token => {
            let mut body = body;
            body["refresh_token"] = renewed.credential.expose().into();
            Json(body).into_response()
        }
        Carrier::Cookie => {
            let mut body = body;
            body["csrf_token"] = app.authority.csrf_value(session.sid).into();
            let mut response = Json(body).into_response();
            login::set_cookies(app, &mut response, &session.into(), &renewed.credential);
            response
        }
    }
}

//! `GET /whoami`: the person, roles and session, from current data.

use crate::app::App;
use crate::http::problem::Failure;
use crate::http::{cookies, credential, login};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method};
use rescind_authority::line::Carrier;
use rescind_authority::present::Present;
use rescind_wire::equal_in_constant_time;
use serde_json::json;

/// Answers who is signed in. With a cookie also the CSRF value, so that a page can draw itself.
pub(super) async fn whoami(
    State(app): State<App>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let present = credential::present(&app, &method, &headers).await?;
    let session = &present.session;
    let mut body = json!({
        "user": {
            "sub": present.account.sub,
            "username": present.account.name.as_str(),
            "roles": present.account.roles,
        },
        "session": super::sessions::view(session, session.sid),
    });
    if session.carrier == Carrier::Cookie {
        body["csrf_token"] = app.authority.keyring().csrf_value(session.sid).into();
    }
    let mut response = with_fresh_cookie(&app, &present, Json(body).into_response());
    renew_xsrf(&app, &present, &headers, &mut response);
    Ok(response)
}

/// Sets the CSRF cookie again where the browser holds one of a key that is not in use any more.
fn renew_xsrf(app: &App, present: &Present, headers: &HeaderMap, response: &mut Response) {
    let value = app.authority.keyring().csrf_value(present.session.sid);
    // Two of them, where a neighbour has planted one, are left as they are: neither opens anything.
    let held = cookies::find(headers, cookies::XSRF).ok().flatten();
    let outdated =
        held.is_some_and(|h| !equal_in_constant_time(h.expose().as_bytes(), value.as_bytes()));
    if outdated && present.session.carrier == Carrier::Cookie && present.set_cookie.is_none() {
        login::set_xsrf(app, response, &present.session);
    }
}

/// Adds the cookie that the line has moved to, unless the answer leaves too late.
pub(super) fn with_fresh_cookie(app: &App, present: &Present, mut response: Response) -> Response {
    if let Some(fresh) = &present.set_cookie
        && app.authority.clock().now().wall <= fresh.drop_after
    {
        login::set_cookies(app, &mut response, &present.session, &fresh.value);
    }
    response
}

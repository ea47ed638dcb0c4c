//! `GET /whoami`: the person, roles and session, from current data.

use crate::app::App;
use crate::http::problem::Failure;
use crate::http::sessions::View;
use crate::http::{cookies, credential, login};
use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use rescind_authority::line::Carrier;
use rescind_authority::present::Present;
use rescind_wire::equal_in_constant_time;
use rescind_wire::id::Sub;
use serde::Serialize;

#[derive(Serialize)]
struct WhoAmI<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    csrf_token: Option<&'a str>,
    session: View<'a>,
    user: User<'a>,
}

#[derive(Serialize)]
struct User<'a> {
    roles: &'a [String],
    sub: Sub,
    username: &'a str,
}

/// Answers who is signed in. With a cookie also the CSRF value, so that a page can draw itself.
pub(super) async fn whoami(State(app): State<App>, request: Request) -> Result<Response, Failure> {
    let (asked, _) = request.into_parts();
    let present = credential::present(&app, &asked.method, &asked.headers).await?;
    let session = &*present.session;
    let by_cookie = session.kind.carrier == Carrier::Cookie;
    let csrf = by_cookie.then(|| app.authority.csrf_value(session.sid));
    let (roles, sub, username) = (&session.kind.roles[..], session.sub, session.username());
    let body = WhoAmI {
        csrf_token: csrf.as_deref(),
        session: View::present(session),
        user: User { roles, sub, username },
    };
    let mut response = with_fresh_cookie(&app, &present, Json(body).into_response());
    if let Some(csrf) = csrf.filter(|_| present.set_cookie.is_none())
        && holds_another(&asked.headers, &csrf)
    {
        login::set_xsrf(&app, &mut response, &session.into());
    }
    Ok(response)
}

/// Whether the browser holds a CSRF cookie of a key that is not in use any more. Two of them, where a neighbour
/// has planted one, are left as they are: neither opens anything.
fn holds_another(headers: &HeaderMap, value: &str) -> bool {
    let held = cookies::find(headers, cookies::XSRF).ok().flatten();
    held.is_some_and(|h| !equal_in_constant_time(h.expose().as_bytes(), value.as_bytes()))
}

/// Adds the cookie that the line has moved to, unless the answer leaves too late.
pub(super) fn with_fresh_cookie(app: &App, present: &Present, mut response: Response) -> Response {
    if let Some(fresh) = &present.set_cookie
        && app.authority.clock().now().wall <= fresh.drop_after
    {
        login::set_cookies(app, &mut response, &(&*present.session).into(), &fresh.value);
    }
    response
}

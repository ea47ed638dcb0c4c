//! What a request presents on an account route: the session cookie, or a first-party refresh token as
//! Bearer. One of them, in its one place; an access token opens nothing here.

use crate::app::App;
use crate::http::problem::Failure;
use crate::http::{cookies, csrf};
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method};
use rescind_authority::line::Carrier;
use rescind_authority::present::Present;
use rescind_authority::secret::Secret;

/// A credential as it came, unjudged.
#[derive(Debug)]
pub enum Credential {
    /// A session cookie.
    Cookie(Secret),
    /// A Bearer value.
    Bearer(Secret),
}

/// Finds the one credential of a request. Both at once are refused, whatever the other holds: a junk
/// Authorization header must not switch the CSRF rule off.
pub fn find(app: &App, headers: &HeaderMap) -> Result<Option<Credential>, Failure> {
    let cookie = cookies::find(headers, app.cookies.session)?;
    let bearer = bearer(headers)?;
    match (cookie, bearer) {
        (Some(_), Some(_)) => Err(Failure::bad_request(
            "Send the session cookie or an Authorization header, not both.",
        )),
        (Some(cookie), None) => Ok(Some(Credential::Cookie(cookie))),
        (None, Some(bearer)) => Ok(Some(Credential::Bearer(bearer))),
        (None, None) => Ok(None),
    }
}

/// The Bearer value of a request (RFC 6750 §2.1): exactly one header, one token.
fn bearer(headers: &HeaderMap) -> Result<Option<Secret>, Failure> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = all.next() else { return Ok(None) };
    let malformed = || Failure::bad_request("Send one header `Authorization: Bearer <token>`.");
    if all.next().is_some() {
        return Err(malformed());
    }
    let (scheme, token) =
        value.to_str().ok().and_then(|v| v.split_once(' ')).ok_or_else(malformed)?;
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() || !token.bytes().all(is_token) {
        return Err(malformed());
    }
    Ok(Some(Secret::new(token.to_owned())))
}

/// Judges the credential of a request. A cookie on a method that changes state needs its CSRF value.
pub async fn present(app: &App, method: &Method, headers: &HeaderMap) -> Result<Present, Failure> {
    match find(app, headers)?.ok_or_else(Failure::unauthenticated)? {
        Credential::Bearer(token) => Ok(app.authority.present_bearer(&token).await?),
        Credential::Cookie(cookie) => {
            let value = csrf::header_value(headers);
            present_cookie(app, method, headers, &cookie, value).await
        }
    }
}

/// Judges a session cookie, with the CSRF value wherever the request carries it. CSRF is judged
/// first, by the session that the cookie names, so that a refused request has moved nothing.
pub async fn present_cookie(
    app: &App,
    method: &Method,
    headers: &HeaderMap,
    cookie: &Secret,
    csrf_value: Option<&str>,
) -> Result<Present, Failure> {
    if !method.is_safe() {
        let sid = app.authority.session_of(Carrier::Cookie, cookie);
        let sid = sid.ok_or_else(Failure::invalid_token)?;
        csrf::check(headers, &app.origin, &app.authority.keyring(), sid, csrf_value)?;
    }
    Ok(app.authority.present_cookie(cookie).await?)
}

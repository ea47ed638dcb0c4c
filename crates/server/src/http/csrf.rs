//! Cross-site requests: a request that changes state with a cookie proves that it comes from a page of
//! this origin, and carries the session's own CSRF value.

use crate::http::problem::Failure;
use http::HeaderMap;
use http::header::{COOKIE, ORIGIN, REFERER};
use rescind_authority::keyring::Keyring;
use rescind_wire::id::Sid;
use rescind_wire::problem::ProblemCode;

/// The header that carries the CSRF value, as Angular and axios send it.
pub const HEADER: &str = "x-xsrf-token";

/// Whether the browser says that the request comes from this origin: `Some(verdict)` if it says
/// anything at all.
fn same_origin(headers: &HeaderMap, origin: &str) -> Option<bool> {
    if headers.contains_key("sec-fetch-site") {
        return Some(only(headers, "sec-fetch-site") == Some("same-origin"));
    }
    if headers.contains_key(ORIGIN) {
        return Some(only(headers, ORIGIN.as_str()) == Some(origin));
    }
    if headers.contains_key(REFERER) {
        let from_here = |referer: &str| {
            referer
                .strip_prefix(origin)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))
        };
        return Some(only(headers, REFERER.as_str()).is_some_and(from_here));
    }
    None
}

/// The value of a header that is there exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    let value = all.next()?.to_str().ok()?;
    all.next().is_none().then_some(value)
}

fn refused(detail: &'static str) -> Failure {
    Failure::new(ProblemCode::Csrf, detail)
}

/// A state-changing request with this session's cookie. `value` is the X-XSRF-TOKEN header's value,
/// or the hidden field's of a page form.
pub fn check(
    headers: &HeaderMap,
    origin: &str,
    keyring: &Keyring,
    sid: Sid,
    value: Option<&str>,
) -> Result<(), Failure> {
    if same_origin(headers, origin) != Some(true) {
        return Err(refused("Requests that change something must come from a page of this site."));
    }
    if !value.is_some_and(|v| keyring.csrf_fits(sid, v)) {
        return Err(refused("Send the XSRF-TOKEN cookie's value as the header X-XSRF-TOKEN."));
    }
    Ok(())
}

/// A logout without a living session: its answer clears cookies, so no other origin may ask for it. A
/// browser keeps a SameSite cookie back from such a request, and would still obey the answer.
pub fn check_logout(headers: &HeaderMap, origin: &str) -> Result<(), Failure> {
    match same_origin(headers, origin) {
        Some(false) => Err(refused("Log out from a page of this site.")),
        _ => Ok(()),
    }
}

/// The CSRF value of a request's header, if it is there exactly once.
pub fn header_value(headers: &HeaderMap) -> Option<&str> {
    only(headers, HEADER)
}

/// A request that begins a session. Programs that are no browsers say nothing of their origin and have
/// no cookies; everything else must come from this origin.
pub fn check_sign_in(headers: &HeaderMap, origin: &str) -> Result<(), Failure> {
    match same_origin(headers, origin) {
        Some(true) => Ok(()),
        None if !headers.contains_key(COOKIE) => Ok(()),
        _ => Err(refused("Sign in from a page of this site, or without any cookie.")),
    }
}

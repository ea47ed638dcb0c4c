//! Cookies, strictly: names compared byte by byte, nothing decoded, one session cookie or none.

use crate::http::problem::Failure;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use rescind_authority::secret::Secret;
use rescind_wire::problem::ProblemCode;
use std::time::Duration;

/// Most cookies in a request.
const MOST: usize = 50;
/// Longest Cookie header, all its lines together, in bytes.
const LONGEST: usize = 8 * 1024;

/// How the cookies of this issuer are named and marked.
#[derive(Debug, Clone, Copy)]
pub struct CookieNames {
    /// The session's cookie.
    pub session: &'static str,
    /// The sign-in page's own cookie, so that a form post can be tied to it.
    pub sign_in: &'static str,
    /// Whether the browser may send them over TLS only.
    pub secure: bool,
}

impl CookieNames {
    /// Over TLS: host-bound and Secure, which no sibling domain can plant.
    pub const TLS: Self =
        Self { session: "__Host-rescind", sign_in: "__Host-rescind-sign-in", secure: true };
    /// Plain HTTP on loopback, for development.
    pub const LOOPBACK: Self =
        Self { session: "rescind-dev", sign_in: "rescind-dev-sign-in", secure: false };
}

/// The CSRF cookie: readable by the page, as Angular and axios expect it.
pub const XSRF: &str = "XSRF-TOKEN";

/// The value of the one cookie of this name. Two of them, or a header that is too large or uses the
/// syntax of RFC 2965, is refused: somebody else may have set one.
pub fn find(headers: &HeaderMap, name: &str) -> Result<Option<Secret>, Failure> {
    let (mut size, mut count, mut found) = (0, 0, None);
    for header in headers.get_all(COOKIE) {
        size += header.len();
        if size > LONGEST {
            return Err(too_large());
        }
        for pair in header.as_bytes().split(|b| *b == b';') {
            count += 1;
            if count > MOST {
                return Err(too_large());
            }
            let pair = strip_leading_space(pair);
            if pair.first() == Some(&b'$') {
                return Err(Failure::bad_request("Cookies of an old syntax are not taken."));
            }
            let Some(value) = pair.strip_prefix(name.as_bytes()).and_then(|r| r.strip_prefix(b"="))
            else {
                continue;
            };
            if found.is_some() {
                let detail = "Two cookies of one name: clear the cookies of this site.";
                return Err(Failure::bad_request(detail));
            }
            // A value that is not text is not ours; it is kept as one that opens nothing.
            found = Some(Secret::new(String::from_utf8_lossy(value).into_owned()));
        }
    }
    Ok(found)
}

fn too_large() -> Failure {
    let detail = "Too many or too large cookies: clear the cookies of this site.";
    Failure::new(ProblemCode::TooLarge, detail)
        .status(http::StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
}

fn strip_leading_space(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

impl CookieNames {
    /// Sets the session's cookie. It outlives the browser only if the session was to be remembered.
    pub fn set_session(&self, value: &Secret, life: Option<Duration>) -> HeaderValue {
        self.set(self.session, value.expose(), true, life)
    }

    /// Sets the CSRF cookie beside it.
    pub fn set_xsrf(&self, value: &str, life: Option<Duration>) -> HeaderValue {
        self.set(XSRF, value, false, life)
    }

    /// Sets the sign-in page's cookie, for ten minutes.
    pub fn set_sign_in(&self, value: &str) -> HeaderValue {
        self.set(self.sign_in, value, true, Some(Duration::from_secs(600)))
    }

    /// Takes session and CSRF cookie away, with the attributes they were set with.
    pub fn clear(&self) -> [HeaderValue; 2] {
        let now = Some(Duration::ZERO);
        [self.set(self.session, "", true, now), self.set(XSRF, "", false, now)]
    }

    fn set(&self, name: &str, value: &str, http_only: bool, life: Option<Duration>) -> HeaderValue {
        let http_only = if http_only { "; HttpOnly" } else { "" };
        let secure = if self.secure { "; Secure" } else { "" };
        let age = life.map_or(String::new(), |l| format!("; Max-Age={}", l.as_secs()));
        let text = format!("{name}={value}; Path=/{age}; SameSite=Strict{http_only}{secure}");
        // Names are constants and values base64url: always a header value.
        let mut header =
            HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""));
        header.set_sensitive(true);
        header
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "__Host-rescind";

    fn parse(lines: &[&[u8]]) -> Result<Option<String>, Failure> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_bytes(line).unwrap());
        }
        find(&headers, NAME).map(|found| found.map(|v| v.expose().to_owned()))
    }

    // C03
    #[test]
    fn two_session_cookies_are_refused() {
        assert!(parse(&[b"__Host-rescind=a; __Host-rescind=b"]).is_err());
        assert!(parse(&[b"__Host-rescind=a", b"x=1; __Host-rescind=a"]).is_err());
        assert_eq!(parse(&[b"__Host-rescind=a; x=1"]).unwrap().as_deref(), Some("a"));
    }

    // C04
    #[test]
    fn only_the_exact_name_is_the_session_cookie() {
        for other in [
            &b"__host-rescind=a"[..],
            b"__Host-rescind =a",
            b"\xe2\x80\x80__Host-rescind=a",
            b"%5F%5FHost-rescind=a",
            b"x__Host-rescind=a",
            b"__Host-rescind2=a",
            b"\x85__Host-rescind=a",
        ] {
            assert_eq!(parse(&[other]).unwrap(), None, "{other:?}");
        }
    }

    // C05
    #[test]
    fn old_and_nameless_syntax_never_gives_a_session() {
        assert!(parse(&[b"$Version=1; __Host-rescind=a"]).is_err());
        assert_eq!(parse(&[b"=__Host-rescind=a"]).unwrap(), None);
        assert_eq!(parse(&[b"x=1,__Host-rescind=a"]).unwrap(), None);
        assert_eq!(parse(&[b"__Host-rescind=\"a\""]).unwrap().as_deref(), Some("\"a\""));
        assert_eq!(parse(&[b"__Host-rescind=a,x=1"]).unwrap().as_deref(), Some("a,x=1"));
    }

    // C07
    #[test]
    fn several_header_lines_are_one() {
        let split = parse(&[b"a=1", b"__Host-rescind=v", b"b=2"]).unwrap();
        assert_eq!(split, parse(&[b"a=1; __Host-rescind=v; b=2"]).unwrap());
        assert_eq!(split.as_deref(), Some("v"));
    }

    // C08
    #[test]
    fn a_stuffed_jar_is_refused_not_dropped() {
        let many = vec!["a=1"; 51].join("; ");
        assert!(parse(&[many.as_bytes()]).is_err());
        let large = format!("a={}; __Host-rescind=v", "x".repeat(LONGEST));
        assert!(parse(&[large.as_bytes()]).is_err());
    }

    // C01 C12
    #[test]
    fn the_session_cookie_is_bound_to_the_host_and_hidden_from_scripts() {
        let value = Secret::new("v".repeat(72));
        let header = CookieNames::TLS.set_session(&value, None);
        let text = header.to_str().unwrap();
        let expected =
            format!("__Host-rescind={}; Path=/; SameSite=Strict; HttpOnly; Secure", "v".repeat(72));
        assert_eq!(text, expected);
        assert!(text.len() < 4096);
    }

    // C09
    #[test]
    fn clearing_uses_the_attributes_that_set() {
        let [session, xsrf] = CookieNames::TLS.clear();
        assert_eq!(
            session.to_str().unwrap(),
            "__Host-rescind=; Path=/; Max-Age=0; SameSite=Strict; HttpOnly; Secure"
        );
        assert_eq!(
            xsrf.to_str().unwrap(),
            "XSRF-TOKEN=; Path=/; Max-Age=0; SameSite=Strict; Secure"
        );
    }
}

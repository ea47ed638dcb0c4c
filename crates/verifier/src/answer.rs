//! What a refused caller is told (RFC 6750 §3, RFC 9457).
//!
//! The only place where a refusal becomes a status. All causes of `invalid_token` look alike: whether the
//! signature was wrong, the token expired or was revoked is for this server's log alone.

use crate::check::Refusal;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use rescind_wire::problem::{Problem, ProblemCode};
use std::time::Duration;

/// On an answer from knowledge that is older than the realm's bound: its age in seconds, rounded up.
const STALENESS: HeaderName = HeaderName::from_static("rescind-staleness");

/// In monitor mode, on an answer that would have been another one: its status.
const MONITOR: HeaderName = HeaderName::from_static("rescind-monitor");

/// Why a request does not reach the handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denial {
    /// No credentials.
    Unauthenticated,
    /// More than one credential, in the wrong place, or not of the form.
    InvalidRequest,
    /// The token does not pass.
    Refused(Refusal),
    /// The token lacks a role or scope.
    Forbidden,
    /// The sign-in is older than so many seconds (RFC 9470).
    StepUp(u64),
}

impl From<Refusal> for Denial {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Denial {
    fn code(self) -> ProblemCode {
        match self {
            Self::Unauthenticated => ProblemCode::Unauthenticated,
            Self::InvalidRequest => ProblemCode::InvalidRequest,
            Self::Refused(Refusal::Stale { .. }) => ProblemCode::Stale,
            Self::Refused(Refusal::Busy { .. }) => ProblemCode::Unavailable,
            Self::Refused(_) => ProblemCode::InvalidToken,
            Self::Forbidden => ProblemCode::Forbidden,
            Self::StepUp(_) => ProblemCode::StepUp,
        }
    }

    fn challenge(self, realm: &HeaderValue) -> Option<HeaderValue> {
        Some(match self {
            Self::Unauthenticated => realm.clone(),
            Self::InvalidRequest => HeaderValue::from_static(r#"Bearer error="invalid_request""#),
            Self::Refused(Refusal::Stale { .. } | Refusal::Busy { .. }) => return None,
            Self::Refused(_) => HeaderValue::from_static(r#"Bearer error="invalid_token""#),
            Self::Forbidden => HeaderValue::from_static(r#"Bearer error="insufficient_scope""#),
            Self::StepUp(seconds) => {
                let text = format!(
                    r#"Bearer error="insufficient_user_authentication", max_age="{seconds}""#
                );
                HeaderValue::from_str(&text).ok()?
            }
        })
    }

    /// The whole answer. `realm` is the bare challenge.
    pub(crate) fn response<B: From<Bytes>>(self, realm: &HeaderValue) -> Response<B> {
        let mut response = problem(self.code());
        if let Some(challenge) = self.challenge(realm) {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        if let Self::Refused(Refusal::Stale { retry_after } | Refusal::Busy { retry_after }) = self
        {
            let seconds = retry_after.max(Duration::from_secs(1)).as_secs();
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// The bare challenge of a realm, whose name must be fit for a quoted string.
pub(crate) fn bare_challenge(realm: &str) -> Option<HeaderValue> {
    let plain = realm.bytes().all(|b| matches!(b, 0x20..=0x7e) && b != b'"' && b != b'\\');
    let text = format!(r#"Bearer realm="{realm}""#);
    plain.then(|| HeaderValue::from_str(&text).ok()).flatten()
}

/// Marks an answer that stale knowledge was tolerated for.
pub(crate) fn mark_stale<B>(response: &mut Response<B>, staleness: Duration) {
    let seconds = staleness.as_millis().div_ceil(1000);
    let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
    response.headers_mut().insert(STALENESS, seconds.into());
}

/// Marks an answer that monitor mode let pass.
pub(crate) fn mark_unproven<B>(response: &mut Response<B>) {
    response.headers_mut().insert(MONITOR, HeaderValue::from_static("503"));
}

fn problem<B: From<Bytes>>(code: ProblemCode) -> Response<B> {
    // Numbers and fixed strings always serialize.
    let body = serde_json::to_vec(&Problem::new(code, None)).unwrap_or_default();
    let mut response = Response::new(B::from(body.into()));
    *response.status_mut() =
        StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// For a handler that wants a principal on a route without the layer.
#[cfg(feature = "axum")]
pub(crate) fn no_layer() -> axum_core::response::Response {
    problem(ProblemCode::Internal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rescind_wire::jws::Malformed;
    use rescind_wire::token::InvalidToken;

    fn answer(denial: Denial) -> Response<Bytes> {
        denial.response(&bare_challenge("https://auth.example").unwrap())
    }

    // E02
    #[test]
    fn without_credentials_the_challenge_is_bare() {
        let response = answer(Denial::Unauthenticated);
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers()[WWW_AUTHENTICATE], r#"Bearer realm="https://auth.example""#);
    }

    // E03
    #[test]
    fn all_causes_of_invalid_token_give_the_same_bytes() {
        let causes = [
            Refusal::Revoked,
            InvalidToken::Malformed(Malformed::Algorithm).into(),
            InvalidToken::UnknownKey.into(),
            InvalidToken::Signature.into(),
            InvalidToken::Audience.into(),
            InvalidToken::Expired.into(),
            InvalidToken::NotYetValid.into(),
        ];
        let shown = causes.map(|cause| {
            let response = answer(cause.into());
            assert_eq!(response.headers()[WWW_AUTHENTICATE], r#"Bearer error="invalid_token""#);
            format!("{response:?}")
        });
        assert!(shown.iter().all(|s| *s == shown[0]));
    }

    #[test]
    fn not_knowing_is_503_with_a_time_and_without_a_challenge() {
        let response = answer(Refusal::STALE.into());
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[RETRY_AFTER], "1");
        assert!(!response.headers().contains_key(WWW_AUTHENTICATE));
    }

    // E02
    #[test]
    fn what_is_missing_is_named_by_its_registered_error() {
        let challenge = |denial| {
            let response = answer(denial);
            let line = response.headers()[WWW_AUTHENTICATE].to_str().unwrap().to_owned();
            (response.status().as_u16(), line)
        };
        assert_eq!(
            challenge(Denial::InvalidRequest),
            (400, r#"Bearer error="invalid_request""#.into())
        );
        assert_eq!(
            challenge(Denial::Forbidden),
            (403, r#"Bearer error="insufficient_scope""#.into())
        );
        assert_eq!(
            challenge(Denial::StepUp(300)),
            (401, r#"Bearer error="insufficient_user_authentication", max_age="300""#.into())
        );
    }

    #[test]
    fn every_answer_is_a_problem_that_nobody_keeps() {
        for denial in [
            Denial::Unauthenticated,
            Denial::InvalidRequest,
            Refusal::Revoked.into(),
            Refusal::STALE.into(),
        ] {
            let response = answer(denial);
            assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
            assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
            assert_eq!(response.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
            let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
            assert_eq!(body["status"], response.status().as_u16());
        }
    }
}

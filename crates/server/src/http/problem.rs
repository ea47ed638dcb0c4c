//! The only place where an error becomes a status. Problem documents (RFC 9457) everywhere, the errors
//! of RFC 6749 §5.2 on the OAuth endpoints. No body says what was sent, nor why a credential is bad.

use crate::http::limit::Refused;
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use rescind_authority::login::LoginError;
use rescind_authority::present::PresentError;
use rescind_authority::refresh::RefreshError;
use rescind_authority::sessions::SessionError;
use rescind_authority::store::StoreError;
use rescind_wire::problem::{Problem, ProblemCode};
use serde_json::json;

/// The header that names the log lines of a request that was refused or failed, in every form of answer.
const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// Adds the request's id to an answer: as a header, and as a member of a problem that is a failure of
/// ours. An id is base64url.
pub(crate) fn identified(mut response: Response, id: &str) -> Response {
    if let Some(failure) = response.extensions_mut().remove::<Failure>() {
        let (head, _) = response.into_parts();
        let correlation_id = Some(id.to_owned());
        let body = Json(Problem { correlation_id, ..failure.problem() }).into_response();
        response = Response::from_parts(head, body.into_body());
    }
    if let Ok(id) = HeaderValue::from_str(id) {
        response.headers_mut().insert(CORRELATION_ID, id);
    }
    response
}

/// A failure of a request, ready to be answered.
#[derive(Debug, Clone)]
pub struct Failure {
    code: ProblemCode,
    status: StatusCode,
    detail: Option<&'static str>,
    retry_after: Option<u64>,
}

impl Failure {
    /// A failure of this kind with what to do next.
    pub fn new(code: ProblemCode, detail: &'static str) -> Self {
        let status =
            StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { code, status, detail: Some(detail), retry_after: None }
    }

    /// A malformed request.
    pub fn bad_request(detail: &'static str) -> Self {
        Self::new(ProblemCode::InvalidRequest, detail)
    }

    /// A new password that is easy to guess.
    pub fn guessable() -> Self {
        Self::bad_request(
            "The new password is among the first that anybody would guess: it is common, a simple \
             pattern, or close to the name. Choose another, such as a few words that do not belong \
             together.",
        )
    }

    /// No credentials.
    pub fn unauthenticated() -> Self {
        Self::new(
            ProblemCode::Unauthenticated,
            "Send the session cookie, or the refresh token as Bearer.",
        )
    }

    /// Credentials that are not good (any more).
    pub fn invalid_token() -> Self {
        Self::new(ProblemCode::InvalidToken, "Sign in again.")
    }

    /// Not found.
    pub fn not_found() -> Self {
        Self::new(ProblemCode::NotFound, "Nothing here, or nothing of yours.")
    }

    /// Cannot answer now; nothing was changed.
    pub fn unavailable(seconds: u64) -> Self {
        let detail = "Nothing was changed. Try again shortly.";
        Self::new(ProblemCode::Unavailable, detail).retry_after(seconds)
    }

    /// Wait so many seconds.
    pub fn too_many(seconds: u64) -> Self {
        let detail = "Too many attempts. Wait as long as Retry-After says.";
        Self::new(ProblemCode::TooManyRequests, detail).retry_after(seconds)
    }

    /// Adds `Retry-After`.
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The same problem with another status.
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Its kind, for pages.
    pub fn code(&self) -> ProblemCode {
        self.code
    }

    /// Its advice, for pages.
    pub fn detail(&self) -> &'static str {
        self.detail.unwrap_or("")
    }

    /// How many seconds to wait before another try.
    pub fn wait(&self) -> Option<u64> {
        self.retry_after
    }

    /// Its HTTP status.
    pub fn http_status(&self) -> StatusCode {
        self.status
    }

    fn problem(&self) -> Problem {
        Problem { status: self.status.as_u16(), ..Problem::new(self.code, self.detail) }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.problem())).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self.code {
            ProblemCode::Unauthenticated => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            ProblemCode::InvalidToken => {
                let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
                headers.insert(WWW_AUTHENTICATE, challenge);
            }
            _ => {}
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if self.code == ProblemCode::Csrf {
            response.extensions_mut().insert(Refused::Problem);
        }
        if self.status.is_server_error() {
            response.extensions_mut().insert(self);
        }
        response
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        tracing::error!(event = "store_failed", %error);
        Self::unavailable(1)
    }
}

impl From<PresentError> for Failure {
    fn from(error: PresentError) -> Self {
        match error {
            PresentError::Store(error) => error.into(),
            _ => Self::invalid_token(),
        }
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::NotFound => Self::not_found(),
            SessionError::Audience => Self::bad_request(
                "No such audience: ask for one that is registered (`rescind client add`).",
            ),
            SessionError::Unavailable(error) => error.into(),
            _ => Self::invalid_token(),
        }
    }
}

impl From<LoginError> for Failure {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Throttled { retry_after } => Self::too_many(retry_after),
            LoginError::Busy => Self::unavailable(1),
            LoginError::Client => Self::bad_request("Only first-party clients sign in here."),
            LoginError::Audience => Self::bad_request(
                "No such audience: register the API server with `rescind client add`.",
            ),
            LoginError::Unavailable(error) => error.into(),
            _ => Self::new(ProblemCode::InvalidCredentials, "Check both and try again."),
        }
    }
}

/// An error of an OAuth endpoint (RFC 6749 §5.2).
#[derive(Debug, Clone, Copy)]
pub struct OAuthFailure {
    status: StatusCode,
    error: &'static str,
    description: &'static str,
    retry_after: Option<u64>,
}

impl OAuthFailure {
    /// Status 400 with a registered code. The description is printable ASCII without `"` and `\`.
    pub fn new(error: &'static str, description: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, description, retry_after: None }
    }

    /// The request is malformed.
    pub fn invalid_request(description: &'static str) -> Self {
        Self::new("invalid_request", description)
    }

    /// The same error with another status.
    pub fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// Client authentication failed.
    pub fn invalid_client() -> Self {
        let failure = Self::new("invalid_client", "client authentication failed");
        Self { status: StatusCode::UNAUTHORIZED, ..failure }
    }

    /// The client is known, and may not do this.
    pub fn not_permitted() -> Self {
        let failure = Self::new("unauthorized_client", "this client lacks the permission for that");
        Self { status: StatusCode::FORBIDDEN, ..failure }
    }

    /// Wait so many seconds.
    pub fn too_many(description: &'static str, seconds: u64) -> Self {
        let status = StatusCode::TOO_MANY_REQUESTS;
        Self { status, retry_after: Some(seconds), ..Self::invalid_request(description) }
    }

    /// Cannot answer now; nothing was changed.
    pub fn unavailable() -> Self {
        let failure = Self::new("temporarily_unavailable", "nothing was changed, try again");
        Self { status: StatusCode::SERVICE_UNAVAILABLE, retry_after: Some(1), ..failure }
    }
}

impl From<StoreError> for OAuthFailure {
    fn from(error: StoreError) -> Self {
        tracing::error!(event = "store_failed", %error);
        Self::unavailable()
    }
}

impl From<RefreshError> for OAuthFailure {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Superseded => Self {
                status: StatusCode::CONFLICT,
                ..Self::invalid_request(
                    "another request has just refreshed this session, use the token it was given",
                )
            },
            RefreshError::BadIdempotencyKey => Self::invalid_request(
                "draw a new Idempotency-Key of 22 to 255 characters for each refresh",
            ),
            RefreshError::Audience => {
                Self::new("invalid_target", "the audience is not one this client may ask for")
            }
            RefreshError::Unavailable(error) => error.into(),
            _ => Self::new("invalid_grant", "the refresh token is not valid, sign in again"),
        }
    }
}

impl From<Failure> for OAuthFailure {
    fn from(failure: Failure) -> Self {
        Self {
            status: failure.status,
            retry_after: failure.retry_after,
            ..Self::invalid_request("send one application/x-www-form-urlencoded body")
        }
    }
}

impl IntoResponse for OAuthFailure {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.error, "error_description": self.description });
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.error == "invalid_client" {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"rescind\""));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if matches!(self.error, "invalid_client" | "invalid_grant") {
            response.extensions_mut().insert(Refused::OAuth);
        }
        response
    }
}

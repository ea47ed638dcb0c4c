//! Problem codes (RFC 9457): what can go wrong, in the words that clients switch on.

use serde::Serialize;

/// A kind of failure. Its URN is the `type` of the problem document and never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProblemCode {
    /// The request is malformed.
    InvalidRequest,
    /// No credentials were sent.
    Unauthenticated,
    /// The credentials sent are not good (any more).
    InvalidToken,
    /// User name and password do not fit.
    InvalidCredentials,
    /// Signed in, but not allowed.
    Forbidden,
    /// The request did not prove that it comes from a page of this origin.
    Csrf,
    /// The sign-in is too long ago for this route (RFC 9470).
    StepUp,
    /// No such thing, or not yours.
    NotFound,
    /// The path does not take this method.
    MethodNotAllowed,
    /// The name is taken, or a quicker request has changed the state.
    Conflict,
    /// The body or a header is too large.
    TooLarge,
    /// The body is of the wrong content type.
    UnsupportedMediaType,
    /// Too many attempts.
    TooManyRequests,
    /// An error of ours; the log holds its correlation id.
    Internal,
    /// This server cannot know whether the token was revoked, and does not guess.
    Stale,
    /// Overloaded or shutting down.
    Unavailable,
}

impl ProblemCode {
    /// All codes.
    pub const ALL: [ProblemCode; 16] = [
        ProblemCode::InvalidRequest,
        ProblemCode::Unauthenticated,
        ProblemCode::InvalidToken,
        ProblemCode::InvalidCredentials,
        ProblemCode::Forbidden,
        ProblemCode::Csrf,
        ProblemCode::StepUp,
        ProblemCode::NotFound,
        ProblemCode::MethodNotAllowed,
        ProblemCode::Conflict,
        ProblemCode::TooLarge,
        ProblemCode::UnsupportedMediaType,
        ProblemCode::TooManyRequests,
        ProblemCode::Internal,
        ProblemCode::Stale,
        ProblemCode::Unavailable,
    ];

    const fn parts(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::InvalidRequest => (400, "urn:rescind:problem:invalid-request", "Bad request"),
            Self::Unauthenticated => (401, "urn:rescind:problem:unauthenticated", "Sign in first"),
            Self::InvalidToken => (401, "urn:rescind:problem:invalid-token", "Credential refused"),
            Self::InvalidCredentials => {
                (401, "urn:rescind:problem:invalid-credentials", "Name or password is wrong")
            }
            Self::Forbidden => (403, "urn:rescind:problem:forbidden", "Not allowed"),
            Self::Csrf => (403, "urn:rescind:problem:csrf", "Cross-site request refused"),
            Self::StepUp => (401, "urn:rescind:problem:step-up", "Sign in again"),
            Self::NotFound => (404, "urn:rescind:problem:not-found", "Not found"),
            Self::MethodNotAllowed => {
                (405, "urn:rescind:problem:method-not-allowed", "Method not allowed")
            }
            Self::Conflict => (409, "urn:rescind:problem:conflict", "Conflict"),
            Self::TooLarge => (413, "urn:rescind:problem:too-large", "Too large"),
            Self::UnsupportedMediaType => {
                (415, "urn:rescind:problem:unsupported-media-type", "Wrong content type")
            }
            Self::TooManyRequests => {
                (429, "urn:rescind:problem:too-many-requests", "Too many attempts")
            }
            Self::Internal => (500, "urn:rescind:problem:internal", "Internal error"),
            Self::Stale => (503, "urn:rescind:problem:stale", "Revocations not known"),
            Self::Unavailable => (503, "urn:rescind:problem:unavailable", "Try again shortly"),
        }
    }

    /// The HTTP status it usually travels with.
    pub const fn status(self) -> u16 {
        self.parts().0
    }
    /// The `type` of the problem document.
    pub const fn urn(self) -> &'static str {
        self.parts().1
    }
    /// The `title` of the problem document.
    pub const fn title(self) -> &'static str {
        self.parts().2
    }
}

/// The body of `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The code's URN.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The code's title.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What to do next. Never secrets, never what the caller sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<&'static str>,
    /// Finds the log lines of this request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
}

impl Problem {
    /// A problem with its code's own status and title.
    pub const fn new(code: ProblemCode, detail: Option<&'static str>) -> Self {
        Self {
            kind: code.urn(),
            title: code.title(),
            status: code.status(),
            detail,
            correlation_id: None,
        }
    }
}

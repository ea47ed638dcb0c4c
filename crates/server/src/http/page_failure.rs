//! A failure shown as a page, for people.

use crate::http::limit::Refused;
use crate::http::pages::page;
use crate::http::problem::Failure;
use crate::http::words;
use crate::pages::{self, Message};
use axum::response::{IntoResponse, Response};
use http::header::RETRY_AFTER;
use rescind_wire::problem::ProblemCode;

/// Asks whoever is not signed in to sign in.
const TO_ACCOUNT: (&str, &str) = ("/account", "To your account");

/// A failure of a page or a form.
pub(super) struct PageFailure(pub(super) Failure);

impl<E: Into<Failure>> From<E> for PageFailure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for PageFailure {
    fn into_response(self) -> Response {
        let failure = self.0;
        let (title, action) = match failure.code() {
            ProblemCode::NotFound => (failure.code().title(), TO_ACCOUNT),
            ProblemCode::Csrf => ("Form refused", TO_ACCOUNT),
            code => (code.title(), ("/signin", "To the sign-in page")),
        };
        let view = Message {
            status: failure.http_status().as_u16(),
            title,
            text: &words::failure(&failure),
            action: Some(action),
        };
        let mut response = page(failure.http_status(), pages::message(&view), None);
        if failure.code() == ProblemCode::Csrf {
            response.extensions_mut().insert(Refused::Page);
        }
        wait(response, &failure)
    }
}

/// Says how long to wait, if the failure does.
pub(super) fn wait(mut response: Response, failure: &Failure) -> Response {
    if let Some(seconds) = failure.wait() {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// The page that asks to wait.
pub(super) fn too_many(seconds: u64) -> Response {
    PageFailure(Failure::too_many(seconds)).into_response()
}

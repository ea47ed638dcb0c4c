//! Requests that are refused for what they present: a client's secret, a refresh token, a CSRF value.
//! Past the free ones of its address a further one is answered 429 instead. Only refusals are: whoever
//! presents what is good is served, whatever others at his address do. The feed is not limited, so
//! that a wrong secret beside a working verifier does not matter to it.

use crate::app::App;
use crate::http::page_failure;
use crate::http::problem::{Failure, OAuthFailure};
use axum::response::{IntoResponse, Response};
use rescind_authority::throttle::Source;

/// Marks the answer to such a request, with the form that its route answers in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Refused {
    /// A problem document.
    Problem,
    /// The errors of RFC 6749.
    OAuth,
    /// A page.
    Page,
}

/// Counts the refusal, or exchanges the answer for 429.
pub(super) fn refusals(app: &App, source: &Source, mut response: Response) -> Response {
    let Some(form) = response.extensions_mut().remove::<Refused>() else { return response };
    match (app.authority.count_refusal(source), form) {
        (Ok(()), _) => response,
        (Err(seconds), Refused::Problem) => Failure::too_many(seconds).into_response(),
        (Err(seconds), Refused::OAuth) => {
            let description = "too many refused requests, wait as long as Retry-After says";
            OAuthFailure::too_many(description, seconds).into_response()
        }
        (Err(seconds), Refused::Page) => page_failure::too_many(seconds),
    }
}

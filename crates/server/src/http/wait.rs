//! `?wait=fleet`: what ends or revokes is answered once no verifier accepts it any more, not when it is durable
//! alone. It is durable in either case before the wait begins: whoever hangs up stops nothing.

use crate::app::App;
use crate::http::problem::Failure;
use axum::extract::FromRequestParts;
use http::request::Parts;
use rescind_authority::store::Head;
use serde_json::Value;

/// Whether a call waits for the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait(bool);

impl<S: Sync> FromRequestParts<S> for Wait {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let query = parts.uri.query().unwrap_or_default();
        let mut found = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "wait");
        match (found.next().as_ref().map(|(_, whom)| &**whom), found.next()) {
            (None, _) => Ok(Self(false)),
            (Some("fleet"), None) => Ok(Self(true)),
            _ => Err(Failure::bad_request("`wait` is `fleet`, once, or left out.")),
        }
    }
}

impl Wait {
    /// Whether it waits.
    pub(crate) fn waits(self) -> bool {
        self.0
    }

    /// The answer to a call that has committed up to this head: with where that holds, once it does.
    pub(crate) async fn answer(self, app: &App, head: &Head, mut answer: Value) -> Value {
        if self.0 {
            answer["enforced"] = app.feed.enforced(head, None).await.to_json();
        }
        answer
    }
}

//! `?wait=fleet`: what ends or revokes is answered once no verifier accepts it any more, not when it is durable
//! alone. It is durable in either case before the wait begins: whoever hangs up stops nothing.

use crate::app::App;
use crate::http::problem::Failure;
use crate::serve::Uid;
use axum::extract::FromRequestParts;
use http::request::Parts;
use rescind_authority::store::Head;
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

/// Whether a call waits for the fleet.
#[derive(Debug)]
pub(crate) struct Wait {
    waits: bool,
    _place: Option<OwnedSemaphorePermit>,
}

impl FromRequestParts<App> for Wait {
    type Rejection = Failure;

    /// Refused before anything is done, if too many people wait. Administrators always may.
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let query = parts.uri.query().unwrap_or_default();
        let mut found = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "wait");
        match (found.next().as_ref().map(|(_, whom)| &**whom), found.next()) {
            (None, _) => Ok(Self { waits: false, _place: None }),
            (Some("fleet"), None) if parts.extensions.get::<Uid>().is_some() => {
                Ok(Self { waits: true, _place: None })
            }
            (Some("fleet"), None) => {
                let place = app.feed.fleet().place().ok_or(Failure::unavailable(1))?;
                Ok(Self { waits: true, _place: Some(place) })
            }
            _ => Err(Failure::bad_request("`wait` is `fleet`, once, or left out.")),
        }
    }
}

impl Wait {
    /// Whether it waits.
    pub(crate) fn waits(&self) -> bool {
        self.waits
    }

    /// The answer to a call that has committed up to this head: with where that holds, once it does.
    pub(crate) async fn answer(self, app: &App, head: &Head, mut answer: Value) -> Value {
        if self.waits {
            answer["enforced"] = app.feed.enforced(head, None).await.to_json();
        }
        answer
    }
}

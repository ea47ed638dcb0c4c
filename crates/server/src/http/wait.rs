//! `?wait=fleet`: what ends or revokes is answered once no verifier accepts it any more, not when it is durable
//! alone. It is durable in either case before the wait begins: whoever hangs up stops nothing.

use crate::app::App;
use crate::feed::places::Place;
use crate::http::problem::Failure;
use axum::extract::FromRequestParts;
use http::request::Parts;
use rescind_authority::store::Head;
use serde_json::Value;
use std::fmt::Display;

/// Whether a call is to wait for the fleet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wait(bool);

/// A call that may go on, and what it holds while it waits.
#[derive(Debug)]
pub(crate) struct Waiting {
    waits: bool,
    _place: Option<Place>,
}

impl FromRequestParts<App> for Wait {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Failure> {
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
    /// Whether it is to wait.
    pub(crate) fn waits(self) -> bool {
        self.0
    }

    /// By this person. To be called before anything is done: refused if too many wait, or too many calls of this
    /// person.
    pub(crate) fn by(self, app: &App, person: impl Display) -> Result<Waiting, Failure> {
        let _place = match self.0 {
            true => {
                Some(app.feed.fleet().place(&person.to_string()).ok_or(Failure::unavailable(1))?)
            }
            false => None,
        };
        Ok(Waiting { waits: self.0, _place })
    }

    /// By an administrator, who always may.
    pub(crate) fn by_administrator(self) -> Waiting {
        Waiting { waits: self.0, _place: None }
    }
}

impl Waiting {
    /// The answer to a call that has committed up to this head: with where that holds, once it does.
    pub(crate) async fn answer(self, app: &App, head: &Head, mut answer: Value) -> Value {
        if self.waits {
            answer["enforced"] = app.feed.enforced(head, None).await.to_json();
        }
        answer
    }
}

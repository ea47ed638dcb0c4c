//! What the commands of administration share: where the realm is, words or JSON, and the way to the
//! authority.

use super::Place;
use super::failed::Failed;
use super::fleet;
use super::out::{LOOKED, json_text, print};
use crate::admin::client::Door;
use clap::Args;
use http::Method;
use serde_json::Value;

/// Where, and how to print.
#[derive(Args)]
pub(super) struct Common {
    #[command(flatten)]
    pub(super) place: Place,
    /// Print one JSON document for programs instead of words for people.
    #[arg(long)]
    pub(super) json: bool,
}

/// Why, for the record.
#[derive(Args)]
pub(super) struct Why {
    /// Why, in at most 200 characters: kept in the record of who did what.
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
}

impl Common {
    /// The running authority, or the store.
    pub(super) async fn door(&self) -> Result<Door, Failed> {
        Ok(Door::find(&self.place.config()?).await?)
    }

    /// Asks for something. A store of an older program stays as it is.
    pub(super) async fn ask(&self, path: &str) -> Result<Value, Failed> {
        let door = Door::to_ask(&self.place.config()?).await?;
        Ok(door.call(Method::GET, path, Value::Null).await?)
    }

    /// Has something done.
    pub(super) async fn act(
        &self,
        method: Method,
        path: &str,
        body: Value,
    ) -> Result<Value, Failed> {
        Ok(self.door().await?.call(method, path, body).await?)
    }

    /// Prints what a command was asked to show.
    pub(super) fn show(
        &self,
        answer: &Value,
        words: impl FnOnce() -> String,
    ) -> Result<(), Failed> {
        self.tell(answer, words, LOOKED)
    }

    /// Prints what was done. `lost` says it once more, with what to do if the output does not arrive.
    pub(super) fn tell(
        &self,
        answer: &Value,
        words: impl FnOnce() -> String,
        lost: &str,
    ) -> Result<(), Failed> {
        match self.json {
            true => print(&json_text(answer), lost),
            false => print(&words(), lost),
        }
    }

    /// Prints that something is done, and where it is durable.
    pub(super) fn done(&self, answer: &Value, what: &str) -> Result<(), Failed> {
        let words = || match fleet::words(&answer["enforced"]) {
            Some(ended) => format!("{what}; durable at position {}; {ended}", answer["pos"]),
            None => format!("{what}; durable at position {}", answer["pos"]),
        };
        self.tell(answer, words, &format!("but it is done: {what}"))
    }
}

/// A name as one segment of a path.
pub(super) fn in_path(name: &str) -> String {
    let encoded: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
    encoded.replace('+', "%20")
}

/// A path with a query of those members that are there.
pub(super) fn query(path: &str, members: &[(&str, Option<&str>)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(members.iter().filter_map(|(name, value)| Some((name, (*value)?))));
    format!("{path}?{}", query.finish())
}

//! The running authority's own word, by its socket.

use super::Finding;
use crate::admin::client::Door;
use crate::run::socket_path;
use http::{Method, StatusCode};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use tokio::time::timeout;

const CHECK: &str = "authority";
/// How long it may take over its answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether one runs, and what it says of itself.
pub(super) async fn look(data: &Path) -> Vec<Finding> {
    let door = match Door::of_running(data).await {
        Ok(Some(door)) => door,
        Ok(None) if socket_path(data).exists() => {
            let said = "none answers, but its socket is there: it was killed";
            return vec![Finding::warning(CHECK, said, "start it again: it makes its socket anew")];
        }
        Ok(None) => return vec![Finding::ok(CHECK, "none runs on this store")],
        Err(error) => return vec![Finding::told(CHECK, error)],
    };
    let asked = door.answer(Method::GET, "/readyz", Value::Null);
    let silent = |why: &dyn std::fmt::Display| {
        let said = format!("it does not answer ({why})");
        vec![Finding::problem(CHECK, said, "see its log, and restart it")]
    };
    match timeout(PATIENCE, asked).await {
        Ok(Ok((head, said))) => judge(head.status, &said),
        Ok(Err(error)) => silent(&error),
        Err(late) => silent(&late),
    }
}

/// Its answer, with each check that it names.
fn judge(status: StatusCode, said: &Value) -> Vec<Finding> {
    let mut found = vec![match status.is_success() {
        true => Finding::ok(CHECK, "it runs, and is ready"),
        false => Finding::problem(CHECK, "it runs, and is not ready", "see its log"),
    }];
    for (name, outcome) in said["checks"].as_object().into_iter().flatten() {
        let outcome = outcome.as_str().unwrap_or("it says nothing");
        if outcome != "ok" {
            found.push(Finding::problem(CHECK, format!("{name}: {outcome}"), "see its log"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::State;
    use serde_json::json;

    #[test]
    fn what_the_authority_says_of_itself_is_passed_on() {
        let ready = judge(StatusCode::OK, &json!({ "ready": true, "checks": { "store": "ok" } }));
        assert!(ready.iter().all(|finding| finding.state == State::Ok), "{ready:?}");
        let said = json!({ "ready": false, "checks": { "store": "ok", "feed": "no fresh head" } });
        let not = judge(StatusCode::SERVICE_UNAVAILABLE, &said);
        assert_eq!(not.len(), 2);
        assert!(not[1].said.contains("feed: no fresh head"), "{not:?}");
    }
}

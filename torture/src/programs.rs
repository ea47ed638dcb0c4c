//! The processes of the rig: one program, which is told what to be.

mod authority;
mod relay;
mod verifier;

use crate::argument;
use std::error::Error;

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// Is what it is called, until it is ended. `None` if it is nothing of these.
pub async fn run(called: &str) -> Option<Outcome> {
    #[cfg(feature = "defects")]
    let _planted = fail::FailScenario::setup();
    match called {
        "authority" => Some(authority::run().await),
        "relay" => Some(relay::run().await),
        "verifier" => Some(verifier::run().await),
        _ => None,
    }
}

fn needed(name: &str) -> Outcome<String> {
    argument(name).ok_or_else(|| format!("{name} is missing").into())
}

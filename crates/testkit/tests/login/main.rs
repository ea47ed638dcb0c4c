//! Signing in: what is kept of a password, which names and passwords are one, what a failure tells, and
//! what a flood of sign-ins costs the others.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it says")]

mod failures;
mod flood;
mod hashes;
mod names;
mod passwords;
mod secrets;

use rescind_testkit::http::{Answer, Http};
use serde_json::json;

/// Tries to sign in for tokens.
async fn attempt(http: &Http, name: &str, password: &str) -> Answer {
    let body = json!({ "username": name, "password": password, "carrier": "token" });
    http.post_json("/login", &body).await
}

//! Signing in: what is kept of a password, which names and passwords are one, what a failure tells, and
//! what a flood of sign-ins costs the others.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it says")]

mod failures;
mod flood;
mod guessing;
mod hashes;
mod names;
mod owner;
mod passwords;
mod sources;

use rescind_testkit::accounts::quick_with;
use rescind_testkit::http::{Answer, Http};
use rescind_testkit::server::TestAuthority;
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr};

/// Tries to sign in for tokens.
async fn attempt(http: &Http, name: &str, password: &str) -> Answer {
    let body = json!({ "username": name, "password": password, "carrier": "token" });
    http.post_json("/login", &body).await
}

/// The same through a trusted proxy that has seen the request come from there.
async fn attempt_from(http: &Http, from: &str, name: &str, password: &str) -> Answer {
    let headers = [("content-type", "application/json"), ("x-forwarded-for", from)];
    let body = json!({ "username": name, "password": password, "carrier": "token" });
    http.send(http::Method::POST, "/login", &headers, body.to_string()).await
}

/// An authority behind a proxy on this machine, with the account `alice`.
async fn behind_a_proxy() -> TestAuthority {
    let proxy = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let authority = quick_with(|config| config.trusted_proxies = vec![proxy]).await;
    authority.person("alice").await;
    authority
}

/// What `Retry-After` says, in seconds.
fn retry_after(answer: &Answer) -> u64 {
    assert_eq!(answer.status, 429, "{}", answer.text());
    answer.header("retry-after").parse().unwrap()
}

//! The realm's keys: how they follow each other, what the theft of one costs, what a copy of the store is
//! worth without the master key.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it says")]

mod compromise;
mod dump;
mod founding;
mod rotation;
mod shared;

use http::Method;
use rescind_authority::keys::{KeyState, Purpose, StoredKey, overlap};
use rescind_testkit::accounts::{administer, quick_with};
use rescind_testkit::server::{PASSWORD, TestAuthority};
use rescind_verifier::Verifier;
use rescind_wire::b64;
use serde_json::{Value, json};
use std::time::Duration;

/// A realm with Alice, whose clock stands.
async fn quick() -> TestAuthority {
    let authority = quick_with(|_| {}).await;
    authority.person("alice").await;
    authority
}

/// Lets the next key be known everywhere.
fn ripen(authority: &TestAuthority) {
    authority.clock.advance(overlap(&authority.config.settings));
}

async fn rotate(authority: &TestAuthority, purpose: &str) -> Value {
    administer(authority, "/admin/keys/rotate", json!({ "purpose": purpose })).await.unwrap()
}

async fn compromise(authority: &TestAuthority, kid: &str) -> Value {
    let body = json!({ "kid": kid, "compromised": true, "reason": "a test" });
    administer(authority, "/admin/keys/retire", body).await.unwrap()
}

/// The id of the key of this kind in this state.
async fn kid(authority: &TestAuthority, kind: &Purpose, state: KeyState) -> String {
    all(authority, kind, state).await.pop().unwrap().kid
}

async fn all(authority: &TestAuthority, kind: &Purpose, state: KeyState) -> Vec<StoredKey> {
    let stored = authority.app.authority.stored_keys().await.unwrap();
    stored.of(kind, state).cloned().collect()
}

/// Who signed a token.
fn signer(token: &str) -> String {
    header(token)["kid"].as_str().unwrap().to_owned()
}

fn header(token: &str) -> Value {
    let header = b64::decode(token.split('.').next().unwrap()).unwrap();
    serde_json::from_slice(&header).unwrap()
}

/// The ids in the JWKS.
async fn published(authority: &TestAuthority) -> Vec<String> {
    let set = authority.http().get("/.well-known/jwks.json", &[]).await.json();
    let kid = |key: &Value| key["kid"].as_str().unwrap().to_owned();
    set["keys"].as_array().unwrap().iter().map(kid).collect()
}

fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap().to_owned()
}

/// Alice on a device.
struct Device {
    access: String,
    refresh: String,
}

impl Device {
    async fn sign_in(authority: &TestAuthority) -> Self {
        Self::of(&authority.http().sign_in("alice", PASSWORD).await)
    }

    fn of(answer: &Value) -> Self {
        Self { access: text(answer, "access_token"), refresh: text(answer, "refresh_token") }
    }

    /// Refreshes once; the status.
    async fn go_on(&mut self, authority: &TestAuthority) -> u16 {
        let answer = authority.http().refresh(&self.refresh, None).await;
        if answer.status == 200 {
            *self = Self::of(&answer.json());
        }
        answer.status.as_u16()
    }

    async fn whoami(&self, authority: &TestAuthority) -> u16 {
        authority.http().send_as(Method::GET, "/whoami", &self.refresh).await.status.as_u16()
    }
}

/// Waits until a verifier has the entries and the keys that are in force, and judges.
async fn accepts(authority: &TestAuthority, verifier: &Verifier, token: &str) -> bool {
    authority.caught_up(verifier).await;
    verifier.check_online(token).await.is_ok()
}

const SECOND: Duration = Duration::from_secs(1);

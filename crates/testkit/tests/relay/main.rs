//! Verifiers behind a relay: what goes through it, and what it cannot do.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test stops at the first thing that is not as it says"
)]

mod access;
mod lies;
mod passing;
#[path = "../feed/proxy.rs"]
mod proxy;
mod restart;

use http::Method;
use proxy::Proxy;
use rescind_authority::settings::Argon2Cost;
use rescind_server::run::Config;
use rescind_testkit::http::{Answer, Http, basic};
use rescind_testkit::relay::TestRelay;
use rescind_testkit::server::{PASSWORD, TestAuthority, operator};
use rescind_verifier::{Principal, Refusal, Verifier};
use rescind_wire::b64;
use rescind_wire::frame::{Frame, Head, open};
use rescind_wire::id::Sid;
use rescind_wire::revocation::Target;
use serde_json::{Value, json};
use std::time::Duration;

/// S, by default.
const S: Duration = Duration::from_secs(10);
const HEADS: &str = "/v1/heads";
const INSTANCE: &str = "AAAAAAAAAAAAAAAAAAAAAA";

fn cheap(config: &mut Config) {
    config.settings.argon2 = Argon2Cost { memory_kib: 8, passes: 1, lanes: 1 };
}

/// An authority with Alice, and somebody in the middle between it and all others.
async fn behind_proxy() -> (TestAuthority, Proxy) {
    let proxy = Proxy::start().await;
    let authority = TestAuthority::start_with(|config| {
        cheap(config);
        proxy.forward_to(&config.settings.issuer);
        config.settings.issuer = proxy.url().to_owned();
    })
    .await;
    authority.person("alice").await;
    (authority, proxy)
}

/// An authority with Alice.
async fn quick() -> TestAuthority {
    let authority = TestAuthority::start_with(cheap).await;
    authority.person("alice").await;
    authority
}

/// A verifier behind the relay at this address, ready.
async fn verifier_at(authority: &TestAuthority, relay: &str) -> Verifier {
    authority.verifier_builder().feed_from(relay).build().await.unwrap()
}

/// Signs Alice in; her access token and her session.
async fn sign_in(authority: &TestAuthority) -> (String, Sid) {
    let tokens = authority.http().sign_in("alice", PASSWORD).await;
    let access = tokens["access_token"].as_str().unwrap().to_owned();
    let claims = b64::decode(access.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    let sid = claims["sid"].as_str().unwrap().parse().unwrap();
    (access, sid)
}

async fn revoke(authority: &TestAuthority, sid: Sid) -> u64 {
    authority.app.authority.revoke(Target::Session(sid), operator()).await.unwrap().pos
}

/// Takes back something that nobody has.
async fn revoke_nobodys(authority: &TestAuthority, n: u64) -> u64 {
    let target = Target::Client(format!("nobody-{n}"));
    authority.app.authority.revoke(target, operator()).await.unwrap().pos
}

fn is_stale(judged: &Result<Principal, Refusal>) -> bool {
    matches!(judged, Err(Refusal::Stale { .. }))
}

fn is_revoked(judged: &Result<Principal, Refusal>) -> bool {
    matches!(judged, Err(Refusal::Revoked))
}

/// Asks for a head at this address, as the client `posts-api`.
async fn ask_head(authority: &TestAuthority, at: &str, nonce: [u8; 16]) -> Answer {
    let body = json!({ "nonce": b64::encode(nonce), "instance": INSTANCE, "applied": 0 });
    let credentials = basic("posts-api", &authority.secret);
    let headers = [("authorization", credentials.as_str()), ("content-type", "application/json")];
    Http::new(at).send(Method::POST, "/v1/head", &headers, body.to_string()).await
}

/// Reads a sealed head.
fn read_head(authority: &TestAuthority, sealed: &[u8]) -> Head {
    let keys = authority.app.authority.keyring().feed_public().to_vec();
    match open(sealed, authority.issuer(), &keys).unwrap() {
        Frame::Head(head) => head,
        other => panic!("no head: {other:?}"),
    }
}

/// What the relay says of itself.
async fn status(relay: &TestRelay, path: &str) -> Answer {
    Http::new(&format!("http://{}", relay.status)).get(path, &[]).await
}

/// Waits until the relay is ready.
async fn ready(relay: &TestRelay) {
    let ready = async {
        while status(relay, "/readyz").await.status != 200 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ready).await.expect("the relay is not ready");
}

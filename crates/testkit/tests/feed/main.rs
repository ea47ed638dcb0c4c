//! The feed, with verifiers, with a follower made by hand, and with somebody in the middle.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test stops at the first thing that is not as it says"
)]

mod access;
mod bounds;
mod fleet;
mod followers;
mod freshness;
mod hand;
mod online;
mod order;
mod proxy;
mod restart;
mod rollback;
mod starting;
mod tampering;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{Request, Response};
use proxy::Proxy;
use rescind_authority::settings::Argon2Cost;
use rescind_server::run::Config;
use rescind_testkit::http::Http;
use rescind_testkit::server::operator;
use rescind_testkit::server::{PASSWORD, TestAuthority};
use rescind_verifier::{Principal, Refusal, Verifier};
use rescind_wire::id::{Jti, Sid};
use rescind_wire::revocation::Target;
use serde_json::Value;
use std::time::Duration;
use tower::ServiceExt as _;

/// S, by default.
const S: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);

fn cheap(config: &mut Config) {
    config.settings.argon2 = Argon2Cost { memory_kib: 8, passes: 1, lanes: 1 };
}

/// An authority whose passwords cost next to nothing, with Alice.
async fn quick() -> TestAuthority {
    let authority = TestAuthority::start_with(cheap).await;
    authority.person("alice").await;
    authority
}

/// The same, with somebody in the middle between it and all others.
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

/// A signed-in program.
struct Device {
    http: Http,
    access: String,
    refresh: String,
}

impl Device {
    async fn sign_in(authority: &TestAuthority) -> Self {
        let http = authority.http();
        let tokens = http.sign_in("alice", PASSWORD).await;
        let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token"), http }
    }

    fn claims(&self) -> Value {
        let body = rescind_wire::b64::decode(self.access.split('.').nth(1).unwrap()).unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    fn sid(&self) -> Sid {
        self.claims()["sid"].as_str().unwrap().parse().unwrap()
    }

    fn jti(&self) -> Jti {
        self.claims()["jti"].as_str().unwrap().parse().unwrap()
    }

    /// Refreshes and keeps what it is given; the status.
    async fn refresh(&mut self) -> u16 {
        let answer = self.http.refresh(&self.refresh, None).await;
        if answer.status == 200 {
            let tokens = answer.json();
            self.access = tokens["access_token"].as_str().unwrap().to_owned();
            self.refresh = tokens["refresh_token"].as_str().unwrap().to_owned();
        }
        answer.status.as_u16()
    }

    async fn whoami(&self) -> u16 {
        self.http.get_as("/whoami", &self.refresh).await.status.as_u16()
    }
}

/// Ends a session as an administrator does; the position of the entry.
async fn revoke(authority: &TestAuthority, device: &Device) -> u64 {
    authority.app.authority.revoke(Target::Session(device.sid()), operator()).await.unwrap().pos
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

/// What a server behind this verifier answers.
async fn ask(verifier: &Verifier, token: &str, online: bool) -> Response<Body> {
    let layer = match online {
        true => verifier.require().online(),
        false => verifier.layer(),
    };
    let server = Router::new().route("/", get(async || "hello")).layer(layer);
    let request = Request::get("/").header("authorization", format!("Bearer {token}"));
    server.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

/// 503 with Retry-After, and no word against the token.
#[track_caller]
fn assert_unavailable(response: &Response<Body>) {
    assert_eq!(response.status(), 503);
    let retry_after = response.headers()["retry-after"].to_str().unwrap();
    assert!(retry_after.parse::<u32>().unwrap() > 0);
    assert!(!response.headers().contains_key("www-authenticate"));
}

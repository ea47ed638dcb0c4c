//! A route wants the password again: RFC 9470 at a second server, the new proof at the authority.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it says")]

use axum::Router;
use axum::routing::get;
use http::Method;
use rescind_testkit::accounts::quick;
use rescind_testkit::http::{Answer, Browser, Http};
use rescind_testkit::server::{PASSWORD, TestAuthority, until};
use rescind_verifier::{Principal, Verifier};
use serde_json::{Value, json};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// Alice and Bob, and a server with a route that wants a sign-in of the last five minutes.
struct World {
    authority: TestAuthority,
    verifier: Verifier,
    bank: Http,
}

impl World {
    async fn start() -> Self {
        let authority = quick().await;
        authority.person("alice").await;
        authority.person("bob").await;
        let verifier = authority.verifier().await;
        let who = |user: Principal| async move { user.subject().to_string() };
        let route = |age| get(who).layer(verifier.require().max_age(age));
        let app = Router::new()
            .route("/balance", get(who))
            .route("/payout", route(5 * MINUTE))
            .route("/now", route(Duration::ZERO))
            .layer(verifier.layer());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bank = Http::new(&format!("http://{}", listener.local_addr().unwrap()));
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { authority, verifier, bank }
    }

    /// Lets time pass; the verifier hears from the authority again.
    async fn pass(&self, time: Duration) {
        self.authority.clock.advance(time);
        until("the verifier is fresh", || self.verifier.status().ready).await;
    }

    async fn token(&self, browser: &mut Browser) -> String {
        let ask = json!({ "audience": "posts-api" });
        let answer = browser.send(Method::POST, "/session/token", Some(ask)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    async fn ask(&self, path: &str, token: &str) -> Answer {
        self.authority.caught_up(&self.verifier).await;
        self.bank.get_as(path, token).await
    }

    async fn signed_in(&self, name: &str) -> Browser {
        let mut browser = self.authority.http().browser();
        browser.sign_in(name, PASSWORD).await;
        browser
    }
}

async fn prove(browser: &mut Browser, password: &str) -> Answer {
    let body = json!({ "password": password });
    browser.send(Method::POST, "/reauthenticate", Some(body)).await
}

async fn whoami(browser: &mut Browser) -> Value {
    browser.get("/whoami").await.json()
}

fn challenge(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), answer.header("www-authenticate"))
}

const OLD: &str = r#"Bearer error="insufficient_user_authentication", max_age="300""#;

// U01 U02 R-40
#[tokio::test(flavor = "multi_thread")]
async fn an_old_sign_in_is_asked_to_prove_itself_and_goes_on_in_the_same_browser() {
    let world = World::start().await;
    let mut browser = world.signed_in("alice").await;
    let token = world.token(&mut browser).await;
    assert_eq!(world.ask("/payout", &token).await.status, 200);
    world.pass(6 * MINUTE).await;
    // Activity and fresh tokens are no proof.
    let token = world.token(&mut browser).await;
    assert_eq!(world.ask("/balance", &token).await.status, 200);
    let refused = world.ask("/payout", &token).await;
    assert_eq!(challenge(&refused), (401, OLD));
    assert_eq!(refused.json()["type"], "urn:rescind:problem:step-up");

    assert_eq!(prove(&mut browser, PASSWORD).await.status, 200);
    let token = world.token(&mut browser).await;
    assert_eq!(world.ask("/payout", &token).await.status, 200);
}

// U02 R11
#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_is_no_proof_and_a_proof_is_as_old_as_it_is() {
    let world = World::start().await;
    let http = world.authority.http();
    let tokens = http.sign_in("alice", PASSWORD).await;
    let refresh = tokens["refresh_token"].as_str().unwrap();
    world.pass(6 * MINUTE).await;
    let again = http.refresh(refresh, None).await.json();
    let access = again["access_token"].as_str().unwrap();
    assert_eq!(challenge(&world.ask("/payout", access).await), (401, OLD));

    let mut browser = world.signed_in("alice").await;
    let token = world.token(&mut browser).await;
    assert_eq!(world.ask("/now", &token).await.status, 200, "in this very second");
    world.pass(Duration::from_secs(1)).await;
    let token = world.token(&mut browser).await;
    assert_eq!(world.ask("/now", &token).await.status, 401);
    assert_eq!(prove(&mut browser, PASSWORD).await.status, 200);
    let token = world.token(&mut browser).await;
    assert_eq!(world.ask("/now", &token).await.status, 200);
}

// U04 U06 S02
#[tokio::test(flavor = "multi_thread")]
async fn a_proof_is_of_a_new_session_and_what_was_before_gains_nothing_by_it() {
    let world = World::start().await;
    let mut browser = world.signed_in("alice").await;
    let mut other = world.signed_in("alice").await;
    world.pass(6 * MINUTE).await;
    let (before, elsewhere) = (world.token(&mut browser).await, world.token(&mut other).await);
    let copied = browser.clone();
    let old = whoami(&mut browser).await;
    assert_eq!(prove(&mut browser, PASSWORD).await.status, 200);
    let new = whoami(&mut browser).await;
    assert_ne!(new["session"]["id"], old["session"]["id"]);
    assert_eq!(new["session"]["expires_at"], old["session"]["expires_at"], "its end stays");
    // The token of before is dead, not raised; the thief's copy of the cookie, too.
    assert_eq!(world.ask("/balance", &before).await.status, 401);
    assert_eq!(copied.clone().get("/whoami").await.status, 401);
    // Another session of the same person has proven nothing.
    assert_eq!(challenge(&world.ask("/payout", &elsewhere).await), (401, OLD));
    let later = world.token(&mut other).await;
    assert_eq!(challenge(&world.ask("/payout", &later).await), (401, OLD));
}

// U05
#[tokio::test(flavor = "multi_thread")]
async fn nobody_proves_himself_inside_another_ones_session() {
    let world = World::start().await;
    let chosen = "the password of bob alone";
    let mut bob = world.signed_in("bob").await;
    let body = json!({ "current_password": PASSWORD, "new_password": chosen });
    assert_eq!(bob.send(Method::POST, "/password", Some(body)).await.status, 200);
    let mut alice = world.signed_in("alice").await;
    let before = whoami(&mut alice).await;
    assert_eq!(prove(&mut alice, chosen).await.status, 401);
    let swap = json!({ "password": chosen, "username": "bob" });
    let answer = alice.send(Method::POST, "/reauthenticate", Some(swap)).await;
    assert_eq!(answer.status, 400, "a name is not asked for");
    assert_eq!(whoami(&mut alice).await, before);
}

// U06 L17
#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_changed_only_with_the_present_one_and_the_csrf_value() {
    let world = World::start().await;
    let mut browser = world.signed_in("alice").await;
    let mut app = world.authority.http().sign_in("alice", PASSWORD).await;
    let new = "another passphrase of hers";
    for current in ["wrong wrong wrong", ""] {
        let body = json!({ "current_password": current, "new_password": new });
        let status = browser.send(Method::POST, "/password", Some(body)).await.status;
        assert!([400, 401].contains(&status.as_u16()));
    }
    let body = json!({ "current_password": PASSWORD, "new_password": new });
    let json_type = [("content-type", "application/json")];
    let forged = browser.send_raw(Method::POST, "/password", &json_type, body.to_string()).await;
    assert_eq!(forged.status, 403);
    assert_eq!(browser.get("/whoami").await.status, 200, "nothing has happened");
    assert_eq!(browser.send(Method::POST, "/password", Some(body)).await.status, 200);
    let refresh = app["refresh_token"].take();
    let http = world.authority.http();
    assert_eq!(http.refresh(refresh.as_str().unwrap(), None).await.status, 400);
    assert_eq!(http.get_as("/whoami", refresh.as_str().unwrap()).await.status, 401);
    let old = json!({ "username": "alice", "password": PASSWORD, "carrier": "token" });
    assert_eq!(http.post_json("/login", &old).await.status, 401);
    http.sign_in("alice", new).await;
}

// U03
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_does_not_say_when_is_no_token() {
    let world = World::start().await;
    let mut browser = world.signed_in("alice").await;
    let token = world.token(&mut browser).await;
    let claims = world.verifier.check(&token).unwrap().claims().clone();
    let keyring = world.authority.app.authority.keyring();
    let mut members = serde_json::to_value(&claims).unwrap();
    let signed = |members: &Value| {
        let key = keyring.token_key();
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": key.kid() });
        let encode = |value: &Value| rescind_wire::b64::encode(value.to_string());
        let message = format!("{}.{}", encode(&header), encode(members));
        let signature = key.sign(message.as_bytes()).unwrap();
        format!("{message}.{}", rescind_wire::b64::encode(signature))
    };
    assert_eq!(world.ask("/payout", &signed(&members)).await.status, 200, "as it is");
    members.as_object_mut().unwrap().remove("auth_time");
    for path in ["/payout", "/balance"] {
        let answer = world.ask(path, &signed(&members)).await;
        assert_eq!(challenge(&answer), (401, r#"Bearer error="invalid_token""#));
    }
}

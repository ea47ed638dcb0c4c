//! Proving oneself again, and changing the password.

use http::Method;
use rescind_testkit::http::{Answer, Browser};
use rescind_testkit::server::{PASSWORD, TestAuthority};
use serde_json::{Value, json};
use std::time::Duration;

const NEW: &str = "an entirely other sentence";

async fn reauthenticate(browser: &mut Browser, password: &str) -> Answer {
    let body = json!({ "password": password });
    browser.send(Method::POST, "/reauthenticate", Some(body)).await
}

async fn change(browser: &mut Browser, current: &str, new: &str) -> Answer {
    let body = json!({ "current_password": current, "new_password": new });
    browser.send(Method::POST, "/password", Some(body)).await
}

async fn session(browser: &mut Browser) -> Value {
    browser.get("/whoami").await.json()["session"].clone()
}

// S02
#[tokio::test(flavor = "multi_thread")]
async fn reauthentication_gives_a_new_id_and_kills_the_old_one() {
    let authority = TestAuthority::start().await;
    authority.person("alice").await;
    let mut browser = authority.http().browser();
    browser.sign_in("alice", PASSWORD).await;
    let before = session(&mut browser).await;
    let mut copied = browser.clone();
    authority.clock.advance(Duration::from_secs(600));

    assert_eq!(reauthenticate(&mut browser, "wrong password").await.status, 401);
    assert_eq!(session(&mut browser).await["id"], before["id"], "a wrong password changes nothing");

    assert_eq!(reauthenticate(&mut browser, PASSWORD).await.status, 200);
    let after = session(&mut browser).await;
    assert_ne!(after["id"], before["id"]);
    assert_eq!(after["expires_at"], before["expires_at"], "the absolute end never moves");
    let moved = after["auth_time"].as_u64().unwrap() - before["auth_time"].as_u64().unwrap();
    assert_eq!(moved, 600);
    assert_eq!(copied.get("/whoami").await.status, 401);
    assert_eq!(copied.post("/logout/everywhere").await.status, 401);
    assert_eq!(browser.get("/whoami").await.status, 200, "the replay has ended nothing");
}

// S02 S08
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_ends_every_other_session_and_keeps_a_new_one() {
    let authority = TestAuthority::start().await;
    authority.person("alice").await;
    let (http, verifier) = (authority.http(), authority.verifier().await);
    let mut browser = http.browser();
    browser.sign_in("alice", PASSWORD).await;
    let mut copied = browser.clone();
    let other = http.sign_in("alice", PASSWORD).await;
    let access = other["access_token"].as_str().unwrap();
    assert!(verifier.check(access).is_ok());

    assert_eq!(change(&mut browser, "wrong password", NEW).await.status, 401);
    assert_eq!(change(&mut browser, PASSWORD, "short").await.status, 400);
    assert_eq!(browser.get("/whoami").await.status, 200);
    assert!(verifier.check(access).is_ok());

    assert_eq!(change(&mut browser, PASSWORD, NEW).await.status, 200);
    assert_eq!(browser.get("/whoami").await.status, 200, "born at its own entry");
    assert_eq!(copied.get("/whoami").await.status, 401);
    let refreshed = http.refresh(other["refresh_token"].as_str().unwrap(), None).await;
    assert_eq!(refreshed.json()["error"], "invalid_grant");
    assert!(verifier.check_online(access).await.is_err());

    let token = browser
        .send(Method::POST, "/session/token", Some(json!({ "audience": "posts-api" })))
        .await;
    let token = token.json()["access_token"].as_str().unwrap().to_owned();
    assert!(verifier.check_online(&token).await.is_ok(), "the new session's tokens live");

    let body = |password| json!({ "username": "alice", "password": password, "carrier": "token" });
    assert_eq!(http.post_json("/login", &body(PASSWORD)).await.status, 401);
    assert_eq!(http.post_json("/login", &body(NEW)).await.status, 200);
}

// S02
#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_reauthenticates_gets_a_new_refresh_token() {
    let authority = TestAuthority::start().await;
    authority.person("alice").await;
    let http = authority.http();
    let old = http.sign_in("alice", PASSWORD).await["refresh_token"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {old}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let body = json!({ "password": PASSWORD }).to_string();
    let answer = http.send(Method::POST, "/reauthenticate", &headers, body).await;
    let new = answer.json()["refresh_token"].as_str().unwrap().to_owned();
    assert_eq!(http.refresh(&old, None).await.json()["error"], "invalid_grant");
    assert_eq!(http.refresh(&new, None).await.status, 200);
}

// B04 B07
#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_session_cannot_guess_the_password() {
    let authority = TestAuthority::start_with(|config| {
        config.settings.argon2.memory_kib = 64;
        config.settings.throttle.pair.free = 5;
    })
    .await;
    authority.person("alice").await;
    let mut browser = authority.http().browser();
    browser.sign_in("alice", PASSWORD).await;
    for _ in 0..5 {
        assert_eq!(reauthenticate(&mut browser, "a wrong guess").await.status, 401);
    }
    let answer = reauthenticate(&mut browser, PASSWORD).await;
    assert_eq!(answer.status, 429);
    assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(browser.get("/whoami").await.status, 200, "a lock ends no session");
}

//! A logout ends a session in every form, and nothing brings it back.

use http::Method;
use rescind_authority::session::Why;
use rescind_testkit::accounts::{cookie_session, ended, pos, quick, session_of};
use rescind_testkit::server::{PASSWORD, TestAuthority};
use rescind_verifier::Refusal;
use serde_json::json;
use std::time::Duration;

// S08 R-30
#[tokio::test(flavor = "multi_thread")]
async fn after_a_logout_the_cookie_and_the_access_tokens_of_its_session_fail() {
    let authority = quick().await;
    authority.person("alice").await;
    let verifier = authority.verifier().await;
    let mut browser = authority.http().browser();
    let mut other = browser.clone();
    other.sign_in("alice", PASSWORD).await;
    browser.sign_in("alice", PASSWORD).await;
    let before = browser.clone();
    let ask = json!({ "audience": "posts-api" });
    let access = browser.send(Method::POST, "/session/token", Some(ask)).await.json();
    let access = access["access_token"].as_str().unwrap();
    assert!(verifier.check(access).is_ok());

    let answer = browser.post("/logout").await;
    assert_eq!(answer.status, 204);
    assert!(browser.jar.is_empty(), "the browser was told to forget");
    authority.caught_up(&verifier).await;
    assert_eq!(verifier.check(access).unwrap_err(), Refusal::Revoked);
    let mut late = before.clone();
    assert_eq!(late.get("/whoami").await.status, 401);
    let ask = json!({ "audience": "posts-api" });
    assert_eq!(late.send(Method::POST, "/session/token", Some(ask)).await.status, 401);
    assert_eq!(other.get("/whoami").await.status, 200, "another session lives on");

    // Again, with what is over, and with nothing.
    let at = pos(&authority).await;
    assert_eq!(before.clone().post("/logout").await.status, 204);
    assert_eq!(browser.post("/logout").await.status, 204);
    assert_eq!(authority.http().send(Method::POST, "/logout", &[], "").await.status, 204);
    assert_eq!(pos(&authority).await, at, "nothing was left to end");
    let sid = cookie_session(&authority, before.session_cookie());
    assert_eq!(ended(&authority, sid).await, Some(Why::SignedOut));
}

// S08
#[tokio::test(flavor = "multi_thread")]
async fn after_a_logout_the_refresh_tokens_and_access_tokens_of_their_session_fail() {
    let authority = quick().await;
    authority.person("alice").await;
    let (http, verifier) = (authority.http(), authority.verifier().await);
    let first = http.sign_in("alice", PASSWORD).await;
    let first_token = first["refresh_token"].as_str().unwrap();
    let second = http.refresh(first_token, None).await.json();
    let second_token = second["refresh_token"].as_str().unwrap();
    let accesses = [&first, &second].map(|t| t["access_token"].as_str().unwrap().to_owned());
    for access in &accesses {
        assert!(verifier.check(access).is_ok());
    }
    // A spent token of the session is enough to end it.
    assert_eq!(http.send_as(Method::POST, "/logout", first_token).await.status, 204);
    authority.caught_up(&verifier).await;
    for access in &accesses {
        assert_eq!(verifier.check(access).unwrap_err(), Refusal::Revoked);
    }
    for token in [first_token, second_token] {
        assert_eq!(http.refresh(token, None).await.json()["error"], "invalid_grant");
        assert_eq!(http.get_as("/whoami", token).await.status, 401);
        assert_eq!(http.send_as(Method::POST, "/logout", token).await.status, 204);
    }
    let sid = session_of(&authority, first_token);
    assert_eq!(ended(&authority, sid).await, Some(Why::SignedOut), "and there was no alarm");
}

/// A request that records what it saw, while its session is ended.
async fn race(authority: &TestAuthority, round: usize) {
    let http = authority.http();
    let mut browser = http.browser();
    browser.sign_in("alice", PASSWORD).await;
    browser.get("/whoami").await;
    // From now on a request moves the line and records itself: it has something to write.
    authority.clock.advance(Duration::from_secs(16 * 60));
    let mut racers = Vec::new();
    for n in 0..8 {
        let mut racer = browser.clone();
        racers.push(tokio::spawn(async move {
            match n {
                0 => racer.post("/logout").await,
                1..=5 => racer.get("/whoami").await,
                _ => {
                    let device = json!({ "device": "phone" });
                    let path = format!("/sessions/{}", "A".repeat(22));
                    racer.send(Method::PATCH, &path, Some(device)).await
                }
            };
            racer
        }));
    }
    let mut racers_after = Vec::new();
    for racer in racers {
        racers_after.push(racer.await.unwrap());
    }
    for racer in &mut racers_after {
        assert_eq!(racer.get("/whoami").await.status, 401, "round {round}");
    }
    let sid = cookie_session(authority, browser.session_cookie());
    assert_eq!(ended(authority, sid).await, Some(Why::SignedOut), "round {round}");
}

// S04
#[tokio::test(flavor = "multi_thread")]
async fn requests_under_way_while_a_session_ends_do_not_bring_it_back() {
    let authority = quick().await;
    authority.person("alice").await;
    for round in 0..25 {
        race(&authority, round).await;
    }
}

// S04 R-60
#[tokio::test(flavor = "multi_thread")]
async fn refreshes_under_way_while_a_session_ends_leave_nothing_that_works() {
    let authority = quick().await;
    authority.person("alice").await;
    let (http, verifier) = (authority.http(), authority.verifier().await);
    for round in 0..25 {
        let tokens = http.sign_in("alice", PASSWORD).await;
        let token = tokens["refresh_token"].as_str().unwrap().to_owned();
        let (out, from) = (http.clone(), token.clone());
        let logout =
            tokio::spawn(async move { out.send_as(Method::POST, "/logout", &from).await.status });
        let (again, from) = (http.clone(), token.clone());
        let refresh = tokio::spawn(async move { again.refresh(&from, None).await });
        assert_eq!(logout.await.unwrap(), 204);
        let given = refresh.await.unwrap().json();
        authority.caught_up(&verifier).await;
        // Whichever was first: nothing of it is good now.
        if let Some(access) = given["access_token"].as_str() {
            assert_eq!(verifier.check(access).unwrap_err(), Refusal::Revoked, "round {round}");
        }
        for token in [Some(token.as_str()), given["refresh_token"].as_str()].into_iter().flatten() {
            let answer = http.refresh(token, None).await;
            assert_eq!(answer.json()["error"], "invalid_grant", "round {round}");
        }
        let sid = session_of(&authority, &token);
        assert_eq!(ended(&authority, sid).await, Some(Why::SignedOut));
    }
}

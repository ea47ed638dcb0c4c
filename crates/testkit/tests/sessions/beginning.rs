//! A session begins with a sign-in and nothing else.

use http::Method;
use rescind_authority::session::Why;
use rescind_testkit::accounts::{cookie_session, ended, life, quick, row};
use rescind_testkit::server::{PASSWORD, TestAuthority};
use serde_json::{Value, json};
use std::collections::HashSet;

async fn whoami_with(authority: &TestAuthority, cookie: &str) -> u16 {
    let cookie = format!("rescind-dev={cookie}");
    authority.http().get("/whoami", &[("cookie", &cookie)]).await.status.as_u16()
}

// S01
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_makes_a_new_session_and_ends_the_one_that_was_presented() {
    let authority = quick().await;
    authority.person("alice").await;
    let mut browser = authority.http().browser();
    browser.sign_in("alice", PASSWORD).await;
    let old = browser.session_cookie().to_owned();
    let wrong = json!({ "username": "alice", "password": "wrong password", "carrier": "cookie" });
    assert_eq!(browser.send(Method::POST, "/login", Some(wrong)).await.status, 401);
    assert_eq!(whoami_with(&authority, &old).await, 200, "a failed sign-in ends nothing");

    browser.sign_in("alice", PASSWORD).await;
    let new = browser.session_cookie().to_owned();
    let (old_sid, new_sid) = (cookie_session(&authority, &old), cookie_session(&authority, &new));
    assert_ne!(old_sid, new_sid);
    assert_eq!(ended(&authority, old_sid).await, Some(Why::NewSignIn));
    assert_eq!(whoami_with(&authority, &old).await, 401);
    assert_eq!(whoami_with(&authority, &new).await, 200);
    let all = browser.get("/sessions").await.json();
    assert_eq!(all.as_array().unwrap().len(), 1);
    // A spent cookie at the next sign-in is as good as none.
    browser.jar.insert("rescind-dev".into(), old);
    browser.sign_in("alice", PASSWORD).await;
    assert_eq!(whoami_with(&authority, browser.session_cookie()).await, 200);
    assert_eq!(whoami_with(&authority, &new).await, 200, "what was not presented lives on");
}

// S01
#[tokio::test(flavor = "multi_thread")]
async fn an_id_from_outside_is_never_adopted() {
    let authority = quick().await;
    let elsewhere = quick().await;
    for one in [&authority, &elsewhere] {
        one.person("alice").await;
    }
    let mut foreign = elsewhere.http().browser();
    foreign.sign_in("alice", PASSWORD).await;
    let foreign = foreign.session_cookie().to_owned();
    for planted in [foreign.as_str(), &"A".repeat(72), "fixed", ""] {
        assert_eq!(whoami_with(&authority, planted).await, 401, "{planted}");
        let mut browser = authority.http().browser();
        browser.jar.insert("rescind-dev".into(), planted.to_owned());
        browser.sign_in("alice", PASSWORD).await;
        let given = browser.session_cookie().to_owned();
        assert_ne!(given, planted);
        assert_ne!(given.get(..24), planted.get(..24), "not even the id in it");
        assert_eq!(whoami_with(&authority, planted).await, 401, "{planted}");
        assert_eq!(whoami_with(&authority, &given).await, 200);
    }
}

// S01 S02
#[tokio::test(flavor = "multi_thread")]
async fn a_thiefs_own_session_planted_in_a_browser_is_dead_once_its_owner_signs_in() {
    let authority = quick().await;
    for name in ["mallory", "alice"] {
        authority.person(name).await;
    }
    let mut mallory = authority.http().browser();
    mallory.sign_in("mallory", PASSWORD).await;
    let (planted, csrf) = (mallory.session_cookie().to_owned(), mallory.jar["XSRF-TOKEN"].clone());
    let mut alice = mallory.clone();
    alice.sign_in("alice", PASSWORD).await;
    assert_ne!(alice.session_cookie(), planted);
    assert_ne!(alice.jar["XSRF-TOKEN"], csrf, "the CSRF value is that of the new session");
    assert_eq!(whoami_with(&authority, &planted).await, 401);
    assert_eq!(mallory.get("/whoami").await.status, 401);
    assert_eq!(alice.get("/whoami").await.json()["user"]["username"], "alice");
    // The old session's CSRF value is worth nothing in the new one.
    alice.jar.insert("XSRF-TOKEN".into(), csrf);
    assert_eq!(alice.post("/logout").await.status, 403);
    assert_eq!(alice.get("/whoami").await.status, 200);
}

// S03
#[tokio::test(flavor = "multi_thread")]
async fn an_id_is_never_used_again_not_even_for_the_same_browser() {
    let authority = quick().await;
    authority.person("alice").await;
    let mut browser = authority.http().browser();
    let (mut seen, mut over) = (HashSet::new(), Vec::<String>::new());
    for round in 0..20 {
        browser.sign_in("alice", PASSWORD).await;
        let cookie = browser.session_cookie().to_owned();
        assert!(seen.insert(cookie_session(&authority, &cookie)), "round {round}");
        assert_eq!(browser.post("/logout").await.status, 204);
        // It comes back with the cookie that it should have forgotten.
        browser.jar.insert("rescind-dev".into(), cookie.clone());
        over.push(cookie);
    }
    for cookie in over {
        assert_eq!(whoami_with(&authority, &cookie).await, 401);
        let sid = cookie_session(&authority, &cookie);
        assert!(row(&authority, sid).await.is_some() && life(&authority, sid).await.is_err());
    }
}

// R13 R-5
#[tokio::test(flavor = "multi_thread")]
async fn a_page_needs_no_refresh_token() {
    let authority = quick().await;
    let sub = authority.person("alice").await;
    let verifier = authority.verifier().await;
    let mut browser = authority.http().browser();
    let answer = browser.sign_in("alice", PASSWORD).await;
    let body = answer.json();
    for member in ["refresh_token", "access_token"] {
        assert!(body[member].is_null(), "{member}");
    }
    let line = answer.set_cookies().into_iter().find(|l| l.starts_with("rescind-dev=")).unwrap();
    assert!(line.contains("; HttpOnly") && line.contains("; SameSite=Strict"), "{line}");
    assert!(!answer.text().contains(browser.session_cookie()), "no script can read it");

    let cookie = browser.session_cookie().to_owned();
    let ask = || Some(json!({ "audience": "posts-api" }));
    let given = browser.send(Method::POST, "/session/token", ask()).await;
    assert_eq!((given.status.as_u16(), given.header("cache-control")), (200, "no-store"));
    let given: Value = given.json();
    assert!(given["refresh_token"].is_null());
    let principal = verifier.check(given["access_token"].as_str().unwrap()).unwrap();
    assert_eq!(principal.subject(), sub);
    assert_eq!(browser.session_cookie(), cookie, "the line does not move");

    // X01: a cookie alone gets nothing.
    let csrf = browser.jar.remove("XSRF-TOKEN").unwrap();
    assert_eq!(browser.send(Method::POST, "/session/token", ask()).await.status, 403);
    let http = authority.http();
    let (line, body) = (format!("rescind-dev={cookie}"), ask().unwrap().to_string());
    let from_elsewhere = [
        ("cookie", line.as_str()),
        ("x-xsrf-token", &csrf),
        ("sec-fetch-site", "cross-site"),
        ("content-type", "application/json"),
    ];
    let answer = http.send(Method::POST, "/session/token", &from_elsewhere, body).await;
    assert_eq!(answer.status, 403);
    // The cookie's value is no refresh token, nor is it one with the prefix before it.
    for token in [cookie.clone(), format!("rsc_rt_{cookie}")] {
        assert_eq!(http.refresh(&token, None).await.json()["error"], "invalid_grant");
        assert_eq!(http.get_as("/whoami", &token).await.status, 401);
    }
    assert_eq!(browser.get("/whoami").await.status, 200);
}

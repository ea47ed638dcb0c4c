//! What is one's own, what is another's, and what a new realm holds.

use http::Method;
use rescind_authority::clients::AddClientError;
use rescind_authority::store::Load;
use rescind_testkit::accounts::{cookie_session, key, quick, row, session_of};
use rescind_testkit::server::{PASSWORD, TestAuthority, operator};
use rescind_wire::id::Sid;
use serde_json::{Value, json};
use std::time::Duration;

async fn two_people() -> TestAuthority {
    let authority = quick().await;
    authority.person("alice").await;
    authority.person("bob").await;
    authority
}

// S11
#[tokio::test(flavor = "multi_thread")]
async fn people_see_their_sessions_end_them_and_find_nothing_there_that_opens_one() {
    let authority = two_people().await;
    let http = authority.http();
    let mut browser = http.browser();
    browser.sign_in("alice", PASSWORD).await;
    let tokens = http.sign_in("alice", PASSWORD).await;
    let refresh = tokens["refresh_token"].as_str().unwrap().to_owned();
    let third = http.sign_in("alice", PASSWORD).await["refresh_token"].clone();
    let listed = browser.get("/sessions").await;
    let rows = listed.json().as_array().unwrap().clone();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows.iter().filter(|r| r["present"] == true).count(), 1);
    for secret in [&refresh, browser.session_cookie(), &browser.jar["XSRF-TOKEN"]] {
        assert!(!listed.text().contains(secret));
    }
    // Whatever stands in the list opens nothing.
    for text in rows.iter().flat_map(|r| r.as_object().unwrap().values()).filter_map(Value::as_str)
    {
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            continue;
        }
        assert_ne!(http.get_as("/whoami", text).await.status, 200);
        let cookie = format!("rescind-dev={text}");
        assert_ne!(http.get("/whoami", &[("cookie", &cookie)]).await.status, 200);
        assert_eq!(http.refresh(text, None).await.status, 400);
    }
    let one = format!("/sessions/{}", session_of(&authority, &refresh));
    assert_eq!(browser.send(Method::DELETE, &one, None).await.status, 200);
    assert_eq!(http.refresh(&refresh, None).await.status, 400);
    assert_eq!(browser.send(Method::DELETE, "/sessions", None).await.json()["ended"], 1);
    assert_eq!(http.get_as("/whoami", third.as_str().unwrap()).await.status, 401);
    assert_eq!(browser.get("/whoami").await.status, 200);
}

// S12 A06
#[tokio::test(flavor = "multi_thread")]
async fn another_ones_session_is_not_found_and_its_id_alone_opens_nothing() {
    let authority = two_people().await;
    let http = authority.http();
    let (mut alice, mut bob) = (http.browser(), http.browser());
    alice.sign_in("alice", PASSWORD).await;
    bob.sign_in("bob", PASSWORD).await;
    let of_bob = cookie_session(&authority, bob.session_cookie());
    let random = Sid::from_bytes([0xa5; 16]);
    let rename = json!({ "device": "mine now" });
    let mut answers = Vec::new();
    for sid in [of_bob.to_string(), random.to_string(), "x".into()] {
        let path = format!("/sessions/{sid}");
        for (method, body) in [(Method::DELETE, None), (Method::PATCH, Some(rename.clone()))] {
            let answer = alice.send(method, &path, body).await;
            answers.push((answer.status.as_u16(), answer.text()));
        }
    }
    assert!(answers.iter().all(|a| *a == answers[0] && a.0 == 404), "{answers:?}");
    for guess in
        [of_bob.to_string(), rescind_wire::b64::encode([&of_bob.as_bytes()[..], &[0; 38]].concat())]
    {
        let cookie = format!("rescind-dev={guess}");
        assert_eq!(http.get("/whoami", &[("cookie", &cookie)]).await.status, 401);
    }
    let answer = bob.get("/whoami").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["session"]["device"]), (200, &Value::Null));
}

// S14
#[tokio::test(flavor = "multi_thread")]
async fn an_expired_session_is_refused_before_its_row_goes_and_then_the_row_goes() {
    let authority = two_people().await;
    let http = authority.http();
    let mut browser = http.browser();
    browser.sign_in("alice", PASSWORD).await;
    let tokens = http.sign_in("bob", PASSWORD).await;
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let (short, long) =
        (cookie_session(&authority, browser.session_cookie()), session_of(&authority, refresh));
    authority.clock.advance(Duration::from_secs(24 * 3600));
    assert_eq!(browser.get("/whoami").await.status, 401);
    assert!(row(&authority, short).await.is_some(), "not swept yet");
    let store = authority.app.authority.store();
    let swept = store.sweep(authority.app.authority.clock().now().wall).await.unwrap();
    assert_eq!(swept.sessions, 1);
    assert!(row(&authority, short).await.is_none());
    assert!(row(&authority, long).await.is_some());
    assert_eq!(http.refresh(refresh, Some(&key("a-move"))).await.status, 200);
}

// L18
#[tokio::test(flavor = "multi_thread")]
async fn a_new_realm_holds_no_account_and_no_client_and_nothing_that_anybody_knows() {
    let authority = quick().await;
    let store = authority.app.authority.store();
    assert_eq!(store.accounts().await.unwrap().len(), 0);
    // The test's own server is the only client.
    let clients = store.clients().await.unwrap();
    assert_eq!(clients.iter().map(|c| c.client_id.as_str()).collect::<Vec<_>>(), ["posts-api"]);
    let http = authority.http();
    for (name, password) in
        [("admin", "admin"), ("admin", "password"), ("root", "root"), ("rescind", "rescind")]
    {
        let body = json!({ "username": name, "password": password, "carrier": "token" });
        assert_eq!(http.post_json("/login", &body).await.status, 401);
    }
    let other = quick().await;
    let keys = async |a: &TestAuthority| {
        let load = Load { keys: true, ..Load::default() };
        a.app.authority.store().read(load).await.unwrap().keys.keys
    };
    let (one, two) = (keys(&authority).await, keys(&other).await);
    for key in one.iter().filter(|k| k.wrapped.is_some()) {
        assert!(two.iter().all(|k| k.kid != key.kid && k.wrapped != key.wrapped));
    }
    assert_ne!(authority.secret, other.secret);
}

// T36
#[tokio::test(flavor = "multi_thread")]
async fn no_client_can_be_taken_for_a_person() {
    let authority = quick().await;
    let sub = authority.person("alice").await;
    let rules = &authority.app.authority;
    for id in [sub.to_string(), Sid::from_bytes([3; 16]).to_string(), "first-party".into()] {
        let made = rules.add_client(&id, vec!["a".into()], Vec::new(), &operator()).await;
        assert!(matches!(made, Err(AddClientError::BadName)), "{id}");
    }
    // Every token is of a person and a session; there is none of a client alone.
    let http = authority.http();
    let basic = rescind_testkit::http::basic("posts-api", &authority.secret);
    let form = [("grant_type", "client_credentials")];
    let answer = http.post_form("/token", &form, &[("authorization", &basic)]).await;
    assert_eq!(answer.json()["error"], "unsupported_grant_type");
}

// K14
#[tokio::test(flavor = "multi_thread")]
async fn the_metadata_names_the_issuer_byte_for_byte_and_every_endpoint_below_it() {
    let authority = quick().await;
    let metadata = authority.http().get("/.well-known/oauth-authorization-server", &[]).await;
    assert_eq!(metadata.header("content-type"), "application/json");
    let metadata = metadata.json();
    assert_eq!(metadata["issuer"], authority.issuer());
    let endpoints = ["token", "revocation", "introspection", "rescind_head", "rescind_feed"];
    for name in endpoints {
        let url = metadata[format!("{name}_endpoint")].as_str().unwrap();
        assert!(url.starts_with(&format!("{}/", authority.issuer())), "{url}");
    }
}

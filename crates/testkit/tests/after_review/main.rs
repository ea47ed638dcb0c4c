//! Edges that a review has found: long forms, empty and foreign folders beside each other, epochs that
//! were lost, addresses of a server, narrow sign-ins, late requests, and a clock that is set.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test stops at the first thing that is not as it says"
)]

mod addresses;
mod folders;
mod forgotten;

use http::Method;
use rescind_authority::present::Present;
use rescind_authority::secret::Secret;
use rescind_authority::sessions::SessionError;
use rescind_testkit::accounts::{self, ended, pos, quick, session_of};
use rescind_testkit::http::{Answer, Http};
use rescind_testkit::server::operator;
use rescind_testkit::server::{AUDIENCE, PASSWORD, TestAuthority};
use rescind_wire::b64;
use serde_json::{Value, json};
use std::time::Duration;

const HOUR_US: i64 = 3_600_000_000;
const OTHER_AUDIENCE: &str = "photos-api";

async fn with_alice() -> TestAuthority {
    let authority = quick().await;
    authority.person("alice").await;
    authority
}

fn text(tokens: &Value, name: &str) -> String {
    tokens[name].as_str().unwrap().to_owned()
}

/// The audiences that stand in an access token.
fn audiences(access: &str) -> Value {
    let body = b64::decode(access.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&body).unwrap();
    match &claims["aud"] {
        Value::String(one) => json!([one]),
        several => several.clone(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_with_more_than_32_fields_is_refused_and_spends_nothing() {
    let authority = with_alice().await;
    let http = authority.http();
    let token = text(&http.sign_in("alice", PASSWORD).await, "refresh_token");
    let names: Vec<String> = (0..31).map(|n| format!("field-{n}")).collect();
    let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
    form.extend(names.iter().map(|name| (name.as_str(), "x")));
    assert_eq!(form.len(), 33);
    let before = accounts::row(&authority, session_of(&authority, &token)).await;
    let answer = http.post_form("/token", &form, &[]).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (400, &"invalid_request".into()));
    assert_eq!(accounts::row(&authority, session_of(&authority, &token)).await, before);
    form.pop();
    assert_eq!(http.post_form("/token", &form, &[]).await.status, 200);
}

/// Refreshes, asking for an audience.
async fn refresh_for(http: &Http, token: &str, audience: &str) -> Answer {
    let form = [("grant_type", "refresh_token"), ("refresh_token", token), ("audience", audience)];
    http.post_form("/token", &form, &[]).await
}

// R08
#[tokio::test(flavor = "multi_thread")]
async fn a_session_keeps_to_the_audience_that_its_sign_in_asked_for() {
    let authority = with_alice().await;
    let rules = &authority.app.authority;
    rules
        .add_client(OTHER_AUDIENCE, vec![OTHER_AUDIENCE.to_owned()], vec![], &operator())
        .await
        .unwrap();
    let http = authority.http();
    let sign_in = json!({
        "username": "alice", "password": PASSWORD, "carrier": "token", "audience": [AUDIENCE],
    });
    let tokens = http.post_json("/login", &sign_in).await.json();
    assert_eq!(audiences(&text(&tokens, "access_token")), json!([AUDIENCE]));
    let first = text(&tokens, "refresh_token");

    let before = accounts::row(&authority, session_of(&authority, &first)).await;
    let answer = refresh_for(&http, &first, OTHER_AUDIENCE).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (400, &"invalid_target".into()));
    assert_eq!(accounts::row(&authority, session_of(&authority, &first)).await, before);

    let second = http.refresh(&first, None).await.json();
    assert_eq!(audiences(&text(&second, "access_token")), json!([AUDIENCE]));
    let third = refresh_for(&http, &text(&second, "refresh_token"), AUDIENCE).await;
    assert_eq!(third.status, 200, "{}", third.text());
    let wide = refresh_for(&http, &text(&third.json(), "refresh_token"), OTHER_AUDIENCE).await;
    assert_eq!(wide.json()["error"], "invalid_target", "a refresh has widened what is asked for");

    // Who asked for nothing has both, and may ask for either.
    let all = http.sign_in("alice", PASSWORD).await;
    assert_eq!(audiences(&text(&all, "access_token")).as_array().unwrap().len(), 2);
    let one = refresh_for(&http, &text(&all, "refresh_token"), OTHER_AUDIENCE).await.json();
    assert_eq!(audiences(&text(&one, "access_token")), json!([OTHER_AUDIENCE]));
}

// R08
#[tokio::test(flavor = "multi_thread")]
async fn a_browsers_session_keeps_to_the_audience_that_its_sign_in_asked_for() {
    let authority = with_alice().await;
    let rules = &authority.app.authority;
    rules
        .add_client(OTHER_AUDIENCE, vec![OTHER_AUDIENCE.to_owned()], vec![], &operator())
        .await
        .unwrap();
    let mut browser = authority.http().browser();
    let sign_in = json!({
        "username": "alice", "password": PASSWORD, "carrier": "cookie", "audience": [AUDIENCE],
    });
    assert_eq!(browser.send(Method::POST, "/login", Some(sign_in)).await.status, 200);
    for (audience, given) in [(OTHER_AUDIENCE, false), (AUDIENCE, true)] {
        let body = json!({ "audience": audience });
        let answer = browser.send(Method::POST, "/session/token", Some(body)).await;
        assert_eq!(answer.status == 200, given, "{audience}: {}", answer.text());
        assert_eq!(answer.json()["access_token"].is_string(), given);
    }
}

// S02
#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_session_ends_no_other() {
    let authority = with_alice().await;
    let http = authority.http();
    let present = text(&http.sign_in("alice", PASSWORD).await, "refresh_token");
    let other = text(&http.sign_in("alice", PASSWORD).await, "refresh_token");
    // A request that was let in, and is overtaken.
    let rules = &authority.app.authority;
    let under_way: Present =
        rules.present_bearer(&Secret::new(present.clone())).await.expect("it lives");
    let bearer = format!("Bearer {present}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let body = json!({ "password": PASSWORD }).to_string();
    let renewed = http.send(Method::POST, "/reauthenticate", &headers, body).await;
    assert_eq!(renewed.status, 200, "{}", renewed.text());
    let successor = text(&renewed.json(), "refresh_token");

    let at = pos(&authority).await;
    assert_eq!(http.send_as(Method::DELETE, "/sessions", &present).await.status, 401);
    let late = rules.end_others(&under_way).await;
    assert!(matches!(late, Err(SessionError::Ended)), "{late:?}");
    assert_eq!(pos(&authority).await, at);
    for token in [&successor, &other] {
        assert_eq!(http.get_as("/whoami", token).await.status, 200);
    }
    assert_eq!(http.send_as(Method::DELETE, "/sessions", &successor).await.json()["ended"], 1);
    assert_eq!(http.get_as("/whoami", &other).await.status, 401);
    assert_eq!(http.get_as("/whoami", &successor).await.status, 200);
}

// S15
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_back_does_not_let_a_spent_token_be_repeated() {
    let authority = with_alice().await;
    let http = authority.http();
    let first = text(&http.sign_in("alice", PASSWORD).await, "refresh_token");
    let sid = session_of(&authority, &first);
    let second = text(&http.refresh(&first, None).await.json(), "refresh_token");
    // Long past the grace time, were it not for the clock.
    authority.clock.advance(Duration::from_secs(120));
    authority.clock.step_wall(-HOUR_US);
    let at = pos(&authority).await;
    for _ in 0..2 {
        let answer = http.refresh(&first, None).await;
        assert_eq!(answer.status, 409, "{}", answer.text());
        assert!(answer.json()["refresh_token"].is_null(), "a successor was given");
    }
    assert_eq!((ended(&authority, sid).await, pos(&authority).await), (None, at));
    // The clock is set right: the owner goes on, and the spent token is theft.
    authority.clock.step_wall(HOUR_US);
    assert_eq!(http.refresh(&second, None).await.status, 200);
    assert_eq!(http.refresh(&first, None).await.status, 400);
    assert!(ended(&authority, sid).await.is_some());
}

//! What somebody does is in the log once, with who, which session, from where, and how it ended.

use crate::support::{Watched, log, watched};
use http::Method;
use rescind_authority::account::AccountState;
use rescind_authority::audit::Operator;
use rescind_authority::keys::Purpose;
use rescind_authority::name::Name;
use rescind_testkit::http::{Answer, basic};
use rescind_testkit::server::{AUDIENCE, PASSWORD};
use serde_json::{Value, json};
use std::time::Duration;

/// The one event of this name among those of a request, whose own line says from where and how it ended.
fn event_of(answer: &Answer, name: &str) -> Value {
    let own: Vec<Value> = log().events();
    let at = own.iter().rposition(|e| e["event"] == "request").unwrap();
    let request = &own[at];
    assert_eq!(request["status"], answer.status.as_u16());
    assert_eq!(request["address"], "127.0.0.1");
    let id = request["id"].as_str().unwrap();
    let mut events = log().of_request(id);
    events.retain(|e| e["event"] == name);
    assert_eq!(events.len(), 1, "{name} of {request}");
    events.remove(0)
}

/// The newest event of this name.
fn newest(name: &str) -> Value {
    let events = log().events();
    events.into_iter().rfind(|e| e["event"] == name).unwrap_or_else(|| panic!("no {name}"))
}

async fn sign_in(watched: &Watched, password: &str) -> Answer {
    let body = json!({ "username": "alice", "password": password, "carrier": "token" });
    watched.authority.http().post_json("/login", &body).await
}

fn refresh_token(answer: &Answer) -> String {
    answer.json()["refresh_token"].as_str().unwrap().to_owned()
}

// G01
#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_does_is_logged_with_account_session_address_and_outcome() {
    let watched = watched().await;
    let sub = watched.authority.person("alice").await.to_string();
    let http = watched.authority.http();
    let failed = sign_in(&watched, "wrong").await;
    let event = event_of(&failed, "sign_in_failed");
    assert_eq!((&event["why"], &event["address"]), (&json!("credentials"), &json!("127.0.0.1")));

    let signed_in = sign_in(&watched, PASSWORD).await;
    let event = event_of(&signed_in, "signed_in");
    let sid = event["sid"].clone();
    assert_eq!(event["sub"], sub);
    let first = refresh_token(&signed_in);
    let refreshed = http.refresh(&first, None).await;
    let event = event_of(&refreshed, "refreshed");
    assert_eq!(
        (&event["sub"], &event["sid"], &event["worth"]),
        (&json!(sub), &sid, &json!("move"))
    );

    watched.authority.clock.advance(Duration::from_secs(31));
    let theft = http.refresh(&first, None).await;
    let event = event_of(&theft, "credential_reuse");
    assert_eq!((&event["sub"], &event["sid"], &event["alarm"]), (&json!(sub), &sid, &json!(true)));
    assert_eq!(event_of(&theft, "refresh_refused")["why"], "reuse");
    let over = http.refresh(&refresh_token(&refreshed), None).await;
    let event = event_of(&over, "refresh_refused");
    assert_eq!((&event["sid"], &event["why"]), (&sid, &json!("over")));

    let again = refresh_token(&sign_in(&watched, PASSWORD).await);
    let signed_out = http.send_as(Method::POST, "/logout", &again).await;
    assert_eq!(event_of(&signed_out, "signed_out")["sub"], sub);
    let again = refresh_token(&sign_in(&watched, PASSWORD).await);
    let revoked =
        http.post_form("/revoke", &[("token", &again), ("client_id", "first-party")], &[]).await;
    let event = event_of(&revoked, "token_revoked");
    assert_eq!((&event["sub"], &event["by"]), (&json!(sub), &json!("client:first-party")));
    let again = refresh_token(&sign_in(&watched, PASSWORD).await);
    let everywhere = http.send_as(Method::POST, "/logout/everywhere", &again).await;
    assert_eq!(event_of(&everywhere, "signed_out_everywhere")["sub"], sub);

    let mut browser = http.browser();
    browser.sign_in("alice", PASSWORD).await;
    let wrong = json!({ "password": "wrong" });
    let failed = browser.send(Method::POST, "/reauthenticate", Some(wrong)).await;
    let event = event_of(&failed, "reauthentication_failed");
    assert_eq!((&event["sub"], &event["why"]), (&json!(sub), &json!("credentials")));
    let right = json!({ "password": PASSWORD });
    let done = browser.send(Method::POST, "/reauthenticate", Some(right)).await;
    assert_eq!(event_of(&done, "reauthenticated")["sub"], sub);
}

// G01
#[tokio::test(flavor = "multi_thread")]
async fn what_an_administrator_does_is_logged_with_who_did_it() {
    let watched = watched().await;
    let authority = &watched.authority.app.authority;
    let sub = watched.authority.person("alice").await.to_string();
    let by = || Operator::administrator(4711, None).unwrap();
    let name = || Name::new("alice").unwrap();
    authority.set_account_state(name(), AccountState::Suspended, by()).await.unwrap();
    authority.set_account_state(name(), AccountState::Active, by()).await.unwrap();
    authority.set_roles(name(), vec![], by()).await.unwrap();
    authority.revoke_account(name(), by()).await.unwrap();
    authority.share_key(AUDIENCE, by()).await.unwrap();
    authority.rotate_key(Purpose::Line(0), by()).await.unwrap();
    let keys = authority.stored_keys().await.unwrap();
    let active = |key: &&rescind_authority::keys::StoredKey| {
        key.purpose == Purpose::Token && key.state.name() == "active"
    };
    let kid = keys.keys.iter().find(active).unwrap().kid.clone();
    authority.retire_key(&kid, true, by()).await.unwrap();
    assert_eq!(newest("key_retired")["kid"], kid);
    authority.remove_client("posts-api", by()).await.unwrap();
    authority.delete_account(name(), by()).await.unwrap();
    for event in ["account_state", "roles", "account_revoked", "account_deleted"] {
        let event = newest(event);
        assert_eq!((&event["by"], &event["sub"]), (&json!("uid:4711"), &json!(sub)), "{event}");
    }
    for event in ["key_made", "key_rotated", "key_retired", "client_removed"] {
        assert_eq!(newest(event)["by"], "uid:4711", "{event}");
    }
}

// G01
#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_is_logged_with_route_address_and_outcome() {
    let watched = watched().await;
    let http = watched.authority.http();
    let wrong = basic("posts-api", "wrong");
    for (path, headers, status) in
        [("/whoami", vec![], 401), ("/v1/snapshot", vec![("authorization", wrong.as_str())], 401)]
    {
        let answer = http.get(path, &headers).await;
        let line = event_of(&answer, "request");
        assert_eq!((&line["route"], &line["status"]), (&json!(path), &json!(status)));
    }
}

// G04
#[tokio::test(flavor = "multi_thread")]
async fn a_password_typed_as_a_user_name_is_not_in_the_log() {
    let watched = watched().await;
    let typed = "Correct-Horse-104729-Battery";
    let body = json!({ "username": typed, "password": "x", "carrier": "cookie" });
    for _ in 0..12 {
        watched.authority.http().post_json("/login", &body).await;
    }
    let throttled = newest("sign_in_failed");
    assert_eq!(throttled["why"], "throttled", "and not when it is throttled either");
    let all = serde_json::to_string(&log().events()).unwrap().to_lowercase();
    assert!(!all.contains("104729-battery"));
}

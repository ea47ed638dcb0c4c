//! The process dies between commit and answer.

use crate::realm::{AFTER, Realm, died, is_dead, refreshed, sign_in, try_refresh};
use http::Method;
use rescind_testkit::server::PASSWORD;
use serde_json::json;
use std::time::Duration;

const KEY: &str = "an-idempotency-key-of-22+";
const NEXT_KEY: &str = "the-idempotency-key-after";

/// A realm whose process died over alice's refresh, and the token that she sent.
async fn dead_over_a_refresh(key: Option<&str>) -> (Realm, String) {
    let realm = Realm::new();
    let process = realm.start("").await;
    let (_, token) = sign_in(&realm.http()).await;
    drop(process);
    let process = realm.start(AFTER).await;
    assert!(try_refresh(&realm.http(), &token, key).await.is_none(), "nobody is told");
    died(process).await;
    (realm, token)
}

// R04 R05 R14 R-17
#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_whose_answer_was_lost_gives_the_same_successor_to_the_same_key() {
    let (realm, token) = dead_over_a_refresh(Some(KEY)).await;
    let _process = realm.start("").await;
    let http = realm.http();
    // Without the key it is only somebody who was too slow: nothing given, nothing ended.
    assert_eq!(http.refresh(&token, Some(NEXT_KEY)).await.status, 409);
    assert_eq!(http.refresh(&token, None).await.status, 409);
    let successor = refreshed(&http, &token, Some(KEY)).await;
    assert_eq!(refreshed(&http, &token, Some(KEY)).await, successor, "one line");
    let second = refreshed(&http, &successor, Some(NEXT_KEY)).await;
    // The first token is spent for good now, whatever key comes with it.
    assert_eq!(http.refresh(&token, Some(KEY)).await.json()["error"], "invalid_grant");
    is_dead(&http, &second).await;
}

// R05 R14 R-17
#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_gives_the_same_successor_after_a_nights_sleep() {
    let (realm, token) = dead_over_a_refresh(Some(KEY)).await;
    let http = realm.http();
    let story = async {
        let successor = refreshed(&http, &token, Some(KEY)).await;
        assert_eq!(refreshed(&http, &token, Some(KEY)).await, successor);
        refreshed(&http, &successor, Some(NEXT_KEY)).await;
    };
    realm.later(Duration::from_secs(8 * 3600), story).await;
}

// R05 R14 R-17
#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_without_key_whose_answer_was_lost_gives_the_same_successor_within_the_grace() {
    let (realm, token) = dead_over_a_refresh(None).await;
    let _process = realm.start("").await;
    let http = realm.http();
    let successor = refreshed(&http, &token, None).await;
    assert_eq!(refreshed(&http, &token, None).await, successor, "one line");
    refreshed(&http, &successor, None).await;
}

// R03 R04 R14 R-16
#[tokio::test(flavor = "multi_thread")]
async fn after_the_grace_a_spent_token_is_theft_also_over_a_crash() {
    for key in [None, Some(KEY)] {
        let (realm, token) = dead_over_a_refresh(key).await;
        let http = realm.http();
        let process = realm.start("").await;
        let successor = refreshed(&http, &token, key).await;
        drop(process);
        let http = realm.http();
        let story = async {
            assert_eq!(http.refresh(&token, None).await.json()["error"], "invalid_grant");
            is_dead(&http, &successor).await;
            let verifier = realm.verifier().await;
            assert_eq!(verifier.status().entries, 1, "and the end of the session is in the log");
        };
        realm.later(Duration::from_secs(31), story).await;
    }
}

// E05
#[tokio::test(flavor = "multi_thread")]
async fn a_login_whose_answer_was_lost_leaves_a_whole_session_that_its_owner_can_end() {
    let realm = Realm::new();
    let process = realm.start(AFTER).await;
    let body = json!({ "username": "alice", "password": PASSWORD, "carrier": "token" }).to_string();
    let headers = [("content-type", "application/json")];
    assert!(realm.http().attempt(Method::POST, "/login", &headers, body).await.is_none());
    died(process).await;

    let _process = realm.start("").await;
    let http = realm.http();
    let (_, token) = sign_in(&http).await;
    let sessions = http.get_as("/sessions", &token).await.json();
    let sessions = sessions.as_array().unwrap();
    assert_eq!(sessions.len(), 2, "{sessions:?}");
    for session in sessions {
        assert!(session["expires_at"].as_u64() > session["created_at"].as_u64(), "{session}");
        assert_eq!((&session["carrier"], &session["amr"]), (&json!("token"), &sessions[0]["amr"]));
    }
    let ended = http.send_as(Method::DELETE, "/sessions", &token).await;
    assert_eq!(ended.json()["ended"], 1);
}

//
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_by_a_command_that_died_is_durable_without_any_authority() {
    let realm = Realm::new();
    let process = realm.start("").await;
    let (_, token) = sign_in(&realm.http()).await;
    drop(process);
    let said = realm.command(&["revoke", "--everything", "--yes"], &[("FAILPOINTS", AFTER)], "");
    assert!(!said.status.success() && said.stdout.is_empty(), "{said:?}");
    let _process = realm.start("").await;
    is_dead(&realm.http(), &token).await;
}

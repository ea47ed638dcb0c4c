//! The process dies before the commit, or the commit fails: nothing has happened, and nobody is told
//! otherwise.

use crate::realm::{BEFORE, Realm, died, refreshed, sign_in, try_refresh};
use http::Method;
use rescind_testkit::http::Http;
use rescind_testkit::server::PASSWORD;
use serde_json::json;

const KEY: &str = "an-idempotency-key-of-22+";

async fn sessions(http: &Http, token: &str) -> usize {
    http.get_as("/sessions", token).await.json().as_array().unwrap().len()
}

/// A request that dies with the process: `login`, `refresh`, `logout` or `everywhere`.
async fn dies_over(http: &Http, what: &str, token: &str) {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let answer = match what {
        "login" => {
            let body = json!({ "username": "alice", "password": PASSWORD, "carrier": "token" });
            let headers = [("content-type", "application/json")];
            http.attempt(Method::POST, "/login", &headers, body.to_string()).await
        }
        "refresh" => try_refresh(http, token, Some(KEY)).await,
        "logout" => http.attempt(Method::POST, "/logout", &headers, "").await,
        _ => http.attempt(Method::POST, "/logout/everywhere", &headers, "").await,
    };
    assert!(answer.is_none(), "{what}: {answer:?}");
}

// R14 E05
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_before_the_commit_leaves_everything_as_it_was() {
    let realm = Realm::new();
    let process = realm.start("").await;
    let (access, token) = sign_in(&realm.http()).await;
    drop(process);
    for what in ["login", "refresh", "logout", "everywhere"] {
        let process = realm.start(BEFORE).await;
        dies_over(&realm.http(), what, &token).await;
        died(process).await;
        let process = realm.start("").await;
        assert_eq!(sessions(&realm.http(), &token).await, 1, "{what}");
        drop(process);
    }
    let process = realm.start(BEFORE).await;
    let said = realm.command(&["revoke", "--user", "alice"], &[], "");
    assert_eq!((said.status.code(), said.stdout.len()), (Some(3), 0), "{said:?}");
    died(process).await;

    let _process = realm.start("").await;
    let verifier = realm.verifier().await;
    assert!(verifier.check(&access).is_ok());
    assert_eq!(verifier.status().entries, 0, "nothing was logged");
    // The token was never spent: another key moves the line.
    let next = refreshed(&realm.http(), &token, Some("another-idempotency-key-22")).await;
    assert_eq!(sessions(&realm.http(), &next).await, 1);
}

// V06 E05
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_fails_is_503_and_changes_nothing() {
    let realm = Realm::new();
    let process = realm.start("").await;
    let (access, token) = sign_in(&realm.http()).await;
    drop(process);
    // The first four commits fail, those after them do not.
    let _process = realm.start("store::before_commit=4*return->off").await;
    let http = realm.http();
    let verifier = realm.verifier().await;
    let body = json!({ "username": "alice", "password": PASSWORD, "carrier": "token" });
    let answers = [
        http.post_json("/login", &body).await,
        http.refresh(&token, Some(KEY)).await,
        http.send_as(Method::POST, "/logout", &token).await,
        http.send_as(Method::POST, "/logout/everywhere", &token).await,
    ];
    for answer in answers {
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
        assert!(answer.set_cookies().is_empty(), "a cookie is not taken away by half");
    }
    assert_eq!(sessions(&http, &token).await, 1);
    assert!(verifier.check(&access).is_ok());
    let next = refreshed(&http, &token, Some("another-idempotency-key-22")).await;
    assert_eq!(http.send_as(Method::POST, "/logout", &next).await.status, 204);
    assert_eq!(http.refresh(&next, None).await.json()["error"], "invalid_grant");
}

//! The commit fails: nothing has happened, and nobody is told otherwise.

use crate::realm::{Realm, refreshed, sign_in};
use http::Method;
use rescind_testkit::http::Http;
use rescind_testkit::server::PASSWORD;
use serde_json::json;

const KEY: &str = "an-idempotency-key-of-22+";

async fn sessions(http: &Http, token: &str) -> usize {
    http.get_as("/sessions", token).await.json().as_array().unwrap().len()
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

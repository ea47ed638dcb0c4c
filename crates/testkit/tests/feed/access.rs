//! Who may read the feed.

use crate::hand::{INSTANCE, basic};
use crate::{Device, quick, revoke_nobodys};
use http::Method;
use rescind_testkit::http::Answer;
use rescind_testkit::server::TestAuthority;
use rescind_testkit::server::operator;
use rescind_wire::b64;
use serde_json::json;

/// Asks for each of the three with these headers; a feed that opens is an answer without an end.
async fn ask_all(authority: &TestAuthority, credentials: Option<&str>) -> Vec<Answer> {
    let epoch = authority.app.authority.store().head().await.unwrap().epoch;
    let feed = format!("/v1/feed?epoch={epoch}&from=0&instance={INSTANCE}");
    let question =
        json!({ "nonce": b64::encode([7; 16]), "instance": INSTANCE, "applied": 0 }).to_string();
    let mut answers = Vec::new();
    for (method, path, body) in [
        (Method::GET, "/v1/snapshot", ""),
        (Method::GET, feed.as_str(), ""),
        (Method::POST, "/v1/head", question.as_str()),
    ] {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(credentials.map(|c| ("authorization", c)));
        answers.push(authority.http().send(method, path, &headers, body.to_owned()).await);
    }
    answers
}

#[track_caller]
fn assert_refused(answers: &[Answer], status: u16) {
    for answer in answers {
        assert_eq!(answer.status, status, "{}", answer.text());
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(answer.json()["status"], status);
    }
}

// P01
#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_credentials_no_byte_of_the_log_is_told() {
    let authority = quick().await;
    revoke_nobodys(&authority, 1).await;
    let device = Device::sign_in(&authority).await;
    let secret = authority.secret.as_str();
    let wrong = [
        basic("posts-api", "wrong"),
        basic("posts-api", ""),
        basic("nobody", secret),
        basic("", secret),
        basic("first-party", ""),
        basic("POSTS-API", secret),
        basic("posts-api", &secret[..secret.len() - 1]),
        format!("Bearer {}", device.access),
        format!("Bearer {}", device.refresh),
        format!("Bearer {secret}"),
        "Basic".into(),
        "Basic %%%".into(),
    ];
    assert_refused(&ask_all(&authority, None).await, 401);
    for credentials in &wrong {
        let answers = ask_all(&authority, Some(credentials)).await;
        assert_refused(&answers, 401);
        for answer in answers {
            assert!(answer.header("www-authenticate").starts_with("Basic"), "{credentials}");
        }
    }
    let right = basic("posts-api", secret);
    let path = "/v1/snapshot";
    let answer = authority.http().get(path, &[("authorization", &right)]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/vnd.rescind.frame");
}

// P01
#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_the_permission_is_forbidden_before_any_byte() {
    let authority = quick().await;
    revoke_nobodys(&authority, 1).await;
    let (audiences, operator) = (vec!["other".into()], operator());
    let made = authority.app.authority.add_client("other", audiences, vec![], &operator);
    let secret = made.await.unwrap();
    let credentials = basic("other", secret.expose());
    assert_refused(&ask_all(&authority, Some(&credentials)).await, 403);
}

// P06
#[tokio::test(flavor = "multi_thread")]
async fn a_verifier_with_wrong_credentials_never_becomes_ready() {
    let authority = quick().await;
    let device = Device::sign_in(&authority).await;
    let secret = rescind_verifier::ClientSecret::new("wrong");
    let verifier = authority.verifier_builder().client("posts-api", secret).start().unwrap();
    let right = authority.verifier().await;
    assert!(right.check(&device.access).is_ok());
    assert!(crate::is_stale(&verifier.check(&device.access)));
    assert_eq!(verifier.status().epoch, None);
}

//! What belongs to somebody else is answered as what does not exist.

use crate::realm::{Realm, claims, text};
use http::Method;
use rescind_testkit::accounts::{essence, pos};
use rescind_testkit::server::PASSWORD;
use serde_json::json;

// A06
#[tokio::test(flavor = "multi_thread")]
async fn another_persons_session_is_answered_byte_for_byte_as_one_that_never_was() {
    let realm = Realm::start().await;
    let http = realm.authority.http();
    let [alice, bob] = [http.sign_in("alice", PASSWORD).await, http.sign_in("bob", PASSWORD).await];
    let bobs = text(&claims(&text(&bob, "access_token")), "sid");
    let bearer = format!("Bearer {}", text(&alice, "refresh_token"));
    let stood = pos(&realm.authority).await;
    for (method, body) in [
        (Method::DELETE, String::new()),
        (Method::PATCH, json!({ "device": "mine now" }).to_string()),
    ] {
        let ask = async |id: &str| {
            let headers =
                [("authorization", bearer.as_str()), ("content-type", "application/json")];
            let path = format!("/sessions/{id}");
            essence(&http.send(method.clone(), &path, &headers, body.clone()).await)
        };
        let answer = ask(&bobs).await;
        assert_eq!(answer.0, 404);
        for nobodys in ["AAAAAAAAAAAAAAAAAAAAAA", "x"] {
            assert_eq!(answer, ask(nobodys).await, "{method} {nobodys}");
        }
    }
    assert_eq!(pos(&realm.authority).await, stood);
    let his = http.get_as("/sessions", &text(&bob, "refresh_token")).await.json();
    assert_eq!((&his[0]["id"], &his[0]["device"]), (&json!(bobs), &json!(null)));
    assert!(realm.posts.lets_in(&text(&bob, "access_token")).await);
}

// A06
#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_another_audience_is_introspected_as_one_that_never_was() {
    let realm = Realm::start().await;
    let http = realm.authority.http();
    let tokens = http.sign_in("alice", PASSWORD).await;
    let refresh = text(&tokens, "refresh_token");
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh.as_str()),
        ("audience", "files-api"),
    ];
    let files = text(&http.post_form("/token", &form, &[]).await.json(), "access_token");
    assert!(realm.files.lets_in(&files).await);
    let answer = essence(&realm.introspect(&files).await);
    assert_eq!(answer.2, r#"{"active":false}"#);
    assert_eq!(answer, essence(&realm.introspect("x.y.z").await));
}

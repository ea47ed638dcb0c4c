//! What the tokens of a refresh say.

use crate::{DAY, Story, access_token, refresh_token};
use rescind_testkit::accounts::key;
use rescind_testkit::server::{AUDIENCE, PASSWORD, operator};
use serde_json::json;

// R11
#[tokio::test(flavor = "multi_thread")]
async fn a_refreshed_token_tells_of_the_original_sign_in() {
    let story = Story::begin().await;
    let verifier = story.authority.verifier().await;
    let original = verifier.check(&story.access).unwrap();
    let mut token = story.first.clone();
    let mut last_iat = original.issued_at();
    for wait in [DAY / 24, DAY, 10 * DAY] {
        story.advance(wait);
        let answer = story.http.refresh(&token, None).await.json();
        token = refresh_token(&answer);
        let access = access_token(&answer);
        story.authority.caught_up(&verifier).await;
        rescind_testkit::server::until("a lease", || verifier.status().ready).await;
        let refreshed = verifier.check(&access).unwrap();
        let (old, new) = (original.claims(), refreshed.claims());
        assert_eq!((new.auth_time, &new.amr), (old.auth_time, &old.amr));
        assert_eq!((new.sub, new.sid, &new.client_id), (old.sub, old.sid, &old.client_id));
        assert_eq!((&new.aud, &new.scope, &new.roles), (&old.aud, &old.scope, &old.roles));
        assert_ne!(new.jti, old.jti);
        assert!(new.iat > last_iat && new.rv >= old.rv);
        last_iat = new.iat;
    }
    // A repeated request is no sign-in either.
    let k = key("again");
    for _ in 0..2 {
        let answer = story.http.refresh(&token, Some(&k)).await.json();
        let again = verifier.check(&access_token(&answer)).unwrap();
        assert_eq!(again.auth_time(), original.auth_time());
    }
}

// R11
#[tokio::test(flavor = "multi_thread")]
async fn an_audience_is_in_the_next_token_after_it_came_and_in_none_after_it_went() {
    let story = Story::begin().await;
    let authority = &story.authority.app.authority;
    let audiences = async |token: &str| {
        let answer = story.http.refresh(token, None).await.json();
        (answer["audience"].clone(), refresh_token(&answer))
    };
    let (said, token) = audiences(&story.first).await;
    assert_eq!(said, json!([AUDIENCE]));
    let files = vec!["files-api".to_owned()];
    authority.add_client("files-api", files, Vec::new(), &operator()).await.unwrap();
    let (said, token) = audiences(&token).await;
    assert_eq!(said, json!(["files-api", AUDIENCE]));
    authority.remove_client("files-api", operator()).await.unwrap();
    let (said, _) = audiences(&token).await;
    assert_eq!(said, json!([AUDIENCE]));
}

// R12 R-15
#[tokio::test(flavor = "multi_thread")]
async fn answers_with_tokens_are_kept_by_no_cache() {
    let story = Story::begin().await;
    let body = json!({ "username": "alice", "password": PASSWORD, "carrier": "token" });
    let signed_in = story.http.post_json("/login", &body).await;
    let refreshed = story.http.refresh(&story.first, None).await;
    let repeated = story.http.refresh(&story.first, None).await;
    let mut browser = story.http.browser();
    let cookie = browser.sign_in("alice", PASSWORD).await;
    let ask = json!({ "audience": AUDIENCE });
    let page = browser.send(http::Method::POST, "/session/token", Some(ask)).await;
    let refused = story.http.refresh("rsc_rt_junk", None).await;
    let superseded = story.http.refresh(&story.first, Some(&key("late"))).await;
    assert_eq!(superseded.status, 409);
    for answer in [signed_in, refreshed, repeated, cookie, page, refused, superseded] {
        assert_eq!(answer.header("cache-control"), "no-store", "{}", answer.text());
        assert_eq!(answer.headers.get_all("cache-control").iter().count(), 1);
    }
}

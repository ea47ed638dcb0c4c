//! A refresh token as Bearer on account routes: it opens them, does not move there, and is judged without
//! ending anything.

use crate::{GRACE, Story, TICK};
use http::Method;
use rescind_testkit::accounts::{key, pos};

// R01
#[tokio::test(flavor = "multi_thread")]
async fn the_token_before_opens_account_routes_within_the_grace_time_and_ends_nothing_after_it() {
    let story = Story::begin().await;
    for _ in 0..3 {
        assert_eq!(story.http.get_as("/whoami", &story.first).await.status, 200);
    }
    assert_eq!(story.session().await.generation, 0, "it does not move there");
    let second = story.refresh(&story.first, Some(&key("one"))).await;
    story.advance(GRACE);
    for token in [&story.first, &second] {
        assert_eq!(story.http.get_as("/whoami", token).await.status, 200);
        assert_eq!(story.http.get_as("/sessions", token).await.json().as_array().unwrap().len(), 1);
    }
    let (before, at) = (story.session().await, pos(&story.authority).await);
    story.advance(TICK);
    let refused = story.http.get_as("/whoami", &story.first).await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("www-authenticate"), "Bearer error=\"invalid_token\"");
    for (method, path) in [(Method::DELETE, "/sessions"), (Method::POST, "/logout/everywhere")] {
        assert_eq!(story.http.send_as(method, path, &story.first).await.status, 401);
    }
    assert_eq!((story.session().await, pos(&story.authority).await), (before, at));
    let third = story.refresh(&second, Some(&key("two"))).await;
    // Two generations old, within the grace time of the last move: refused, and nothing ends.
    assert_eq!(story.http.get_as("/whoami", &story.first).await.status, 401);
    assert_eq!(story.http.get_as("/whoami", &second).await.status, 200);
    assert_eq!(story.http.get_as("/whoami", &third).await.status, 200);
    assert_eq!(pos(&story.authority).await, at);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_opens_no_account_route() {
    let story = Story::begin().await;
    let sid = story.session().await.sid;
    let one = format!("/sessions/{sid}");
    let at = pos(&story.authority).await;
    for (method, path) in [
        (Method::GET, "/whoami"),
        (Method::GET, "/sessions"),
        (Method::DELETE, "/sessions"),
        (Method::DELETE, one.as_str()),
        (Method::POST, "/logout/everywhere"),
    ] {
        let answer = story.http.send_as(method.clone(), path, &story.access).await;
        assert_eq!(answer.status, 401, "{method} {path}");
    }
    // A logout with what is no credential here ends nothing.
    assert_eq!(story.http.send_as(Method::POST, "/logout", &story.access).await.status, 204);
    assert_eq!(pos(&story.authority).await, at);
    story.is_refused(&story.access, None).await;
    story.refresh(&story.first, None).await;
}

//! How the line of a cookie moves, and what an older value is worth.

use rescind_authority::session::Why;
use rescind_testkit::accounts::{cookie_session, ended, life, pos, quick, quick_with, row};
use rescind_testkit::http::{Answer, Browser};
use rescind_testkit::server::{PASSWORD, TestAuthority};
use rescind_verifier::Refusal;
use serde_json::json;
use std::time::Duration;

const GRACE: Duration = Duration::from_secs(30);
const MOVE: Duration = Duration::from_secs(15 * 60);
const TICK: Duration = Duration::from_micros(1);

/// A request with this cookie, whose answer reaches no jar.
async fn present(authority: &TestAuthority, cookie: &str) -> Answer {
    let cookie = format!("rescind-dev={cookie}");
    authority.http().get("/whoami", &[("cookie", &cookie)]).await
}

fn set(answer: &Answer) -> Option<String> {
    assert_eq!(answer.status, 200);
    answer.cookie("rescind-dev")
}

/// A browser whose cookie was just seen for the first time.
async fn seen(authority: &TestAuthority) -> Browser {
    authority.person("alice").await;
    let mut browser = authority.http().browser();
    browser.sign_in("alice", PASSWORD).await;
    assert_eq!(set(&browser.get("/whoami").await), None);
    browser
}

//
#[tokio::test(flavor = "multi_thread")]
async fn a_line_moves_at_its_time_from_when_it_was_first_seen() {
    for (setting, due) in [
        (MOVE, MOVE),
        (Duration::from_secs(61), Duration::from_secs(61)),
        // Sooner than twice the grace time is never.
        (Duration::from_secs(1), 2 * GRACE),
        (Duration::ZERO, 2 * GRACE),
    ] {
        let authority = quick_with(|config| config.settings.move_after = setting).await;
        authority.person("alice").await;
        let mut browser = authority.http().browser();
        browser.sign_in("alice", PASSWORD).await;
        // Time before the first sight does not count.
        authority.clock.advance(due * 2);
        let mut last = browser.session_cookie().to_owned();
        for _ in 0..3 {
            assert_eq!(set(&browser.get("/whoami").await), None, "first sight");
            authority.clock.advance(due - TICK);
            assert_eq!(set(&browser.get("/whoami").await), None, "{setting:?}");
            authority.clock.advance(TICK);
            let next = set(&browser.get("/whoami").await).unwrap();
            assert_ne!(next, last);
            assert_eq!(cookie_session(&authority, &next), cookie_session(&authority, &last));
            last = next;
        }
    }
}

// R-17 R-21
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_set_cookie_is_set_again_though_a_night_lies_between() {
    let authority = quick().await;
    authority.person("alice").await;
    let mut browser = authority.http().browser();
    let body =
        json!({ "username": "alice", "password": PASSWORD, "carrier": "cookie", "remember": true });
    browser.send(http::Method::POST, "/login", Some(body)).await;
    browser.get("/whoami").await;
    let old = browser.session_cookie().to_owned();
    authority.clock.advance(MOVE);
    let lost = set(&present(&authority, &old).await).unwrap();
    for wait in [Duration::ZERO, GRACE, Duration::from_secs(10 * 3600), Duration::from_secs(86_400)]
    {
        authority.clock.advance(wait);
        assert_eq!(set(&present(&authority, &old).await).as_ref(), Some(&lost), "{wait:?}");
    }
    assert_eq!(set(&browser.get("/whoami").await).as_ref(), Some(&lost));
    assert_eq!(browser.session_cookie(), lost);
    assert_eq!(set(&browser.get("/whoami").await), None);
    assert!(life(&authority, cookie_session(&authority, &old)).await.is_ok());
}

//
#[tokio::test(flavor = "multi_thread")]
async fn the_value_before_is_served_within_the_grace_time_and_is_theft_after_it() {
    let authority = quick().await;
    let mut browser = seen(&authority).await;
    let verifier = authority.verifier().await;
    let old = browser.session_cookie().to_owned();
    authority.clock.advance(MOVE);
    let new = set(&browser.get("/whoami").await).unwrap();
    // It takes long until the new one is used; the grace time counts from there.
    authority.clock.advance(GRACE * 3);
    assert_eq!(set(&browser.get("/whoami").await), None);
    for _ in 0..3 {
        assert_eq!(set(&present(&authority, &old).await), None, "served, nothing set");
        authority.clock.advance(GRACE / 3);
    }
    assert_eq!(set(&present(&authority, &old).await), None, "the last moment");
    let ask = json!({ "audience": "posts-api" });
    let access = browser.send(http::Method::POST, "/session/token", Some(ask)).await.json();
    let access = access["access_token"].as_str().unwrap();

    let before = pos(&authority).await;
    authority.clock.advance(TICK);
    let answer = present(&authority, &old).await;
    assert_eq!(answer.status, 401);
    assert!(answer.set_cookies().is_empty(), "only a logout takes cookies away");
    let sid = cookie_session(&authority, &old);
    assert_eq!(ended(&authority, sid).await, Some(Why::Reuse));
    assert_eq!(pos(&authority).await, before + 1);
    assert_eq!(present(&authority, &new).await.status, 401, "the thief's copy and the owner's");
    authority.caught_up(&verifier).await;
    assert_eq!(verifier.check(access).unwrap_err(), Refusal::Revoked);
    // No second alarm.
    assert_eq!(present(&authority, &old).await.status, 401);
    assert_eq!(pos(&authority).await, before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_two_generations_old_is_theft_at_once() {
    let authority = quick().await;
    let mut browser = seen(&authority).await;
    let oldest = browser.session_cookie().to_owned();
    for _ in 0..2 {
        authority.clock.advance(MOVE);
        assert!(set(&browser.get("/whoami").await).is_some());
        assert_eq!(set(&browser.get("/whoami").await), None);
    }
    assert_eq!(present(&authority, &oldest).await.status, 401);
    let sid = cookie_session(&authority, &oldest);
    assert_eq!(ended(&authority, sid).await, Some(Why::Reuse));
    assert_eq!(browser.get("/whoami").await.status, 401);
}

//
/// Requests leave with the cookie that the jar holds, and arrive up to the grace time later, while others
/// move the line as fast as it moves.
#[tokio::test(flavor = "multi_thread")]
async fn requests_under_way_while_the_line_moves_twice_are_no_theft() {
    let authority = quick_with(|config| config.settings.move_after = Duration::ZERO).await;
    let mut browser = seen(&authority).await;
    let sid = cookie_session(&authority, browser.session_cookie());
    for round in 0..6 {
        let late = browser.session_cookie().to_owned();
        // Due: a request moves the line; many others left before its answer came.
        authority.clock.advance(2 * GRACE);
        let leaving = browser.session_cookie().to_owned();
        assert_eq!(late, leaving);
        let moved = set(&browser.get("/whoami").await).unwrap();
        assert_eq!(set(&present(&authority, &leaving).await), Some(moved), "before it is seen");
        assert_eq!(set(&browser.get("/whoami").await), None);
        for _ in 0..4 {
            authority.clock.advance(GRACE / 4);
            assert_eq!(set(&present(&authority, &leaving).await), None, "round {round}");
            assert_eq!(set(&browser.get("/whoami").await), None, "it does not move so soon");
        }
    }
    assert!(life(&authority, sid).await.is_ok());
    assert_eq!(row(&authority, sid).await.unwrap().generation, 6);
}

//! How long things last, told with a clock that moves when the story says so: idle and absolute ends, cut-offs
//! that outlive their entries, the lost device, and the same second before and after a logout everywhere.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it says")]

use http::Method;
use rescind_authority::session::Dead;
use rescind_testkit::accounts::{
    CHEAP, administer, cookie_session, life, quick, quick_with, row, session_of,
};
use rescind_testkit::http::{Browser, Http};
use rescind_testkit::server::{PASSWORD, TestAuthority, until};
use rescind_verifier::{Refusal, Verifier};
use serde_json::{Value, json};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
const TICK: Duration = Duration::from_micros(1);

async fn remembered(http: &Http) -> Browser {
    let mut browser = http.browser();
    let body =
        json!({ "username": "alice", "password": PASSWORD, "carrier": "cookie", "remember": true });
    let answer = browser.send(Method::POST, "/login", Some(body)).await;
    let line = answer.set_cookies().into_iter().find(|l| l.starts_with("rescind-dev=")).unwrap();
    assert!(line.contains("Max-Age=2592000"), "{line}");
    browser
}

async fn status(browser: &mut Browser) -> u16 {
    browser.get("/whoami").await.status.as_u16()
}

fn text(tokens: &Value, member: &str) -> String {
    tokens[member].as_str().unwrap().to_owned()
}

// S05 R-21
#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_session_ends_when_it_is_idle_for_its_idle_time() {
    let authority = quick().await;
    authority.person("alice").await;
    let http = authority.http();
    for (long, idle) in [(false, HOUR), (true, 14 * DAY)] {
        let mut browser = if long { remembered(&http).await } else { http.browser() };
        if !long {
            let line = browser.sign_in("alice", PASSWORD).await;
            assert!(
                !line.set_cookies().iter().any(|l| l.contains("Max-Age")),
                "until it is closed"
            );
        }
        assert_eq!(status(&mut browser).await, 200);
        authority.clock.advance(idle - TICK);
        assert_eq!(status(&mut browser).await, 200, "and that begins the idle time anew");
        authority.clock.advance(idle - TICK);
        assert_eq!(status(&mut browser).await, 200);
        authority.clock.advance(idle);
        assert_eq!(status(&mut browser).await, 401);
        // It does not come back by being asked for often.
        assert_eq!(status(&mut browser).await, 401);
        let sid = cookie_session(&authority, browser.session_cookie());
        assert_eq!(life(&authority, sid).await, Err(Dead::Expired));
    }
}

// S05 R-22
#[tokio::test(flavor = "multi_thread")]
async fn being_seen_is_recorded_every_five_minutes_of_an_idle_life_and_no_oftener() {
    let authority = quick().await;
    authority.person("alice").await;
    let mut browser = authority.http().browser();
    browser.sign_in("alice", PASSWORD).await;
    assert_eq!(status(&mut browser).await, 200);
    let sid = cookie_session(&authority, browser.session_cookie());
    let start = row(&authority, sid).await.unwrap();
    let mut committed = authority.app.authority.store().committed();
    committed.mark_unchanged();
    for _ in 0..5 {
        authority.clock.advance(MINUTE);
        assert_eq!(status(&mut browser).await, 200);
    }
    assert_eq!(row(&authority, sid).await.unwrap(), start, "five minutes without a write");
    authority.clock.advance(TICK);
    assert_eq!(status(&mut browser).await, 200);
    authority.app.authority.record_touches().await.unwrap();
    let seen = row(&authority, sid).await.unwrap().last_seen_at;
    assert_eq!(seen - start.last_seen_at, 300_000_001);
    // So the idle time is short by five minutes at most: never longer than it says.
    authority.clock.advance(HOUR);
    assert_eq!(status(&mut browser).await, 401);
}

// S05 S06 R-21
#[tokio::test(flavor = "multi_thread")]
async fn use_never_extends_the_absolute_end_of_a_cookie_session_remembered_or_not() {
    let authority = quick().await;
    authority.person("alice").await;
    let http = authority.http();
    for (long, step, absolute) in [(false, HOUR / 2, DAY), (true, 5 * DAY, 30 * DAY)] {
        let mut browser = if long { remembered(&http).await } else { http.browser() };
        if !long {
            browser.sign_in("alice", PASSWORD).await;
        }
        let sid = cookie_session(&authority, browser.session_cookie());
        let end = row(&authority, sid).await.unwrap().expires_at;
        let mut lived = Duration::ZERO;
        while lived + step < absolute {
            assert_eq!(status(&mut browser).await, 200);
            authority.clock.advance(step);
            lived += step;
        }
        assert_eq!(status(&mut browser).await, 200);
        authority.clock.advance(absolute - lived - TICK);
        assert_eq!(status(&mut browser).await, 200, "the last moment");
        assert_eq!(row(&authority, sid).await.unwrap().expires_at, end, "it never moves");
        assert!(row(&authority, sid).await.unwrap().generation >= 3, "though the cookie did");
        authority.clock.advance(TICK);
        assert_eq!(status(&mut browser).await, 401);

        // Being remembered is no authentication: with the cookie alone nothing is given any more.
        let ask = json!({ "audience": "posts-api" });
        let answer = browser.send(Method::POST, "/session/token", Some(ask)).await;
        assert_eq!(answer.status, 401);
        let remember = json!({ "carrier": "cookie", "remember": true });
        let answer = browser.send(Method::POST, "/login", Some(remember)).await;
        assert_eq!(answer.status, 400);
        assert_eq!(status(&mut browser).await, 401);
        let old = browser.session_cookie().to_owned();
        browser.sign_in("alice", PASSWORD).await;
        assert_ne!(cookie_session(&authority, browser.session_cookie()), sid);
        assert_ne!(browser.session_cookie(), old);
    }
}

// R06 S05
#[tokio::test(flavor = "multi_thread")]
async fn refreshing_renews_the_idle_time_and_never_the_absolute_one() {
    let authority = quick().await;
    authority.person("alice").await;
    let http = authority.http();
    let idle = text(&http.sign_in("alice", PASSWORD).await, "refresh_token");
    let edge = text(&http.sign_in("alice", PASSWORD).await, "refresh_token");
    authority.clock.advance(14 * DAY - TICK);
    let edge = http.refresh(&edge, None).await;
    assert_eq!(edge.status, 200, "the last moment");
    authority.clock.advance(TICK);
    assert_eq!(http.refresh(&idle, None).await.json()["error"], "invalid_grant");
    assert_eq!(http.get_as("/whoami", &idle).await.status, 401);

    // Refreshed all the time: it ends at the absolute end, and no token outlives it.
    let mut edge = text(&edge.json(), "refresh_token");
    authority.clock.advance(13 * DAY);
    edge = text(&http.refresh(&edge, None).await.json(), "refresh_token");
    authority.clock.advance(3 * DAY - 2 * SECOND);
    let last = http.refresh(&edge, None).await;
    assert_eq!((last.status.as_u16(), &last.json()["expires_in"]), (200, &json!(2)));
    authority.clock.advance(2 * SECOND - TICK);
    edge = text(
        &http.refresh(&text(&last.json(), "refresh_token"), None).await.json(),
        "refresh_token",
    );
    authority.clock.advance(TICK);
    assert_eq!(http.refresh(&edge, None).await.json()["error"], "invalid_grant");
    assert_eq!(life(&authority, session_of(&authority, &edge)).await, Err(Dead::Expired));
}

/// What of a cut-off is left after a sweep: entries in the snapshot, and why the session is dead.
async fn swept(authority: &TestAuthority, refresh_token: &str) -> (usize, Result<(), Dead>) {
    let store = authority.app.authority.store();
    let now = authority.app.authority.clock().now().wall;
    store.sweep(now).await.unwrap();
    let (_, entries) = store.snapshot().await.unwrap();
    (entries.len(), life(authority, session_of(authority, refresh_token)).await)
}

// S05 R06 R-34
#[tokio::test(flavor = "multi_thread")]
async fn a_cut_off_session_stays_dead_though_its_entry_is_pruned_and_its_row_not_yet_expired() {
    let authority = quick().await;
    let http = authority.http();
    let mut tokens = Vec::new();
    for name in ["alice", "bob"] {
        authority.person(name).await;
        tokens.push(text(&http.sign_in(name, PASSWORD).await, "refresh_token"));
    }
    let [cut_off, mut lives] = <[String; 2]>::try_from(tokens).unwrap();
    let refused = async |token: &str| {
        let answer = http.refresh(token, None).await;
        assert_eq!(answer.json()["error"], "invalid_grant");
        assert_eq!(http.get_as("/whoami", token).await.status, 401);
    };

    authority.clock.advance(DAY);
    administer(&authority, "/admin/revoke", json!({ "user": "alice" })).await.unwrap();
    refused(&cut_off).await;
    assert_eq!(swept(&authority, &cut_off).await, (1, Err(Dead::CutOff)));

    authority.clock.advance(12 * DAY);
    assert_eq!(swept(&authority, &cut_off).await, (0, Err(Dead::CutOff)), "day 13: pruned");
    refused(&cut_off).await;
    lives = text(&http.refresh(&lives, None).await.json(), "refresh_token");

    authority.clock.advance(13 * DAY);
    refused(&cut_off).await;
    lives = text(&http.refresh(&lives, None).await.json(), "refresh_token");

    authority.clock.advance(3 * DAY);
    assert_eq!(
        swept(&authority, &cut_off).await,
        (0, Err(Dead::CutOff)),
        "day 29: the row is there"
    );
    assert!(row(&authority, session_of(&authority, &cut_off)).await.is_some());
    refused(&cut_off).await;
    lives = text(&http.refresh(&lives, None).await.json(), "refresh_token");

    authority.clock.advance(2 * DAY);
    for token in [&cut_off, &lives] {
        refused(token).await;
    }
    let now = authority.app.authority.clock().now().wall;
    let swept = authority.app.authority.store().sweep(now).await.unwrap();
    assert_eq!((swept.sessions, swept.cutoffs), (2, 1), "day 31: nothing is kept for them");
    for token in [&cut_off, &lives] {
        refused(token).await;
    }
}

/// An API server, as a device meets it.
async fn lets_in(verifier: &Verifier, authority: &TestAuthority, access: &str) -> bool {
    authority.caught_up(verifier).await;
    until("the authority was asked", || verifier.status().ready).await;
    match verifier.check(access) {
        Ok(_) => true,
        Err(Refusal::Revoked) => false,
        other => panic!("{other:?}"),
    }
}

// R-39 R-31
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_device_is_out_from_the_logout_everywhere_on_and_the_owner_comes_back() {
    // Access tokens that live all day, so that none of them fails because of its age.
    let authority = quick_with(|config| config.settings.access_life = 12 * HOUR).await;
    authority.person("alice").await;
    let (http, verifier) = (authority.http(), authority.verifier().await);

    // 7:00: both devices sign in.
    let a = http.sign_in("alice", PASSWORD).await;
    let b = http.sign_in("alice", PASSWORD).await;
    for device in [&a, &b] {
        assert!(lets_in(&verifier, &authority, &text(device, "access_token")).await);
    }

    // 9:00: A logs out everywhere.
    authority.clock.advance(2 * HOUR);
    let everywhere = text(&a, "refresh_token");
    let answer = http.send_as(Method::POST, "/logout/everywhere", &everywhere).await;
    assert_eq!(answer.status, 200);

    let is_out = async |device: &Value| {
        assert!(!lets_in(&verifier, &authority, &text(device, "access_token")).await);
        let token = text(device, "refresh_token");
        assert_eq!(http.get_as("/whoami", &token).await.status, 401);
        assert_eq!(http.refresh(&token, None).await.json()["error"], "invalid_grant");
    };
    // 9:30: B's token fails.
    authority.clock.advance(HOUR / 2);
    is_out(&b).await;
    is_out(&a).await;

    // 10:00: A signs in anew and works.
    authority.clock.advance(HOUR / 2);
    let anew = http.sign_in("alice", PASSWORD).await;
    assert!(lets_in(&verifier, &authority, &text(&anew, "access_token")).await);
    assert_eq!(http.get_as("/whoami", &text(&anew, "refresh_token")).await.status, 200);

    // 10:30: B's still fails, at a server that has just come up too.
    authority.clock.advance(HOUR / 2);
    is_out(&b).await;
    assert!(lets_in(&verifier, &authority, &text(&anew, "access_token")).await);
    let fresh = authority.verifier().await;
    assert!(!lets_in(&fresh, &authority, &text(&b, "access_token")).await);
    assert!(lets_in(&fresh, &authority, &text(&anew, "access_token")).await);
}

//
/// The clock does not move at all: the strongest form of "in the same second".
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_right_after_a_logout_everywhere_works_and_what_was_before_it_is_dead() {
    let authority = quick_with(|config| {
        config.settings.argon2 = rescind_authority::settings::Argon2Cost { memory_kib: 8, ..CHEAP };
    })
    .await;
    authority.person("alice").await;
    let (http, verifier) = (authority.http(), authority.verifier().await);
    let mut before = http.sign_in("alice", PASSWORD).await;
    for round in 1..=1000 {
        let everywhere = text(&before, "refresh_token");
        let answer = http.send_as(Method::POST, "/logout/everywhere", &everywhere).await;
        assert_eq!(answer.json()["pos"], round);
        let after = http.sign_in("alice", PASSWORD).await;
        authority.caught_up(&verifier).await;
        let old = verifier.check(&text(&before, "access_token"));
        assert_eq!(old.unwrap_err(), Refusal::Revoked, "round {round}");
        let new = verifier.check(&text(&after, "access_token")).unwrap();
        assert_eq!(new.issued_at(), 1_790_000_000, "the same second");
        assert_eq!(http.refresh(&everywhere, None).await.status, 400, "round {round}");
        before = after;
    }
}

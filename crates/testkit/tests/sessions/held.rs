//! Sessions that are held in memory: whatever is done to one shows in the very next answer.

use http::Method;
use rescind_authority::account::AccountState;
use rescind_authority::name::Name;
use rescind_testkit::accounts::{cookie_session, quick, row};
use rescind_testkit::http::Browser;
use rescind_testkit::server::{PASSWORD, TestAuthority, operator};
use rescind_wire::revocation::Target;
use serde_json::json;
use std::time::Duration;

fn alice() -> Name {
    Name::new("alice").unwrap()
}

/// A browser whose session is held.
async fn held(authority: &TestAuthority) -> Browser {
    let mut browser = authority.http().browser();
    browser.sign_in("alice", PASSWORD).await;
    for _ in 0..2 {
        assert_eq!(browser.get("/whoami").await.status, 200);
    }
    let sid = cookie_session(authority, browser.session_cookie());
    assert!(authority.app.authority.store().held(sid).is_some());
    browser
}

async fn refused(browser: &mut Browser, why: &str) {
    let answer = browser.get("/whoami").await;
    assert_eq!(answer.status, 401, "{why}: {}", answer.text());
}

// S08 S09 S11
#[tokio::test(flavor = "multi_thread")]
async fn what_ends_a_session_shows_in_the_very_next_answer() {
    let authority = quick().await;
    authority.person("alice").await;
    let rules = &authority.app.authority;

    let (mut one, mut other) = (held(&authority).await, held(&authority).await);
    let ended = other.send(Method::DELETE, "/sessions", None).await;
    assert_eq!(ended.status, 200);
    refused(&mut one, "ended from another").await;
    let mut copy = other.clone();
    assert_eq!(other.post("/logout").await.status, 204);
    refused(&mut copy, "signed out").await;

    let (mut one, mut other) = (held(&authority).await, held(&authority).await);
    let change = json!({ "current_password": PASSWORD, "new_password": "three quiet green lamps" });
    let changed = one.send(Method::POST, "/password", Some(change)).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    refused(&mut other, "another password").await;
    let change = json!({ "current_password": "three quiet green lamps", "new_password": PASSWORD });
    assert_eq!(one.send(Method::POST, "/password", Some(change)).await.status, 200);

    let mut one = held(&authority).await;
    rules.revoke(Target::Everything, operator()).await.unwrap();
    refused(&mut one, "everything").await;
    let mut one = held(&authority).await;
    rules.set_account_state(alice(), AccountState::Suspended, operator()).await.unwrap();
    refused(&mut one, "suspended").await;
    rules.set_account_state(alice(), AccountState::Active, operator()).await.unwrap();
    let mut one = held(&authority).await;
    rules.delete_account(alice(), operator()).await.unwrap();
    refused(&mut one, "deleted").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_of_a_session_or_its_account_shows_in_the_very_next_answer() {
    let authority = quick().await;
    authority.person("alice").await;
    let mut browser = held(&authority).await;
    let rules = &authority.app.authority;
    rules.set_roles(alice(), vec!["owner".into()], operator()).await.unwrap();
    assert_eq!(browser.get("/whoami").await.json()["user"]["roles"], json!(["owner"]));
    let sid = cookie_session(&authority, browser.session_cookie());
    let name = json!({ "device": "kitchen" });
    let named = browser.send(Method::PATCH, &format!("/sessions/{sid}"), Some(name)).await;
    assert_eq!(named.status, 204);
    assert_eq!(browser.get("/whoami").await.json()["session"]["device"], "kitchen");
}

// S05
#[tokio::test(flavor = "multi_thread")]
async fn when_a_session_was_last_used_outlives_a_restart() {
    let authority = quick().await;
    authority.person("alice").await;
    let mut browser = held(&authority).await;
    let sid = cookie_session(&authority, browser.session_cookie());
    let before = row(&authority, sid).await.unwrap().last_seen_at;
    authority.clock.advance(Duration::from_secs(301));
    assert_eq!(browser.get("/whoami").await.status, 200);
    let authority = authority.restart().await;
    assert_eq!(row(&authority, sid).await.unwrap().last_seen_at, before + 301_000_000);
}

// S08: what keeps it alive may not be written yet.
#[tokio::test(flavor = "multi_thread")]
async fn who_was_served_a_moment_ago_is_ended_whatever_the_store_knows_of_it() {
    let authority = TestAuthority::start_with(|config| {
        config.settings.argon2.memory_kib = 64;
        config.settings.cookie_life.idle = Duration::from_secs(600);
    })
    .await;
    authority.person("alice").await;
    for one_by_one in [false, true] {
        let (mut one, mut other) = (held(&authority).await, held(&authority).await);
        let sid = cookie_session(&authority, one.session_cookie());
        authority.clock.advance(Duration::from_secs(590));
        for browser in [&mut one, &mut other] {
            assert_eq!(browser.get("/whoami").await.status, 200);
        }
        authority.clock.advance(Duration::from_secs(20));
        let path = if one_by_one { format!("/sessions/{sid}") } else { "/sessions".to_owned() };
        let ended = other.send(Method::DELETE, &path, None).await;
        assert!(ended.status.is_success(), "{path}: {}", ended.text());
        refused(&mut one, &path).await;
        assert_eq!(other.get("/whoami").await.status, 200);
    }
}

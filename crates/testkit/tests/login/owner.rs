//! Who guesses an account holds himself off, and not its owner.

use super::{attempt_from, behind_a_proxy, retry_after};
use http::Method;
use rescind_authority::name::Name;
use rescind_testkit::http::{Answer, Http};
use rescind_testkit::server::{PASSWORD, TestAuthority, operator};
use serde_json::json;
use std::time::Duration;

const HOME: &str = "203.0.113.1";
const ELSEWHERE: &str = "198.51.100.1";

/// Guesses from there until the door is closed; how often that went.
async fn guess_from(http: &Http, from: &str) -> u32 {
    for failed in 0.. {
        let answer = attempt_from(http, from, "alice", "a wrong guess").await;
        if answer.status != 401 {
            retry_after(&answer);
            return failed;
        }
    }
    unreachable!("somebody may guess for ever")
}

async fn guess_from_everywhere(http: &Http) {
    for n in 0..100 {
        guess_from(http, &format!("192.0.2.{n}")).await;
    }
    retry_after(&attempt_from(http, ELSEWHERE, "alice", PASSWORD).await);
}

async fn sign_in_from(http: &Http, from: &str) -> Answer {
    let answer = attempt_from(http, from, "alice", PASSWORD).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

// B07 B02
#[tokio::test(flavor = "multi_thread")]
async fn while_strangers_guess_from_everywhere_the_owner_signs_in_at_home_at_once() {
    let authority = behind_a_proxy().await;
    let http = authority.http();
    sign_in_from(&http, HOME).await;
    guess_from_everywhere(&http).await;
    for _ in 0..3 {
        sign_in_from(&http, HOME).await;
        guess_from_everywhere(&http).await;
        authority.clock.advance(Duration::from_secs(900));
        guess_from_everywhere(&http).await;
    }
    sign_in_from(&http, HOME).await;
}

// B07 B02
#[tokio::test(flavor = "multi_thread")]
async fn while_one_address_guesses_for_hours_the_owner_signs_in_anywhere_else() {
    let authority = behind_a_proxy().await;
    let http = authority.http();
    for place in 0..60 {
        guess_from(&http, "192.0.2.1").await;
        sign_in_from(&http, &format!("198.51.100.{place}")).await;
        authority.clock.advance(Duration::from_secs(300));
    }
}

// B07
#[tokio::test(flavor = "multi_thread")]
async fn no_number_of_guesses_ends_a_session_or_keeps_it_from_going_on() {
    let authority = behind_a_proxy().await;
    let http = authority.http();
    let mut browser = http.browser();
    browser.sign_in("alice", PASSWORD).await;
    let tokens = sign_in_from(&http, HOME).await.json();
    guess_from_everywhere(&http).await;
    assert_eq!(browser.get("/whoami").await.status, 200);
    let ask = json!({ "audience": "posts-api" });
    assert_eq!(browser.send(Method::POST, "/session/token", Some(ask)).await.status, 200);
    let refreshed = http.refresh(tokens["refresh_token"].as_str().unwrap(), None).await;
    assert_eq!(refreshed.status, 200, "{}", refreshed.text());
}

// B07
#[tokio::test(flavor = "multi_thread")]
async fn a_place_is_familiar_after_any_right_password_and_only_after_one() {
    let authority = behind_a_proxy().await;
    let http = authority.http();
    let tokens = sign_in_from(&http, HOME).await.json();
    // The session moves elsewhere and proves itself there again.
    let bearer = format!("Bearer {}", tokens["refresh_token"].as_str().unwrap());
    let reauthenticate = async |from: &str, password: &str| {
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("x-forwarded-for", from),
        ];
        let body = json!({ "password": password }).to_string();
        http.send(Method::POST, "/reauthenticate", &headers, body).await.status
    };
    assert_eq!(reauthenticate("198.51.100.2", "a wrong guess").await, 401);
    assert_eq!(reauthenticate("198.51.100.3", PASSWORD).await, 200);
    guess_from_everywhere(&http).await;
    retry_after(&attempt_from(&http, "198.51.100.2", "alice", PASSWORD).await);
    sign_in_from(&http, "198.51.100.3").await;
}

// B07
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_does_not_forget_where_open_sessions_were_signed_in() {
    let authority = behind_a_proxy().await;
    let http = authority.http();
    sign_in_from(&http, HOME).await;
    let gone = sign_in_from(&http, "203.0.113.2").await.json();
    let bearer = format!("Bearer {}", gone["refresh_token"].as_str().unwrap());
    let headers = [("authorization", bearer.as_str())];
    assert_eq!(http.send(Method::POST, "/logout", &headers, "").await.status, 204);
    let authority = authority.restart().await;
    let http = authority.http();
    guess_from_everywhere(&http).await;
    sign_in_from(&http, HOME).await;
    retry_after(&attempt_from(&http, "203.0.113.2", "alice", PASSWORD).await);
}

// B07
#[tokio::test(flavor = "multi_thread")]
async fn a_new_account_of_an_old_name_is_at_home_nowhere() {
    let authority = behind_a_proxy().await;
    let http = authority.http();
    sign_in_from(&http, HOME).await;
    let name = Name::new("alice").unwrap();
    authority.app.authority.delete_account(name, operator()).await.unwrap();
    authority.person("alice").await;
    guess_from_everywhere(&http).await;
    retry_after(&attempt_from(&http, HOME, "alice", PASSWORD).await);
}

// B01 B07
#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_at_the_owners_place_is_held_off_there() {
    let authority: TestAuthority = behind_a_proxy().await;
    let http = authority.http();
    sign_in_from(&http, HOME).await;
    assert_eq!(guess_from(&http, HOME).await, 10);
    let mut waited = Vec::new();
    for _ in 0..12 {
        let wait = retry_after(&attempt_from(&http, HOME, "alice", PASSWORD).await);
        waited.push(wait);
        authority.clock.advance(Duration::from_secs(wait));
        assert_eq!(attempt_from(&http, HOME, "alice", "a wrong guess").await.status, 401);
    }
    assert_eq!(waited, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
}

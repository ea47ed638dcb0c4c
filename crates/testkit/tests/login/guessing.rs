//! Guessing passwords: at one account, at many, at every door, all at once.

use super::{attempt, attempt_from, behind_a_proxy, retry_after};
use http::Method;
use rescind_testkit::accounts::{essence, hashes, quick};
use rescind_testkit::http::{Answer, Browser, encode};
use rescind_testkit::server::{PASSWORD, TestAuthority};
use serde_json::{Value, json};
use std::time::Duration;

const WRONG: &str = "a wrong guess";

async fn with_alice() -> TestAuthority {
    let authority = quick().await;
    authority.person("alice").await;
    authority
}

/// Guesses that are sent all at once; how many of them failed, and how many were refused.
async fn at_once(
    guesses: impl Iterator<Item = impl Future<Output = Answer> + Send + 'static>,
) -> (u32, u32) {
    let guesses: Vec<_> = guesses.map(tokio::spawn).collect();
    let (mut failed, mut refused) = (0, 0);
    for guess in guesses {
        let answer = guess.await.unwrap();
        match answer.status.as_u16() {
            401 => failed += 1,
            _ => refused += u32::from(retry_after(&answer) == 1),
        }
    }
    (failed, refused)
}

// B02
#[tokio::test(flavor = "multi_thread")]
async fn of_100_guesses_at_once_no_more_than_the_free_ones_are_checked() {
    let authority = with_alice().await;
    let http = authority.http();
    let before = hashes(&authority);
    let guess = |_| {
        let http = http.clone();
        async move { attempt(&http, "alice", WRONG).await }
    };
    assert_eq!(at_once((0..100).map(guess)).await, (10, 90));
    assert_eq!(hashes(&authority) - before, 10);
}

// B02 B01
#[tokio::test(flavor = "multi_thread")]
async fn of_100_guesses_at_once_from_100_addresses_no_more_than_the_accounts_free_ones_are_checked()
{
    let authority = behind_a_proxy().await;
    let http = authority.http();
    let before = hashes(&authority);
    let guess = |n| {
        let http = http.clone();
        async move { attempt_from(&http, &format!("192.0.2.{n}"), "alice", WRONG).await }
    };
    assert_eq!(at_once((0..100).map(guess)).await, (50, 50));
    assert_eq!(hashes(&authority) - before, 50);
}

// B01
#[tokio::test(flavor = "multi_thread")]
async fn after_100_failures_an_account_takes_one_guess_of_strangers_in_15_minutes() {
    let authority = behind_a_proxy().await;
    let http = authority.http();
    let (mut failed, mut waited) = (0_u32, Vec::new());
    while failed < 103 {
        let from = format!("192.0.2.{}", failed % 250);
        let answer = attempt_from(&http, &from, "alice", WRONG).await;
        if answer.status == 401 {
            failed += 1;
            continue;
        }
        waited.push(retry_after(&answer));
        authority.clock.advance(Duration::from_secs(retry_after(&answer)));
    }
    assert_eq!(waited[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(waited[47..], [60, 60, 60, 900, 900, 900]);
}

// B03
#[tokio::test(flavor = "multi_thread")]
async fn guesses_at_all_spellings_of_a_name_count_together() {
    let authority = quick().await;
    authority.person("ali\u{e7}e").await;
    let http = authority.http();
    let spellings =
        ["ali\u{e7}e", "ALI\u{c7}E", "alic\u{327}e", "\u{ff21}li\u{e7}e", "aLic\u{327}E"];
    let before = hashes(&authority);
    for n in 0..10 {
        assert_eq!(attempt(&http, spellings[n % 5], WRONG).await.status, 401);
    }
    for spelling in spellings {
        assert_eq!(retry_after(&attempt(&http, spelling, PASSWORD).await), 1, "{spelling}");
    }
    assert_eq!(hashes(&authority) - before, 10);
    assert_eq!(
        attempt(&http, "alice", WRONG).await.status,
        401,
        "without the cedilla it is another"
    );
}

/// The doors that take a password.
const DOORS: [&str; 4] = ["/login", "/signin", "/reauthenticate", "/password"];

/// Tries a password at a door, as the pages do.
async fn knock(browser: &mut Browser, door: &str, password: &str) -> Answer {
    let body: Value = match door {
        "/login" => json!({ "username": "alice", "password": password, "carrier": "token" }),
        "/reauthenticate" => json!({ "password": password }),
        "/password" => json!({ "current_password": password, "new_password": "another sentence" }),
        _ => {
            let page = browser.get("/signin").await.text();
            let rest = page.split("name=\"form_value\" value=\"").nth(1).unwrap();
            let fits = rest.split('"').next().unwrap().to_owned();
            let form = [("username", "alice"), ("password", password), ("form_value", &fits)];
            let kind = [("content-type", "application/x-www-form-urlencoded")];
            return browser.send_raw(Method::POST, door, &kind, encode(&form)).await;
        }
    };
    browser.send(Method::POST, door, Some(body)).await
}

// B04 B07
#[tokio::test(flavor = "multi_thread")]
async fn every_door_that_takes_a_password_counts_for_all_and_is_closed_by_all() {
    for guessed in DOORS {
        let authority = with_alice().await;
        let mut browser = authority.http().browser();
        browser.sign_in("alice", PASSWORD).await;
        let before = hashes(&authority);
        for _ in 0..10 {
            assert_eq!(knock(&mut browser, guessed, WRONG).await.status, 401, "{guessed}");
        }
        for closed in DOORS {
            let right = knock(&mut browser, closed, PASSWORD).await;
            assert_eq!(retry_after(&right), 1, "{guessed} {closed}");
            assert_eq!(retry_after(&knock(&mut browser, closed, WRONG).await), 1);
        }
        assert_eq!(hashes(&authority) - before, 10, "a closed door hashes nothing");
        assert_eq!(browser.get("/whoami").await.status, 200, "and ends no session");
        authority.clock.advance(Duration::from_secs(1));
        assert_eq!(
            knock(&mut browser, guessed, PASSWORD).await.status.as_u16() / 100,
            if guessed == "/signin" { 3 } else { 2 }
        );
    }
}

// B07 B11
#[tokio::test(flavor = "multi_thread")]
async fn a_held_off_name_looks_the_same_with_any_password_and_whether_it_exists_or_not() {
    let authority = with_alice().await;
    let http = authority.http();
    for name in ["alice", "nobody"] {
        for _ in 0..10 {
            assert_eq!(attempt(&http, name, WRONG).await.status, 401);
        }
    }
    let mut first = None;
    for (name, password) in
        [("alice", WRONG), ("alice", PASSWORD), ("nobody", WRONG), ("nobody", PASSWORD)]
    {
        let answer = attempt(&http, name, password).await;
        assert_eq!(retry_after(&answer), 1);
        assert_eq!(answer.json()["type"], "urn:rescind:problem:too-many-requests");
        let seen = essence(&answer);
        assert_eq!(&seen, first.get_or_insert_with(|| seen.clone()), "{name} {password}");
    }
}

// B11
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_strangers_are_held_off_from_looks_the_same_whether_it_exists_or_not() {
    let authority = behind_a_proxy().await;
    let http = authority.http();
    // Somebody signs in at home: that must not show elsewhere.
    assert_eq!(attempt_from(&http, "203.0.113.1", "alice", PASSWORD).await.status, 200);
    let mut seen = Vec::new();
    for name in ["alice", "nobody"] {
        for n in 0..50 {
            assert_eq!(attempt_from(&http, &format!("192.0.2.{n}"), name, WRONG).await.status, 401);
        }
        let answer = attempt_from(&http, "198.51.100.1", name, PASSWORD).await;
        assert_eq!(retry_after(&answer), 1);
        seen.push(essence(&answer));
    }
    assert_eq!(seen[0], seen[1]);
}

// B08
#[tokio::test(flavor = "multi_thread")]
async fn a_success_gives_an_address_and_an_account_no_new_guesses() {
    let authority = with_alice().await;
    let http = authority.http();
    for n in 0..9 {
        for name in (0..10).map(|m| format!("user{m}")) {
            assert_eq!(attempt(&http, &name, WRONG).await.status, 401);
        }
        assert_eq!(attempt(&http, "alice", WRONG).await.status, 401);
        assert_eq!(attempt(&http, "alice", PASSWORD).await.status, 200, "{n}");
    }
    // 99 failures: the account has one more, and so has the address.
    assert_eq!(attempt(&http, "alice", WRONG).await.status, 401);
    assert_eq!(retry_after(&attempt(&http, "alice", PASSWORD).await), 1);
    assert_eq!(retry_after(&attempt(&http, "another", WRONG).await), 1);
}

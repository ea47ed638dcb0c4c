//! Which passwords are taken, and which two are the same.

use super::attempt;
use rescind_authority::foreign::ImportedHash;
use rescind_authority::name::Name;
use rescind_authority::password::Password;
use rescind_testkit::accounts::{administer, hashes, quick};
use rescind_testkit::server::{PASSWORD, TestAuthority, operator};
use serde_json::json;
use std::time::Duration;

async fn add(authority: &TestAuthority, name: &str, password: &str) {
    let new = json!({ "username": name, "password": password });
    administer(authority, "/admin/users", new).await.unwrap();
}

/// So many characters: a good password, and then the same one again and again.
fn filled(with: &str, length: usize) -> String {
    format!("{PASSWORD}{}", with.repeat(length - PASSWORD.len()))
}

// L04
#[tokio::test(flavor = "multi_thread")]
async fn a_long_password_counts_to_its_last_character() {
    let authority = quick().await;
    let http = authority.http();
    for (name, begin, last) in [
        ("ascii", filled("x", 63), "y"),
        ("four-bytes", filled("🐒", 63), "🐓"),
        ("longest", filled("é", 1023), "e"),
    ] {
        let password = format!("{begin}{last}");
        add(&authority, name, &password).await;
        assert_eq!(attempt(&http, name, &password).await.status, 200, "{name}");
        for wrong in [format!("{begin}z"), begin] {
            assert_eq!(attempt(&http, name, &wrong).await.status, 401, "{name}");
        }
    }
}

// L05
#[tokio::test(flavor = "multi_thread")]
async fn an_oversized_password_or_body_is_refused_before_any_hash() {
    let authority = quick().await;
    let http = authority.http();
    authority.person("alice").await;
    let before = hashes(&authority);
    for long in ["x".repeat(1025), "🐒".repeat(1025), "x".repeat(4097)] {
        for name in ["alice", "nobody"] {
            let answer = attempt(&http, name, &long).await;
            assert_eq!(answer.status, 400);
            assert!(!answer.text().contains("xxxx"));
        }
    }
    let answer = attempt(&http, "alice", &"x".repeat(1024 * 1024)).await;
    assert_eq!(answer.status, 413);
    assert_eq!(hashes(&authority), before);
    assert_eq!(attempt(&http, "alice", &"🐒".repeat(1024)).await.status, 401, "the limit itself");
    assert_eq!(attempt(&http, "alice", PASSWORD).await.status, 200);
    assert_eq!(hashes(&authority), before + 2);
}

// L06
#[tokio::test(flavor = "multi_thread")]
async fn passwords_need_no_special_characters_do_not_age_and_have_no_hints() {
    let authority = quick().await;
    let http = authority.http();
    let plain = ["gurkenhobel", "4729105836", "correct horse", "ÄÖÜÖÄÜßé", "🐒🐓🐢🐙🐝🐌🐞🐠"];
    for (n, password) in plain.iter().enumerate() {
        add(&authority, &format!("user{n}"), password).await;
    }
    authority.clock.advance(Duration::from_secs(3 * 365 * 86_400));
    for (n, password) in plain.iter().enumerate() {
        let answer = attempt(&http, &format!("user{n}"), password).await;
        assert_eq!(answer.status, 200, "{password}");
    }
    for extra in ["hint", "security_question", "password_expires_at"] {
        let mut new = json!({ "username": "hinted", "password": PASSWORD });
        new[extra] = "first pet".into();
        assert!(administer(&authority, "/admin/users", new).await.is_err(), "{extra}");
    }
    let failed = attempt(&http, "user0", "bbbbbbbb").await.text().to_lowercase();
    assert!(!failed.contains("hint") && !failed.contains("question"), "{failed}");
}

// L10 L11
#[tokio::test(flavor = "multi_thread")]
async fn spellings_of_the_same_characters_are_one_password_and_everything_else_counts() {
    let authority = quick().await;
    let http = authority.http();
    let (nfc, nfd) = ("caf\u{e9} cr\u{e8}me", "cafe\u{301} cre\u{300}me");
    assert_ne!(nfc, nfd);
    add(&authority, "composed", nfc).await;
    add(&authority, "decomposed", nfd).await;
    add(&authority, "blank", " gurkenhobel").await;
    for name in ["composed", "decomposed"] {
        for typed in [nfc, nfd, "caf\u{e9}\u{3000}cr\u{e8}me", "caf\u{e9}\u{a0}cr\u{e8}me"] {
            assert_eq!(attempt(&http, name, typed).await.status, 200, "{name} {typed:?}");
        }
        for other in
            ["cafe creme", "CAF\u{c9} CR\u{c8}ME", " caf\u{e9} cr\u{e8}me", "caf\u{e9} cr\u{e8}me "]
        {
            assert_eq!(attempt(&http, name, other).await.status, 401, "{name} {other:?}");
        }
    }
    assert_eq!(attempt(&http, "blank", " gurkenhobel").await.status, 200);
    for other in ["gurkenhobel", "  gurkenhobel", " gurkenhobel ", " Gurkenhobel"] {
        assert_eq!(attempt(&http, "blank", other).await.status, 401, "{other:?}");
    }
}

// L08 L09
#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_anybody_would_guess_is_refused_and_the_refusal_says_so() {
    let authority = quick().await;
    let http = authority.http();
    authority.person("alice.example").await;
    let mut browser = http.browser();
    browser.sign_in("alice.example", PASSWORD).await;
    for weak in ["password", "QwertyUiop", "12345678", "Alice.Example", "rescind1", "127.0.0.1"] {
        let change = json!({ "current_password": PASSWORD, "new_password": weak });
        let answer = browser.send(http::Method::POST, "/password", Some(change)).await;
        assert_eq!(answer.status, 400, "{weak}");
        let told = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(told.contains("anybody would guess") && told.contains("Choose another"), "{told}");
        let new = json!({ "username": "alice.example@mail.test", "password": weak });
        let refused = administer(&authority, "/admin/users", new).await.unwrap_err();
        assert!(refused.to_string().contains("anybody would guess"), "{weak}: {refused}");
    }
    assert_eq!(attempt(&http, "alice.example", PASSWORD).await.status, 200);
    assert_eq!(browser.get("/whoami").await.status, 200);
}

// L08
#[tokio::test(flavor = "multi_thread")]
async fn a_weak_password_of_before_still_signs_in() {
    let authority = quick().await;
    let (rules, old) = (&authority.app.authority, Password::chosen("12345678").unwrap());
    let hash = ImportedHash::new(&rules.hasher().hash(&old, [1; 16]).await.unwrap()).unwrap();
    let (name, by) = (Name::new("alice").unwrap(), operator());
    rules.import_account(name, &hash, Vec::new(), &by).await.unwrap();
    assert_eq!(attempt(&authority.http(), "alice", "12345678").await.status, 200);
}

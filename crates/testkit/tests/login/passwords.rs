//! Which passwords are taken, and which two are the same.

use super::attempt;
use rescind_testkit::accounts::{administer, hashes, quick};
use rescind_testkit::server::{PASSWORD, TestAuthority};
use serde_json::json;
use std::time::Duration;

async fn add(authority: &TestAuthority, name: &str, password: &str) {
    let new = json!({ "username": name, "password": password });
    administer(authority, "/admin/users", new).await.unwrap();
}

// L04
#[tokio::test(flavor = "multi_thread")]
async fn a_long_password_counts_to_its_last_character() {
    let authority = quick().await;
    let http = authority.http();
    for (name, begin, last) in [
        ("ascii", "x".repeat(63), "y"),
        ("four-bytes", "🐒".repeat(63), "🐓"),
        ("longest", "é".repeat(1023), "e"),
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
    let plain =
        ["aaaaaaaa", "12345678", "        ", "correct horse", "ÄÖÜÄÖÜÄÖ", "🐒🐒🐒🐒🐒🐒🐒🐒"];
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
    add(&authority, "blank", " password").await;
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
    assert_eq!(attempt(&http, "blank", " password").await.status, 200);
    for other in ["password", "  password", " password ", " Password"] {
        assert_eq!(attempt(&http, "blank", other).await.status, 401, "{other:?}");
    }
}

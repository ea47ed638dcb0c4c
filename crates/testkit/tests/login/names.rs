//! Which user names are one, and which are none.

use super::attempt;
use rescind_testkit::accounts::{administer, hashes, quick};
use rescind_testkit::server::PASSWORD;
use serde_json::json;

// L12
#[tokio::test(flavor = "multi_thread")]
async fn two_accounts_never_share_the_stored_form_of_a_name() {
    let authority = quick().await;
    let http = authority.http();
    let alice = json!({ "username": "Ali\u{e7}e", "password": PASSWORD });
    let made = administer(&authority, "/admin/users", alice).await.unwrap();
    assert_eq!(made["username"], "ali\u{e7}e");
    let spellings =
        ["ali\u{e7}e", "ALI\u{c7}E", "alic\u{327}e", "\u{ff21}li\u{e7}e", "aLic\u{327}E"];
    for spelling in spellings {
        let taken = json!({ "username": spelling, "password": "a thief's password" });
        let refused = administer(&authority, "/admin/users", taken).await.unwrap_err();
        assert!(refused.to_string().contains("exists already"), "{refused}");
        let answer = attempt(&http, spelling, PASSWORD).await;
        assert_eq!(answer.status, 200, "{spelling}");
        assert_eq!(answer.json()["user"]["sub"], made["sub"]);
        assert_eq!(attempt(&http, spelling, "a thief's password").await.status, 401);
    }
    assert_eq!(authority.app.authority.store().accounts().await.unwrap().len(), 1);
    let other = json!({ "username": "alice", "password": PASSWORD });
    let other = administer(&authority, "/admin/users", other).await.unwrap();
    assert_ne!(other["sub"], made["sub"], "without the cedilla it is another name");
}

// L13
#[tokio::test(flavor = "multi_thread")]
async fn names_with_characters_that_do_not_show_are_refused() {
    let authority = quick().await;
    let http = authority.http();
    authority.person("alice").await;
    let before = hashes(&authority);
    let long = "a".repeat(256);
    for bad in [
        "",
        "alice\0",
        "al\nice",
        "alice\r",
        "al\u{1b}[31mice",
        "alice ",
        "al ice",
        "al\u{a0}ice",
        "alice\u{202e}",
        "\u{2066}alice",
        "ali\u{200b}ce",
        "ali\u{200d}ce",
        "ali\u{2060}ce",
        "\u{feff}alice",
        "ali\u{ad}ce",
        "ali\u{378}ce",
        "ali\u{fdd0}ce",
        "ali\u{e000}ce",
        &long,
    ] {
        let answer = attempt(&http, bad, PASSWORD).await;
        assert_eq!(answer.status, 400, "{bad:?}");
        assert!(bad.is_empty() || !answer.text().contains(bad), "{bad:?}");
        let new = json!({ "username": bad, "password": PASSWORD });
        assert!(administer(&authority, "/admin/users", new).await.is_err(), "{bad:?}");
    }
    assert_eq!(hashes(&authority), before);
    assert_eq!(authority.app.authority.store().accounts().await.unwrap().len(), 1);
    for good in ["alice@example.com", "zoë", "влади́мир", "山田", "o'neil-2_x"] {
        authority.person(good).await;
        assert_eq!(attempt(&http, good, PASSWORD).await.status, 200, "{good}");
    }
}

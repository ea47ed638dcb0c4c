//! What the store keeps of a password, and how it becomes stronger.

use super::attempt;
use rescind_authority::settings::Argon2Cost;
use rescind_testkit::accounts::{CHEAP, administer, hashes, quick, socket_is_open, stored_hash};
use rescind_testkit::server::{PASSWORD, TestAuthority};
use serde_json::json;
use std::collections::HashSet;

const STRONGER: Argon2Cost = Argon2Cost { memory_kib: 128, passes: 2, lanes: 1 };
const STRONGER_TEXT: &str = "$argon2id$v=19$m=128,t=2,p=1$";

// L01 R-2
#[tokio::test(flavor = "multi_thread")]
async fn passwords_are_kept_as_argon2id_of_the_recommended_cost_each_with_its_own_salt() {
    let authority = TestAuthority::start().await;
    let mut salts = HashSet::new();
    for name in ["alice", "bob"] {
        authority.person(name).await;
        let hash = stored_hash(&authority, name).await;
        let rest = hash.strip_prefix("$argon2id$v=19$m=19456,t=2,p=1$").unwrap();
        let (salt, output) = rest.split_once('$').unwrap();
        // Base64 without padding: 22 characters are 16 bytes, 43 are 32.
        assert_eq!((salt.len(), output.len()), (22, 43));
        salts.insert(salt.to_owned());
    }
    assert_eq!(salts.len(), 2, "the same password has two salts");
    assert_eq!(attempt(&authority.http(), "alice", PASSWORD).await.status, 200);
    assert_eq!(hashes(&authority), 3, "a present hash is not made anew");
}

/// A person whose hash was made with less than what is in force now.
async fn with_an_old_hash() -> TestAuthority {
    let mut authority = quick().await;
    authority.person("alice").await;
    assert!(stored_hash(&authority, "alice").await.starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
    authority.config.settings.argon2 = STRONGER;
    authority.restart().await
}

// L03 R-2
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_with_an_old_hash_leaves_one_of_the_present_cost() {
    let authority = with_an_old_hash().await;
    let http = authority.http();
    let old = stored_hash(&authority, "alice").await;
    assert_eq!(attempt(&http, "alice", "wrong password").await.status, 401);
    assert_eq!(stored_hash(&authority, "alice").await, old, "a failure changes nothing");
    assert_eq!(attempt(&http, "alice", PASSWORD).await.status, 200);
    let new = stored_hash(&authority, "alice").await;
    assert!(new.starts_with(STRONGER_TEXT), "{new}");
    let before = hashes(&authority);
    assert_eq!(attempt(&http, "alice", PASSWORD).await.status, 200);
    assert_eq!(stored_hash(&authority, "alice").await, new);
    assert_eq!(hashes(&authority) - before, 1);
    assert_eq!(attempt(&http, "alice", "wrong password").await.status, 401);
}

// L03
#[tokio::test(flavor = "multi_thread")]
async fn two_sign_ins_that_renew_a_hash_at_once_both_work_and_leave_a_good_one() {
    for _ in 0..10 {
        let authority = with_an_old_hash().await;
        let http = authority.http();
        let racers: Vec<_> = (0..2)
            .map(|_| {
                let http = http.clone();
                tokio::spawn(async move { attempt(&http, "alice", PASSWORD).await.status })
            })
            .collect();
        for racer in racers {
            assert_eq!(racer.await.unwrap(), 200);
        }
        let new = stored_hash(&authority, "alice").await;
        assert!(new.starts_with(STRONGER_TEXT), "{new}");
        assert_eq!(attempt(&http, "alice", PASSWORD).await.status, 200);
        assert_eq!(attempt(&http, "alice", "wrong password").await.status, 401);
        assert_eq!(stored_hash(&authority, "alice").await, new);
    }
}

/// Hashes of other systems with their passwords: crypt_blowfish, RFC 7914 §12, PBKDF2 in the form of PHC
/// and of passlib, the Argon2 reference implementation.
const IMPORTED: [(&str, &str); 5] = [
    ("$2y$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK", "U*U*"),
    (
        "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofLVQylV\
         YT8Pz2LUlwUkKpr55h6F3A1lHkDfzwF7RVdYhw",
        "pleaseletmein",
    ),
    (
        "$pbkdf2-sha512$i=80000$TmFDbA$5jN9b762RceU1Km1t1t7MNrJrFA3apHfH0Rg9gYNWt2ywf0fhECausxn3n60B\
         W5rsGwtgsPvTM0b3tD2de2Xxg",
        "Password",
    ),
    (
        "$pbkdf2-sha256$29000$MDEyMzQ1Njc4OWFiY2RlZg$G/O7bynZBig0xpI9OJ2.zH5iXh/vIAuDcj9JVCTUa3k",
        "password",
    ),
    (
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "password",
    ),
];

//
#[tokio::test(flavor = "multi_thread")]
async fn an_imported_hash_signs_its_owner_in_and_becomes_argon2id_of_the_present_cost() {
    let authority = quick().await;
    let http = authority.http();
    assert_eq!(CHEAP.memory_kib, 64);
    for (n, (hash, password)) in IMPORTED.into_iter().enumerate() {
        let name = format!("user{n}");
        let new = json!({ "username": name, "password_hash": hash, "roles": ["author"] });
        administer(&authority, "/admin/users", new).await.unwrap();
        assert_eq!(attempt(&http, &name, "another password").await.status, 401);
        assert_eq!(attempt(&http, &name, hash).await.status, 401, "the hash is no password");
        assert_eq!(stored_hash(&authority, &name).await, hash);
        assert_eq!(attempt(&http, &name, password).await.status, 200, "{hash}");
        let renewed = stored_hash(&authority, &name).await;
        assert!(renewed.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{renewed}");
        let before = hashes(&authority);
        let answer = attempt(&http, &name, password).await;
        assert_eq!(answer.json()["user"]["roles"], json!(["author"]));
        assert_eq!(hashes(&authority) - before, 1);
        assert_eq!(attempt(&http, &name, "another password").await.status, 401);
    }
}

//
#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_could_never_be_verified_or_would_cost_too_much_makes_no_account() {
    let authority = quick().await;
    let [(bcrypt, _), (scrypt, _), (pbkdf2, _), ..] = IMPORTED;
    let bodies = [
        json!({ "password_hash": "plain text" }),
        json!({ "password_hash": "$1$salt$hash" }),
        json!({ "password_hash": bcrypt.replace("$05$", "$17$") }),
        json!({ "password_hash": scrypt.replace("ln=14", "ln=18") }),
        json!({ "password_hash": pbkdf2.replace("80000", "5000001") }),
        json!({ "password_hash": bcrypt, "password": PASSWORD }),
        json!({}),
        json!({ "password": "short" }),
    ];
    for mut body in bodies {
        body["username"] = "alice".into();
        let refused = administer(&authority, "/admin/users", body.clone()).await;
        let said = refused.unwrap_err().to_string();
        assert!(!said.contains("plain text") && !said.contains("$1$"), "{said}");
        assert!(authority.app.authority.store().accounts().await.unwrap().is_empty(), "{body}");
    }
    assert_eq!(hashes(&authority), 0);
}

//
#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_imports_a_hash_into_a_running_authority() {
    let authority = quick().await;
    socket_is_open(&authority).await;
    let (data, keys) = (authority.config.data.clone(), authority.config.keys.clone());
    let add = async |name: &str, more: &[&str]| {
        let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_rescind-under-test"))
            .args(["user", "add", name, "--data"])
            .arg(&data)
            .arg("--keys")
            .arg(&keys)
            .args(more)
            .output()
            .await
            .unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (hash, password) = IMPORTED[0];
    let made = add("carol", &["--password-hash", hash, "--role", "editor"]).await;
    assert_eq!(made, (Some(0), "made carol\n".to_owned()), "no password is drawn");
    let answer = attempt(&authority.http(), "carol", password).await;
    assert_eq!(answer.json()["user"]["roles"], json!(["editor"]));
    assert_eq!(add("dave", &["--password-hash", "plain text"]).await.0, Some(1));
    let both = add("dave", &["--password-hash", hash, "--password-stdin"]).await;
    assert_eq!(both.0, Some(2));
    assert_eq!(authority.app.authority.store().accounts().await.unwrap().len(), 1);
}

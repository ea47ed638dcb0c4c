//! Before the first start: what `doctor` and `config check` say of what is not there yet, and that they
//! judge by the same flags as `serve`.

use crate::realm::Realm;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;

const ISSUER: [&str; 2] = ["--issuer", "http://localhost:4000"];

fn with<'a>(words: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [words, more].concat()
}

/// The exit code of the doctor, and the state of each check.
fn doctor(realm: &Realm, more: &[&str]) -> (Option<i32>, Vec<(String, String)>) {
    let output = realm.run(&with(&["doctor", "--json"], more));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |finding: &Value, member: &str| finding[member].as_str().unwrap().to_owned();
    let all = said["findings"].as_array().unwrap();
    let states = all.iter().map(|f| (text(f, "check"), text(f, "state")));
    (output.status.code(), states.collect())
}

#[test]
fn what_the_first_start_makes_by_itself_is_no_problem_before_it() {
    let realm = Realm::bare();
    let (code, found) = doctor(&realm, &ISSUER);
    let of = |state: &str| -> Vec<&str> {
        let those = found.iter().filter(|(_, is)| is == state);
        those.map(|(check, _)| check.as_str()).collect()
    };
    assert_eq!(of("note"), ["data folder", "key folder", "store", "master key"], "{found:?}");
    assert!(code == Some(0) && of("problem").is_empty() && of("warning").is_empty(), "{found:?}");
    let said = realm.does(&with(&["config", "check"], &ISSUER));
    for makes in ["is good", "makes the store", "rescind.db", "draws the master key", "master.key"]
    {
        assert!(said.contains(makes), "{makes}: {said}");
    }
    assert!(!realm.at("data").exists() && !realm.at("keys").exists(), "nothing is made");
    // Without an issuer there is a problem, and it is one.
    let (code, found) = doctor(&realm, &[]);
    assert!(code == Some(1), "{found:?}");
    assert!(found.contains(&("configuration".into(), "problem".into())), "{found:?}");
}

#[test]
fn a_store_that_is_gone_is_a_problem_where_its_keys_are() {
    let realm = Realm::new();
    std::fs::remove_dir_all(realm.at("data")).unwrap();
    let (code, found) = doctor(&realm, &ISSUER);
    assert!(code == Some(1), "{found:?}");
    assert!(found.contains(&("store".into(), "problem".into())), "{found:?}");
}

// K09
#[test]
fn config_check_judges_the_master_key_as_serve_does() {
    let realm = Realm::bare();
    let key = realm.at("key");
    let path = key.to_str().unwrap();
    let named = with(&ISSUER, &["--master-key-file", path, "--log", "off"]);
    let both_say = |hint: &str| {
        let said = realm.fails(&with(&["config", "check"], &named), 1);
        assert!(said.contains(hint) && said.contains(path), "{hint}: {said}");
        assert!(!realm.at("keys").exists(), "nothing is made");
        assert_eq!(realm.fails(&with(&["serve", "--listen", "127.0.0.1:0"], &named), 1), said);
        std::fs::remove_dir_all(realm.at("keys")).unwrap();
    };
    let put = |bytes: &[u8], mode| {
        std::fs::write(&key, bytes).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    both_say("--master-key-file");
    let other = Realm::new();
    let bytes = std::fs::read(other.at("keys").join("master.key")).unwrap();
    put(&bytes, 0o644);
    both_say("chmod 600");
    put(&bytes, 0o600);
    let said = realm.does(&with(&["config", "check"], &named));
    assert!(said.contains("makes the store") && !said.contains("draws"), "{said}");
    put(b"short", 0o600);
    both_say("urandom");
    // Of a realm that is there.
    let realm = other;
    assert!(!realm.does(&["config", "check"]).contains("first start"));
    std::fs::remove_file(realm.at("keys").join("master.key")).unwrap();
    assert!(realm.fails(&["config", "check"], 1).contains("restore it from your backup"));
}

#[test]
fn doctor_and_config_take_the_flags_of_serve_and_name_where_a_wrong_value_stands() {
    let realm = Realm::bare();
    let flags = ["--listen", "10.0.0.5:4000", "--log", "warn", "--accept-clock"];
    let proxy = with(&flags, &["--trusted-proxy", "10.0.0.2"]);
    let issuer = ["--issuer", "https://auth.example.com"];
    let good = with(&issuer, &proxy);
    realm.does(&with(&["config", "check"], &good));
    assert_eq!(doctor(&realm, &good).0, Some(0));
    assert!(realm.does(&with(&["config", "show"], &good)).contains("--trusted-proxy"));

    let said = realm.fails(&with(&["config", "check"], &with(&issuer, &flags)), 1);
    assert!(said.contains("rescind: --issuer: an https issuer needs TLS"), "{said}");
    let file = realm.at("rescind.toml");
    let place = file.to_str().unwrap();
    for (text, at) in [
        ("# one\nissuer = \"https://auth.example.com\"\n", ":2:10: an https issuer needs TLS"),
        (
            "issuer = \"http://localhost:4000\"\n[tls]\ncertificate = \"c\"\nkey = \"k\"\n",
            ":1:10: the issuer begins with http://",
        ),
        (
            "issuer = \"http://localhost:4000\"\nlisten = \"0.0.0.0:4000\"\n",
            ":2:10: a plain http issuer is for this machine alone",
        ),
        (
            "issuer = \"http://localhost:4000\"\n[sessions]\nidle = \"2d\"\n",
            ":3:8: sessions.idle is longer than sessions.life",
        ),
    ] {
        std::fs::write(&file, text).unwrap();
        let said = realm.fails(&["config", "check", "--config", place], 1);
        assert!(said.contains(&format!("{place}{at}")), "{said}");
        assert!(!said.contains("--issuer"), "{said}");
        let output = realm.run(&["doctor", "--config", place]);
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains(&format!("{place}{at}")), "{said}");
        assert!(!said.contains("--issuer"), "{said}");
    }
}

//! What the doctor finds.

use crate::realm::Realm;
use serde_json::Value;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

/// The exit code, and what was found under this name.
fn found(realm: &Realm, check: &str) -> (Option<i32>, String) {
    let output = realm.run(&["doctor", "--json"]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let all = said["findings"].as_array().unwrap();
    let of = all.iter().filter(|finding| finding["check"] == check);
    let worst = of.max_by_key(|finding| finding["state"].as_str().map(|state| state != "ok"));
    (output.status.code(), worst.map_or_else(|| said.to_string(), ToString::to_string))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_realm_has_no_problem_running_or_not_and_nothing_is_changed() {
    let realm = Realm::new();
    let database = || std::fs::read(realm.at("data").join("rescind.db")).unwrap();
    let before = database();
    let said = realm.does(&["doctor"]);
    assert_eq!(database(), before);
    for check in ["store", "clock", "master key", "marker", "data folder", "key folder", "disk"] {
        assert!(said.contains(check), "{check}: {said}");
    }
    assert!(said.contains("none runs"), "{said}");
    let mut process = realm.start().await;
    assert!(found(&realm, "authority").1.contains("is ready"));
    process.kill();
    let (code, said) = found(&realm, "authority");
    assert!(code == Some(0) && said.contains("it was killed"), "{code:?} {said}");
}

#[test]
fn each_thing_that_is_not_right_is_a_problem_with_what_to_do() {
    let realm = Realm::new();
    let (key, marker) = (realm.at("keys").join("master.key"), realm.at("keys").join("marker.json"));
    let mode = |mode| std::fs::set_permissions(&key, Permissions::from_mode(mode)).unwrap();
    let expect = |check: &str, hint: &str| {
        let (code, said) = found(&realm, check);
        assert!(code == Some(1) && said.contains(hint), "{code:?} {check}: {said}");
    };
    mode(0o644);
    expect("key folder", "chmod 600");
    expect("master key", "chmod 600");
    mode(0o600);
    let (bytes, remembered) = (std::fs::read(&key).unwrap(), std::fs::read(&marker).unwrap());
    let mut other = bytes.clone();
    other[0] ^= 1;
    std::fs::write(&key, other).unwrap();
    expect("master key", "another realm's");
    std::fs::write(&key, "short").unwrap();
    expect("master key", "from your backup");
    std::fs::write(&key, bytes).unwrap();

    std::fs::write(&marker, "{").unwrap();
    expect("marker", "Move it away");
    let mut ahead: Value = serde_json::from_slice(&remembered).unwrap();
    ahead["pos"] = 1_000.into();
    std::fs::write(&marker, ahead.to_string()).unwrap();
    expect("marker", "older than it was");
    std::fs::write(&marker, remembered).unwrap();
    assert_eq!(found(&realm, "marker").0, Some(0));

    let database = realm.at("data").join("rescind.db");
    let mut bytes = std::fs::read(&database).unwrap();
    let half = bytes.len() / 2;
    bytes[half..].fill(0xff);
    std::fs::write(&database, bytes).unwrap();
    expect("store", "backup");
}

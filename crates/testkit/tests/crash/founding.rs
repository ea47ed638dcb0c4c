//! A realm that is killed while it is founded is not taken for one that was put back.

use crate::realm::{AFTER, BEFORE, Realm, died};
use rescind_testkit::server::PASSWORD;
use std::time::Duration;

fn founded_once(realm: &Realm) {
    assert_eq!(realm.epochs_opened(), Vec::<String>::new());
    assert!(realm.keys().join("marker.json").exists());
    assert!(!realm.log().contains("marker_missing"), "{}", realm.log());
}

//
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_founding_and_the_first_marker_is_no_restore() {
    for point in [BEFORE, AFTER] {
        let realm = Realm::empty();
        // The first commit after the realm's row: its keys.
        died(realm.spawn(point)).await;
        assert!(realm.data().join("rescind.db").exists(), "the store is founded");
        assert!(!realm.keys().join("marker.json").exists(), "and nothing remembers it");
        realm.person("alice");
        founded_once(&realm);
    }
}

//
#[tokio::test(flavor = "multi_thread")]
async fn kills_at_any_moment_of_founding_are_no_restore() {
    for moment in 0..12 {
        let realm = Realm::empty();
        let mut process = realm.spawn("");
        tokio::time::sleep(Duration::from_millis(moment * 12)).await;
        process.kill();
        realm.person("alice");
        founded_once(&realm);
    }
}

//
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_right_after_the_first_account_is_no_restore() {
    let realm = Realm::empty();
    // The first commit makes the keys, the second the account.
    let second = [("FAILPOINTS", "store::after_commit=1*off->return")];
    let died = realm.command(&["user", "add", "alice", "--password-stdin"], &second, PASSWORD);
    assert!(died.status.code().is_none(), "{died:?}");
    realm.person("bob");
    founded_once(&realm);
    assert_eq!(realm.json(&["user", "list"]).as_array().unwrap().len(), 2);
}

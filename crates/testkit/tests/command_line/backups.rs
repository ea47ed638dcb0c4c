//! A copy of the store, and that it is one.

use crate::realm::Realm;
use std::os::unix::fs::PermissionsExt as _;

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_made_with_an_authority_and_without_and_opens_beside_its_master_key() {
    let realm = Realm::new();
    let users = realm.json(&["user", "list"]);
    let mut process = realm.start().await;
    let (running, stopped) = (realm.at("running.db"), realm.at("stopped.db"));
    let said = realm.does(&["backup", running.to_str().unwrap()]);
    assert!(said.contains("master key"), "{said}");
    process.kill();
    let made = realm.json(&["backup", stopped.to_str().unwrap()]);
    assert_eq!(made["file"], stopped.to_str().unwrap());
    for copy in [running, stopped] {
        let mode = std::fs::metadata(&copy).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let said = realm.fails(&["backup", copy.to_str().unwrap()], 1);
        assert!(said.contains("exists"), "{said}");
        std::fs::remove_dir_all(realm.at("data")).unwrap();
        std::fs::create_dir(realm.at("data")).unwrap();
        std::fs::copy(&copy, realm.at("data").join("rescind.db")).unwrap();
        assert_eq!(realm.json(&["user", "list"]), users);
    }
}

#[test]
fn a_backup_that_fails_names_the_file_that_was_asked_for_and_no_other() {
    let realm = Realm::new();
    for to in [realm.at("nowhere").join("copy.db"), realm.at("data").join("rescind.db/copy.db")] {
        let said = realm.fails(&["backup", to.to_str().unwrap()], 1);
        assert!(said.contains(to.to_str().unwrap()), "{said}");
        assert!(!said.contains(".rescind-backup-"), "{said}");
    }
}

#[test]
fn who_only_looks_does_not_raise_the_version_of_the_store() {
    let realm = Realm::new();
    let database = || rusqlite::Connection::open(realm.at("data").join("rescind.db")).unwrap();
    let known = version(&database());
    database().pragma_update(None, "user_version", known - 1).unwrap();
    for look in [&["user", "list"][..], &["keys", "list"], &["audit", "export"]] {
        let said = realm.fails(look, 1);
        assert!(said.contains("rescind serve") && said.contains("does not go back"), "{said}");
    }
    let copy = realm.at("copy.db");
    realm.does(&["backup", copy.to_str().unwrap()]);
    assert!(realm.does(&["doctor"]).contains("the next start makes it"));
    for store in [database(), rusqlite::Connection::open(copy).unwrap()] {
        assert_eq!(version(&store), known - 1);
    }
}

fn version(store: &rusqlite::Connection) -> i64 {
    store.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

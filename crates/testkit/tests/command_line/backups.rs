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

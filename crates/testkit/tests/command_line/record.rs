//! The record, searched and exported.

use crate::realm::Realm;
use serde_json::Value;

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

// A07
#[tokio::test(flavor = "multi_thread")]
async fn the_whole_record_is_exported_oldest_first_with_an_authority_and_without() {
    let realm = Realm::new();
    // More than fits into one answer.
    let database = rusqlite::Connection::open(realm.at("data").join("rescind.db")).unwrap();
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500) \
                INSERT INTO audit (at, actor, action, target) SELECT i, 'uid:7', 'revoked', i FROM n";
    database.execute(many, []).unwrap();
    drop(database);
    let whole = realm.does(&["audit", "export"]);
    let records = lines(&whole);
    assert_eq!(records[0]["action"], "key_made");
    assert!(records.len() > 2500, "{}", records.len());
    assert!(records.is_sorted_by_key(|record| record["number"].as_u64()));
    let of_seven: Vec<&Value> = records.iter().filter(|r| r["actor"] == "uid:7").collect();
    assert_eq!(of_seven.len(), 2500);
    assert_eq!(of_seven[2499]["target"], "2500");
    assert_eq!(of_seven[0]["at"], "1970-01-01T00:00:00.000001Z");

    let _process = realm.start().await;
    assert_eq!(realm.does(&["audit", "export"]), whole);
    let some = realm.does(&["audit", "export", "--actor", "uid:7", "--limit", "1200"]);
    assert_eq!(lines(&some).len(), 1200);
}

// A07
#[tokio::test(flavor = "multi_thread")]
async fn the_record_is_searched_by_who_whom_what_and_when() {
    let realm = Realm::new();
    let _process = realm.start().await;
    realm.does(&["user", "add", "bob"]);
    realm.does(&["user", "suspend", "alice", "--reason", "asked by support"]);
    realm.does(&["user", "activate", "alice"]);
    let actor = format!("uid:{}", rustix::process::getuid().as_raw());
    let found = |args: &[&str]| {
        let found = realm.json(&[&["audit", "list"], args].concat());
        let found = found.as_array().unwrap().clone();
        found.iter().map(|r| r["action"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let of_alice = ["account_state", "account_state", "account_made"];
    assert_eq!(found(&["--user", "alice"]), of_alice, "the newest first");
    assert_eq!(found(&["--user", "alice", "--limit", "1"]), of_alice[..1]);
    assert_eq!(found(&["--user", "alice", "--actor", &actor]), of_alice);
    assert_eq!(found(&["--user", "alice", "--actor", "rule"]), [""; 0]);
    assert_eq!(found(&["--action", "client_made"]), ["client_made"]);
    assert_eq!(found(&["--target", "posts-api"]), ["client_made"]);
    assert_eq!(found(&["--until", "2020-01-01"]), [""; 0]);
    assert_eq!(found(&["--user", "bob", "--since", "2020-01-01"]), ["account_made"]);
    let sub = realm.json(&["user", "list"])[0]["sub"].as_str().unwrap().to_owned();
    assert_eq!(found(&["--sub", &sub]), of_alice);
    let said = realm.does(&["audit", "list", "--user", "alice"]);
    assert!(said.contains("active → suspended") && said.contains("asked by support"), "{said}");
}

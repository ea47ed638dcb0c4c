//! Something big is shown before it is done.

use crate::realm::Realm;
use serde_json::Value;

fn state(realm: &Realm) -> [Value; 4] {
    [&["audit", "list"][..], &["user", "list"], &["client", "list"], &["session", "list", "alice"]]
        .map(|list| realm.json(list))
}

#[tokio::test(flavor = "multi_thread")]
async fn something_big_is_counted_and_not_done_before_somebody_says_yes() {
    let realm = Realm::new();
    realm.does(&["client", "add", "other", "--audience", "other-api"]);
    let _process = realm.start().await;
    for _ in 0..2 {
        realm.sign_in().await;
    }
    let key = |purpose: &str| {
        let keys = realm.json(&["keys", "list"]);
        let mut keys = keys.as_array().unwrap().iter();
        let found = keys.find(|key| key["purpose"] == purpose && key["state"] == "active").unwrap();
        found["kid"].as_str().unwrap().to_owned()
    };
    let (token, line, csrf) = (key("token"), key("line"), key("csrf"));
    let big = [
        (&["client", "remove", "other"][..], "0 live sessions of 0 accounts"),
        (&["revoke", "--audience", "posts-api"], "2 live sessions of 1 account"),
        (&["keys", "retire", &csrf, "--compromised"], "0 live sessions"),
        (&["keys", "share", "posts-api"], "2 live sessions of 1 account"),
        (&["keys", "retire", &token, "--compromised"], "2 live sessions of 1 account"),
        (&["revoke", "--client", "first-party"], "2 live sessions of 1 account"),
        (&["revoke", "--everything"], "0 live sessions"),
        (&["keys", "retire", &line, "--compromised"], "0 live sessions"),
        (&["user", "delete", "alice"], "0 live sessions"),
    ];
    for (args, hit) in big {
        let before = state(&realm);
        let said = realm.fails(args, 2);
        assert!(said.contains(hit) && said.contains("--yes"), "{args:?}: {said}");
        assert_eq!(state(&realm), before, "{args:?}");
        realm.does(&[args, &["--yes"]].concat());
    }
    assert_eq!(realm.json(&["user", "list"]), serde_json::json!([]));
    // A second secret of an audience waits until it is rotated in: nothing is asked.
    assert_eq!(realm.json(&["keys", "share", "posts-api"])["state"], "next");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_retired_as_compromised_is_called_so() {
    let realm = Realm::new();
    let said = realm.does(&["keys", "retire", "csrf-1", "--compromised", "--yes"]);
    assert!(said.starts_with("csrf-1 is retired as compromised"), "{said}");
    let said = realm.does(&["keys", "retire", "csrf-2"]);
    assert!(said.starts_with("csrf-2 is retired; durable at"), "{said}");
}

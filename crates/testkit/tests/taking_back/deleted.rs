//! A deleted account: nothing of it lives, and its name in other hands is another account.

use crate::realm::{Realm, claims, text};
use http::Method;
use rescind_testkit::server::PASSWORD;
use rescind_wire::id::Sub;
use serde_json::json;

// S09 S10
#[tokio::test(flavor = "multi_thread")]
async fn a_name_made_anew_is_another_account_and_the_deleted_ones_tokens_stay_dead() {
    let realm = Realm::start().await;
    let http = realm.authority.http();
    let tokens = http.sign_in("alice", PASSWORD).await;
    let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
    let mut browser = http.browser();
    browser.sign_in("alice", PASSWORD).await;
    let sub = claims(&access)["sub"].clone();
    assert!(realm.posts.lets_in(&access).await);
    assert_eq!(realm.introspect(&access).await.json()["active"], true);

    realm.administer(Method::DELETE, "/admin/users/alice", json!({})).await;
    realm.settle().await;
    let mut browser_again = browser.clone();
    for again in [false, true] {
        if again {
            let body = json!({ "username": "alice", "password": PASSWORD });
            let made = realm.administer(Method::POST, "/admin/users", body).await;
            assert_ne!(made["sub"], sub);
            let tokens = http.sign_in("alice", PASSWORD).await;
            let new = text(&tokens, "access_token");
            assert_eq!(claims(&new)["sub"], made["sub"]);
            assert!(realm.posts.lets_in(&new).await);
        }
        assert!(!realm.posts.lets_in(&access).await);
        assert!(!realm.files.lets_in(&access).await);
        assert_eq!(realm.introspect(&access).await.text(), r#"{"active":false}"#);
        assert_eq!(http.refresh(&refresh, None).await.json()["error"], "invalid_grant");
        assert_eq!(http.get_as("/whoami", &refresh).await.status, 401);
        let browser = if again { &mut browser_again } else { &mut browser };
        assert_eq!(browser.get("/whoami").await.status, 401);
        if !again {
            let body = json!({ "username": "alice", "password": PASSWORD, "carrier": "token" });
            assert_eq!(http.post_json("/login", &body).await.status, 401);
        }
    }
    realm.settle().await;
    assert!(!realm.posts.lets_in(&access).await);
}

// S10 A07
#[tokio::test(flavor = "multi_thread")]
async fn what_was_recorded_of_a_deleted_account_stays() {
    let realm = Realm::start().await;
    let store = realm.authority.app.authority.store();
    let accounts = store.accounts().await.unwrap();
    let sub: Sub = accounts.iter().find(|a| a.name.as_str() == "alice").unwrap().sub;
    let body = json!({ "roles": ["owner"] });
    realm.administer(Method::POST, "/admin/users/alice/roles", body).await;
    let before = store.records(Some(sub), 100).await.unwrap();
    realm.administer(Method::DELETE, "/admin/users/alice", json!({ "reason": "asked to" })).await;
    let body = json!({ "username": "alice", "password": PASSWORD });
    realm.administer(Method::POST, "/admin/users", body).await;

    let after = store.records(Some(sub), 100).await.unwrap();
    assert_eq!(after.len(), before.len() + 1);
    assert_eq!(after[1..], before);
    let names: Vec<_> = after.iter().map(|r| r.action.name()).collect();
    assert_eq!(names, ["account_deleted", "roles", "account_made"]);
    assert_eq!(after[0].reason.as_deref(), Some("asked to"));
}

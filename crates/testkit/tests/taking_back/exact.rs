//! The cut is exact: by the log's own time, while the clock stands still.

use crate::realm::{FILES, POSTS, Realm, fresh_jti, text};
use http::Method;
use rescind_testkit::server::PASSWORD;
use rescind_wire::revocation::{Entry, Scope};
use rescind_wire::token::Claims;
use serde_json::{Value, json};

/// Alice's token for both servers, to be signed again with another reading.
async fn model(realm: &Realm) -> Claims {
    let tokens = realm.authority.http().sign_in("alice", PASSWORD).await;
    let access = text(&tokens, "access_token");
    realm.posts.verifier.check(&access).unwrap().claims().clone()
}

/// The token with this reading. Each has its own id: what is judged is not remembered.
fn with_reading(realm: &Realm, model: &Claims, rv: u64) -> String {
    let jti = fresh_jti(&format!("{rv} {}", model.jti));
    realm.sign(&Claims { rv, jti, ..model.clone() })
}

/// Takes something back; gives its entry in the log.
async fn entry(realm: &Realm, path: &str, body: Value) -> Entry {
    let store = realm.authority.app.authority.store();
    let before = store.head().await.unwrap();
    realm.administer(Method::POST, path, body).await;
    let entries = store.log(before.pos, 10).await.unwrap().entries.unwrap();
    let [entry] = entries[..] else { panic!("not one entry: {entries:?}") };
    realm.settle().await;
    entry
}

// R-35 V07
#[tokio::test(flavor = "multi_thread")]
async fn a_token_read_before_the_entry_is_dead_and_one_read_at_it_lives() {
    let realm = Realm::start().await;
    let revoke = "/admin/revoke";
    for (scope, path, body) in [
        (Scope::Subject, revoke, json!({ "user": "alice" })),
        (Scope::Grant, revoke, json!({ "user": "alice", "client": "first-party" })),
        (Scope::Client, revoke, json!({ "client": "first-party" })),
        (Scope::Audience, revoke, json!({ "audience": POSTS })),
        (Scope::Everything, revoke, json!({ "everything": true })),
        (Scope::Claims, "/admin/users/alice/roles", json!({ "roles": ["author"] })),
    ] {
        let model = model(&realm).await;
        let before = text(&realm.authority.http().sign_in("alice", PASSWORD).await, "access_token");
        assert!(realm.posts.lets_in(&before).await);
        let entry = entry(&realm, path, body).await;
        assert_eq!(entry.scope, scope);
        for (rv, lives) in [(entry.ts - 1, false), (entry.ts, true), (entry.ts + 1, true)] {
            let token = with_reading(&realm, &model, rv);
            assert_eq!(realm.posts.lets_in(&token).await, lives, "{scope:?}, ts - rv: {rv}");
        }
        // What was really issued in the same second, before and after.
        assert!(!realm.posts.lets_in(&before).await, "{scope:?}");
        let after = text(&realm.authority.http().sign_in("alice", PASSWORD).await, "access_token");
        assert!(realm.posts.lets_in(&after).await, "{scope:?}");
    }
}

// R-29 V07
#[tokio::test(flavor = "multi_thread")]
async fn a_token_a_session_and_a_key_are_dead_whatever_the_token_claims_to_have_read() {
    let realm = Realm::start().await;
    let kid = realm.active_key("token").await;
    let (revoke, retire) = ("/admin/revoke", "/admin/keys/retire");
    let claims = model(&realm).await;
    let newest = |entry: &Entry| [entry.ts, entry.ts + 1, u64::MAX];

    let token = entry(&realm, revoke, json!({ "token": claims.jti })).await;
    assert_eq!(token.scope, Scope::Token);
    for rv in newest(&token) {
        assert!(!realm.posts.lets_in(&realm.sign(&Claims { rv, ..claims.clone() })).await);
        assert!(realm.posts.lets_in(&with_reading(&realm, &claims, rv)).await, "another one");
    }
    let session = entry(&realm, revoke, json!({ "session": claims.sid })).await;
    assert_eq!(session.scope, Scope::Session);
    for rv in newest(&session) {
        assert!(!realm.posts.lets_in(&with_reading(&realm, &claims, rv)).await);
    }
    let claims = model(&realm).await;
    let by_stolen_key = [0, u64::MAX].map(|rv| with_reading(&realm, &claims, rv));
    assert!(realm.posts.lets_in(&by_stolen_key[1]).await);
    let key = entry(&realm, retire, json!({ "kid": kid, "compromised": true })).await;
    assert_eq!(key.scope, Scope::Key);
    for token in by_stolen_key {
        assert!(!realm.posts.lets_in(&token).await);
        assert!(!realm.files.lets_in(&token).await);
    }
}

//
#[tokio::test(flavor = "multi_thread")]
async fn revoking_an_audience_leaves_a_token_that_is_for_another_alone() {
    let realm = Realm::start().await;
    let both = model(&realm).await;
    assert_eq!(both.aud, [FILES, POSTS]);
    let entry = entry(&realm, "/admin/revoke", json!({ "audience": FILES })).await;
    let rv = entry.ts - 1;
    // A token for both is one token: it is dead at both.
    let token = with_reading(&realm, &both, rv);
    assert!(!realm.posts.lets_in(&token).await && !realm.files.lets_in(&token).await);
    let posts = Claims { aud: vec![POSTS.into()], ..both };
    assert!(realm.posts.lets_in(&with_reading(&realm, &posts, rv - 1)).await);
}

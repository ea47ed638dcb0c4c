//! The record of what an administrator did: one entry for each act, in the transaction that does it.

use crate::office::{Office, UID, records};
use crate::realm::{FILES, POSTS, Realm, claims, text};
use http::Method;
use rescind_authority::audit::Record;
use rescind_testkit::accounts::{pos, stored_hash};
use rescind_testkit::server::PASSWORD;
use serde_json::{Value, json};

/// What a record must say beside actor and reason.
#[derive(Default, Clone)]
struct Said {
    action: &'static str,
    sub: Option<String>,
    target: Option<String>,
    before: Option<String>,
    after: Option<String>,
}

fn said(action: &'static str) -> Said {
    Said { action, ..Said::default() }
}

impl Said {
    fn about(self, sub: &str) -> Self {
        Self { sub: Some(sub.to_owned()), ..self }
    }
    fn to(self, target: impl Into<String>) -> Self {
        Self { target: Some(target.into()), ..self }
    }
    fn becomes(self, after: impl Into<String>) -> Self {
        Self { after: Some(after.into()), ..self }
    }
    fn change(self, before: impl Into<String>, after: impl Into<String>) -> Self {
        Self { before: Some(before.into()), ..self.becomes(after) }
    }
}

struct Acts {
    realm: Realm,
    office: Office,
}

impl Acts {
    async fn start() -> Self {
        let realm = Realm::start().await;
        let office = Office::of(&realm);
        Self { realm, office }
    }

    /// Does it for a reason of its own; gives the answer and the one record that came of it.
    async fn act(&self, method: Method, path: &str, body: Value) -> (Value, Record) {
        let before = records(&self.realm).await;
        let reason = format!("because of {path} {}", before.len());
        let mut body = body;
        body["reason"] = json!(reason);
        let answer = self.office.ask(method.clone(), path, &body).await;
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
        let after = records(&self.realm).await;
        assert_eq!(after.len(), before.len() + 1, "{method} {path} {body}");
        assert_eq!(after[1..], before, "nothing of before is changed");
        let record = after[0].clone();
        assert_eq!(record.actor, format!("uid:{UID}"));
        assert_eq!(record.reason, Some(reason));
        let now = self.realm.authority.app.authority.clock().now().wall;
        assert_eq!(record.at, now);
        (answer.json(), record)
    }

    /// The same, and compares the record with what it must say.
    async fn says(&self, method: Method, path: &str, body: Value, said: Said) -> Value {
        let (answer, record) = self.act(method.clone(), path, body.clone()).await;
        let found = (
            record.action.name(),
            record.sub.map(|sub| sub.to_string()),
            record.target,
            record.before,
            record.after,
        );
        let expected = (said.action, said.sub, said.target, said.before, said.after);
        assert_eq!(found, expected, "{method} {path} {body}");
        answer
    }

    async fn revoke(&self, what: Value, said: Said) {
        self.says(Method::POST, "/admin/revoke", what, said).await;
    }

    /// Signs in and gives the token's claims.
    async fn token_of(&self, name: &str) -> Value {
        let tokens = self.realm.authority.http().sign_in(name, PASSWORD).await;
        claims(&text(&tokens, "access_token"))
    }
}

// A07
#[tokio::test(flavor = "multi_thread")]
async fn each_act_for_an_account_is_recorded_once_with_who_whom_why_before_and_after() {
    let acts = Acts::start().await;
    let hash = stored_hash(&acts.realm.authority, "alice").await;
    for (body, roles) in [
        (json!({ "username": "carol", "password": PASSWORD, "roles": ["author"] }), "author"),
        (json!({ "username": "dave", "password_hash": hash }), ""),
    ] {
        let (made, record) = acts.act(Method::POST, "/admin/users", body).await;
        assert_eq!((record.action.name(), record.before), ("account_made", None));
        assert_eq!(record.after, Some(roles.to_owned()));
        assert_eq!(record.sub.map(|sub| sub.to_string()), Some(text(&made, "sub")));
    }
    let carol = text(&acts.token_of("carol").await, "sub");
    let post = Method::POST;
    for (before, after) in [("active", "suspended"), ("suspended", "banned"), ("banned", "active")]
    {
        let said = said("account_state").about(&carol).change(before, after);
        let body = json!({ "state": after });
        acts.says(post.clone(), "/admin/users/carol/state", body, said).await;
    }
    let roles = said("roles").about(&carol).change("author", "author owner");
    let body = json!({ "roles": ["owner", "author", "owner"] });
    acts.says(post, "/admin/users/carol/roles", body, roles).await;
    acts.revoke(json!({ "user": "carol" }), said("account_revoked").about(&carol)).await;
    let what = json!({ "user": "carol", "client": "first-party" });
    acts.revoke(what, said("account_revoked").about(&carol).to("client first-party")).await;
    let said = said("account_deleted").about(&carol).change("active", "deleted");
    acts.says(Method::DELETE, "/admin/users/carol", json!({}), said).await;
}

// A07
#[tokio::test(flavor = "multi_thread")]
async fn each_act_on_a_client_a_key_or_anything_else_is_recorded_once_with_what_it_was_done_to() {
    let acts = Acts::start().await;
    let (post, delete) = (Method::POST, Method::DELETE);
    let alice = acts.token_of("alice").await;
    let (sub, sid, jti) = (text(&alice, "sub"), text(&alice, "sid"), text(&alice, "jti"));
    let token = format!("token {jti}");
    acts.revoke(json!({ "token": jti }), said("revoked").to(token)).await;
    for _ in 0..2 {
        // Ending what is over already is an act, too.
        let said = said("session_ended").about(&sub).to(&sid);
        acts.revoke(json!({ "session": sid }), said).await;
    }
    let client = said("revoked").to("client first-party");
    acts.revoke(json!({ "client": "first-party" }), client).await;
    let audience = said("revoked").to(format!("audience {POSTS}"));
    acts.revoke(json!({ "audience": POSTS }), audience).await;
    acts.revoke(json!({ "everything": true }), said("revoked").to("everything")).await;

    let made = said("client_made").to("c").becomes("audiences: c-api; permissions: feed");
    let body = json!({ "client_id": "c", "audiences": ["c-api"], "permissions": ["feed"] });
    acts.says(post.clone(), "/admin/clients", body, made).await;
    let renewed = said("client_secret").to("c");
    acts.says(post.clone(), "/admin/clients/c/secret", json!({}), renewed).await;
    acts.says(delete, "/admin/clients/c", json!({}), said("client_removed").to("c")).await;

    for purpose in ["token", "feed", "line", "csrf"] {
        let old = acts.realm.active_key(purpose).await;
        let body = json!({ "purpose": purpose });
        let (_, record) = acts.act(post.clone(), "/admin/keys/rotate", body).await;
        let kid = acts.realm.active_key(purpose).await;
        assert_eq!(
            (record.action.name(), record.target.as_deref()),
            ("key_rotated", Some(purpose))
        );
        assert_eq!((record.before, record.after), (Some(old), Some(kid.clone())));
        let body = json!({ "kid": kid, "compromised": true });
        let retired = said("key_retired").to(kid).change("active", "compromised");
        acts.says(post.clone(), "/admin/keys/retire", body, retired).await;
    }
    let body = json!({ "audience": FILES });
    let (shared, record) = acts.act(post.clone(), "/admin/keys/share", body).await;
    assert_eq!(record.action.name(), "key_made");
    assert_eq!(record.target, Some(text(&shared, "kid")));
}

// A07
#[tokio::test(flavor = "multi_thread")]
async fn an_act_that_fails_is_not_recorded_and_appends_nothing() {
    let acts = Acts::start().await;
    let alice = acts.token_of("alice").await;
    let kid = acts.realm.active_key("token").await;
    let rotate = json!({ "purpose": "token" });
    acts.act(Method::POST, "/admin/keys/rotate", rotate.clone()).await;
    let (recorded, stood) = (records(&acts.realm).await, pos(&acts.realm.authority).await);
    let (post, delete) = (Method::POST, Method::DELETE);
    let client = |id: &str| json!({ "client_id": id, "audiences": ["x"], "permissions": [] });
    let long = "x".repeat(201);
    for (method, path, body, status) in [
        (&post, "/admin/users", json!({ "username": "Alice", "password": PASSWORD }), 409),
        (&post, "/admin/users", json!({ "username": "x", "password": "short" }), 400),
        (&post, "/admin/users/nobody/state", json!({ "state": "banned" }), 404),
        (&post, "/admin/users/alice/state", json!({ "state": "happy" }), 400),
        (&post, "/admin/users/nobody/roles", json!({ "roles": [] }), 404),
        (&post, "/admin/users/alice/roles", json!({ "roles": ["a b"] }), 400),
        (&delete, "/admin/users/nobody", json!({}), 404),
        (&post, "/admin/clients", client(POSTS), 409),
        (&post, "/admin/clients", client("first-party"), 400),
        (&post, "/admin/clients", client(alice["sub"].as_str().unwrap()), 400),
        (&post, "/admin/clients/nobody/secret", json!({}), 404),
        (&delete, "/admin/clients/nobody", json!({}), 404),
        (&post, "/admin/keys/rotate", rotate, 409),
        (&post, "/admin/keys/rotate", json!({ "purpose": "shared", "audience": POSTS }), 404),
        (&post, "/admin/keys/retire", json!({ "kid": "nobody" }), 404),
        (&post, "/admin/keys/retire", json!({ "kid": kid }), 409),
        (&post, "/admin/keys/share", json!({ "audience": "nobody" }), 404),
        (&post, "/admin/revoke", json!({ "user": "nobody" }), 404),
        (&post, "/admin/revoke", json!({ "user": "nobody", "client": "first-party" }), 404),
        (&post, "/admin/revoke", json!({ "user": "alice", "client": "nobody" }), 404),
        (&post, "/admin/revoke", json!({ "session": "AAAAAAAAAAAAAAAAAAAAAA" }), 404),
        (&post, "/admin/revoke", json!({ "client": "nobody" }), 404),
        (&post, "/admin/revoke", json!({ "audience": "nobody" }), 404),
        (&post, "/admin/revoke", json!({ "everything": true, "reason": long }), 400),
        (&post, "/admin/revoke", json!({ "everything": true, "reason": "a\nb" }), 400),
    ] {
        let answer = acts.office.ask(method.clone(), path, &body).await;
        assert_eq!(answer.status, status, "{method} {path} {body}: {}", answer.text());
        assert_eq!(records(&acts.realm).await, recorded, "{method} {path} {body}");
        assert_eq!(pos(&acts.realm.authority).await, stood, "{method} {path} {body}");
    }
}

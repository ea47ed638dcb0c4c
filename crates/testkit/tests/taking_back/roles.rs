//! A changed role is no logout: a client that knows nothing but the standard goes on by itself.

use crate::realm::{CHALLENGE, Realm, claims, fresh_jti, text};
use http::Method;
use rescind_testkit::accounts::essence;
use rescind_testkit::http::{Answer, Http};
use rescind_testkit::server::PASSWORD;
use rescind_wire::token::Claims;
use serde_json::json;

/// A client written by the book (RFC 6750 §3.1): whoever tells it `invalid_token` makes it refresh once
/// and send the request again.
struct Client {
    authority: Http,
    server: Http,
    access: String,
    refresh: String,
    refreshed: u32,
}

impl Client {
    async fn sign_in(realm: &Realm) -> Self {
        let authority = realm.authority.http();
        let tokens = authority.sign_in("alice", PASSWORD).await;
        let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
        Self { authority, server: realm.posts.http.clone(), access, refresh, refreshed: 0 }
    }

    async fn get(&mut self, path: &str) -> Answer {
        let answer = self.server.get_as(path, &self.access).await;
        if answer.status != 401 || answer.header("www-authenticate") != CHALLENGE {
            return answer;
        }
        let tokens = self.authority.refresh(&self.refresh, None).await;
        if tokens.status != 200 {
            return answer;
        }
        self.refreshed += 1;
        self.access = text(&tokens.json(), "access_token");
        self.refresh = text(&tokens.json(), "refresh_token");
        self.server.get_as(path, &self.access).await
    }
}

async fn give(realm: &Realm, roles: &[&str]) {
    let body = json!({ "roles": roles });
    realm.administer(Method::POST, "/admin/users/alice/roles", body).await;
    realm.settle().await;
}

// R-59 R-19
#[tokio::test(flavor = "multi_thread")]
async fn a_client_goes_on_by_itself_with_the_role_it_was_given_and_without_the_one_it_lost() {
    let realm = Realm::start().await;
    let mut client = Client::sign_in(&realm).await;
    let session = claims(&client.access)["sid"].clone();
    let refused = client.get("/owner").await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.header("www-authenticate"), r#"Bearer error="insufficient_scope""#);
    assert_eq!(client.refreshed, 0, "no role is no reason to refresh");

    give(&realm, &["author", "owner"]).await;
    let old = client.access.clone();
    assert!(!realm.posts.lets_in(&old).await);
    assert_eq!(client.get("/owner").await.status, 200);
    assert_eq!(client.refreshed, 1);
    let me = client.get("/me").await.json();
    assert_eq!(me["roles"], json!(["author", "owner"]));
    assert_eq!(me["session"], session, "no new sign-in");

    give(&realm, &["author"]).await;
    let refused = client.get("/owner").await;
    assert_eq!((refused.status.as_u16(), client.refreshed), (403, 2));
    let me = client.get("/me").await.json();
    assert_eq!((&me["roles"], &me["session"]), (&json!(["author"]), &session));
    assert!(!realm.posts.lets_in(&old).await, "what was dead stays dead");
}

// R-59 E03
#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_former_roles_is_refused_as_any_bad_token_is() {
    let realm = Realm::start().await;
    let client = Client::sign_in(&realm).await;
    let model = realm.posts.verifier.check(&client.access).unwrap().claims().clone();
    give(&realm, &["owner"]).await;
    let former = essence(&realm.posts.http.get_as("/me", &client.access).await);
    assert_eq!(former.0, 401);
    let next = Claims { rv: u64::MAX, jti: fresh_jti("next"), ..model.clone() };
    assert!(realm.posts.lets_in(&realm.sign(&next)).await);
    let expired = Claims { iat: model.iat - 600, exp: model.iat - 300, ..next.clone() };
    let foreign = Claims { iss: "http://127.0.0.1:1".into(), ..next.clone() };
    let elsewhere = Claims { aud: vec!["elsewhere".into()], ..next.clone() };
    let mut bad: Vec<String> =
        [expired, foreign, elsewhere].iter().map(|c| realm.sign(c)).collect();
    let (unsigned, _) = client.access.rsplit_once('.').unwrap();
    bad.push(format!("{unsigned}.{}", "A".repeat(86)));
    bad.push("x.y.z".into());
    for token in bad {
        assert_eq!(essence(&realm.posts.http.get_as("/me", &token).await), former);
    }
}

// R-59
#[tokio::test(flavor = "multi_thread")]
async fn the_same_client_is_told_no_once_and_for_all_when_its_account_is_closed() {
    let realm = Realm::start().await;
    let mut client = Client::sign_in(&realm).await;
    let body = json!({ "state": "banned" });
    realm.administer(Method::POST, "/admin/users/alice/state", body).await;
    realm.settle().await;
    assert_eq!(client.get("/me").await.status, 401);
    assert_eq!(client.refreshed, 0);
}

//! Every way to take something back, as whoever does it sends it.

use crate::realm::{FILES, POSTS, Realm, claims, text};
use crate::scene::Scene;
use http::Method;
use http::header::AUTHORIZATION;
use rescind_testkit::http::Answer;
use serde_json::{Value, json};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    // A person's own.
    Logout,
    LogoutEverywhere,
    EndSession,
    EndOtherSessions,
    ChangePassword,
    Reauthenticate,
    // Of OAuth.
    RevokeAccessToken,
    RevokeRefreshToken,
    SpentRefreshToken,
    // An administrator's, for an account.
    Suspend,
    Ban,
    Delete,
    ChangeRoles,
    RevokeUser,
    RevokeUserAtClient,
    // An administrator's, for anything else.
    RevokeClient,
    RevokeUnusedClient,
    RemoveUnusedClient,
    RevokeAudience,
    RevokeSession,
    RevokeToken,
    RevokeEverything,
    // Keys.
    TokenKeyCompromised,
    LineKeyCompromised,
    TokenKeyRotated,
    TokenKeyRetired,
    LineKeyRotated,
}

impl Scene {
    /// Does it, and expects that it is done when it is answered.
    pub(crate) async fn take_back(&mut self, way: Way) {
        match way {
            Way::Logout => self.as_program(Method::POST, "/logout", None, 204).await,
            Way::LogoutEverywhere => {
                self.as_program(Method::POST, "/logout/everywhere", None, 200).await
            }
            Way::EndSession => {
                let path = format!("/sessions/{}", text(&claims(&self.program.posts), "sid"));
                self.send(Method::DELETE, &path, &self.other.refresh, None, 200).await
            }
            Way::EndOtherSessions => self.as_program(Method::DELETE, "/sessions", None, 200).await,
            Way::ChangePassword => {
                let new = "a new and longer password";
                let body = json!({ "current_password": self.password, "new_password": new });
                self.as_program(Method::POST, "/password", Some(body), 200).await;
                self.password = new.into();
            }
            Way::Reauthenticate => {
                let body = json!({ "password": self.password });
                self.as_program(Method::POST, "/reauthenticate", Some(body), 200).await
            }
            Way::RevokeAccessToken => self.revoke_as_client(&self.program.posts).await,
            Way::RevokeRefreshToken => self.revoke_as_client(&self.program.refresh).await,
            Way::SpentRefreshToken => {
                let theft = self.realm.authority.http().refresh(&self.program.spent, None).await;
                expect(&theft, 400);
                assert_eq!(theft.json()["error"], "invalid_grant");
            }
            other => self.realm.take_back(other, &self.program.posts).await,
        }
    }

    async fn as_program(&self, method: Method, path: &str, body: Option<Value>, status: u16) {
        self.send(method, path, &self.program.refresh, body, status).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<Value>,
        status: u16,
    ) {
        let bearer = format!("Bearer {token}");
        let mut headers = vec![(AUTHORIZATION.as_str(), bearer.as_str())];
        headers.extend(body.is_some().then_some(("content-type", "application/json")));
        let body = body.map_or(String::new(), |b| b.to_string());
        let answer = self.realm.authority.http().send(method, path, &headers, body).await;
        expect(&answer, status);
        if let Some(renewed) = answer.json()["refresh_token"].as_str() {
            // What stands in the old session's place works.
            assert_eq!(self.realm.authority.http().get_as("/whoami", renewed).await.status, 200);
        }
    }

    async fn revoke_as_client(&self, token: &str) {
        let form = [("client_id", "first-party"), ("token", token)];
        expect(&self.realm.authority.http().post_form("/revoke", &form, &[]).await, 200);
    }
}

impl Realm {
    /// What an administrator does; `token` is of the session that is meant.
    async fn take_back(&self, way: Way, token: &str) {
        let claims = claims(token);
        let state = |state: &str| ("/admin/users/alice/state", json!({ "state": state }));
        let revoke = |what: Value| ("/admin/revoke", what);
        let (path, body) = match way {
            Way::Suspend => state("suspended"),
            Way::Ban => state("banned"),
            Way::ChangeRoles => ("/admin/users/alice/roles", json!({ "roles": ["owner"] })),
            Way::Delete => return self.delete("/admin/users/alice").await,
            Way::RemoveUnusedClient => return self.delete("/admin/clients/auditor").await,
            Way::RevokeUser => revoke(json!({ "user": "alice" })),
            Way::RevokeUserAtClient => revoke(json!({ "user": "alice", "client": "first-party" })),
            Way::RevokeClient => revoke(json!({ "client": "first-party" })),
            Way::RevokeUnusedClient => revoke(json!({ "client": FILES })),
            Way::RevokeAudience => revoke(json!({ "audience": POSTS })),
            Way::RevokeSession => revoke(json!({ "session": claims["sid"] })),
            Way::RevokeToken => revoke(json!({ "token": claims["jti"] })),
            Way::RevokeEverything => revoke(json!({ "everything": true })),
            Way::TokenKeyRotated => ("/admin/keys/rotate", json!({ "purpose": "token" })),
            Way::LineKeyRotated => ("/admin/keys/rotate", json!({ "purpose": "line" })),
            Way::TokenKeyRetired => self.retire("token", false).await,
            Way::TokenKeyCompromised => self.retire("token", true).await,
            Way::LineKeyCompromised => self.retire("line", true).await,
            _ => unreachable!("no act of an administrator: {way:?}"),
        };
        self.administer(Method::POST, path, body).await;
    }

    async fn delete(&self, path: &str) {
        self.administer(Method::DELETE, path, json!({})).await;
    }

    /// What retires the active key of a purpose.
    async fn retire(&self, purpose: &str, compromised: bool) -> (&'static str, Value) {
        let kid = self.active_key(purpose).await;
        ("/admin/keys/retire", json!({ "kid": kid, "compromised": compromised }))
    }

    /// The id of the key in force.
    pub(crate) async fn active_key(&self, purpose: &str) -> String {
        let keys = self.administer(Method::GET, "/admin/keys", Value::Null).await;
        let active = |k: &&Value| k["purpose"] == purpose && k["state"] == "active";
        text(keys.as_array().unwrap().iter().find(active).unwrap(), "kid")
    }
}

#[track_caller]
fn expect(answer: &Answer, status: u16) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
}

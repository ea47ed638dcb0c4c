//! What is asked of the authority when it dies.

use crate::every_point::{KEY, Scene};
use crate::realm::{Realm, try_refresh};
use http::Method;
use rescind_testkit::server::PASSWORD;
use serde_json::json;

/// What is asked for when the process dies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Act {
    Login,
    Refresh,
    Logout,
    RevokeSession,
    RevokeUser,
    RotateKey,
    CompromiseKey,
}

impl Act {
    /// The route that it takes.
    pub(crate) fn route(self) -> &'static str {
        match self {
            Act::Login => "/login",
            Act::Refresh => "/token",
            Act::Logout => "/logout",
            Act::RevokeSession | Act::RevokeUser => "/admin/revoke",
            Act::RotateKey => "/admin/keys/rotate",
            Act::CompromiseKey => "/admin/keys/retire",
        }
    }

    /// Whether alice is signed out by it.
    pub(crate) fn ends_the_session(self) -> bool {
        matches!(self, Act::Logout | Act::RevokeSession | Act::RevokeUser)
    }

    /// Asks, and hears nothing.
    pub(crate) async fn dies(self, scene: &Scene) {
        let (realm, token) = (&scene.realm, &scene.alice.refresh);
        let (http, bearer) = (realm.http(), format!("Bearer {token}"));
        let answer = match self {
            Act::Login => {
                let body = json!({ "username": "alice", "password": PASSWORD, "carrier": "token" });
                let headers = [("content-type", "application/json")];
                http.attempt(Method::POST, "/login", &headers, body.to_string()).await
            }
            Act::Refresh => try_refresh(&http, token, Some(KEY)).await,
            Act::Logout => {
                http.attempt(Method::POST, "/logout", &[("authorization", &bearer)], "").await
            }
            Act::RevokeSession => {
                let principal = scene.verifier.check_online(&scene.alice.access).await.unwrap();
                return by_command(
                    realm,
                    &["revoke", "--session", &principal.session().to_string()],
                );
            }
            Act::RevokeUser => return by_command(realm, &["revoke", "--user", "alice"]),
            Act::RotateKey => return by_command(realm, &["keys", "rotate", "line"]),
            Act::CompromiseKey => {
                let kid = scene.keys.active("token");
                return by_command(realm, &["keys", "retire", &kid, "--compromised", "--yes"]);
            }
        };
        assert!(answer.is_none(), "{answer:?}");
    }
}

fn by_command(realm: &Realm, args: &[&str]) {
    let said = realm.command(args, &[], "");
    assert_eq!(said.status.code(), Some(3), "nobody knows whether it is done: {said:?}");
    assert!(String::from_utf8_lossy(&said.stderr).contains("may or may not be done"), "{said:?}");
    assert!(said.stdout.is_empty(), "{said:?}");
}

//! The administrator's routes asked directly, as whoever a test wants to be.

use crate::realm::Realm;
use axum::Router;
use axum::body::Body;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use rescind_authority::audit::Record;
use rescind_server::admin::HOST;
use rescind_server::serve::Uid;
use rescind_testkit::http::Answer;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// The user id that asks.
pub(crate) const UID: u32 = 4242;

/// The routes of the administrator that change something, with bodies that they take, in an order in
/// which each of them does it.
pub(crate) fn changing(session: &str, kid: &str) -> Vec<(Method, &'static str, Value)> {
    let (post, delete) = (Method::POST, Method::DELETE);
    vec![
        (post.clone(), "/admin/users", json!({ "username": "carol", "password": "carol's own" })),
        (post.clone(), "/admin/users/alice/state", json!({ "state": "banned" })),
        (post.clone(), "/admin/users/alice/roles", json!({ "roles": ["owner"] })),
        (post.clone(), "/admin/clients", {
            json!({ "client_id": "c", "audiences": ["c"], "permissions": [] })
        }),
        (post.clone(), "/admin/clients/files-api/secret", json!({})),
        (post.clone(), "/admin/keys/rotate", json!({ "purpose": "line" })),
        (post.clone(), "/admin/keys/retire", json!({ "kid": kid })),
        (post.clone(), "/admin/keys/share", json!({ "audience": "files-api" })),
        (post, "/admin/revoke", json!({ "session": session })),
        (delete.clone(), "/admin/clients/files-api", json!({})),
        (delete, "/admin/users/alice", json!({})),
    ]
}

/// The routes that change nothing, but for that of one session.
pub(crate) const READING: [&str; 6] = [
    "/admin/users",
    "/admin/users/alice/sessions",
    "/admin/clients",
    "/admin/keys",
    "/admin/affected",
    "/admin/audit",
];

/// The administrator's router.
pub(crate) struct Office {
    router: Router,
}

impl Office {
    pub(crate) fn of(realm: &Realm) -> Self {
        Self { router: rescind_server::http::admin_router(realm.authority.app.clone()) }
    }

    /// Asks as a process of this user would by the socket.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.ask_as(method, path, body, (Some(UID), Some(HOST))).await
    }

    /// Asks as somebody, under a name of the host.
    pub(crate) async fn ask_as(
        &self,
        method: Method,
        path: &str,
        body: &Value,
        (uid, host): (Option<u32>, Option<&str>),
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        if let Some(uid) = uid {
            request = request.extension(Uid(uid));
        }
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let request = request.header("content-type", "application/json").body(Body::from(text));
        let response = self.router.clone().oneshot(request.unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: head.status, headers: head.headers, body }
    }
}

/// The whole record, newest first.
pub(crate) async fn records(realm: &Realm) -> Vec<Record> {
    realm.authority.app.authority.store().records(None, 10_000).await.unwrap()
}

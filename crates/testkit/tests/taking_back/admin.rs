//! The administrator's door: where it is, to whom it opens, and what it does not do for anybody.

use crate::office::{Office, READING, UID, changing, records};
use crate::realm::{Realm, claims, text};
use http::Method;
use rescind_server::admin::HOST;
use rescind_server::run::socket_path;
use rescind_testkit::accounts::{essence, pos, stored_hash};
use rescind_testkit::server::PASSWORD;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// All routes, with bodies that they take.
async fn all(realm: &Realm) -> Vec<(Method, String, Value)> {
    let tokens = realm.authority.http().sign_in("alice", PASSWORD).await;
    let session = text(&claims(&text(&tokens, "access_token")), "sid");
    let read = READING.map(str::to_owned).into_iter().chain([format!("/admin/sessions/{session}")]);
    let mut all: Vec<_> = read.map(|path| (Method::GET, path, Value::Null)).collect();
    let changing = changing(&session, &realm.active_key("token").await);
    all.extend(changing.into_iter().map(|(method, path, body)| (method, path.to_owned(), body)));
    all
}

// A01
#[tokio::test(flavor = "multi_thread")]
async fn the_public_listener_knows_no_route_of_the_administrator() {
    let realm = Realm::start().await;
    let (http, recorded) = (realm.authority.http(), records(&realm).await);
    for host in [HOST, http.address()] {
        for (method, path, body) in all(&realm).await {
            let ask = async |path: &str| {
                let headers = [("host", host), ("content-type", "application/json")];
                let body = if body.is_null() { String::new() } else { body.to_string() };
                essence(&http.send(method.clone(), path, &headers, body).await)
            };
            let answer = ask(&path).await;
            assert_eq!(answer.0, 404, "{method} {path}");
            assert_eq!(answer, ask("/nowhere").await, "{method} {path}");
        }
    }
    assert_eq!(records(&realm).await, recorded);
}

// A01 A04
#[tokio::test(flavor = "multi_thread")]
async fn the_administrators_routes_open_to_nobody_who_did_not_come_by_the_socket_or_meant_another_host()
 {
    let realm = Realm::start().await;
    let (office, routes) = (Office::of(&realm), all(&realm).await);
    let (recorded, stood) = (records(&realm).await, pos(&realm.authority).await);
    let (here, port) = (realm.authority.http().address().to_owned(), format!("{HOST}:80"));
    let strangers = [
        (None, Some(HOST)),
        (None, None),
        (Some(UID), None),
        (Some(UID), Some("localhost")),
        (Some(UID), Some(here.as_str())),
        (Some(UID), Some("rescind.example")),
        (Some(UID), Some(port.as_str())),
        (Some(UID), Some("")),
        (Some(0), Some("evil.example")),
    ];
    for (method, path, body) in &routes {
        let nowhere = office.ask(method.clone(), "/admin/nowhere", body).await;
        for who in strangers {
            let answer = office.ask_as(method.clone(), path, body, who).await;
            assert_eq!(answer.status, 404, "{method} {path} {who:?}");
            assert_eq!(essence(&answer), essence(&nowhere), "{method} {path} {who:?}");
        }
    }
    assert_eq!(records(&realm).await, recorded);
    assert_eq!(pos(&realm.authority).await, stood);
}

// A01 A04
#[tokio::test(flavor = "multi_thread")]
async fn the_socket_is_its_owners_alone_and_refuses_another_host_too() {
    let realm = Realm::start().await;
    let socket = socket_path(&realm.authority.config.data);
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for (host, status) in [(HOST, "200"), ("localhost", "404"), ("rescind.example", "404")] {
        let mut stream = UnixStream::connect(&socket).await.unwrap();
        let request =
            format!("GET /admin/users HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{host}: {answer}");
        assert_eq!(answer.contains("alice"), status == "200");
    }
}

// A02
#[tokio::test(flavor = "multi_thread")]
async fn a_ban_is_not_weakened_into_a_suspension() {
    let realm = Realm::start().await;
    let office = Office::of(&realm);
    let set = async |state: &str| {
        let body = json!({ "state": state });
        office.ask(Method::POST, "/admin/users/alice/state", &body).await
    };
    assert_eq!(set("banned").await.status, 200);
    let (recorded, stood) = (records(&realm).await, pos(&realm.authority).await);
    let refused = set("suspended").await;
    assert_eq!(refused.status, 409);
    assert!(refused.text().contains("rescind user activate"), "{}", refused.text());
    assert_eq!(
        office.ask(Method::GET, "/admin/users", &Value::Null).await.json()[0]["state"],
        "banned"
    );
    assert_eq!(records(&realm).await, recorded);
    assert_eq!(pos(&realm.authority).await, stood);
    for state in ["banned", "active", "suspended", "banned"] {
        assert_eq!(set(state).await.status, 200, "{state}");
    }
}

// A05
#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_a_route_does_not_know_is_refused_and_nothing_is_done() {
    let realm = Realm::start().await;
    let (office, routes) = (Office::of(&realm), all(&realm).await);
    let (recorded, stood) = (records(&realm).await, pos(&realm.authority).await);
    for (method, path, body) in routes.into_iter().filter(|(_, _, body)| !body.is_null()) {
        for member in ["sub", "actor", "uid", "role", "force", "Reason", "password_version"] {
            let mut more = body.clone();
            more[member] = json!("x");
            let answer = office.ask(method.clone(), &path, &more).await;
            assert_eq!(answer.status, 400, "{method} {path} {member}: {}", answer.text());
        }
    }
    assert_eq!(records(&realm).await, recorded);
    assert_eq!(pos(&realm.authority).await, stood);
}

// A03
#[tokio::test(flavor = "multi_thread")]
async fn the_administrator_neither_sets_nor_reads_the_password_of_an_account() {
    let realm = Realm::start().await;
    let office = Office::of(&realm);
    let before = stored_hash(&realm.authority, "alice").await;
    let new = "what the administrator wants";
    let foreign = stored_hash(&realm.authority, "bob").await;
    let set = [
        (Method::POST, "/admin/users", json!({ "username": "alice", "password": new }), 409),
        (Method::POST, "/admin/users", json!({ "username": "ALICE", "password": new }), 409),
        (
            Method::POST,
            "/admin/users",
            json!({ "username": "alice", "password_hash": foreign }),
            409,
        ),
        (Method::POST, "/admin/users/alice/password", json!({ "password": new }), 404),
        (Method::PATCH, "/admin/users/alice", json!({ "password": new }), 405),
        (Method::PUT, "/admin/users/alice", json!({ "password": new }), 405),
        (Method::POST, "/admin/users/alice", json!({ "password": new }), 405),
        (
            Method::POST,
            "/admin/users/alice/state",
            json!({ "state": "active", "password": new }),
            400,
        ),
        (Method::POST, "/admin/users/alice/roles", json!({ "roles": [], "password": new }), 400),
    ];
    for (method, path, body, status) in set {
        let answer = office.ask(method.clone(), path, &body).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        assert!(!answer.text().contains("$argon2") && !answer.text().contains(new));
    }
    assert_eq!(stored_hash(&realm.authority, "alice").await, before);
    realm.authority.http().sign_in("alice", PASSWORD).await;

    for (method, path, body) in all(&realm).await {
        let answer = office.ask(method.clone(), &path, &body).await;
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
        for secret in ["password", "$argon2", "carol's own", PASSWORD, &before] {
            assert!(!answer.text().contains(secret), "{method} {path}: {}", answer.text());
        }
    }
}

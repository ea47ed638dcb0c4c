//! What one source may have, and what stays for everybody else.

use crate::realm::{Realm, read};
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use rescind_server::run::Config;
use rescind_testkit::server::PASSWORD;
use rescind_wire::id::Sub;
use serde_json::json;
use std::time::Duration;
use tokio::time::timeout;

const JWKS: &str = "/.well-known/jwks.json";
const STRANGER: &str = "127.0.0.2";
const LONG: Duration = Duration::from_secs(20);
/// How long a request is given to begin before it is taken back.
const PACE: Duration = Duration::from_millis(40);

/// Where one source has ten places of eighty.
fn few(config: &mut Config) {
    config.limits.connections = 80;
}

fn assert_turned_away(response: &http::Response<Incoming>) {
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap());
    assert_eq!(header("retry-after"), Some("1"));
    assert_eq!(header("strict-transport-security"), Some("max-age=31536000; includeSubDomains"));
    assert_eq!(header("cache-control"), Some("no-store"));
    assert_eq!(header("x-correlation-id").map(str::len), Some(12));
}

// H07 H08
#[tokio::test(flavor = "multi_thread")]
async fn one_stranger_never_has_all_open_requests() {
    let realm = Realm::start(few).await;
    let mut open = Vec::new();
    let mut turned_away = 0;
    let mut connections = Vec::new();
    for _ in 0..4 {
        // One byte of each answer is taken, and no more.
        let mut http = realm.http2_from(STRANGER, 1).await;
        for _ in 0..30 {
            let response = http.send_request(realm.get(JWKS)).await.unwrap();
            if response.status() == StatusCode::OK {
                open.push(response);
            } else {
                assert_turned_away(&response);
                assert!(read(response).await.1.is_empty());
                turned_away += 1;
            }
        }
        connections.push(http);
    }
    assert_eq!((open.len(), turned_away), (10, 110));
    let mut honest = realm.http2(65_535).await;
    let answer = honest.send_request(realm.get(JWKS)).await.unwrap();
    assert_eq!(read(answer).await.0, StatusCode::OK);
    // What is given up is free again.
    drop((open, connections));
    let again = async {
        let mut http = realm.http2_from(STRANGER, 65_535).await;
        while http.send_request(realm.get(JWKS)).await.unwrap().status() != StatusCode::OK {}
    };
    timeout(LONG, again).await.expect("the share stays taken");
}

fn sign_in(realm: &Realm) -> Request<Full<Bytes>> {
    let body = json!({ "username": "alice", "password": PASSWORD, "carrier": "token" });
    let mut request = realm.get("/login").map(|_| Full::from(body.to_string()));
    *request.method_mut() = http::Method::POST;
    request.headers_mut().insert("content-type", "application/json".parse().unwrap());
    request
}

async fn sessions(realm: &Realm, sub: Sub) -> usize {
    realm.authority.app.authority.sessions(sub).await.unwrap().len()
}

// H07
#[tokio::test(flavor = "multi_thread")]
async fn who_takes_back_again_and_again_has_no_more_under_way_than_his_share() {
    let realm = Realm::start(|config| {
        few(config);
        config.settings.argon2.memory_kib = 64;
        config.settings.argon2.passes = 1;
    })
    .await;
    let sub = realm.authority.person("alice").await;
    // No sign-in ends meanwhile.
    fail::cfg("store::before_commit", "pause").unwrap();
    let mut turned_away = 0;
    for number in 0..40 {
        if number % 2 == 0 {
            let mut http = realm.http2_from(STRANGER, 65_535).await;
            if let Ok(answer) = timeout(PACE, http.send_request(sign_in(&realm))).await {
                assert_turned_away(&answer.unwrap());
                turned_away += 1;
            }
        } else {
            let mut http = realm.http1_from(STRANGER).await;
            if let Ok(answer) = timeout(PACE, http.send_request(sign_in(&realm))).await {
                assert_turned_away(&answer.unwrap());
                turned_away += 1;
            }
        }
    }
    fail::remove("store::before_commit");
    assert!(turned_away > 0, "more was begun than there are places");
    // Whatever was begun runs to its end, and then its place is free: ten are, at once.
    let all_free = async {
        loop {
            let mut held = Vec::new();
            let mut http = realm.http2_from(STRANGER, 1).await;
            for _ in 0..10 {
                held.push(http.send_request(realm.get(JWKS)).await.unwrap());
            }
            if held.iter().all(|answer| answer.status() == StatusCode::OK) {
                return;
            }
        }
    };
    timeout(LONG, all_free).await.expect("places that are never free again");
    let opened = sessions(&realm, sub).await;
    assert!((1..=10).contains(&opened), "{opened} sign-ins were under way at once");
}

// H08
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_a_handshake() {
    use tokio::io::AsyncWriteExt as _;
    let realm = Realm::start(|_| {}).await;
    let mut silent = tokio::net::TcpStream::connect(realm.authority.address).await.unwrap();
    silent.write_all(&[22, 3, 1, 1, 0, 1]).await.unwrap();
    // Connections are taken in turn: when this one is served, the one before was taken.
    let mut http = realm.http1().await;
    assert_eq!(read(http.send_request(realm.get(JWKS)).await.unwrap()).await.0, StatusCode::OK);
    drop(http);
    // A stop that waits does so for five seconds.
    timeout(Duration::from_secs(5), realm.authority.stop()).await.expect("it waits");
}

//! What is spoken.

use crate::realm::{Realm, read};
use http::{HeaderValue, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const JWKS: &str = "/.well-known/jwks.json";

// H01
#[tokio::test(flavor = "multi_thread")]
async fn tls_1_2_and_1_3_are_spoken_with_http_1_1_and_2() {
    let realm = Realm::start(|_| {}).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let stream = realm.connect(&[b"h2", b"http/1.1"], &[version]).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    }
    let by_one = realm.http1().await.send_request(realm.get(JWKS)).await.unwrap();
    let by_two = realm.http2(65_535).await.send_request(realm.get(JWKS)).await.unwrap();
    assert_eq!(by_two.version(), http::Version::HTTP_2);
    assert_eq!(read(by_one).await, read(by_two).await);
}

// H02
#[tokio::test(flavor = "multi_thread")]
async fn every_answer_over_tls_demands_tls_for_a_year() {
    let realm = Realm::start(|_| {}).await;
    let mut http = realm.http2(65_535).await;
    for path in [JWKS, "/sign-in", "/nowhere", "/healthz"] {
        let response = http.send_request(realm.get(path)).await.unwrap();
        let year = HeaderValue::from_static("max-age=31536000; includeSubDomains");
        assert_eq!(response.headers().get("strict-transport-security"), Some(&year), "{path}");
    }
}

// H01
#[tokio::test(flavor = "multi_thread")]
async fn plain_http_to_the_port_of_tls_is_neither_answered_nor_redirected() {
    let realm = Realm::start(|_| {}).await;
    let mut stream = TcpStream::connect(realm.authority.address).await.unwrap();
    stream.write_all(b"GET /whoami HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut said = Vec::new();
    // A reset is as good an end as any other.
    let _ = stream.read_to_end(&mut said).await;
    assert!(!said.starts_with(b"HTTP/"), "{said:?}");
    assert!(said.len() <= 7, "an alert at most: {said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_share_one_connection_and_a_stop_lets_them_end() {
    let realm = Realm::start(|_| {}).await;
    let http = realm.http2(65_535).await;
    let asked = (0..200).map(|_| {
        let (mut http, request) = (http.clone(), realm.get(JWKS));
        async move { read(http.send_request(request).await.unwrap()).await.0 }
    });
    let statuses = futures_util::future::join_all(asked).await;
    assert!(statuses.iter().all(|status| *status == StatusCode::OK));
    realm.authority.stop().await;
}

// H07
#[tokio::test(flavor = "multi_thread")]
async fn more_fields_than_anybody_needs_are_refused() {
    let realm = Realm::start(|_| {}).await;
    let mut http = realm.http2(65_535).await;
    let with = |fields: usize| {
        let mut request = realm.get(JWKS);
        for _ in 0..fields {
            request.headers_mut().append("a", HeaderValue::from_static(""));
        }
        request
    };
    // One more is the host.
    let few = http.send_request(with(99)).await.unwrap();
    assert_eq!(few.status(), StatusCode::OK);
    let many = http.send_request(with(100)).await.unwrap();
    assert_eq!(many.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    // Answered as everything is, and not to be repeated.
    for name in ["strict-transport-security", "x-correlation-id", "cache-control"] {
        assert!(many.headers().contains_key(name), "{name}");
    }
    assert!(!many.headers().contains_key("retry-after"));
    let problem: serde_json::Value = serde_json::from_slice(&read(many).await.1).unwrap();
    assert_eq!(problem["type"], "urn:rescind:problem:too-large");
    assert_eq!(problem["status"], 431);
}

// H09
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_names_two_hosts_is_refused() {
    let realm = Realm::start(|_| {}).await;
    let mut http = realm.http2(65_535).await;
    let mut request = realm.get(JWKS);
    request.headers_mut().insert("host", HeaderValue::from_static("evil.example"));
    assert_eq!(http.send_request(request).await.unwrap().status(), StatusCode::BAD_REQUEST);
    let mut request = realm.get(JWKS);
    *request.uri_mut() = "https://evil.example/.well-known/jwks.json".parse().unwrap();
    assert_eq!(http.send_request(request).await.unwrap().status(), StatusCode::BAD_REQUEST);
}

//! Whoever is slow, on a connection that many requests share.

use crate::realm::{Realm, read};
use hyper::body::Body as _;
use rescind_server::run::Config;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const SOON: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(20);

/// Where a second is 300 ms.
fn impatient(config: &mut Config) {
    config.limits.headers = SOON;
    config.limits.write = SOON;
}

/// Reads until the other side ends the connection.
async fn until_the_end(stream: &mut (impl tokio::io::AsyncRead + Unpin)) {
    let end = async {
        let mut bytes = [0; 4096];
        while matches!(stream.read(&mut bytes).await, Ok(read) if read > 0) {}
    };
    tokio::time::timeout(LONG, end).await.expect("it is still open");
}

// H08
#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_never_ends_is_cut_off() {
    let realm = Realm::start(impatient).await;
    let mut stream = tokio::net::TcpStream::connect(realm.authority.address).await.unwrap();
    // The beginning of a record that announces 256 bytes.
    stream.write_all(&[22, 3, 1, 1, 0, 1]).await.unwrap();
    until_the_end(&mut stream).await;
}

// H08
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_of_http_2_on_which_nothing_is_asked_is_closed() {
    let realm = Realm::start(impatient).await;
    for start in [
        &b""[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        // Headers of stream 1 that do not end, and go on in no other frame.
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\0\0\0\0\x01\x82",
    ] {
        let mut stream = realm.connect(&[b"h2"], rustls::ALL_VERSIONS).await.unwrap();
        stream.write_all(start).await.unwrap();
        until_the_end(&mut stream).await;
    }
}

// H08
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_taken_ends_its_connection_however_alive_the_others_are() {
    let realm = Realm::start(impatient).await;
    // One byte may be sent on each stream, and no more is asked for.
    let mut http = realm.http2(1).await;
    let stuck = http.send_request(realm.get("/.well-known/jwks.json")).await.unwrap();
    assert_eq!(stuck.status(), 200);
    let mut stuck = stuck.into_body();
    let ends = async {
        while http.send_request(realm.get("/nowhere")).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, ends).await.expect("it is still open");
    let rest = async {
        while let Some(Ok(_)) = poll_fn(|context| Pin::new(&mut stuck).poll_frame(context)).await {}
    };
    tokio::time::timeout(LONG, rest).await.expect("the answer is still open");
}

// H08
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_now_and_then_keeps_the_connection() {
    let realm = Realm::start(|config| config.limits.headers = 4 * SOON).await;
    let mut http = realm.http2(65_535).await;
    for _ in 0..6 {
        tokio::time::sleep(SOON).await;
        let response = http.send_request(realm.get("/.well-known/jwks.json")).await.unwrap();
        assert_eq!(read(response).await.0, 200);
    }
}

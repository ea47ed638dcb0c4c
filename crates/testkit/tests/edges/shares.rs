//! What one source may have of the places, and whom a proxy's connections count for.

use crate::support::{log, quick_with};
use rescind_testkit::server::TestAuthority;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

const JWKS: &str = "/.well-known/jwks.json";
const LONG: Duration = Duration::from_secs(20);

/// A connection from an address of this machine, on which this was sent.
async fn sent(authority: &TestAuthority, from: u8, text: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, from), 0))).unwrap();
    let mut stream = socket.connect(authority.address).await.unwrap();
    // It may be closed already.
    let _ = stream.write_all(text.as_bytes()).await;
    stream
}

/// What comes first; nothing if the connection is closed.
async fn first(stream: &mut TcpStream) -> String {
    let mut bytes = vec![0; 4096];
    let read = timeout(LONG, stream.read(&mut bytes)).await.expect("nothing comes");
    String::from_utf8_lossy(&bytes[..read.unwrap_or(0)]).into_owned()
}

fn get() -> String {
    format!("GET {JWKS} HTTP/1.1\r\nHost: a\r\n\r\n")
}

// H08
#[tokio::test(flavor = "multi_thread")]
async fn one_source_has_its_share_of_the_connections_and_no_more() {
    let authority = quick_with(|config| config.limits.connections = 80).await;
    let mut held = Vec::new();
    for number in 0..10 {
        let mut stream = sent(&authority, 3, &get()).await;
        assert!(first(&mut stream).await.starts_with("HTTP/1.1 200 "), "{number}");
        held.push(stream);
    }
    for _ in 0..5 {
        assert_eq!(first(&mut sent(&authority, 3, &get()).await).await, "");
    }
    assert_eq!(authority.http().get(JWKS, &[]).await.status, 200, "from elsewhere");
    let refused = log().events_with("\"connection_refused\"");
    assert!(refused.iter().any(|event| event["address"] == "127.0.0.3"), "{refused:?}");
    held.pop();
    let again = async { while first(&mut sent(&authority, 3, &get()).await).await.is_empty() {} };
    timeout(LONG, again).await.expect("a place that was given back stays taken");
}

/// A request of somebody behind the proxy that waits for a body; gives it when the server waits, too.
async fn stalled(authority: &TestAuthority, client: &str) -> (TcpStream, String) {
    let text = format!(
        "POST /login HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {client}\r\nExpect: 100-continue\r\n\
         Content-Type: application/json\r\nContent-Length: 9\r\n\r\n"
    );
    let mut stream = sent(authority, 1, &text).await;
    let said = first(&mut stream).await;
    (stream, said)
}

// H08 B05
#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_is_not_one_source_and_each_of_its_clients_is() {
    let authority = quick_with(|config| {
        config.limits.connections = 80;
        config.trusted_proxies = vec![Ipv4Addr::LOCALHOST.into()];
    })
    .await;
    let mut held = Vec::new();
    for number in 0..10 {
        let (stream, said) = stalled(&authority, "192.0.2.1").await;
        assert!(said.starts_with("HTTP/1.1 100 "), "{number}: {said}");
        held.push(stream);
    }
    let (_, said) = stalled(&authority, "192.0.2.1").await;
    assert!(said.starts_with("HTTP/1.1 503 "), "{said}");
    let head = said.to_lowercase();
    assert!(head.contains("\r\nretry-after: 1\r\n"), "{said}");
    let id = head.split("x-correlation-id: ").nth(1).unwrap().split('\r').next().unwrap();
    let line = |event: &serde_json::Value| {
        let own = event["id"].as_str().is_some_and(|other| other.eq_ignore_ascii_case(id));
        own && event["event"] == "request" && event["status"] == 503
    };
    let lines = log().events_with("192.0.2.1").into_iter().filter(line).count();
    assert_eq!(lines, 1, "one line in the log");

    for number in 0..15 {
        let (stream, said) = stalled(&authority, &format!("198.51.100.{number}")).await;
        assert!(said.starts_with("HTTP/1.1 100 "), "{number}: {said}");
        held.push(stream);
    }
    assert_eq!(authority.http().get(JWKS, &[]).await.status, 200, "the proxy's own");
}

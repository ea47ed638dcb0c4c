//! HTTP/2 as an attacker speaks it: frames made by hand, more than anybody sends, or such that no honest
//! peer sends.

use crate::realm::{Realm, read};
use rescind_server::run::Config;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

const JWKS: &str = "/.well-known/jwks.json";
const LONG: Duration = Duration::from_secs(20);

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// The error code of RFC 9113 §7 for whoever asks too much.
const ENHANCE_YOUR_CALM: u32 = 11;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header field in HPACK, literal and without an index (RFC 7541 §6.2.2). Shorter than 127 bytes.
fn field(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [vec![0], text(name), text(value)].concat()
}

/// The fields of a good request.
fn request(host: &str) -> Vec<u8> {
    let path = field(":path", JWKS);
    [field(":method", "GET"), field(":scheme", "https"), path, field(":authority", host)].concat()
}

fn host(realm: &Realm) -> String {
    realm.authority.issuer().trim_start_matches("https://").to_owned()
}

/// A connection on which this was sent.
async fn sent(realm: &Realm, frames: &[u8]) -> TlsStream<TcpStream> {
    let mut stream = realm.connect(&[b"h2"], rustls::ALL_VERSIONS).await.unwrap();
    let begin = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &frame(SETTINGS, 0, 0, &[])[..], frames];
    // The server may end it before it has read all: what it said is still there.
    let _ = stream.write_all(&begin.concat()).await;
    stream
}

/// Kind, stream and payload of each frame that comes, until one is the last or the connection ends.
async fn heard(
    stream: &mut TlsStream<TcpStream>,
    last: impl Fn(u8, u32) -> bool,
) -> Vec<(u8, u32, Vec<u8>)> {
    let all = async {
        let mut frames = Vec::new();
        let mut head = [0; 9];
        while stream.read_exact(&mut head).await.is_ok() {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let number = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            let mut payload = vec![0; length as usize];
            if stream.read_exact(&mut payload).await.is_err() {
                break;
            }
            frames.push((head[3], number, payload));
            if last(head[3], number) {
                break;
            }
        }
        frames
    };
    timeout(LONG, all).await.expect("it is still open, and nothing comes")
}

/// The error code with which the server ends the connection.
async fn goaway(stream: &mut TlsStream<TcpStream>) -> Option<u32> {
    let frames = heard(stream, |kind, _| kind == GOAWAY).await;
    let (kind, _, payload) = frames.last()?;
    let code = payload.get(4..8)?.try_into().ok()?;
    (*kind == GOAWAY).then(|| u32::from_be_bytes(code))
}

async fn is_served(realm: &Realm) {
    let mut http = timeout(LONG, realm.http2(65_535)).await.unwrap();
    let answer = timeout(LONG, http.send_request(realm.get(JWKS))).await.unwrap().unwrap();
    assert_eq!(read(answer).await.0, 200);
}

/// The memory of this process that is in use, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

// H07
#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_taken_back_at_once_end_the_connection() {
    let realm = Realm::start(|_| {}).await;
    let request = request(&host(&realm));
    let taken_back = |number: u32| {
        let stream = 2 * number + 1;
        let asked = frame(HEADERS, END_HEADERS | END_STREAM, stream, &request);
        [asked, frame(RST_STREAM, 0, stream, &8u32.to_be_bytes())].concat()
    };
    let flood: Vec<u8> = (0..200).flat_map(taken_back).collect();
    let mut stream = sent(&realm, &flood).await;
    assert_eq!(goaway(&mut stream).await, Some(ENHANCE_YOUR_CALM));
    is_served(&realm).await;
}

// H07
#[tokio::test(flavor = "multi_thread")]
async fn headers_that_go_on_without_end_are_cut_off() {
    let realm = Realm::start(|_| {}).await;
    let begin = frame(HEADERS, END_STREAM, 1, &request(&host(&realm)));
    let before = resident();
    for part in [Vec::new(), field("x", "y"), field("x", &"y".repeat(100)).repeat(150)] {
        let go_on = frame(CONTINUATION, 0, 1, &part);
        let mut stream = sent(&realm, &begin).await;
        let flood = async { while stream.write_all(&go_on).await.is_ok() {} };
        timeout(LONG, flood).await.expect("headers without end are taken");
    }
    assert!(resident().saturating_sub(before) < 32 * 1024 * 1024);
    is_served(&realm).await;
}

// H07
#[tokio::test(flavor = "multi_thread")]
async fn a_few_bytes_never_become_large_headers() {
    let realm = Realm::start(|_| {}).await;
    // One field of 4,000 bytes is put into the table; then a byte stands for it, 15,000 times.
    let length = [0x7f, 0xa1, 0x1e];
    let bomb = [&[0x40, 1, b'x'], &length[..], &[b'y'; 4000], &[0xbe; 12_000]].concat();
    let fields = [request(&host(&realm)), bomb].concat();
    let before = resident();
    for _ in 0..20 {
        let flood = frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields);
        let mut stream = sent(&realm, &flood).await;
        let frames = heard(&mut stream, |kind, on| on == 1 || kind == GOAWAY).await;
        assert!(!served(&frames), "{frames:?}");
    }
    assert!(resident().saturating_sub(before) < 32 * 1024 * 1024);
    is_served(&realm).await;
}

/// Whether stream 1 was answered with 200: the status comes first, as the eighth entry of HPACK's table, but
/// for what changes the table's size.
fn served(frames: &[(u8, u32, Vec<u8>)]) -> bool {
    let status = |payload: &[u8]| payload.iter().find(|byte| **byte & 0xe0 != 0x20).copied();
    frames
        .iter()
        .any(|(kind, on, payload)| (*kind, *on) == (HEADERS, 1) && status(payload) == Some(0x88))
}

// H07
#[tokio::test(flavor = "multi_thread")]
async fn fields_that_http_2_does_not_have_are_refused() {
    let realm = Realm::start(|_| {}).await;
    let host = host(&realm);
    let good = request(&host);
    let ask = async |fields: &[u8]| {
        let request = frame(HEADERS, END_HEADERS | END_STREAM, 1, fields);
        let mut stream = sent(&realm, &request).await;
        heard(&mut stream, |kind, on| on == 1 || kind == GOAWAY).await
    };
    assert!(served(&ask(&good).await), "the good request is good");
    for (name, value) in [
        ("X-Upper", "a"),
        ("connection", "close"),
        ("connection", "x-a"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "close"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("te", "gzip"),
        ("x-a", "b\r\nx-c: d"),
        ("x-a", "b\rc"),
        ("x-a", "b\nc"),
        ("x-a", "b\0c"),
        ("x a", "b"),
        ("x-a:", "b"),
        ("x\r\na", "b"),
        ("", "b"),
        (":path", "/"),
        (":status", "200"),
        (":unknown", "b"),
        ("content-length", "5"),
    ] {
        let frames = ask(&[good.clone(), field(name, value)].concat()).await;
        assert!(!served(&frames), "{name:?}: {value:?}");
    }
    for fields in [
        [field("x-a", "b"), good.clone()].concat(),
        [field(":method", "GET"), good.clone()].concat(),
        field(":method", "GET"),
        [field(":method", "GET"), field(":scheme", "https")].concat(),
    ] {
        let frames = ask(&fields).await;
        assert!(!served(&frames), "{fields:x?}: {frames:x?}");
    }
    is_served(&realm).await;
}

// H07
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_signs_of_life_and_takes_none_is_cut_off() {
    let realm = Realm::start(|config: &mut Config| {
        config.limits.write = Duration::from_millis(300);
        config.limits.headers = Duration::from_secs(5);
    })
    .await;
    let before = resident();
    for flood in [frame(PING, 0, 0, &[1; 8]), frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 9])] {
        let flood = flood.repeat(1000);
        let mut stream = sent(&realm, &[]).await;
        let ends = async { while stream.write_all(&flood).await.is_ok() {} };
        timeout(LONG, ends).await.expect("it is still open");
    }
    assert!(resident().saturating_sub(before) < 32 * 1024 * 1024);
    is_served(&realm).await;
}

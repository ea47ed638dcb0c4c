//! Ten thousand connections that say next to nothing, against the program itself: its memory stays within
//! a bound, all are cut off, and an honest request is served then.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test stops at the first thing that is not as it says"
)]

use rescind_testkit::http::Http;
use rescind_testkit::process::{Process, free_port, wait_for_port};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// As many as the server takes at once.
const MOST: usize = 10_000;
/// What one connection may cost: its headers at their longest, and what belongs to it.
const EACH: usize = 64 * 1024;
/// Who is not cut off by now never is. Far beyond the server's deadlines of 20 s: on a busy machine the kernel
/// itself keeps connections of such a crowd back for up to a minute before the server sees them.
const NEVER: Duration = Duration::from_secs(180);

/// Lets this process, and the one it starts, have as many files as the system allows; gives how many
/// connections that makes.
fn connections() -> usize {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
    let files = limit.maximum.map_or(usize::MAX, |files| usize::try_from(files).unwrap());
    MOST.min(files.saturating_sub(256))
}

/// The memory of a process that is in use, in bytes.
fn resident(process: &Process) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// Begins a request from one of a hundred sources, none of which has more than its share; waits for its end,
/// and says whether it was cut off: without an answer, or by one that says so.
async fn slow(number: usize, address: SocketAddr, begin: &[u8]) -> bool {
    let socket = TcpSocket::new_v4().unwrap();
    let source = Ipv4Addr::new(127, 0, 1, u8::try_from(number % 100).unwrap());
    socket.bind(SocketAddr::from((source, 0))).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    stream.write_all(begin).await.unwrap();
    let mut answer = Vec::new();
    let ended = timeout(NEVER, stream.read_to_end(&mut answer)).await.expect("never cut off");
    ended.is_err() || answer.is_empty() || answer.starts_with(b"HTTP/1.1 408 ")
}

// H08
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_slow_connections_cost_bounded_memory_and_are_cut_off() {
    let many = connections();
    let folder = tempfile::tempdir().unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let issuer = format!("http://{address}");
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (data, keys, listen) = (path("data"), path("keys"), address.to_string());
    let program = env!("CARGO_BIN_EXE_rescind-under-test");
    let arguments =
        ["serve", "--listen", &listen, "--data", &data, "--keys", &keys, "--issuer", &issuer];
    let server = Process::start(program, &arguments, &[], &folder.path().join("log"));
    wait_for_port(address).await;
    // Each with a connection of its own: one that was kept may be cut off while it is idle.
    let honest = async || Http::new(&issuer).get("/.well-known/jwks.json", &[]).await.status;
    assert_eq!(honest().await, 200);
    let before = resident(&server);

    let line = format!("GET /whoami HTTP/1.1\r\nHost: {address}\r\nX: {}", "x".repeat(12 * 1024));
    let body = format!(
        "POST /login HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: 9999\r\n\r\n{{"
    );
    let mut attack = JoinSet::new();
    for number in 0..many {
        let begin = if number % 2 == 0 { line.clone() } else { body.clone() };
        attack.spawn(async move { slow(number, address, begin.as_bytes()).await });
    }
    // All places are taken: an honest request waits, until one of them is given back.
    let waiting = timeout(NEVER, honest());
    let mut largest = before;
    let mut watch = tokio::time::interval(Duration::from_millis(50));
    let mut cut = 0;
    tokio::pin!(waiting);
    let mut served = false;
    while !served || cut < many {
        tokio::select! {
            status = &mut waiting, if !served => {
                assert_eq!(status.expect("never served"), 200);
                served = true;
            }
            Some(ended) = attack.join_next() => {
                assert!(ended.unwrap(), "a request without an end was answered");
                cut += 1;
            }
            _ = watch.tick() => largest = largest.max(resident(&server)),
        }
    }
    let grown = largest - before;
    assert!(grown <= many * EACH, "{grown} bytes for {many} connections");
    println!("{many} connections: {} bytes each", grown / many);
    assert_eq!(honest().await, 200);
}

//! A relay that goes and comes back, and one whose readers do not read.

use crate::proxy::{FEED, SNAPSHOT};
use crate::{
    behind_proxy, is_revoked, quick, ready, revoke, revoke_nobodys, sign_in, status, verifier_at,
};
use rescind_authority::clients::Permission;
use rescind_authority::store::{Load, Write};
use rescind_testkit::http::{Http, basic};
use rescind_testkit::process::{Process, free_port, wait_for_port};
use rescind_testkit::relay::TestRelay;
use rescind_testkit::server::{operator, until};
use rescind_wire::id::Jti;
use rescind_wire::revocation::Target;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const PROGRAM: &str = env!("CARGO_BIN_EXE_rescind-under-test");

// P09
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_comes_back_serves_from_its_folder_and_asks_for_what_is_new() {
    let (authority, proxy) = behind_proxy().await;
    let relay = TestRelay::start(&authority).await;
    ready(&relay).await;
    for n in 0..5 {
        revoke_nobodys(&authority, n).await;
    }
    let verifier = verifier_at(&authority, &relay.url()).await;
    authority.caught_up(&verifier).await;
    let (gone, sid) = sign_in(&authority).await;
    assert!(verifier.check_online(&gone).await.is_ok());

    let snapshots = proxy.asked(SNAPSHOT);
    let relay = relay.restart().await;
    ready(&relay).await;
    let late = verifier_at(&authority, &relay.url()).await;
    revoke(&authority, sid).await;
    for verifier in [&verifier, &late] {
        until("the revocation", || is_revoked(&verifier.check(&gone))).await;
    }
    assert_eq!(proxy.asked(SNAPSHOT), snapshots, "the folder had it");
}

// P03
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_good_in_the_folder_is_fetched_anew() {
    let (authority, proxy) = behind_proxy().await;
    let mut relay = TestRelay::start(&authority).await;
    for file in ["snapshot", "frames"] {
        ready(&relay).await;
        let pos = revoke_nobodys(&authority, 1).await;
        let verifier = verifier_at(&authority, &relay.url()).await;
        until("it is there", || verifier.status().applied >= pos).await;
        drop(verifier);
        let snapshots = proxy.asked(SNAPSHOT);
        relay = relay
            .restart_after(|config| {
                let path = config.data.join(file);
                let mut bytes = std::fs::read(&path).unwrap();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                std::fs::write(&path, bytes).unwrap();
            })
            .await;
        ready(&relay).await;
        let fetched = proxy.asked(SNAPSHOT) - snapshots;
        // Without a frame it goes on from the snapshot; without the snapshot there is nothing.
        assert_eq!(fetched, u64::from(file == "snapshot"), "{file}");
        let verifier = verifier_at(&authority, &relay.url()).await;
        until("it is all there", || verifier.status().applied >= pos).await;
    }
}

// P04
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_was_cut_off_catches_up_and_so_does_who_is_behind_it() {
    let (authority, proxy) = behind_proxy().await;
    let relay = TestRelay::start(&authority).await;
    let verifier = verifier_at(&authority, &relay.url()).await;
    let (gone, sid) = sign_in(&authority).await;
    assert!(verifier.check_online(&gone).await.is_ok());
    proxy.down(FEED);
    revoke(&authority, sid).await;
    for n in 0..50 {
        revoke_nobodys(&authority, n).await;
    }
    proxy.pass(FEED);
    authority.caught_up(&verifier).await;
    assert!(is_revoked(&verifier.check(&gone)));
    let metrics = status(&relay, "/metrics").await.text();
    assert!(metrics.contains("\nrescind_relay_position 5"), "{metrics}");
    assert!(metrics.contains("\nrescind_relay_resyncs_total 0"), "{metrics}");
}

// P04
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_relay_comes_back_and_nothing_was_missed() {
    let authority = quick().await;
    let (may, operator) = (vec![Permission::Feed], operator());
    let made = authority.app.authority.add_client("relay", vec![], may, &operator).await;
    let secret = made.unwrap().expose().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("relay").display().to_string();
    let [listen, about] = [free_port(), free_port()].map(|port| format!("127.0.0.1:{port}"));
    let start = || {
        let arguments = [
            "relay",
            "--issuer",
            authority.issuer(),
            "--client",
            "relay",
            "--data",
            &data,
            "--listen",
            &listen,
            "--status-listen",
            &about,
        ];
        let env = [("RESCIND_CLIENT_SECRET", secret.as_str())];
        Process::start(PROGRAM, &arguments, &env, &folder.path().join("log"))
    };
    let address: SocketAddr = listen.parse().unwrap();
    let mut relay = start();
    wait_for_port(address).await;
    let verifier = verifier_at(&authority, &format!("http://{listen}")).await;
    let (first, first_sid) = sign_in(&authority).await;
    let (second, second_sid) = sign_in(&authority).await;
    revoke(&authority, first_sid).await;
    until("the first", || is_revoked(&verifier.check(&first))).await;
    assert!(verifier.check_online(&second).await.is_ok());

    relay.kill();
    revoke(&authority, second_sid).await;
    let mut relay = start();
    wait_for_port(address).await;
    until("the second", || is_revoked(&verifier.check(&second))).await;
    authority.caught_up(&verifier).await;
    assert!(!relay.has_ended());
}

// P09
#[tokio::test(flavor = "multi_thread")]
async fn one_folder_is_for_one_relay() {
    let authority = quick().await;
    let relay = TestRelay::start(&authority).await;
    ready(&relay).await;
    let world = rescind_server::run::World::system();
    let second = rescind_server::relay::Relay::open(&relay.config, world);
    assert!(second.is_err_and(|error| error.to_string().contains("another relay")));
    // Nothing of the folder is for others, nor does it hold a secret.
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(&relay.config.data).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0);
    let credentials = basic("posts-api", &authority.secret);
    let http = Http::new(&relay.url());
    let answer = http.get("/v1/snapshot", &[("authorization", &credentials)]).await;
    assert_eq!(answer.status, 200);
}

// P08
#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_and_does_not_read_is_cut_off_and_the_others_go_on() {
    let authority = quick().await;
    let relay = TestRelay::start_with(&authority, "relay", |config| {
        config.limits.write = Duration::from_millis(500);
    })
    .await;
    let verifier = verifier_at(&authority, &relay.url()).await;
    let (gone, sid) = sign_in(&authority).await;
    assert!(verifier.check_online(&gone).await.is_ok());
    let credentials = basic("posts-api", &authority.secret);
    let request =
        format!("GET /v1/snapshot HTTP/1.1\r\nHost: relay\r\nAuthorization: {credentials}\r\n\r\n");
    let mut slow = TcpStream::connect(relay.address).await.unwrap();
    let asking = async { while slow.write_all(request.as_bytes()).await.is_ok() {} };
    let meanwhile = async {
        revoke(&authority, sid).await;
        until("the revocation", || is_revoked(&verifier.check(&gone))).await;
    };
    let limit = Duration::from_secs(60);
    let (cut_off, ()) = tokio::join!(tokio::time::timeout(limit, asking), meanwhile);
    assert!(cut_off.is_ok(), "it is never cut off");
}

// P09
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_no_snapshot_keeps_none_from_the_others_of_a_relay() {
    let authority = quick().await;
    // 8 MB, more than the buffers between hold.
    for round in 0..40u128 {
        let target = |n: u128| Target::Token(Jti::from_bytes((round * 5_000 + n).to_be_bytes()));
        let writes = (0..5_000).map(move |n| Write::Revoke(target(n))).collect();
        let store = authority.app.authority.store();
        store.transact(Load::default(), Box::new(|_| writes)).await.unwrap();
    }
    let relay = TestRelay::start(&authority).await;
    ready(&relay).await;
    let (may, operator) = (vec![Permission::Feed], operator());
    let made = authority.app.authority.add_client("other", vec![], may, &operator).await;
    let others = basic("other", made.unwrap().expose());
    let credentials = basic("posts-api", &authority.secret);
    let request =
        format!("GET /v1/snapshot HTTP/1.1\r\nHost: relay\r\nAuthorization: {credentials}\r\n\r\n");
    let mut held = Vec::new();
    for _ in 0..64 {
        let mut slow = TcpStream::connect(relay.address).await.unwrap();
        slow.write_all(request.as_bytes()).await.unwrap();
        let mut begun = [0; 15];
        slow.read_exact(&mut begun).await.unwrap();
        assert_eq!(&begun, b"HTTP/1.1 200 OK");
        held.push(slow);
    }
    let http = Http::new(&relay.url());
    let refused = http.get("/v1/snapshot", &[("authorization", &credentials)]).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "1"));
    assert_eq!(http.get("/v1/snapshot", &[("authorization", &others)]).await.status, 200);
    drop(held);
    assert_eq!(http.get("/v1/snapshot", &[("authorization", &credentials)]).await.status, 200);
}

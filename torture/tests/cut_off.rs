//! A verifier in a network of its own, whose line to the authority is taken down and up again. Needs the rights
//! to make network namespaces: without them it says so and shows nothing.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it says")]

use http::Method;
use rescind_testkit::http::Http;
use rescind_testkit::process::free_port;
use rescind_torture::boot;
use rescind_torture::draw::Draw;
use rescind_torture::network::Network;
use rescind_torture::process::Running;
use rescind_torture::proxy::carry;
use rescind_torture::realm::{AUDIENCE, Plan, Realm, program};
use rescind_wire::revocation::Scope;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::sleep;

const STALENESS: u64 = 3_000_000;

async fn status(http: &Http, route: &str, token: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    let asked = http.attempt(Method::GET, route, &[("authorization", &bearer)], "").await;
    asked.map_or(0, |answer| answer.status.as_u16())
}

/// Waits until it answers so; gives how long that took, in microseconds.
async fn until(http: &Http, route: &str, token: &str, expected: u16) -> u64 {
    let begun = boot();
    loop {
        let said = status(http, route, token).await;
        if said == expected {
            return boot() - begun;
        }
        assert!(boot() - begun < 20_000_000, "{route} says {said}, never {expected}");
        sleep(Duration::from_millis(5)).await;
    }
}

async fn verifier(realm: &Realm, network: &Network) -> (Running, Http) {
    let (via, port) = (format!("{}:{}", network.here(), free_port()), free_port());
    let listener = TcpListener::bind(&via).await.unwrap();
    let link = Arc::default();
    tokio::spawn(carry(listener, realm.authority_address(), move |_| Arc::clone(&link)));
    let listen = format!("{}:{port}", network.there());
    let mut command = network.command();
    command.arg(program()).arg("verifier");
    command.args(["--issuer", realm.issuer(), "--via", &via, "--listen", &listen]);
    command.args(["--audience", AUDIENCE, "--client", AUDIENCE]);
    command.env("RESCIND_CLIENT_SECRET", &realm.secret);
    let running = Running::start(&mut command, &realm.folder().join("cut-off.log"));
    (running, Http::new(&format!("http://{listen}")))
}

// P07 R-32 R-33 R-36
#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_cut_off_serves_until_the_bound_then_says_503_and_heals_with_nothing_missed() {
    let Some(network) = Network::make() else {
        eprintln!("left out: no network namespace can be made");
        return;
    };
    let realm = Realm::start(Plan::small(0)).await;
    realm.accounts(&["alice".to_owned(), "bob".to_owned()]).await;
    let (_process, http) = verifier(&realm, &network).await;
    let (draw, audiences) = (Draw::new(7, 0), [AUDIENCE.to_owned()]);
    let gone = realm.sign_in("alice", &audiences).await.unwrap();
    let stays = realm.sign_in("bob", &audiences).await.unwrap();
    let (gone_token, stays_token) = (&gone.access.1, &stays.access.1);
    for token in [gone_token, stays_token] {
        until(&http, "/local", token, 204).await;
        until(&http, "/online", token, 204).await;
    }

    network.line(false);
    let cut = boot();
    assert!(realm.take_back(&mut Default::default(), Scope::Subject, &gone, &draw).await);
    let revoked = boot();
    assert_eq!(status(&http, "/local", stays_token).await, 204, "within the bound");
    assert_eq!(status(&http, "/online", stays_token).await, 503, "nobody can be asked");
    until(&http, "/local", stays_token, 503).await;
    assert!(boot() - cut <= STALENESS + 500_000, "after {} µs", boot() - cut);
    while boot() < revoked + 2 * STALENESS {
        for token in [gone_token, stays_token] {
            assert_eq!(status(&http, "/local", token).await, 503);
        }
        sleep(Duration::from_millis(50)).await;
    }

    network.line(true);
    let fresh = until(&http, "/local", stays_token, 204).await;
    assert_eq!(status(&http, "/local", gone_token).await, 401, "nothing was missed");
    assert_eq!(status(&http, "/online", gone_token).await, 401);
    eprintln!("fresh {} ms after the line was up", fresh / 1000);
    assert!(fresh < 1_000_000, "fresh only after {} ms", fresh / 1000);
}

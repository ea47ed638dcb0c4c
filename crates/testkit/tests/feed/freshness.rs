//! What a verifier does while it does not know.

use crate::proxy::{FEED, HEAD, SNAPSHOT};
use crate::{Device, S, SECOND, ask, assert_unavailable, behind_proxy, is_stale, quick};
use rescind_testkit::process::free_port;
use rescind_testkit::server::until;
use rescind_verifier::{ClientSecret, Verifier};
use std::time::Duration;

// P06
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_up_before_its_authority_answers_503() {
    let authority = quick().await;
    let device = Device::sign_in(&authority).await;
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    let builder = Verifier::builder(nowhere, "posts-api");
    let verifier = builder.client("posts-api", ClientSecret::new("x")).start().unwrap();
    for token in [device.access.as_str(), "rubbish"] {
        assert_unavailable(&ask(&verifier, token, false).await);
    }
    assert!(!verifier.status().ready);
}

// P06
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_accepted_before_a_snapshot_and_a_head_are_in() {
    let (authority, proxy) = behind_proxy().await;
    let device = Device::sign_in(&authority).await;
    proxy.down(SNAPSHOT);
    proxy.down(HEAD);
    let verifier = authority.verifier_builder().start().unwrap();
    until("an attempt", || proxy.asked(SNAPSHOT) > 1).await;
    assert_unavailable(&ask(&verifier, &device.access, false).await);

    // A snapshot and a live feed, but no head.
    proxy.pass(SNAPSHOT);
    until("the snapshot and the feed", || {
        verifier.status().epoch.is_some() && proxy.asked(FEED) > 0 && proxy.asked(HEAD) > 1
    })
    .await;
    assert_unavailable(&ask(&verifier, &device.access, false).await);
    assert!(!verifier.status().ready);

    proxy.pass(HEAD);
    until("the head", || verifier.status().ready).await;
    assert_eq!(ask(&verifier, &device.access, false).await.status(), 200);
}

// P06
#[tokio::test(flavor = "multi_thread")]
async fn a_head_without_a_snapshot_is_not_enough() {
    let (authority, proxy) = behind_proxy().await;
    let device = Device::sign_in(&authority).await;
    proxy.down(SNAPSHOT);
    let verifier = authority.verifier_builder().start().unwrap();
    until("attempts", || proxy.asked(SNAPSHOT) > 1).await;
    assert_unavailable(&ask(&verifier, &device.access, false).await);
    proxy.pass(SNAPSHOT);
    until("the start", || verifier.status().ready).await;
    assert_eq!(ask(&verifier, &device.access, false).await.status(), 200);
}

// P07
#[tokio::test(flavor = "multi_thread")]
async fn with_the_feed_cut_and_nothing_new_the_head_keeps_a_verifier_fresh() {
    let (authority, proxy) = behind_proxy().await;
    let verifier = authority.verifier().await;
    let device = Device::sign_in(&authority).await;
    proxy.down(FEED);
    for _ in 0..4 {
        authority.clock.advance(S - SECOND);
        until("a fresh head", || verifier.status().staleness.is_some_and(|s| s < SECOND)).await;
        assert!(verifier.check(&device.access).is_ok());
    }
}

// P07
#[tokio::test(flavor = "multi_thread")]
async fn cut_off_a_verifier_refuses_with_503_past_the_bound_and_says_how_stale_it_is() {
    let (authority, proxy) = behind_proxy().await;
    let verifier = authority.verifier().await;
    let device = Device::sign_in(&authority).await;
    proxy.down(FEED);
    proxy.down(HEAD);
    let asked = proxy.asked(HEAD);
    until("a head that fails", || proxy.asked(HEAD) > asked + 1).await;
    authority.clock.advance(S - SECOND);
    assert_eq!(ask(&verifier, &device.access, false).await.status(), 200);
    assert!(verifier.status().ready);
    authority.clock.advance(SECOND);
    assert_unavailable(&ask(&verifier, &device.access, false).await);
    let status = verifier.status();
    assert!(!status.ready && status.staleness.unwrap() >= S);
    // The night passes.
    authority.clock.advance(Duration::from_secs(8 * 3600));
    assert!(verifier.check(&device.access).is_err());
    assert!(verifier.status().staleness.unwrap() >= Duration::from_secs(8 * 3600));

    proxy.pass(HEAD);
    proxy.pass(FEED);
    let fresh = Device::sign_in(&authority).await;
    until("freshness", || verifier.check(&fresh.access).is_ok()).await;
}

// P07
#[tokio::test(flavor = "multi_thread")]
async fn each_clock_alone_makes_a_verifier_stale() {
    let (authority, proxy) = behind_proxy().await;
    let verifier = authority.verifier().await;
    let device = Device::sign_in(&authority).await;
    proxy.down(HEAD);
    let asked = proxy.asked(HEAD);
    until("a head that fails", || proxy.asked(HEAD) > asked + 1).await;
    let start = rescind_authority::clock::Clock::now(&*authority.clock);
    let bound = S.as_micros() as u64;
    authority.clock.set_wall(start.wall + bound);
    assert!(is_stale(&verifier.check(&device.access)));
    authority.clock.set_wall(start.wall);
    assert!(verifier.check(&device.access).is_ok());
    authority.clock.set_boot(start.boot + bound);
    assert!(is_stale(&verifier.check(&device.access)));
    // A wall clock that is set back does not help.
    authority.clock.set_wall(start.wall - 3_600_000_000);
    assert!(is_stale(&verifier.check(&device.access)));
}

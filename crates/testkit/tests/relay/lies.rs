//! A relay that lies. It holds no key, so what it can do is keep silent, repeat, leave out and mix up.

use crate::proxy::{FEED, HEAD, Proxy, SNAPSHOT};
use crate::{S, cheap, is_revoked, is_stale, quick, revoke, revoke_nobodys, sign_in, verifier_at};
use rescind_testkit::relay::TestRelay;
use rescind_testkit::server::{TestAuthority, until};
use rescind_verifier::Verifier;
use std::sync::Mutex;

/// An authority with Alice, and a relay that lies as it is told; begins honest.
async fn liar() -> (TestAuthority, Proxy) {
    let relay = Proxy::start().await;
    let authority = TestAuthority::start_with(|config| {
        cheap(config);
        relay.forward_to(&config.settings.issuer);
        // It passes on the name by which it is asked itself.
        config.hosts.push(relay.url().trim_start_matches("http://").to_owned());
    })
    .await;
    authority.person("alice").await;
    (authority, relay)
}

/// So many more heads were asked for and are over.
async fn heads(relay: &Proxy, verifier: &Verifier, token: &str, more: u64) {
    let until_asked = relay.asked(HEAD) + more;
    let mut come = std::pin::pin!(until("heads", || relay.asked(HEAD) >= until_asked));
    loop {
        tokio::select! {
            () = &mut come => return,
            _ = verifier.check_online(token) => tokio::task::yield_now().await,
        }
    }
}

/// After this lie nobody is fresh: a revoked token is not accepted past S, and nothing is called revoked
/// that is not.
async fn gives_no_freshness(lie: impl FnOnce(&Proxy)) {
    let (authority, relay) = liar().await;
    let verifier = verifier_at(&authority, relay.url()).await;
    let ((gone, sid), (good, _)) = (sign_in(&authority).await, sign_in(&authority).await);
    assert!(verifier.check_online(&gone).await.is_ok());
    lie(&relay);
    revoke(&authority, sid).await;
    // What is asked from now on must know it.
    assert!(verifier.check_online(&gone).await.is_err());
    heads(&relay, &verifier, &good, 3).await;
    authority.clock.advance(S);
    heads(&relay, &verifier, &good, 3).await;
    for token in [&gone, &good] {
        assert!(is_stale(&verifier.check(token)));
        assert!(is_stale(&verifier.check_online(token).await));
    }
}

// P05 V04
#[tokio::test(flavor = "multi_thread")]
async fn old_heads_give_no_freshness() {
    gives_no_freshness(|relay| {
        let old = relay.frames(HEAD).pop().unwrap();
        relay.down(FEED);
        relay.change(HEAD, move |_| vec![old.clone()]);
    })
    .await;
}

// P05 V04
#[tokio::test(flavor = "multi_thread")]
async fn heads_that_answer_another_question_give_no_freshness() {
    gives_no_freshness(|relay| {
        let last = Mutex::new(relay.frames(HEAD).pop().unwrap());
        relay.down(FEED);
        // Each gets the answer to the question before.
        relay.change(HEAD, move |head| vec![std::mem::replace(&mut *last.lock().unwrap(), head)]);
    })
    .await;
}

// P03
#[tokio::test(flavor = "multi_thread")]
async fn changed_heads_give_no_freshness() {
    gives_no_freshness(|relay| {
        relay.down(FEED);
        relay.change(HEAD, |mut head| {
            let middle = head.len() / 2;
            head[middle] ^= 1;
            vec![head]
        });
    })
    .await;
}

// P04
#[tokio::test(flavor = "multi_thread")]
async fn honest_heads_without_the_entries_give_no_freshness() {
    gives_no_freshness(|relay| {
        // It drops all of the feed, and serves the snapshot of before.
        let old = relay.frames(SNAPSHOT).pop().unwrap();
        relay.change(FEED, |_| vec![]);
        relay.change(SNAPSHOT, move |_| vec![old.clone()]);
    })
    .await;
}

// P04 P05
#[tokio::test(flavor = "multi_thread")]
async fn frames_that_come_twice_late_and_in_another_order_lose_nothing() {
    let (authority, relay) = liar().await;
    let verifier = verifier_at(&authority, relay.url()).await;
    let (gone, sid) = sign_in(&authority).await;
    let (good, _) = sign_in(&authority).await;
    // Frames go in pairs, the later one first, and the first of all again in between.
    let held: Mutex<Vec<Vec<u8>>> = Mutex::default();
    relay.change(FEED, move |frame| {
        let mut held = held.lock().unwrap();
        held.push(frame);
        match held.len() % 2 {
            0 => vec![held[held.len() - 1].clone(), held[0].clone(), held[held.len() - 2].clone()],
            _ => vec![],
        }
    });
    revoke(&authority, sid).await;
    for n in 0..7 {
        revoke_nobodys(&authority, n).await;
    }
    until("nothing is lost", || is_revoked(&verifier.check(&gone))).await;
    authority.caught_up(&verifier).await;
    assert!(verifier.check_online(&good).await.is_ok());
}

// P05 P06
#[tokio::test(flavor = "multi_thread")]
async fn an_old_snapshot_makes_nobody_ready() {
    let (authority, relay) = liar().await;
    let first = verifier_at(&authority, relay.url()).await;
    let (gone, sid) = sign_in(&authority).await;
    let old = relay.frames(SNAPSHOT).pop().unwrap();
    revoke(&authority, sid).await;
    until("the revocation", || is_revoked(&first.check(&gone))).await;
    relay.change(SNAPSHOT, move |_| vec![old.clone()]);
    relay.change(FEED, |_| vec![]);
    let late = authority.verifier_builder().feed_from(relay.url()).start().unwrap();
    let asked = relay.asked(HEAD);
    until("heads", || relay.asked(HEAD) >= asked + 4).await;
    assert!(late.status().epoch.is_some() && !late.status().ready);
    assert!(is_stale(&late.check(&gone)));
}

// P07 R-33
#[tokio::test(flavor = "multi_thread")]
async fn with_the_authority_gone_a_relay_keeps_nobody_fresh() {
    let authority = quick().await;
    let relay = TestRelay::start(&authority).await;
    let verifier = verifier_at(&authority, &relay.url()).await;
    let (token, _) = sign_in(&authority).await;
    assert!(verifier.check_online(&token).await.is_ok());
    let clock = authority.clock.clone();
    let _folder = authority.stop().await;
    assert!(is_stale(&verifier.check_online(&token).await), "at once, where it is asked");
    clock.advance(S);
    assert!(is_stale(&verifier.check(&token)));
}

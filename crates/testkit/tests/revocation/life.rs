//! When an entry begins to matter, to the microsecond, and when it ends.

use crate::{Device, assert_good, assert_revoked, claims, everything, quick, revoke};
use rescind_authority::clock::Clock as _;
use rescind_verifier::Refusal;
use rescind_wire::frame::{Frame, open};
use rescind_wire::token::InvalidToken;
use serde_json::json;
use std::time::Duration;

// V07, R-35
#[tokio::test(flavor = "multi_thread")]
async fn a_cut_off_kills_all_of_before_and_spares_the_sign_in_after_it_in_the_same_microsecond() {
    let authority = quick().await;
    authority.person("alice").await;
    let verifier = authority.verifier().await;
    let start = authority.clock.now();
    let mut dead: Vec<Device> = Vec::new();
    for round in 0..60 {
        let before = Device::sign_in(&authority, "alice").await;
        let what = match round % 2 {
            0 => json!({ "user": "alice" }),
            _ => everything(),
        };
        revoke(&authority, what).await;
        let after = Device::sign_in(&authority, "alice").await;
        assert_eq!(claims(&before.access)["iat"], claims(&after.access)["iat"]);
        // Asked anew, and known at once: before and after the entry has come by the feed.
        assert_revoked(verifier.check_online(&before.access).await);
        assert!(verifier.check_online(&after.access).await.is_ok(), "round {round}");
        assert_good(&verifier, &after.access);
        dead.push(before);
    }
    assert_eq!(authority.clock.now(), start, "no time has passed");
    for device in &mut dead {
        assert_revoked(verifier.check(&device.access));
        device.assert_over().await;
    }
}

// V08, R-34
#[tokio::test(flavor = "multi_thread")]
async fn an_entry_lives_as_long_as_its_tokens_and_then_goes_by_itself() {
    let authority = quick().await;
    authority.person("alice").await;
    let mut device = Device::sign_in(&authority, "alice").await;
    revoke(&authority, json!({ "user": "alice" })).await;
    let store = authority.app.authority.store();
    let entry = store.log(0, 10).await.unwrap().entries.unwrap()[0];
    let expires = claims(&device.access)["exp"].as_u64().unwrap();
    assert!(entry.until >= expires + 30 + 5, "exp, the widest leeway and a clock's error");
    assert!(entry.until <= expires + 60, "and little more");

    let second = |s: u64| {
        let now = authority.clock.now().seconds();
        authority.clock.advance(Duration::from_secs(s - now));
    };
    // As long as a verifier could still take the token for good, one that starts now is told.
    second(expires + 29);
    store.sweep(authority.clock.now().wall).await.unwrap();
    let late = authority.verifier_builder().leeway(30).build().await.unwrap();
    assert_eq!(late.status().entries, 1);
    assert_revoked(late.check(&device.access));
    second(entry.until - 1);
    store.sweep(authority.clock.now().wall).await.unwrap();
    assert_eq!(live_entries(&authority).await, 1);

    second(entry.until);
    assert_eq!(live_entries(&authority).await, 1, "only a sweep forgets");
    let swept = store.sweep(authority.clock.now().wall).await.unwrap();
    assert_eq!(swept.entries, 1);
    assert_eq!(live_entries(&authority).await, 0);
    let fresh = authority.verifier_builder().leeway(30).build().await.unwrap();
    assert_eq!(fresh.status().entries, 0);
    let judged = fresh.check(&device.access);
    assert!(matches!(judged, Err(Refusal::InvalidToken(InvalidToken::Expired))), "{judged:?}");
    // The session is judged by the durable cut-off, which stays.
    device.assert_over().await;
}

/// How many entries the snapshot tells.
async fn live_entries(authority: &rescind_testkit::server::TestAuthority) -> usize {
    let clients = authority.app.authority.store().clients().await.unwrap();
    let (sealed, _place) = authority.app.feed.snapshot(&clients[0]).await.unwrap().unwrap();
    let keyring = authority.app.authority.keyring();
    let opened = open(&sealed, authority.issuer(), keyring.feed_public());
    let Ok(Frame::Snapshot { entries, .. }) = opened else {
        panic!("no snapshot");
    };
    entries.len()
}

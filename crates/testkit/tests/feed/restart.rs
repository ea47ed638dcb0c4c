//! The authority stops and comes back: nothing is lost, nobody is signed out.

use crate::{Device, is_revoked, quick, revoke, revoke_nobodys};
use futures_util::future::join_all;
use rescind_authority::clock::Clock;
use rescind_server::run::{World, open};
use rescind_testkit::clock::SeededEntropy;
use rescind_testkit::server::operator;
use rescind_testkit::server::until;
use rescind_wire::revocation::Target;
use std::sync::Arc;

// P10, R-31
#[tokio::test(flavor = "multi_thread")]
async fn verifiers_come_back_after_a_restart_and_nothing_is_lost() {
    let mut authority = quick().await;
    let verifiers = join_all((0..5).map(|_| authority.verifier())).await;
    let mut good = Device::sign_in(&authority).await;
    for n in 0..3 {
        let before = Device::sign_in(&authority).await;
        revoke(&authority, &before).await;
        authority = authority.restart().await;
        let after = Device::sign_in(&authority).await;
        let pos = revoke(&authority, &after).await;
        assert_eq!(pos, 2 * n + 2, "the log goes on");
        for verifier in &verifiers {
            for device in [&before, &after] {
                until("both", || is_revoked(&verifier.check(&device.access))).await;
            }
            authority.caught_up(verifier).await;
            until("freshness", || verifier.check(&good.access).is_ok()).await;
            assert!(!verifier.status().stopped);
        }
        assert_eq!(good.whoami().await, 200);
        assert_eq!(good.refresh().await, 200, "nobody is signed out");
    }
    let epochs: Vec<_> = verifiers.iter().map(|v| v.status().epoch).collect();
    let head = authority.app.authority.store().head().await.unwrap();
    assert!(epochs.iter().all(|epoch| *epoch == Some(head.epoch)), "no epoch was opened");
}

// P10
#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_was_committed_and_never_sent_is_there_after_the_restart() {
    let authority = quick().await;
    let verifier = authority.verifier().await;
    revoke_nobodys(&authority, 1).await;
    authority.caught_up(&verifier).await;
    let (gone, mut good) = (Device::sign_in(&authority).await, Device::sign_in(&authority).await);
    let (clock, sid) = (Arc::clone(&authority.clock), gone.sid());
    // A process that commits and ends: no feed, no marker.
    let authority = authority
        .restart_after(async |config| {
            let entropy = Arc::new(SeededEntropy::new(77));
            let clock = Arc::clone(&clock) as Arc<dyn Clock>;
            let app = open(config, &World { clock, entropy }).await.unwrap();
            app.authority.revoke(Target::Session(sid), operator()).await.unwrap();
        })
        .await;
    until("the entry", || is_revoked(&verifier.check(&gone.access))).await;
    authority.caught_up(&verifier).await;
    assert_eq!(verifier.status().applied, 2);
    until("freshness", || verifier.check(&good.access).is_ok()).await;
    assert_eq!(good.refresh().await, 200);
}

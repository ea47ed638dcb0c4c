//! A verifier against an authority over real connections: start, news, loss, return.

mod freshness;
mod keys;
#[path = "../support/mod.rs"]
mod support;

use rescind_verifier::{BuildError, ClientSecret, FetchError, Refusal, Verifier};
use rescind_wire::frame::Frame;
use rescind_wire::id::Sid;
use rescind_wire::revocation::Target;
use rescind_wire::token::Claims;
use std::sync::atomic::Ordering;
use std::time::Duration;
use support::{Authority, Fault, soon, until};

const STALE: Refusal = Refusal::Stale { retry_after: Duration::from_secs(1) };
const SOON: Duration = Duration::from_millis(700);

#[tokio::test]
async fn heads_that_name_a_new_epoch_while_its_snapshot_is_on_its_way_ask_for_no_other() {
    let authority = Authority::serve().await;
    let verifier = authority.verifier().await;
    until("the feed", || authority.feeds.load(Ordering::SeqCst) == 1).await;
    let before = authority.asked("/snapshot");
    authority.fault("/snapshot", Fault::AfterHeads);
    authority.restore();
    let token = authority.token(1);
    until("the new epoch", || verifier.check(&token).is_ok()).await;
    let heads = authority.asked("/head");
    until("more heads", || authority.asked("/head") > heads + 2).await;
    assert_eq!(authority.asked("/snapshot"), before + 1);
    assert_eq!(authority.feeds.load(Ordering::SeqCst), 1, "its feed stays open");
}

#[tokio::test]
async fn a_built_verifier_is_ready_and_a_revocation_reaches_it() {
    let authority = Authority::serve().await;
    authority.revoke(&Target::Subject(authority.claims(7).sub));
    let verifier = authority.verifier().await;
    assert!(verifier.status().ready);
    assert_eq!(verifier.status().entries, 1);
    let (token, other) = (authority.token(1), authority.token(2));
    assert_eq!(verifier.check(&token).unwrap().subject(), authority.claims(1).sub);
    until("the feed", || authority.feeds.load(Ordering::SeqCst) == 1).await;
    authority.revoke(&Target::Session(authority.claims(1).sid));
    until("the revocation", || verifier.check(&token).is_err()).await;
    assert_eq!(verifier.check(&token).unwrap_err(), Refusal::Revoked);
    assert!(verifier.check(&other).is_ok());
    let again = authority.sign(&Claims { sid: Sid::from_bytes([9; 16]), ..authority.claims(1) });
    assert!(verifier.check(&again).is_ok(), "a new session of the same account");
}

// P04
#[tokio::test]
async fn a_lost_entry_is_fetched_with_the_snapshot() {
    let authority = Authority::serve().await;
    let verifier = authority.verifier().await;
    until("the feed", || authority.feeds.load(Ordering::SeqCst) == 1).await;
    let token = authority.token(1);
    // The feed never brings it; the next head names it, and the feed is asked for anew.
    authority.commit(&Target::Session(authority.claims(1).sid));
    authority.clock.advance(Duration::from_millis(1));
    let heads = authority.asked("/head");
    until("a head that names it", || authority.asked("/head") > heads + 1).await;
    authority.clock.advance(Duration::from_secs(3));
    soon("the entry", || verifier.check(&token).is_err_and(|e| e == Refusal::Revoked)).await;
    assert_eq!(verifier.status().applied, 1);
}

#[tokio::test]
async fn a_new_epoch_is_fetched_and_what_was_held_stays_held() {
    let authority = Authority::serve().await;
    let verifier = authority.verifier().await;
    until("the feed", || authority.feeds.load(Ordering::SeqCst) == 1).await;
    let old = authority.token(1);
    authority.revoke(&Target::Session(authority.claims(2).sid));
    until("the revocation", || verifier.status().applied == 1).await;
    let first = verifier.status().epoch;
    authority.restore();
    until("the new epoch", || verifier.status().epoch != first && verifier.status().ready).await;
    assert_eq!(verifier.check(&old).unwrap_err(), Refusal::Revoked);
    assert!(verifier.check(&authority.token(1)).is_ok());
    assert_eq!(
        verifier.check(&authority.token(2)).unwrap_err(),
        Refusal::Revoked,
        "lost by the store, not here"
    );
    assert_eq!(verifier.status().entries, 2);
}

#[tokio::test]
async fn an_authority_that_went_back_stops_the_verifier_until_a_new_epoch() {
    let authority = Authority::serve().await;
    authority.revoke(&Target::Client("a".into()));
    authority.revoke(&Target::Client("b".into()));
    let verifier = authority.verifier().await;
    let token = authority.token(1);
    assert!(verifier.check(&token).is_ok());
    {
        let mut world = authority.world();
        world.entries.truncate(1);
        world.digests.truncate(2);
    }
    until("the stop", || verifier.status().stopped).await;
    assert_eq!(verifier.check(&token).unwrap_err(), STALE);
    // The evidence against it goes with every question.
    let asked = authority.world().questions.len();
    until("another head", || authority.world().questions.len() > asked + 1).await;
    let last = authority.world().questions.last().unwrap()["seen"].clone();
    let Frame::Head(evidence) = authority.open(last.as_str().unwrap()) else {
        panic!("not a head");
    };
    assert_eq!(evidence.position.pos, 2, "from before it went back");
    authority.world().append(&authority.issuer, &Target::Client("b".into()), 9_000);
    authority.restore();
    until("the new epoch", || verifier.status().ready).await;
    assert!(verifier.check(&authority.token(1)).is_ok());
}

#[tokio::test]
async fn wrong_credentials_and_another_issuer_are_named() {
    let authority = Authority::serve().await;
    let denied = authority.builder().client("posts-api", ClientSecret::new("wrong"));
    let error = denied.build_timeout(SOON).build().await.unwrap_err();
    assert!(
        matches!(&error, BuildError::NotReady(Some(e)) if matches!(**e, FetchError::Denied(_)))
    );
    assert!(!error.to_string().contains("wrong"));
    let other = Verifier::builder(format!("{}/", authority.issuer), "posts-api")
        .client("posts-api", ClientSecret::new("s3cret"));
    let error = other.build_timeout(SOON).build().await.unwrap_err();
    assert!(
        matches!(error, BuildError::NotReady(Some(e)) if matches!(*e, FetchError::Issuer { .. }))
    );
}

#[tokio::test]
async fn dropping_the_last_verifier_ends_its_tasks() {
    let authority = Authority::serve().await;
    let verifier = authority.verifier().await;
    until("the feed", || authority.feeds.load(Ordering::SeqCst) == 1).await;
    let layer = verifier.layer();
    drop(verifier);
    let heads = authority.asked("/head");
    until("another head", || authority.asked("/head") > heads).await;
    drop(layer);
    authority.revoke(&Target::Client("wakes the feed".into()));
    soon("the end of the feed", || authority.feeds.load(Ordering::SeqCst) == 0).await;
}

// P04
#[tokio::test]
async fn a_frame_of_a_later_kind_is_passed_over_only_if_it_cannot_bring_entries() {
    for (kind, goes_on) in [(200, true), (100, false)] {
        let authority = Authority::serve().await;
        let strange = authority.sealed_kind(kind);
        authority.world().first_of_all = strange;
        let verifier = authority.verifier().await;
        until("the feed", || authority.asked("/feed") > 0).await;
        if goes_on {
            authority.revoke(&Target::Client("a".into()));
            soon("the entry", || verifier.status().applied == 1).await;
            assert_eq!(authority.asked("/feed"), 1);
        } else {
            soon("another feed", || authority.asked("/feed") > 1).await;
        }
    }
}

// P09
#[tokio::test]
async fn a_snapshot_that_is_longer_than_allowed_is_given_up_at_its_first_bytes() {
    let authority = Authority::serve().await;
    for n in 0..100 {
        authority.commit(&Target::Client(n.to_string()));
    }
    let build = |most| authority.builder().max_snapshot(most).build_timeout(SOON).build();
    let refused = build(4_000).await;
    assert!(
        matches!(&refused, Err(BuildError::NotReady(Some(e))) if matches!(**e, FetchError::Snapshot(4_000))),
        "{refused:?}"
    );
    assert!(build(5_000).await.is_ok());
    // What is said to be too long is not even waited for.
    let mut long = (u32::MAX).to_be_bytes().to_vec();
    authority.fault("/snapshot", Fault::Body(long.clone()));
    let refused = authority.builder().build_timeout(SOON).build().await.unwrap_err();
    assert!(refused.to_string().contains("max_snapshot"), "{refused}");
    // Nothing may stand behind it.
    long = authority.sealed(&Frame::Resync);
    long.push(0);
    authority.fault("/snapshot", Fault::Body(long));
    let refused = authority.builder().build_timeout(SOON).build().await;
    assert!(
        matches!(&refused, Err(BuildError::NotReady(Some(e))) if matches!(**e, FetchError::Body)),
        "{refused:?}"
    );
}

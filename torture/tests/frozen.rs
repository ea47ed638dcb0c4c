//! A verifier that is stopped in the middle of its work does not go on as if no time had passed.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it says")]

use rescind_torture::acts::Stage;
use rescind_torture::boot;
use rescind_torture::doors::Session;
use rescind_torture::draw::Draw;
use rescind_torture::history::{Answer, Route};
use rescind_torture::realm::{AUDIENCE, Plan, Realm};
use rescind_wire::revocation::Scope;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

async fn accepted(realm: &Realm, session: &Session) {
    let begun = boot();
    while realm.present(&session.access, 0, Route::Local).await != Answer::Accepted {
        assert!(boot() - begun < 30_000_000, "never accepted");
        sleep(Duration::from_millis(20)).await;
    }
}

/// What was presented while it was frozen, and at once after, is never accepted if it was taken back.
async fn frozen_for(span: Duration) {
    let realm = Realm::start(Plan::small(1)).await;
    let stage = Stage::new(Arc::clone(&realm));
    realm.accounts(&["alice".to_owned()]).await;
    let (draw, audiences) = (Draw::new(7, 0), [AUDIENCE.to_owned()]);
    let session = realm.sign_in("alice", &audiences).await.unwrap();
    accepted(&realm, &session).await;

    realm.server(0, |process| process.freeze());
    let mut admin = Default::default();
    assert!(realm.take_back(&mut admin, Scope::Subject, &session, &draw).await);
    sleep(span.saturating_sub(Duration::from_secs(1))).await;
    // It lies in the queue of the frozen process.
    let (early, access) = (Arc::clone(&realm), session.access.clone());
    let early = tokio::spawn(async move { early.present(&access, 0, Route::Local).await });
    sleep(Duration::from_secs(1)).await;
    realm.server(0, |process| process.thaw());

    assert_ne!(early.await.unwrap(), Answer::Accepted);
    let thawed = boot();
    loop {
        match realm.present(&session.access, 0, Route::Local).await {
            Answer::Refused => break,
            Answer::Stale if boot() - thawed < 10_000_000 => {}
            other => panic!("{other:?}"),
        }
    }
    // And who signed in meanwhile is served.
    let again = realm.sign_in("alice", &audiences).await.unwrap();
    accepted(&stage.realm, &again).await;
}

// P07 R-33
#[tokio::test(flavor = "multi_thread")]
async fn one_frozen_for_longer_than_the_bound_refuses_from_its_first_answer_on() {
    frozen_for(Duration::from_secs(5)).await;
}

// P07 R-33
#[tokio::test(flavor = "multi_thread")]
async fn one_frozen_for_half_a_minute_refuses_from_its_first_answer_on() {
    frozen_for(Duration::from_secs(30)).await;
}

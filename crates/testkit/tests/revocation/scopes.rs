//! Each way of taking back, through the public doors and a verifier: it kills what it names, nothing else.

use crate::{Device, assert_good, assert_revoked, claims, everything, quick, revoke, text};
use http::Method;
use rescind_server::admin::client::{CallError, Door};
use rescind_testkit::server::{PASSWORD, TestAuthority};
use rescind_verifier::Verifier;
use serde_json::{Value, json};

/// Alice on two devices, Bob on one, and a verifier that knows them.
struct Tour {
    authority: TestAuthority,
    verifier: Verifier,
    phone: Device,
    laptop: Device,
    bob: Device,
}

impl Tour {
    async fn start() -> Self {
        let authority = quick().await;
        authority.person("alice").await;
        authority.person("bob").await;
        let verifier = authority.verifier().await;
        let phone = Device::sign_in(&authority, "alice").await;
        let laptop = Device::sign_in(&authority, "alice").await;
        let bob = Device::sign_in(&authority, "bob").await;
        let tour = Self { authority, verifier, phone, laptop, bob };
        for device in [&tour.phone, &tour.laptop, &tour.bob] {
            assert_good(&tour.verifier, &device.access);
        }
        tour
    }

    async fn revoke(&self, what: Value) {
        let answer = revoke(&self.authority, what).await;
        self.authority.caught_up(&self.verifier).await;
        assert_eq!(answer["pos"].as_u64(), Some(self.verifier.status().applied));
    }

    async fn sign_in_works(&self, name: &str) {
        let mut device = Device::sign_in(&self.authority, name).await;
        assert_good(&self.verifier, &device.access);
        device.assert_works().await;
        assert_good(&self.verifier, &device.access);
    }
}

//
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_is_dead_and_its_session_goes_on() {
    let mut tour = Tour::start().await;
    let first = tour.phone.access.clone();
    tour.phone.refresh().await;
    let jti = claims(&first)["jti"].clone();
    tour.revoke(json!({ "token": jti })).await;
    assert_revoked(tour.verifier.check(&first));
    for device in [&tour.phone, &tour.laptop, &tour.bob] {
        assert_good(&tour.verifier, &device.access);
    }
    tour.phone.assert_works().await;
    assert_good(&tour.verifier, &tour.phone.access);
}

// R-29, V04
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_session_is_dead_with_all_its_tokens_and_no_other() {
    let mut tour = Tour::start().await;
    let first = tour.phone.access.clone();
    tour.phone.refresh().await;
    tour.revoke(json!({ "session": claims(&first)["sid"] })).await;
    assert_revoked(tour.verifier.check(&first));
    assert_revoked(tour.verifier.check(&tour.phone.access));
    tour.phone.assert_over().await;
    for device in [&mut tour.laptop, &mut tour.bob] {
        assert_good(&tour.verifier, &device.access);
        device.assert_works().await;
    }
    tour.sign_in_works("alice").await;
}

//
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_account_loses_all_sessions_and_may_sign_in_again() {
    let mut tour = Tour::start().await;
    tour.revoke(json!({ "user": "alice" })).await;
    for device in [&mut tour.phone, &mut tour.laptop] {
        assert_revoked(tour.verifier.check(&device.access));
        device.assert_over().await;
    }
    assert_good(&tour.verifier, &tour.bob.access);
    tour.bob.assert_works().await;
    tour.sign_in_works("alice").await;
}

//
#[tokio::test(flavor = "multi_thread")]
async fn revoking_everything_leaves_nothing_of_before_and_everybody_may_sign_in_again() {
    let mut tour = Tour::start().await;
    tour.revoke(everything()).await;
    for device in [&mut tour.phone, &mut tour.laptop, &mut tour.bob] {
        assert_revoked(tour.verifier.check(&device.access));
        device.assert_over().await;
    }
    tour.sign_in_works("alice").await;
    tour.sign_in_works("bob").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_revoked_is_refused_and_changes_nothing() {
    let tour = Tour::start().await;
    let before = tour.verifier.status();
    for wrong in [
        json!({ "user": "nobody" }),
        json!({ "session": "x" }),
        json!({ "token": "x" }),
        json!({ "everything": false }),
        json!({ "everything": true, "user": "alice" }),
        json!({ "planet": "x" }),
        json!({}),
    ] {
        let door = Door::find(&tour.authority.config).await.unwrap();
        let answer = door.call(Method::POST, "/admin/revoke", wrong.clone()).await;
        assert!(matches!(answer, Err(CallError::Refused(_))), "{wrong}: {answer:?}");
    }
    let head = tour.authority.app.authority.store().head().await.unwrap();
    assert_eq!(head.pos, before.applied);
    // The administrator's routes are not on the public listener.
    let public = tour.authority.http().post_json("/admin/revoke", &everything()).await;
    assert_eq!(public.status, 404);
}

//
#[tokio::test(flavor = "multi_thread")]
async fn a_logout_answers_204_and_ends_its_session_alone() {
    let mut tour = Tour::start().await;
    let answer = tour.phone.http.send_as(Method::POST, "/logout", &tour.phone.refresh).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0));
    tour.authority.caught_up(&tour.verifier).await;
    assert_revoked(tour.verifier.check(&tour.phone.access));
    tour.phone.assert_over().await;
    for device in [&mut tour.laptop, &mut tour.bob] {
        assert_good(&tour.verifier, &device.access);
        device.assert_works().await;
    }
    let again = tour.phone.http.send_as(Method::POST, "/logout", &tour.phone.refresh).await;
    assert_eq!(again.status, 204);
}

//
#[tokio::test(flavor = "multi_thread")]
async fn a_logout_everywhere_ends_the_accounts_sessions_alone() {
    let mut tour = Tour::start().await;
    let path = "/logout/everywhere";
    let answer = tour.phone.http.send_as(Method::POST, path, &tour.phone.refresh).await;
    assert_eq!(answer.status, 200);
    tour.authority.caught_up(&tour.verifier).await;
    assert_eq!(answer.json()["pos"].as_u64(), Some(tour.verifier.status().applied));
    for device in [&mut tour.phone, &mut tour.laptop] {
        assert_revoked(tour.verifier.check(&device.access));
        device.assert_over().await;
    }
    assert_good(&tour.verifier, &tour.bob.access);
    tour.bob.assert_works().await;
    tour.sign_in_works("alice").await;
}

//
#[tokio::test(flavor = "multi_thread")]
async fn a_person_ends_one_session_or_all_others_but_nobody_elses() {
    let mut tour = Tour::start().await;
    let id = text(&claims(&tour.laptop.access), "sid");
    let path = format!("/sessions/{id}");
    let foreign = tour.bob.http.send_as(Method::DELETE, &path, &tour.bob.refresh).await;
    assert_eq!(foreign.status, 404);
    assert_good(&tour.verifier, &tour.laptop.access);
    let ended = tour.phone.http.send_as(Method::DELETE, &path, &tour.phone.refresh).await;
    assert!(ended.status.is_success(), "{}", ended.text());
    tour.authority.caught_up(&tour.verifier).await;
    assert_revoked(tour.verifier.check(&tour.laptop.access));
    tour.laptop.assert_over().await;
    assert_good(&tour.verifier, &tour.phone.access);

    let mut tablet = Device::sign_in(&tour.authority, "alice").await;
    let ended = tour.phone.http.send_as(Method::DELETE, "/sessions", &tour.phone.refresh).await;
    assert!(ended.status.is_success(), "{}", ended.text());
    tour.authority.caught_up(&tour.verifier).await;
    assert_revoked(tour.verifier.check(&tablet.access));
    tablet.assert_over().await;
    for device in [&mut tour.phone, &mut tour.bob] {
        assert_good(&tour.verifier, &device.access);
        device.assert_works().await;
    }
}

//
#[tokio::test(flavor = "multi_thread")]
async fn closing_an_account_ends_its_sessions_and_opening_it_brings_none_back() {
    let mut tour = Tour::start().await;
    for state in ["suspended", "active"] {
        let door = Door::find(&tour.authority.config).await.unwrap();
        let body = json!({ "state": state });
        door.call(Method::POST, "/admin/users/alice/state", body).await.unwrap();
        tour.authority.caught_up(&tour.verifier).await;
        for device in [&mut tour.phone, &mut tour.laptop] {
            assert_revoked(tour.verifier.check(&device.access));
            device.assert_over().await;
        }
    }
    assert_good(&tour.verifier, &tour.bob.access);
    tour.bob.assert_works().await;
    tour.sign_in_works("alice").await;
}

// R06
#[tokio::test(flavor = "multi_thread")]
async fn a_spent_refresh_token_ends_its_session_at_the_verifiers_too_and_no_other() {
    let mut tour = Tour::start().await;
    let spent = tour.phone.refresh.clone();
    tour.phone.refresh().await;
    let grace = tour.authority.config.settings.grace;
    tour.authority.clock.advance(grace + std::time::Duration::from_micros(1));
    let theft = tour.phone.http.refresh(&spent, None).await;
    assert_eq!(
        (theft.status.as_u16(), theft.json()["error"].as_str()),
        (400, Some("invalid_grant"))
    );
    tour.authority.caught_up(&tour.verifier).await;
    assert_revoked(tour.verifier.check_online(&tour.phone.access).await);
    tour.phone.assert_over().await;
    assert!(tour.verifier.check_online(&tour.laptop.access).await.is_ok());
    tour.laptop.assert_works().await;
    let answer = tour.authority.http().sign_in("alice", PASSWORD).await;
    assert!(tour.verifier.check_online(&text(&answer, "access_token")).await.is_ok());
}

//! One key after another, without a gap.

use crate::{Device, PASSWORD, SECOND, accepts, all, kid, published, quick, ripen, rotate, signer};
use rescind_authority::keys::{KeyState, Purpose};
use rescind_server::admin::client::CallError;
use rescind_testkit::accounts::{administer, cookie_session, quick_with};
use rescind_testkit::server::until;
use rescind_verifier::Alg;
use rescind_wire::b64;
use serde_json::json;
use std::time::Duration;

// K05 K16
#[tokio::test(flavor = "multi_thread")]
async fn a_key_signs_only_after_everybody_may_know_it() {
    let authority = quick().await;
    let (active, next) = (
        kid(&authority, &Purpose::Token, KeyState::Active).await,
        kid(&authority, &Purpose::Token, KeyState::Next).await,
    );
    let answer = authority.http().get("/.well-known/jwks.json", &[]).await;
    assert_eq!(answer.header("cache-control"), "public, max-age=60");
    assert!(answer.set_cookies().is_empty());
    authority.clock.advance(64 * SECOND);
    let early = administer(&authority, "/admin/keys/rotate", json!({ "purpose": "token" })).await;
    assert!(matches!(early, Err(CallError::Early { wait: 1, .. })), "{early:?}");
    assert_eq!(signer(&Device::sign_in(&authority).await.access), active);

    authority.clock.advance(SECOND);
    rotate(&authority, "token").await;
    assert_eq!(signer(&Device::sign_in(&authority).await.access), next);
    let keys = published(&authority).await;
    assert!(keys.contains(&active) && keys.contains(&next) && keys.len() == 3);
    let early = administer(&authority, "/admin/keys/rotate", json!({ "purpose": "token" })).await;
    assert!(matches!(early, Err(CallError::Early { .. })), "the one after it is new");
}

// K05 R-11
#[tokio::test(flavor = "multi_thread")]
async fn what_an_old_key_has_signed_is_good_until_it_expires_and_then_the_key_goes() {
    let authority = quick().await;
    let verifier = authority.verifier().await;
    let mut device = Device::sign_in(&authority).await;
    let old = device.access.clone();
    ripen(&authority);
    // A token of the last moment lives longest.
    let last = Device::sign_in(&authority).await.access;
    rotate(&authority, "token").await;
    for token in [&old, &last] {
        assert!(accepts(&authority, &verifier, token).await);
    }
    assert_eq!(device.go_on(&authority).await, 200);
    assert_ne!(signer(&device.access), signer(&old));
    assert!(accepts(&authority, &verifier, &device.access).await);

    authority.clock.advance(299 * SECOND);
    authority.app.authority.tend_keys().await.unwrap();
    assert!(accepts(&authority, &verifier, &last).await);
    authority.clock.advance(41 * SECOND);
    authority.app.authority.tend_keys().await.unwrap();
    assert!(!published(&authority).await.contains(&signer(&last)));
    assert!(!accepts(&authority, &verifier, &last).await);
}

// K06
#[tokio::test(flavor = "multi_thread")]
async fn a_verifier_hears_of_a_new_key_before_it_signs() {
    let authority = quick().await;
    let verifier = authority.verifier().await;
    assert_eq!(verifier.status().keys, 2);
    ripen(&authority);
    rotate(&authority, "token").await;
    until("the verifier has the key after the next", || {
        let status = verifier.status();
        status.keys == 3 && status.ready
    })
    .await;
    let token = Device::sign_in(&authority).await.access;
    assert!(verifier.check(&token).is_ok(), "without any wait");
}

// R-9 T35
#[tokio::test(flavor = "multi_thread")]
async fn another_algorithm_comes_with_the_next_rotation() {
    let mut authority = quick().await;
    Device::sign_in(&authority).await;
    for alg in [Alg::Ed25519, Alg::Rs256, Alg::EdDsa, Alg::Es256] {
        let active = kid(&authority, &Purpose::Token, KeyState::Active).await;
        authority.config.settings.token_alg = Some(alg);
        authority = authority.restart().await;
        assert_eq!(kid(&authority, &Purpose::Token, KeyState::Active).await, active);
        let next = all(&authority, &Purpose::Token, KeyState::Next).await;
        assert_eq!(next.iter().map(|k| k.alg).collect::<Vec<_>>(), [Some(alg)]);
        ripen(&authority);
        rotate(&authority, "token").await;
        let token = Device::sign_in(&authority).await.access;
        assert_eq!(crate::header(&token)["alg"], alg.name());
        let verifier = authority.verifier_builder().algorithms(&[alg]).build().await.unwrap();
        assert!(verifier.check(&token).is_ok(), "{alg:?}");
        let other = if alg == Alg::Es256 { Alg::Rs256 } else { Alg::Es256 };
        let other = authority.verifier_builder().algorithms(&[other]).build().await.unwrap();
        assert!(other.check(&token).is_err(), "{alg:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_the_line_key_before_go_on_and_become_those_of_the_next() {
    let authority = quick().await;
    let mut device = Device::sign_in(&authority).await;
    let mut browser = authority.http().browser();
    browser.sign_in("alice", PASSWORD).await;
    let (token, cookie) = (device.refresh.clone(), browser.session_cookie().to_owned());
    rotate(&authority, "line").await;
    let number = |line: &str| b64::decode(line.trim_start_matches("rsc_rt_")).unwrap()[1];
    assert_eq!((number(&token), number(&cookie)), (1, 1));
    assert_eq!(device.go_on(&authority).await, 200);
    assert_eq!(number(&device.refresh), 2);
    assert_eq!(browser.get("/whoami").await.status, 200);
    // A repeated answer is of the same generation: one line, whichever key has written it.
    assert_eq!(
        b64::decode(&cookie).unwrap()[2..22],
        b64::decode(browser.session_cookie()).unwrap()[2..22]
    );
    authority.clock.advance(Duration::from_secs(16 * 60));
    assert_eq!(browser.get("/whoami").await.status, 200);
    assert_eq!(number(browser.session_cookie()), 2);
    assert_eq!(
        cookie_session(&authority, browser.session_cookie()),
        cookie_session(&authority, &cookie)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_csrf_value_of_before_still_fits_and_whoami_sets_the_one_of_now() {
    let authority = quick().await;
    let mut browser = authority.http().browser();
    browser.sign_in("alice", PASSWORD).await;
    browser.get("/whoami").await;
    let before = browser.jar["XSRF-TOKEN"].clone();
    rotate(&authority, "csrf").await;
    let ask = json!({ "audience": "posts-api" });
    let answer = browser.send(http::Method::POST, "/session/token", Some(ask.clone())).await;
    assert_eq!(answer.status, 200, "an open page goes on");
    assert_eq!(browser.jar["XSRF-TOKEN"], before);
    let answer = browser.get("/whoami").await;
    assert_eq!(answer.json()["csrf_token"], browser.jar["XSRF-TOKEN"]);
    assert_ne!(browser.jar["XSRF-TOKEN"], before);
    assert!(answer.cookie("rescind-dev").is_none(), "the session's own cookie is left alone");
    let answer = browser.send(http::Method::POST, "/session/token", Some(ask)).await;
    assert_eq!(answer.status, 200);
    assert!(browser.get("/whoami").await.set_cookies().is_empty());
}

// P03
#[tokio::test(flavor = "multi_thread")]
async fn the_feeds_key_rotates_under_its_followers() {
    let authority = quick_with(|_| {}).await;
    authority.person("alice").await;
    let verifier = authority.verifier().await;
    for _ in 0..3 {
        let old = authority.app.authority.keyring().feed_key().kid().to_owned();
        ripen(&authority);
        rotate(&authority, "feed").await;
        assert_ne!(authority.app.authority.keyring().feed_key().kid(), old);
        let token = Device::sign_in(&authority).await.access;
        assert!(accepts(&authority, &verifier, &token).await);
        let revoke = json!({ "user": "alice" });
        administer(&authority, "/admin/revoke", revoke).await.unwrap();
        assert!(!accepts(&authority, &verifier, &token).await);
    }
}

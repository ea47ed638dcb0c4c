//! Key sets: when they are fetched, and what is not taken for one.

use crate::support::{Authority, Fault, key, until};
use crate::{SOON, STALE};
use rescind_verifier::{BuildError, FetchError, Refusal};
use rescind_wire::frame::{Frame, KeysMark};
use rescind_wire::jws::Alg;
use rescind_wire::revocation::Target;
use rescind_wire::token::{InvalidToken, sign};
use rescind_wire::{b64, sha256};
use std::sync::atomic::Ordering;
use std::time::Duration;

// K07
#[tokio::test]
async fn while_the_key_set_is_outdated_all_tokens_of_unknown_keys_share_one_fetch() {
    let authority = Authority::serve().await;
    let verifier = authority.verifier().await;
    until("the feed", || authority.feeds.load(Ordering::SeqCst) == 1).await;
    let before = authority.asked("/jwks");
    authority.fault("/jwks", Fault::Down);
    authority.rotate();
    until("a fetch in vain", || authority.asked("/jwks") == before + 1).await;
    let forged = sign(&authority.claims(1), &key(Alg::Es256)).unwrap();
    let (_, rest) = forged.split_once('.').unwrap();
    let token = |n: u32| {
        let header = format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{n}"}}"#);
        format!("{}.{rest}", b64::encode(header))
    };
    assert_eq!(verifier.check(&token(0)).unwrap_err(), STALE);
    authority.fault("/jwks", None);
    let checks = (0..1_000).map(|n| {
        let (verifier, token) = (verifier.clone(), token(n));
        async move { verifier.check_online(&token).await }
    });
    for judged in futures_util::future::join_all(checks).await {
        assert_eq!(judged.unwrap_err(), InvalidToken::UnknownKey.into());
    }
    assert_eq!(authority.asked("/jwks"), before + 2);
}

#[tokio::test]
async fn a_key_that_was_taken_back_before_it_was_fetched_is_no_reason_to_wait() {
    let authority = Authority::serve().await;
    let verifier = authority.verifier().await;
    until("the feed", || authority.feeds.load(Ordering::SeqCst) == 1).await;
    authority.fault("/jwks", Fault::Down);
    authority.rotate();
    let token = authority.token(1);
    until("that another set is in force", || verifier.check(&token).err() == Some(STALE)).await;
    let kid = authority.world().token_key.kid().to_owned();
    authority.revoke(&Target::Key(kid));
    until("the refusal", || verifier.check(&token).err() == Some(Refusal::Revoked)).await;
    authority.rotate();
    assert_eq!(verifier.check_online(&authority.token(1)).await.unwrap_err(), STALE);
    assert_eq!(verifier.check_online(&token).await.unwrap_err(), Refusal::Revoked);
}

// T08, K07
#[tokio::test]
async fn unknown_keys_and_keys_in_tokens_cause_no_request() {
    let authority = Authority::serve().await;
    let verifier = authority.verifier().await;
    let (before, paths) = (authority.asked("/jwks"), authority.world().asked.len());
    let stranger = key(Alg::Es256);
    let forged = sign(&authority.claims(1), &stranger).unwrap();
    let (_, rest) = forged.split_once('.').unwrap();
    for n in 0..10_000 {
        let header = format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{n}"}}"#);
        let token = format!("{}.{rest}", b64::encode(header));
        assert_eq!(verifier.check(&token).unwrap_err(), InvalidToken::UnknownKey.into());
    }
    let jwk = stranger.public().unwrap().to_jwk();
    for member in [
        format!(r#""jwk":{jwk}"#),
        format!(r#""jku":"{}/elsewhere""#, authority.issuer),
        format!(r#""x5u":"{}/elsewhere""#, authority.issuer),
        r#""x5c":["MII"]"#.to_owned(),
    ] {
        let header =
            format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{}",{member}}}"#, stranger.kid());
        let mut token = format!("{}.{}", b64::encode(header), rest.split('.').next().unwrap());
        let signature = stranger.sign(token.as_bytes()).unwrap();
        token = format!("{token}.{}", b64::encode(signature));
        assert!(matches!(verifier.check_online(&token).await, Err(Refusal::InvalidToken(_))));
    }
    assert_eq!((authority.asked("/jwks"), authority.asked("/elsewhere")), (before, 0));
    assert!(authority.world().asked.len() <= paths + 1, "at most the feed is new");
}

#[tokio::test]
async fn a_new_key_is_fetched_once_and_old_tokens_go_on() {
    let authority = Authority::serve().await;
    let verifier = authority.verifier().await;
    until("the feed", || authority.feeds.load(Ordering::SeqCst) == 1).await;
    let old = authority.token(1);
    authority.rotate();
    let new = authority.token(1);
    until("the new key", || verifier.check(&new).is_ok()).await;
    assert!(verifier.check(&old).is_ok());
    assert_eq!(authority.asked("/jwks"), 2);
    assert_eq!(verifier.status().keys, 2);
}

// K08
#[tokio::test]
async fn a_key_set_that_cannot_be_had_leaves_the_last_good_one() {
    let authority = Authority::serve().await;
    let verifier = authority.verifier().await;
    until("the feed", || authority.feeds.load(Ordering::SeqCst) == 1).await;
    let old = authority.token(1);
    authority.fault("/jwks", Fault::Redirect);
    authority.rotate();
    until("a fetch", || authority.asked("/jwks") > 1).await;
    assert!(verifier.check(&old).is_ok());
    assert_eq!(
        verifier.check(&authority.token(1)).unwrap_err(),
        STALE,
        "a key may be missing: not known"
    );
    assert_eq!(authority.asked("/elsewhere"), 0, "no redirect is followed");
}

// K08
#[tokio::test]
async fn redirects_other_types_and_long_documents_are_not_taken() {
    for fault in [Fault::Redirect, Fault::Html, Fault::Huge, Fault::Down] {
        let authority = Authority::serve().await;
        authority.fault("/jwks", fault);
        let Err(BuildError::NotReady(Some(error))) =
            authority.builder().build_timeout(SOON).build().await
        else {
            panic!("built");
        };
        assert!(
            matches!(*error, FetchError::Status(_) | FetchError::ContentType | FetchError::Body),
            "{error}"
        );
        assert_eq!(authority.asked("/elsewhere"), 0);
    }
}

#[tokio::test]
async fn the_next_feed_key_is_learnt_from_the_metadata() {
    let authority = Authority::serve().await;
    let verifier = authority.verifier().await;
    authority.world().feed_key = key(Alg::Ed25519);
    authority.clock.advance(Duration::from_secs(11));
    let token = authority.token(1);
    until("freshness under the new key", || verifier.check(&token).is_ok()).await;
}

// P09
#[tokio::test]
async fn an_old_announcement_of_keys_makes_nobody_read_the_metadata_again() {
    const METADATA: &str = "/.well-known/oauth-authorization-server";
    let authority = Authority::serve().await;
    let old = KeysMark { version: 1, hash: sha256(&[authority.world().jwks.as_bytes()]) };
    authority.world().keys_version = 2;
    authority.fault("/feed", Fault::Down);
    let _verifier = authority.verifier().await;
    until("the news of the first head", || authority.asked(METADATA) == 2).await;
    authority.fault("/feed", Fault::Body(authority.sealed(&Frame::Keys(old))));
    let feeds = authority.asked("/feed");
    // Told again and again, with heads in between that say what is in force.
    until("more feeds", || authority.asked("/feed") > feeds + 2).await;
    let heads = authority.asked("/head");
    until("more heads", || authority.asked("/head") > heads + 1).await;
    assert_eq!(authority.asked(METADATA), 2);
}

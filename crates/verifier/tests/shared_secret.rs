//! HS256 under a secret that one server shares with the authority.

#![expect(clippy::unwrap_used, reason = "tests, and what they share")]

mod support;

use rescind_verifier::{Alg, BuildError, Builder, Refusal, SharedSecret};
use rescind_wire::b64;
use rescind_wire::jwk::SigningKey;
use rescind_wire::revocation::Target;
use rescind_wire::token::{InvalidToken, sign};
use std::sync::atomic::Ordering;
use std::time::Duration;
use support::{Authority, Fault, key, until};

/// A key that signs, and its secret as a server is given it.
fn shared() -> (SigningKey, SharedSecret) {
    let bytes = SigningKey::generate(Alg::Hs256).unwrap();
    let key = SigningKey::from_secret(Alg::Hs256, &bytes).unwrap();
    (key, SharedSecret::new(b64::encode(&*bytes)).unwrap())
}

// T04
#[tokio::test]
async fn shared_secrets_and_public_keys_are_never_accepted_together() {
    let (authority, _listener) = Authority::bind().await;
    let plain = || authority.builder();
    let secret = || plain().shared_secret(shared().1);
    let error = |builder: Builder| builder.start().err();
    assert!(error(secret()).is_none());
    assert!(error(secret().shared_secret(shared().1).algorithms(&[Alg::Hs256])).is_none());
    assert!(matches!(error(secret().algorithms(&[])), Some(BuildError::Algorithms)));
    assert!(matches!(error(plain().algorithms(&[Alg::Hs256])), Some(BuildError::SharedSecret)));
    for public in [Alg::Es256, Alg::Ed25519, Alg::EdDsa, Alg::Rs256] {
        assert!(error(plain().algorithms(&[public])).is_none());
        for mixed in [
            secret().algorithms(&[public]),
            secret().algorithms(&[public, Alg::Hs256]),
            plain().algorithms(&[Alg::Hs256, public]),
        ] {
            assert!(matches!(error(mixed), Some(BuildError::MixedAlgorithms)), "{public:?}");
        }
    }
}

// T03
#[tokio::test]
async fn exactly_the_given_secrets_verify_and_no_published_key() {
    let authority = Authority::serve().await;
    let [(old, old_secret), (new, new_secret), (foreign, _)] = [shared(), shared(), shared()];
    let builder = authority.builder().shared_secret(old_secret).shared_secret(new_secret);
    let verifier = builder.build().await.unwrap();
    assert_eq!(verifier.status().keys, 2);
    let claims = authority.claims(1);
    for key in [&old, &new] {
        assert!(verifier.check(&sign(&claims, key).unwrap()).is_ok());
    }
    for token in [sign(&claims, &foreign).unwrap(), authority.token(1)] {
        let refused = Refusal::InvalidToken(InvalidToken::UnknownKey);
        assert_eq!(verifier.check(&token).unwrap_err(), refused);
    }
    // A verifier of public keys takes neither.
    let public = authority.verifier().await;
    assert!(public.check(&authority.token(1)).is_ok());
    for key in [&old, &new, &foreign] {
        assert!(public.check(&sign(&claims, key).unwrap()).is_err());
    }
    // Revocation reaches them like any other token.
    until("the feed", || authority.feeds.load(Ordering::SeqCst) == 2).await;
    authority.revoke(&Target::Key(old.kid().into()));
    until("the revocation", || verifier.status().applied == 1).await;
    assert_eq!(verifier.check(&sign(&claims, &old).unwrap()).unwrap_err(), Refusal::Revoked);
    assert!(verifier.check(&sign(&claims, &new).unwrap()).is_ok());
}

#[tokio::test]
async fn what_the_authority_publishes_neither_hinders_nor_helps() {
    let authority = Authority::serve().await;
    authority.fault("/jwks", Fault::Down);
    let (key_of_server, secret) = shared();
    let verifier = authority.builder().shared_secret(secret).build().await.unwrap();
    until("the feed", || authority.feeds.load(Ordering::SeqCst) == 1).await;
    let token = sign(&authority.claims(1), &key_of_server).unwrap();
    assert!(verifier.check(&token).is_ok());
    // The feed and the heads announce another set, which is not fetched.
    authority.rotate();
    authority.revoke(&Target::Client("a sign that the news came".into()));
    until("the news", || verifier.status().applied == 1).await;
    authority.clock.advance(Duration::from_millis(1));
    assert!(verifier.check_online(&token).await.is_ok());
    assert!(verifier.status().ready);
    let unknown = sign(&authority.claims(1), &key(Alg::Es256)).unwrap();
    let refused = Refusal::InvalidToken(InvalidToken::UnknownKey);
    assert_eq!(verifier.check(&unknown).unwrap_err(), refused);
    assert_eq!(authority.asked("/jwks"), 0);
}

//! What comes into the cache, what it is found by, and what it takes.

use super::*;
use crate::check::Refusal;
use crate::clock::ManualClock;
use crate::fixture::{self, claims, signing_key};
use crate::shared::Demand;
use rescind_wire::frame::KeysMark;
use rescind_wire::id::Jti;
use rescind_wire::jwk::{SigningKey, jwks};
use rescind_wire::token;
use rescind_wire::{b64, sha256};

const ISSUER: &str = "https://auth.example";

/// A verifier that has its keys and no lease: it verifies, and lets nobody through.
fn core(key: &SigningKey) -> Arc<Core> {
    let core = fixture::core(ISSUER, Arc::new(ManualClock::default()));
    core.keys.install(jwks(key.public()).as_bytes()).unwrap();
    core
}

fn token(key: &SigningKey, n: u32) -> String {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&n.to_be_bytes());
    token::sign(&Claims { jti: Jti::from_bytes(id), ..claims(ISSUER) }, key).unwrap()
}

fn check(core: &Arc<Core>, token: &str) {
    assert_eq!(core.check(token, Demand::default()).unwrap_err(), Refusal::STALE);
}

fn is_known(core: &Core, token: &str) -> bool {
    core.facts.get(token.as_bytes(), core.keys.version()).is_some()
}

// T32
#[test]
fn the_cache_is_keyed_by_the_whole_token() {
    let key = signing_key();
    let (core, token) = (core(&key), token(&key, 1));
    check(&core, &token);
    assert!(is_known(&core, &token));
    for at in 0..token.len() {
        let mut other = token.clone().into_bytes();
        other[at] = if other[at] == b'A' { b'B' } else { b'A' };
        let other = String::from_utf8(other).unwrap();
        assert!(!is_known(&core, &other), "byte {at}");
        assert!(!is_known(&core, &token[..at]), "cut at {at}");
    }
}

// T32
#[test]
fn facts_of_another_key_set_are_verified_anew() {
    let (key, next) = (signing_key(), signing_key());
    let (core, token) = (core(&key), token(&key, 1));
    check(&core, &token);
    assert!(is_known(&core, &token));
    core.keys.install(jwks(next.public()).as_bytes()).unwrap();
    assert!(!is_known(&core, &token));
    check(&core, &token);
    assert!(!is_known(&core, &token), "its key is gone");
}

#[tokio::test]
async fn a_set_that_comes_while_a_token_has_its_turn_is_the_one_that_counts() {
    let (key, next) = (signing_key(), signing_key());
    let (core, token, document) = (core(&key), token(&next, 1), jwks(next.public()));
    let mark = KeysMark { version: 2, hash: sha256(&[document.as_bytes()]) };
    core.keys.announce(mark, true, 1);
    let comes = async { core.keys.install(document.as_bytes()).unwrap() };
    let _ = tokio::join!(core.check_with_keys(&token, Demand::default()), comes);
    assert!(is_known(&core, &token), "it was verified");
}

// T32
#[test]
fn the_cache_stays_within_its_bytes() {
    let key = signing_key();
    let core = core(&key);
    (0..1000).for_each(|n| check(&core, &token(&key, n)));
    let cache = &core.facts.cache;
    let most = core.settings.cache_bytes;
    assert!(cache.len() < 1000 && cache.weight() <= most && cache.weight() > most / 2);
}

// T32
#[test]
fn tokens_that_somebody_made_up_displace_no_good_ones() {
    let (key, other) = (signing_key(), signing_key());
    let core = core(&key);
    let good: Vec<_> = (0..50).map(|n| token(&key, n)).collect();
    good.iter().for_each(|token| check(&core, token));
    let held = core.facts.cache.len();
    for n in 0..2000 {
        let signed = token(&other, n);
        let (input, signature) = signed.rsplit_once('.').unwrap();
        let payload = input.split_once('.').unwrap().1;
        let header = good[0].split_once('.').unwrap().0;
        check(&core, &signed);
        check(&core, &format!("{header}.{payload}.{signature}"));
        check(&core, &format!("{header}.{payload}.{}", b64::encode([n as u8; 64])));
        check(&core, &"x".repeat(n as usize));
    }
    assert_eq!(core.facts.cache.len(), held);
    assert!(good.iter().all(|token| is_known(&core, token)));
}

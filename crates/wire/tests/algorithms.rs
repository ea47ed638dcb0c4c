//! Every algorithm with its keys, and none with those of another.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it says")]

mod support;

use rescind_wire::b64;
use rescind_wire::jwk::{KeyRefused, KeySet, SharedKey, SigningKey, jwks};
use rescind_wire::jws::Alg;
use rescind_wire::token::{Expected, InvalidToken, sign, verify};
use serde_json::json;
use support::{AUDIENCE, ISSUER, claims, new_key, payload, unsigned, with_signature};

fn expected() -> Expected {
    Expected { issuer: ISSUER.into(), audience: AUDIENCE.into(), max_lifetime: 300 }
}

/// A key that signs, and a set that holds what verifies it.
fn pair(alg: Alg) -> (SigningKey, KeySet) {
    let secret = SigningKey::generate(alg).unwrap();
    let key = SigningKey::from_secret(alg, &secret).unwrap();
    let shared = alg.is_shared().then(|| SharedKey::new(&secret).unwrap());
    let set = KeySet::new(key.public().cloned(), shared);
    (key, set)
}

// T35
#[test]
fn every_algorithm_signs_verifies_and_names_itself() {
    let names = ["ES256", "Ed25519", "EdDSA", "RS256", "HS256"];
    for (alg, name) in Alg::ALL.into_iter().zip(names) {
        assert_eq!((alg.name(), Alg::from_name(name)), (name, Some(alg)));
        let (key, keys) = pair(alg);
        let token = sign(&claims(), &key).unwrap();
        let header = b64::decode(token.split('.').next().unwrap()).unwrap();
        let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
        assert_eq!(header, json!({"alg": name, "typ": "at+jwt", "kid": key.kid()}));
        let verified = verify(&token, &keys, &expected()).unwrap();
        assert_eq!((verified.claims, verified.kid.as_str()), (claims(), key.kid()));
        assert_eq!(key.alg(), alg);
        assert_eq!(keys.find(key.kid()).unwrap().alg(), alg);
        assert_eq!(key.public().is_none(), alg.is_shared());
    }
}

// T05
#[test]
fn no_key_verifies_under_the_name_of_another_algorithm() {
    let secret = SigningKey::generate(Alg::Hs256).unwrap();
    let shared = SharedKey::new(&secret).unwrap();
    let mut signers: Vec<_> =
        Alg::ALL.into_iter().filter(|a| !a.is_shared()).map(new_key).collect();
    let keys = KeySet::new(signers.iter().filter_map(|k| k.public().cloned()), [shared]);
    signers.push(SigningKey::from_secret(Alg::Hs256, &secret).unwrap());
    assert_eq!(keys.len(), Alg::ALL.len());

    for alg in Alg::ALL {
        for named in &signers {
            let kid = named.kid();
            let header = format!(r#"{{"alg":"{}","typ":"at+jwt","kid":"{kid}"}}"#, alg.name());
            let input = unsigned(header.as_bytes(), &payload());
            for signer in &signers {
                let token = with_signature(&input, &signer.sign(input.as_bytes()).unwrap());
                let fits = alg == named.alg() && signer.kid() == kid;
                let verdict = verify(&token, &keys, &expected()).err();
                let wanted = (!fits).then_some(InvalidToken::Signature);
                assert_eq!(verdict, wanted, "{alg:?} {named:?} {signer:?}");
            }
        }
    }
}

// T03
#[test]
fn a_shared_secret_comes_from_no_document_whatever_is_accepted() {
    let (key, _) = pair(Alg::Hs256);
    let token = sign(&claims(), &key).unwrap();
    let secret = SigningKey::generate(Alg::Hs256).unwrap();
    let own = SigningKey::from_secret(Alg::Hs256, &secret).unwrap();
    let own_token = sign(&claims(), &own).unwrap();
    let others = [new_key(Alg::Es256), new_key(Alg::Rs256)];
    let jwk = json!({"kty": "oct", "alg": "HS256", "use": "sig", "kid": own.kid(),
        "k": b64::encode(&*secret)});
    let plain = json!({"kty": "oct", "kid": "x"});
    let mut document: serde_json::Value =
        serde_json::from_str(&jwks(others.iter().filter_map(SigningKey::public))).unwrap();
    document["keys"].as_array_mut().unwrap().extend([jwk, plain]);
    for accepted in [&Alg::ALL[..], &[Alg::Hs256], &[Alg::Es256, Alg::Rs256]] {
        let (keys, refused) = KeySet::from_jwks(document.to_string().as_bytes(), accepted).unwrap();
        assert!(refused.ends_with(&[(2, KeyRefused::Secret), (3, KeyRefused::Secret)]));
        for token in [&token, &own_token] {
            let verdict = verify(token, &keys, &expected()).err();
            assert_eq!(verdict, Some(InvalidToken::UnknownKey));
        }
        // Under the kid of a key that is there.
        for other in &others {
            let kid = other.kid();
            let header = format!(r#"{{"alg":"HS256","typ":"at+jwt","kid":"{kid}"}}"#);
            let input = unsigned(header.as_bytes(), &payload());
            let forged = with_signature(&input, &own.sign(input.as_bytes()).unwrap());
            assert!(verify(&forged, &keys, &expected()).is_err());
        }
    }
}

// T35
#[test]
fn one_ed25519_key_is_of_the_name_that_it_was_given_and_of_no_other() {
    let secret = SigningKey::generate(Alg::Ed25519).unwrap();
    let [new, old] =
        [Alg::Ed25519, Alg::EdDsa].map(|alg| SigningKey::from_secret(alg, &secret).unwrap());
    assert_eq!(new.kid(), old.kid());
    for (own, other) in [(&new, &old), (&old, &new)] {
        let keys = KeySet::new(own.public().cloned(), None);
        let verdict = |key| verify(&sign(&claims(), key).unwrap(), &keys, &expected()).err();
        assert_eq!(verdict(own), None);
        assert_eq!(verdict(other), Some(InvalidToken::Signature));
    }
    // Held under both names, the first counts.
    let both = [old.public().cloned().unwrap(), new.public().cloned().unwrap()];
    let keys = KeySet::new(both, None);
    assert_eq!((keys.len(), keys.find(new.kid()).unwrap().alg()), (1, Alg::EdDsa));
}

// T35
#[test]
fn the_old_name_of_ed25519_counts_only_where_it_is_named() {
    let key = new_key(Alg::EdDsa);
    let token = sign(&claims(), &key).unwrap();
    let document = jwks(key.public());
    let read = |accepted: &[Alg]| KeySet::from_jwks(document.as_bytes(), accepted).unwrap();
    let (keys, refused) = read(&[Alg::Es256, Alg::Ed25519, Alg::Rs256]);
    assert_eq!(refused, [(0, KeyRefused::Unsupported)]);
    assert_eq!(verify(&token, &keys, &expected()).err(), Some(InvalidToken::UnknownKey));
    let (keys, refused) = read(&[Alg::EdDsa]);
    assert_eq!(refused, []);
    assert!(verify(&token, &keys, &expected()).is_ok());
}

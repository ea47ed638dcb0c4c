//! Attacks on a JWKS as a whole, and what our own publishes.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it says")]

mod support;

use rescind_wire::b64;
use rescind_wire::jwk::{KeyRefused, KeySet, MAX_JWKS, SetRefused, SigningKey, jwks};
use rescind_wire::jws::Alg;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use support::{ALL, ec, ed, new_key, new_rsa_key, with};

// K01 K02 K13
#[test]
fn a_published_set_holds_public_members_only_and_names_each_key_by_its_thumbprint() {
    let (_, rsa) = new_rsa_key();
    let rsa = support::public_key(&rsa);
    // In the middle of a rotation: two keys of one algorithm, and those of the others.
    let signers =
        [Alg::Es256, Alg::Es256, Alg::Ed25519, Alg::Ed25519, Alg::EdDsa, Alg::Rs256].map(new_key);
    let all: Vec<_> = signers.iter().filter_map(SigningKey::public).chain([&rsa]).collect();
    let document: Value = serde_json::from_str(&jwks(all.iter().copied())).unwrap();
    let listed = document["keys"].as_array().unwrap();
    assert_eq!(listed.len(), all.len());

    let mut kids = BTreeSet::new();
    for (jwk, key) in listed.iter().zip(all) {
        let material: &[&str] = match key.alg() {
            Alg::Es256 => &["crv", "x", "y"],
            Alg::Ed25519 | Alg::EdDsa => &["crv", "x"],
            Alg::Rs256 => &["e", "n"],
            Alg::Hs256 => panic!("a public key of a shared secret"),
        };
        let named: BTreeSet<&str> = jwk.as_object().unwrap().keys().map(String::as_str).collect();
        let wanted = ["alg", "kid", "kty", "use"].iter().chain(material);
        assert_eq!(named, wanted.copied().collect());
        assert_eq!(jwk["alg"], key.alg().name());
        assert_eq!(jwk["use"], "sig");
        assert_eq!(jwk["kid"], key.thumbprint());
        kids.insert(jwk["kid"].to_string());
    }
    assert_eq!(kids.len(), listed.len());
    for (signer, jwk) in signers.iter().zip(listed) {
        assert_eq!(jwk["kid"], signer.kid());
    }
}

// K03 K04
#[test]
fn a_key_that_is_not_for_us_is_reported_and_the_others_still_work() {
    let realm = support::Realm::new();
    let own = support::jwk(&realm.es256);
    let strange = [
        (
            json!({"kty": "AKP", "alg": "ML-DSA-44", "kid": "1", "pub": "AA"}),
            KeyRefused::Unsupported,
        ),
        (with(&with(&ec(), "kid", "2"), "use", "enc"), KeyRefused::Unsupported),
        (with(&with(&ec(), "kid", "3"), "key_ops", json!(["sign"])), KeyRefused::Unsupported),
        (with(&with(&ec(), "kid", "4"), "key_ops", json!([])), KeyRefused::Unsupported),
        (with(&with(&ec(), "kid", "5"), "alg", "ES256K"), KeyRefused::Unsupported),
        (with(&with(&ec(), "kid", "6"), "d", "AAAA"), KeyRefused::Secret),
        (with(&with(&ec(), "kid", "7"), "y", b64::encode([1; 32])), KeyRefused::Weak),
        (with(&with(&ec(), "kid", "8"), "key_ops", "verify"), KeyRefused::Malformed),
        (with(&with(&ec(), "kid", "9"), "use", 1), KeyRefused::Malformed),
        (with(&ec(), "kid", ""), KeyRefused::Malformed),
        (with(&ec(), "kid", 1), KeyRefused::Malformed),
        (with(&ec(), "kid", "k".repeat(129)), KeyRefused::Malformed),
        (json!({}), KeyRefused::Malformed),
        (with(&ed(), "kid", "10"), KeyRefused::Unsupported), // not among the accepted algorithms
    ];
    let mut list: Vec<Value> = strange.iter().map(|(jwk, _)| jwk.clone()).collect();
    list.push(with(&own, "key_ops", json!(["verify", "wrapKey"])));
    let document = json!({ "keys": list, "later": {"member": true} }).to_string();
    let (keys, refused) = KeySet::from_jwks(document.as_bytes(), &[Alg::Es256]).unwrap();
    let expected: Vec<_> = strange.iter().map(|(_, reason)| *reason).enumerate().collect();
    assert_eq!(refused, expected);
    assert_eq!(keys.len(), 1);
    assert!(rescind_wire::token::verify(&realm.good(), &keys, &realm.expected).is_ok());
}

// K03
#[test]
fn a_set_with_one_kid_twice_is_refused_whole() {
    let twins = [ec(), ed()].map(|jwk| with(&jwk, "kid", "same"));
    let document = json!({ "keys": twins }).to_string();
    let verdict = KeySet::from_jwks(document.as_bytes(), &ALL);
    assert_eq!(verdict.err(), Some(SetRefused::DuplicateKid));
    // Even if one of the two would not have been used.
    let [first, second] = twins;
    let document = json!({ "keys": [first, with(&second, "use", "enc")] }).to_string();
    let verdict = KeySet::from_jwks(document.as_bytes(), &ALL);
    assert_eq!(verdict.err(), Some(SetRefused::DuplicateKid));
}

// K03
#[test]
fn a_set_that_is_not_strict_json_or_too_long_is_refused_whole() {
    let key = ec().to_string();
    let filler = " ".repeat(MAX_JWKS);
    let documents = [
        String::new(),
        "{}".into(),
        "null".into(),
        format!("[{key}]"),
        key.clone(),
        r#"{"keys":null}"#.into(),
        r#"{"keys":{}}"#.into(),
        r#"{"keys":[1]}"#.into(),
        format!(r#"{{"keys":[{key},null]}}"#),
        format!(r#"{{"keys":[{key}],"keys":[]}}"#),
        format!(r#"{{"keys":[{key}],"\u006beys":[]}}"#),
        format!(r#"{{"keys":[{}]}}"#, key.replacen('{', r#"{"kty":"EC","#, 1)),
        format!(r#"{{"keys":[{key}]}}x"#),
        format!(r#"{{"keys":[{key}]}}{filler}"#),
        format!(r#"{{"keys":{}"#, "[".repeat(60_000)),
    ];
    for document in documents {
        let verdict = KeySet::from_jwks(document.as_bytes(), &ALL);
        assert_eq!(verdict.err(), Some(SetRefused::Malformed), "{:.80}", document);
    }
}

//! JWKS documents: what is kept is a public key that the document names, and a secret never is.

use crate::Target;
use crate::realm::{key, public};
use rescind_wire::b64;
use rescind_wire::jwk::{KeySet, PublicKey, VerifyingKey, jwks};
use rescind_wire::jws::Alg;
use serde_json::{Value, json};

/// The target.
pub const TARGET: Target = Target { name: "key_set", seeds, holds, short: 30_000 };

fn holds(input: &[u8]) {
    let Ok((set, refused)) = KeySet::from_jwks(input, &Alg::ALL) else { return };
    let document: Value = serde_json::from_slice(input).unwrap();
    let listed = document["keys"].as_array().unwrap();
    assert_eq!(set.len() + refused.len(), listed.len(), "a key is neither kept nor refused");
    let mut kept = Vec::new();
    for jwk in listed {
        let Some(found) = jwk["kid"].as_str().and_then(|kid| set.find(kid)) else { continue };
        let VerifyingKey::Public(key) = found else { panic!("a secret came from a document") };
        faithful(key, jwk);
        kept.push(key.alg());
    }
    assert_eq!(kept.len(), set.len());
    let (one, _) = KeySet::from_jwks(input, &[Alg::Es256]).unwrap();
    assert_eq!(one.len(), kept.iter().filter(|alg| **alg == Alg::Es256).count());
}

/// A key says what its document says, and verifies nothing that it did not sign.
fn faithful(key: &PublicKey, jwk: &Value) {
    let written = key.to_jwk();
    // Members of other kinds of keys are passed over, as RFC 7517 §4 says.
    let own = written.as_object().unwrap().iter();
    for (name, value) in own.filter(|(name, _)| !["kid", "alg", "use"].contains(&name.as_str())) {
        assert_eq!(jwk.get(name), Some(value), "{name}");
    }
    assert!(jwk.get("d").is_none(), "a private key was taken for a public one");
    assert!(jwk.get("alg").is_none_or(|alg| alg == key.alg().name()));
    let (again, refused) = KeySet::from_jwks(jwks([key]).as_bytes(), &Alg::ALL).unwrap();
    assert!(refused.is_empty() && again.find(&key.thumbprint()).is_some(), "written anew");
    for signature in [&[][..], &[0; 64], &[0xff; 64], &[1; 256]] {
        assert!(!key.verify(b"message", signature), "a signature that nobody made");
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let ec = public(&key(Alg::Es256, 7)).to_jwk();
    let okp = public(&key(Alg::Ed25519, 7)).to_jwk();
    let old = public(&key(Alg::EdDsa, 6)).to_jwk();
    // A modulus is any odd number that is long enough.
    let rsa = json!({ "kty": "RSA", "kid": "r", "alg": "RS256", "use": "sig", "e": "AQAB",
        "n": b64::encode([0xc5; 256]) });
    let with = |jwk: &Value, name: &str, value: Value| {
        let mut jwk = jwk.clone();
        jwk[name] = value;
        jwk
    };
    let zero = b64::encode([0; 32]);
    let sets = [
        json!([]),
        json!([ec]),
        json!([okp]),
        json!([rsa]),
        json!([ec, okp, old, rsa]),
        json!([ec, ec]),
        json!([with(&ec, "kid", json!("other")), ec]),
        json!([{ "kty": "oct", "kid": "s", "alg": "HS256", "k": b64::encode([1; 64]) }, okp]),
        json!([with(&ec, "d", json!(zero)), with(&okp, "x", json!(zero))]),
        json!([with(&ec, "y", json!(zero)), with(&ec, "crv", json!("P-384"))]),
        json!([with(&rsa, "e", json!("Aw")), with(&rsa, "n", json!(b64::encode([0xc4; 256])))]),
        json!([with(&rsa, "n", json!(b64::encode([0xc5; 128]))), with(&rsa, "use", json!("enc"))]),
        json!([with(&ec, "alg", json!("RS256")), with(&okp, "key_ops", json!(["sign"]))]),
        json!([with(&okp, "kid", json!(null)), with(&ec, "kid", json!("k".repeat(129)))]),
        json!([1]),
    ];
    let documents = sets.into_iter().map(|keys| json!({ "keys": keys }).to_string().into_bytes());
    let mut seeds: Vec<Vec<u8>> = documents.collect();
    seeds.push(br#"{"keys":[],"keys":[]}"#.to_vec());
    seeds
}

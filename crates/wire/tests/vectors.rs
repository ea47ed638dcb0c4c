//! Published vectors: the examples of the RFCs, and Wycheproof through our own `PublicKey::verify`.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it says")]

mod support;

use rescind_wire::b64;
use rescind_wire::jws::{self, Alg};
use serde_json::json;
use support::{parts, public_key};
use wycheproof::{TestResult, ecdsa, eddsa, rsa_pkcs1_verify as rsa};

// K13
#[test]
fn the_thumbprint_of_rfc_7638_is_found() {
    let key = public_key(&json!({
        "kty": "RSA",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_\
              BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_\
              FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI\
              4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
        "e": "AQAB",
        "alg": "RS256",
        "kid": "2011-04-29",
    }));
    assert_eq!(key.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert_eq!(key.to_jwk()["kid"], "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

// K13
#[test]
fn the_thumbprint_of_rfc_8037_is_found() {
    let key = public_key(&rfc8037_key());
    assert_eq!(key.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

fn rfc8037_key() -> serde_json::Value {
    json!({
        "kty": "OKP",
        "crv": "Ed25519",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    })
}

// T37
#[test]
fn the_es256_example_of_rfc_7515_verifies() {
    let token = "eyJhbGciOiJFUzI1NiJ9.\
                 eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.\
                 DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    let key = public_key(&json!({
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    }));
    let jws = jws::split(token).unwrap();
    assert_eq!(jws.alg, key.alg());
    assert!(key.verify(jws.signing_input, &jws.signature));
    assert!(jws.payload.starts_with(br#"{"iss":"joe","#));
}

// T35 T37
#[test]
fn the_ed25519_example_of_rfc_8037_verifies_but_its_old_alg_name_is_not_accepted() {
    let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
                 hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let [header, payload, signature] = parts(token);
    let key = public_key(&rfc8037_key());
    let signature = b64::decode(signature).unwrap();
    assert!(key.verify(format!("{header}.{payload}").as_bytes(), &signature));
    // RFC 9864 deprecates "EdDSA", which does not say which curve: a key without `alg` is not of it.
    assert_eq!((jws::split(token).unwrap().alg, key.alg()), (Alg::EdDsa, Alg::Ed25519));
}

/// How many vectors of a set were accepted and refused.
#[derive(Debug, Default, PartialEq)]
struct Tally {
    accepted: usize,
    refused: usize,
}

impl Tally {
    /// Holds one verdict against the expected one. "Acceptable" is refused: in these sets it marks
    /// only an RSA padding whose hash name lacks its NULL, which no signer of JWS writes
    /// (RFC 8017 §9.2, note 1).
    fn judge(&mut self, expected: TestResult, verdict: bool, id: usize, comment: &str) {
        assert_eq!(verdict, expected == TestResult::Valid, "{id}: {comment}");
        match verdict {
            true => self.accepted += 1,
            false => self.refused += 1,
        }
    }
}

// T07 T37
#[test]
fn every_wycheproof_vector_of_ecdsa_p256_in_the_jws_form_gets_its_verdict() {
    let set = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256P1363).unwrap();
    let mut tally = Tally::default();
    for group in &set.test_groups {
        let key = public_key(&json!({
            "kty": "EC",
            "crv": "P-256",
            "x": b64::encode(padded(&group.key.affine_x)),
            "y": b64::encode(padded(&group.key.affine_y)),
        }));
        for t in &group.tests {
            tally.judge(t.result, key.verify(&t.msg, &t.sig), t.tc_id, &t.comment);
        }
    }
    assert_eq!(tally.accepted + tally.refused, set.number_of_tests);
    assert!(tally.accepted > 0, "{tally:?}");
}

/// A coordinate in exactly 32 bytes.
fn padded(integer: &[u8]) -> [u8; 32] {
    let digits = integer.strip_prefix(&[0]).unwrap_or(integer);
    let mut out = [0; 32];
    out[32 - digits.len()..].copy_from_slice(digits);
    out
}

// T34 T37
#[test]
fn every_wycheproof_vector_of_ed25519_gets_its_verdict() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    let mut tally = Tally::default();
    for group in &set.test_groups {
        let x = b64::encode(&*group.key.pk);
        let key = public_key(&json!({"kty": "OKP", "crv": "Ed25519", "x": x}));
        for t in &group.tests {
            tally.judge(t.result, key.verify(&t.msg, &t.sig), t.tc_id, &t.comment);
        }
    }
    assert_eq!(tally.accepted + tally.refused, set.number_of_tests);
    assert!(tally.accepted > 0, "{tally:?}");
}

// T37
#[test]
fn every_wycheproof_vector_of_rsa_pkcs1_sha256_gets_its_verdict() {
    for name in [
        rsa::TestName::Rsa2048Sha256,
        rsa::TestName::Rsa3072Sha256,
        rsa::TestName::Rsa4096Sha256,
        rsa::TestName::Rsa8192Sha256,
    ] {
        let set = rsa::TestSet::load(name).unwrap();
        let mut tally = Tally::default();
        for group in &set.test_groups {
            let jwk = json!({
                "kty": "RSA",
                "n": b64::encode(group.key.n.strip_prefix(&[0]).unwrap_or(&group.key.n)),
                "e": b64::encode(group.key.e.strip_prefix(&[0]).unwrap_or(&group.key.e)),
            });
            let key = public_key(&jwk);
            for t in &group.tests {
                tally.judge(t.result, key.verify(&t.msg, &t.sig), t.tc_id, &t.comment);
            }
        }
        assert_eq!(tally.accepted + tally.refused, set.number_of_tests);
        assert!(tally.accepted > 0, "{tally:?}");
    }
}

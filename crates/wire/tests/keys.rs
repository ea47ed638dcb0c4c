//! Attacks on keys: what a JWKS may bring, and what our own publishes.

#![allow(
    clippy::unwrap_used,
    reason = "a test may stop at the first thing that is not as it says"
)]

mod support;

use rescind_wire::b64;
use rescind_wire::jwk::{KeyRefused, KeySet, MAX_JWKS, PublicKey, SetRefused, SigningKey, jwks};
use rescind_wire::jws::Alg;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use support::{ALL, new_key, new_rsa_key, rsa_sign};

fn refusal(jwk: &Value) -> Option<KeyRefused> {
    PublicKey::from_jwk(jwk.as_object().unwrap()).err()
}

fn ec() -> Value {
    new_key(Alg::Es256).public().to_jwk()
}

fn ed() -> Value {
    new_key(Alg::Ed25519).public().to_jwk()
}

/// The JWK with one member set to another value.
fn with(jwk: &Value, name: &str, value: impl Into<Value>) -> Value {
    let mut jwk = jwk.clone();
    jwk[name] = value.into();
    jwk
}

// K01 K02 K13
#[test]
fn a_published_set_holds_public_members_only_and_names_each_key_by_its_thumbprint() {
    let (_, rsa) = new_rsa_key();
    let rsa = support::public_key(&rsa);
    // In the middle of a rotation: two keys of one algorithm, and those of the others.
    let signers = [Alg::Es256, Alg::Es256, Alg::Ed25519, Alg::Ed25519].map(new_key);
    let all: Vec<_> = signers
        .iter()
        .map(SigningKey::public)
        .chain([&rsa])
        .collect();
    let document: Value = serde_json::from_str(&jwks(all.iter().copied())).unwrap();
    let listed = document["keys"].as_array().unwrap();
    assert_eq!(listed.len(), all.len());

    let mut kids = BTreeSet::new();
    for (jwk, key) in listed.iter().zip(all) {
        let material: &[&str] = match key.alg() {
            Alg::Es256 => &["crv", "x", "y"],
            Alg::Ed25519 => &["crv", "x"],
            Alg::Rs256 => &["e", "n"],
        };
        let named: BTreeSet<&str> = jwk
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
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

// K01
#[test]
fn the_pkcs8_of_a_key_appears_in_nothing_that_can_be_shown() {
    for alg in [Alg::Es256, Alg::Ed25519] {
        let pkcs8 = SigningKey::generate(alg).unwrap();
        let key = SigningKey::from_pkcs8(alg, &pkcs8).unwrap();
        let shown = format!("{key:?} {:?} {}", key.public(), key.public().to_jwk());
        let shown = shown.replace(['-', '_'], "");
        // Any 24 bytes of the document, in base64url or as `Debug` lists bytes.
        let private = pkcs8.windows(24).filter(|w| !is_public(&key, w));
        for window in private {
            assert!(!shown.contains(&b64::encode(window).replace(['-', '_'], "")));
            assert!(!shown.contains(&format!("{window:?}")));
        }
    }
}

fn is_public(key: &SigningKey, window: &[u8]) -> bool {
    let jwk = key.public().to_jwk();
    let part = |name: &str| jwk[name].as_str().and_then(b64::decode).unwrap_or_default();
    [part("x"), part("y")]
        .concat()
        .windows(window.len())
        .any(|w| w == window)
}

// K03
#[test]
fn a_secret_key_in_the_set_is_left_out_and_reported() {
    for jwk in [ec(), ed(), new_rsa_key().1] {
        for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            for value in [json!("AAAA"), json!(null), json!([])] {
                assert_eq!(
                    refusal(&with(&jwk, member, value)),
                    Some(KeyRefused::Secret)
                );
            }
        }
    }
    let secret = json!({"kty": "oct", "kid": "s", "alg": "HS256", "k": "AAAA"});
    assert_eq!(refusal(&secret), Some(KeyRefused::Secret));
    let secret = json!({"kty": "oct", "kid": "s"});
    assert_eq!(refusal(&secret), Some(KeyRefused::Secret));
}

// K03
#[test]
fn a_weak_rsa_key_is_refused() {
    let (pair, good) = new_rsa_key();
    let key = support::public_key(&good);
    assert!(key.verify(b"m", &rsa_sign(&pair, b"m")));
    assert!(!key.verify(b"n", &rsa_sign(&pair, b"m")));

    let n = b64::decode(good["n"].as_str().unwrap()).unwrap();
    let modulus = |bytes: &[u8]| with(&good, "n", b64::encode(bytes));
    let mut even = n.clone();
    even[255] &= 0xfe;
    let mut bits_2047 = n.clone();
    bits_2047[0] = 0x7f;
    let moduli = [
        modulus(&n[..128]),
        modulus(&n[..255]),
        modulus(&bits_2047),
        modulus(&even),
        modulus(&[&[0], &n[..]].concat()),
        modulus(&n.repeat(5)),
        modulus(&[0; 256]),
        modulus(&[]),
        modulus(&roca_modulus()),
    ];
    for jwk in moduli {
        assert_eq!(refusal(&jwk), Some(KeyRefused::Weak), "{jwk}");
    }
    // 0, 1, even, with a leading zero, and longer than any that is in use.
    for e in [
        "",
        "AA",
        "AQ",
        "Ag",
        "AQAA",
        "AAEAAQ",
        "AQAAAAAAAAAB",
        "AQAAAAAAAAAAAAAB",
    ] {
        assert_eq!(refusal(&with(&good, "e", e)), Some(KeyRefused::Weak), "{e}");
    }
    assert_eq!(refusal(&with(&good, "e", "Aw")), None);
}

/// 2048 bits that are 1 modulo every small prime, which is how ROCA is recognised.
fn roca_modulus() -> Vec<u8> {
    let primes = (3..=167u32).filter(|p| (2..*p).all(|d| p % d != 0));
    let mut n = vec![0; 256];
    n[255] = 1;
    let mut times = |factor: u32| {
        let mut carry = 0;
        for byte in n.iter_mut().rev() {
            carry += u32::from(*byte) * factor;
            *byte = carry as u8;
            carry >>= 8;
        }
        n[0] >= 0x80
    };
    primes.for_each(|p| assert!(!times(p)));
    while !times(2) {}
    n[255] |= 1;
    n
}

// K03
#[test]
fn a_point_that_is_not_of_the_curve_or_not_canonical_is_refused() {
    let good = ec();
    assert_eq!(refusal(&good), None);
    let decode = |name: &str| b64::decode(good[name].as_str().unwrap()).unwrap();
    let (x, y) = (decode("x"), decode("y"));
    let p = b64::decode("_____wAAAAEAAAAAAAAAAAAAAAD_______________8").unwrap();
    let mut near = y.clone();
    near[31] ^= 1;
    for (name, bytes) in [
        ("y", &near),
        ("x", &y),
        ("x", &p),
        ("y", &p),
        ("x", &vec![0; 32]),
        ("y", &vec![0; 32]),
        ("x", &vec![0xff; 32]),
    ] {
        let jwk = with(&good, name, b64::encode(bytes));
        assert_eq!(refusal(&jwk), Some(KeyRefused::Weak), "{jwk}");
    }
    let mut infinity = with(&good, "x", b64::encode([0; 32]));
    infinity["y"] = infinity["x"].clone();
    assert_eq!(refusal(&infinity), Some(KeyRefused::Weak));
    // The length is part of the form (RFC 7518 §6.2.1.2), and so is the encoding.
    for wrong in [&x[1..], &[&[0], &x[..]].concat(), &[]] {
        let jwk = with(&good, "x", b64::encode(wrong));
        assert_eq!(refusal(&jwk), Some(KeyRefused::Malformed));
    }
    let padded = format!("{}=", good["x"].as_str().unwrap());
    assert_eq!(
        refusal(&with(&good, "x", padded)),
        Some(KeyRefused::Malformed)
    );
    assert_eq!(
        refusal(&with(&good, "x", json!(1))),
        Some(KeyRefused::Malformed)
    );
    let mut missing = good.clone();
    missing.as_object_mut().unwrap().remove("y");
    assert_eq!(refusal(&missing), Some(KeyRefused::Malformed));
}

// T34
#[test]
fn an_ed25519_key_of_small_order_or_not_canonical_is_refused() {
    let mut small = vec![
        hex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
        hex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
        [0; 32],
    ];
    let mut one = [0; 32];
    one[0] = 1;
    small.push(one);
    // p - 1, which is canonical, and all from p to 2^255 - 1, which spell 0 to 18 a second time.
    for low in 0xec..=0xff {
        let mut y = [0xff; 32];
        y[0] = low;
        y[31] = 0x7f;
        small.push(y);
    }
    let good = ed();
    assert_eq!(refusal(&good), None);
    for mut y in small {
        for sign in [0, 0x80] {
            y[31] |= sign;
            let jwk = with(&good, "x", b64::encode(y));
            assert_eq!(refusal(&jwk), Some(KeyRefused::Weak), "{y:02x?}");
        }
    }
    // y = 2 belongs to no point.
    let mut off = [0; 32];
    off[0] = 2;
    assert_eq!(
        refusal(&with(&good, "x", b64::encode(off))),
        Some(KeyRefused::Weak)
    );
    for length in [0, 31, 33, 57] {
        let jwk = with(&good, "x", b64::encode(vec![9; length]));
        assert_eq!(refusal(&jwk), Some(KeyRefused::Malformed));
    }
}

fn hex(text: &str) -> [u8; 32] {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    std::array::from_fn(|at| byte(2 * at))
}

// T05
#[test]
fn a_jwk_whose_alg_does_not_fit_its_type_is_refused() {
    let (ec, ed, rsa) = (ec(), ed(), new_rsa_key().1);
    for (jwk, own) in [(&ec, "ES256"), (&ed, "Ed25519"), (&rsa, "RS256")] {
        for alg in [
            "ES256", "Ed25519", "RS256", "EdDSA", "es256", "ES384", "PS256", "RS512", "HS256",
            "none", "", "RSA-OAEP", "ECDH-ES",
        ] {
            let expected = (alg != own).then_some(KeyRefused::Unsupported);
            assert_eq!(refusal(&with(jwk, "alg", alg)), expected, "{own} {alg}");
        }
        assert_eq!(
            refusal(&with(jwk, "alg", json!(null))),
            Some(KeyRefused::Malformed)
        );
    }
    for crv in ["P-384", "secp256k1", "Ed25519", "p-256", ""] {
        assert_eq!(
            refusal(&with(&ec, "crv", crv)),
            Some(KeyRefused::Unsupported)
        );
    }
    for crv in ["X25519", "Ed448", "P-256"] {
        assert_eq!(
            refusal(&with(&ed, "crv", crv)),
            Some(KeyRefused::Unsupported)
        );
    }
    for kty in ["RSA", "OKP", "ec", "AKP", ""] {
        assert_eq!(
            refusal(&with(&ec, "kty", kty)),
            Some(KeyRefused::Unsupported)
        );
    }
    assert_eq!(
        refusal(&with(&rsa, "crv", "P-256")),
        Some(KeyRefused::Unsupported)
    );
}

// K03 K04
#[test]
fn a_key_that_is_not_for_us_is_reported_and_the_others_still_work() {
    let realm = support::Realm::new();
    let own = realm.es256.public().to_jwk();
    let strange = [
        (
            json!({"kty": "AKP", "alg": "ML-DSA-44", "kid": "1", "pub": "AA"}),
            KeyRefused::Unsupported,
        ),
        (
            with(&with(&ec(), "kid", "2"), "use", "enc"),
            KeyRefused::Unsupported,
        ),
        (
            with(&with(&ec(), "kid", "3"), "key_ops", json!(["sign"])),
            KeyRefused::Unsupported,
        ),
        (
            with(&with(&ec(), "kid", "4"), "key_ops", json!([])),
            KeyRefused::Unsupported,
        ),
        (
            with(&with(&ec(), "kid", "5"), "alg", "ES256K"),
            KeyRefused::Unsupported,
        ),
        (
            with(&with(&ec(), "kid", "6"), "d", "AAAA"),
            KeyRefused::Secret,
        ),
        (
            with(&with(&ec(), "kid", "7"), "y", b64::encode([1; 32])),
            KeyRefused::Weak,
        ),
        (
            with(&with(&ec(), "kid", "8"), "key_ops", "verify"),
            KeyRefused::Malformed,
        ),
        (
            with(&with(&ec(), "kid", "9"), "use", 1),
            KeyRefused::Malformed,
        ),
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
    let expected: Vec<_> = strange
        .iter()
        .map(|(_, reason)| *reason)
        .enumerate()
        .collect();
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
        format!(
            r#"{{"keys":[{}]}}"#,
            key.replacen('{', r#"{"kty":"EC","#, 1)
        ),
        format!(r#"{{"keys":[{key}]}}x"#),
        format!(r#"{{"keys":[{key}]}}{filler}"#),
        format!(r#"{{"keys":{}"#, "[".repeat(60_000)),
    ];
    for document in documents {
        let verdict = KeySet::from_jwks(document.as_bytes(), &ALL);
        assert_eq!(
            verdict.err(),
            Some(SetRefused::Malformed),
            "{:.80}",
            document
        );
    }
}

#[test]
fn a_private_key_of_another_algorithm_is_not_loaded() {
    let es256 = SigningKey::generate(Alg::Es256).unwrap();
    let ed25519 = SigningKey::generate(Alg::Ed25519).unwrap();
    assert!(SigningKey::from_pkcs8(Alg::Ed25519, &es256).is_err());
    assert!(SigningKey::from_pkcs8(Alg::Es256, &ed25519).is_err());
    assert!(SigningKey::from_pkcs8(Alg::Es256, &es256[..es256.len() - 1]).is_err());
    assert!(SigningKey::from_pkcs8(Alg::Es256, &[]).is_err());
}

//! Attacks on single keys.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it says")]

mod support;

use rescind_wire::b64;
use rescind_wire::jwk::{KeyRefused, PublicKey, SigningKey};
use rescind_wire::jws::Alg;
use serde_json::{Value, json};
use support::{ec, ed, new_rsa_key, rsa_sign, with};

fn refusal(jwk: &Value) -> Option<KeyRefused> {
    PublicKey::from_jwk(jwk.as_object().unwrap()).err()
}

// K01
#[test]
fn the_pkcs8_of_a_key_appears_in_nothing_that_can_be_shown() {
    for alg in [Alg::Es256, Alg::Ed25519, Alg::Rs256] {
        let pkcs8 = SigningKey::generate(alg).unwrap();
        let key = SigningKey::from_secret(alg, &pkcs8).unwrap();
        let shown = format!("{key:?} {:?} {}", key.public(), support::jwk(&key));
        // Any 24 bytes of the document, in base64url or as `Debug` lists bytes.
        let private = pkcs8.windows(24).filter(|w| !is_public(&key, w));
        for window in private {
            assert!(!shown.contains(&b64::encode(window)));
            let listed = format!("{window:?}");
            assert!(!shown.contains(listed.trim_matches(['[', ']'])));
        }
    }
}

fn is_public(key: &SigningKey, window: &[u8]) -> bool {
    let jwk = support::jwk(key);
    let part = |name: &str| jwk[name].as_str().and_then(b64::decode).unwrap_or_default();
    [part("x"), part("y"), part("n"), part("e")].concat().windows(window.len()).any(|w| w == window)
}

// K03
#[test]
fn a_secret_key_in_the_set_is_left_out_and_reported() {
    for jwk in [ec(), ed(), new_rsa_key().1] {
        for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            for value in [json!("AAAA"), json!(null), json!([])] {
                assert_eq!(refusal(&with(&jwk, member, value)), Some(KeyRefused::Secret));
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
    for e in ["", "AA", "AQ", "Ag", "AQAA", "AAEAAQ", "AQAAAAAAAAAB", "AQAAAAAAAAAAAAAB"] {
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
    assert_eq!(refusal(&with(&good, "x", padded)), Some(KeyRefused::Malformed));
    assert_eq!(refusal(&with(&good, "x", json!(1))), Some(KeyRefused::Malformed));
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
            let old_name = (own, alg) == ("Ed25519", "EdDSA");
            let expected = (alg != own && !old_name).then_some(KeyRefused::Unsupported);
            assert_eq!(refusal(&with(jwk, "alg", alg)), expected, "{own} {alg}");
        }
        assert_eq!(refusal(&with(jwk, "alg", json!(null))), Some(KeyRefused::Malformed));
    }
    for crv in ["P-384", "secp256k1", "Ed25519", "p-256", ""] {
        assert_eq!(refusal(&with(&ec, "crv", crv)), Some(KeyRefused::Unsupported));
    }
    for crv in ["X25519", "Ed448", "P-256"] {
        assert_eq!(refusal(&with(&ed, "crv", crv)), Some(KeyRefused::Unsupported));
    }
    for kty in ["RSA", "OKP", "ec", "AKP", ""] {
        assert_eq!(refusal(&with(&ec, "kty", kty)), Some(KeyRefused::Unsupported));
    }
    assert_eq!(refusal(&with(&rsa, "crv", "P-256")), Some(KeyRefused::Unsupported));
}

#[test]
fn a_private_key_of_another_algorithm_is_not_loaded() {
    for alg in Alg::ALL {
        let secret = SigningKey::generate(alg).unwrap();
        for other in Alg::ALL {
            // Both names of Ed25519 are of one form.
            let fits = other == alg || [other, alg].iter().all(|a| a.name().starts_with("Ed"));
            assert_eq!(SigningKey::from_secret(other, &secret).is_ok(), fits, "{alg:?} {other:?}");
        }
        assert!(SigningKey::from_secret(alg, &secret[..secret.len() - 1]).is_err());
        assert!(SigningKey::from_secret(alg, &[]).is_err());
    }
}

// K03
#[test]
fn a_private_rsa_key_of_fewer_than_2048_bits_is_not_loaded() {
    let bits_1024 = b64::decode(RSA_1024).unwrap();
    assert!(SigningKey::from_secret(Alg::Rs256, &bits_1024).is_err());
    let key = support::new_key(Alg::Rs256);
    let n = b64::decode(support::jwk(&key)["n"].as_str().unwrap()).unwrap();
    assert!(n.len() == 256 && n[0] >= 0x80);
}

/// A key that was made for this test and signs nothing.
const RSA_1024: &str = "\
     MIICXQIBAAKBgQCzTQF4eHEzRPLi8UtFSkrT8DstOkjclIXYK5lYyMitBCq2bmVAeOFueBzCGaMSkr2W9cTaNR3_\
     aVYpVFeGTfeUTNsIFcrfogmJ-baHsx4Gy7mA1tBL2PuBTZBH1S_jdCKNvjB3vzniVqHznX_Ko4u_7zxS4Bt6yWSW\
     AVzDiJbtPQIDAQABAoGAUSP2GGiZAdSf_ieoIpE-T68VeKA5vOjRsUP5v34Noo6SLcDDvWt2ySE-EnC7pXoWpixO\
     i1kiXCV1QnrSqQq7kPS2WXmnAc9Ksy7gaR-wMdFoVnwu5FgDfwCbAmYvde-dzDs_oJNH6kR-xczfe9rARidEItn3\
     gZQDrqEJo-4v1gECQQDoG4P4WzBg0yTvuRBCIoQ9SZJS-cfJLOZW4YQe1JEp2InNU6bViGcp0_d5EBozstvtftF8\
     CFjmeji3xs2-KBJBAkEAxcHubGUs_9Bl43qTLtFFQdrqEuNxEGmjyMvYQ0eWl6qSQHufzsZ6ONQKtzvXOdQnFFAx\
     LxcOG0l_chVkBP4j_QJBAJRAnvaPKENwGfOUfTIA4f5Tc8bUDCwPJcDwoncexum3ia1AdRuG2H37CeKlylajM55q\
     lltm6YGtJ3Ua4mdHKQECQEf3nXbhExE9m_a-4tVE3zlqG4koMDtS1oH6fQdvBATJ1FOXKb8sR8pqkEPCiT7IUDh6\
     PovujfmsM68mzbFrc1kCQQDfo09EeAPRBmkoHhk5MEkAhhAzyRksIEBcE8CWRQa6foFB_BgQFO8as3ZD_Qb2woHU\
     dISLCDm9f5Egxowvu1_I";

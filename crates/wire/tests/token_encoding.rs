//! Attacks on the encoding: base64url, the form of a signature, and encrypted tokens.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it says")]

mod support;

use aws_lc_rs::{aead, agreement, digest, error};
use rescind_wire::b64;
use rescind_wire::jws::Malformed;
use rescind_wire::revocation::TokenKeys;
use rescind_wire::token::{InvalidToken, sign};
use support::{Realm, claims, header, parts, payload, signed, unsigned, with_signature};

const NOT_COMPACT: InvalidToken = InvalidToken::Malformed(Malformed::NotCompact);

/// The order of P-256 (SEC 2 §2.4.2), big-endian.
const N: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// The order of Ed25519 (RFC 8032 §5.1), little-endian.
const L: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

// T15
#[test]
fn no_byte_outside_base64url_is_accepted_anywhere() {
    let realm = Realm::new();
    let good = realm.good();
    let foreign: Vec<char> = (0..=127u8)
        .map(char::from)
        .filter(|c| !c.is_ascii_alphanumeric() && !"-_".contains(*c))
        .chain(['\u{a0}', '\u{2028}', 'ſ', '．', '\u{fe0f}', '𝟘'])
        .collect();
    let dots: Vec<usize> = good.match_indices('.').map(|(at, _)| at).collect();
    let places = [
        0,
        1,
        dots[0] - 1,
        dots[0],
        dots[0] + 1,
        dots[1] - 1,
        dots[1],
        dots[1] + 1,
        good.len() - 1,
        good.len(),
    ];
    for c in foreign {
        for at in places {
            let inserted = format!("{}{c}{}", &good[..at], &good[at..]);
            assert_eq!(realm.refusal(&inserted), NOT_COMPACT, "{c:?} at {at}");
            let rest = good.get(at + 1..).unwrap_or_default();
            let replaced = format!("{}{c}{rest}", &good[..at]);
            if replaced != good {
                assert_eq!(realm.refusal(&replaced), NOT_COMPACT, "{c:?} for {at}");
            }
        }
    }
    for part in 0..3 {
        for padding in ["=", "==", "===", "%3D"] {
            let mut padded = parts(&good).map(str::to_owned);
            padded[part].push_str(padding);
            assert_eq!(realm.refusal(&padded.join(".")), NOT_COMPACT);
        }
    }
}

// T15
#[test]
fn a_part_signed_in_another_alphabet_is_refused() {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    let realm = Realm::new();
    let header = header(&realm.es256);
    // Claims whose encoding differs between the alphabets and needs padding.
    let mut claims = claims();
    claims.scope = "??>>~~".into();
    while URL_SAFE.encode(serde_json::to_vec(&claims).unwrap()).find('=').is_none() {
        claims.scope.push('?');
    }
    let payload = serde_json::to_vec(&claims).unwrap();
    let sign = |input: String| {
        let signature = realm.es256.sign(input.as_bytes()).unwrap();
        with_signature(&input, &signature)
    };
    for engine in [&STANDARD, &URL_SAFE] {
        let token = sign(format!("{}.{}", b64::encode(&header), engine.encode(&payload)));
        assert_eq!(realm.refusal(&token), NOT_COMPACT);
    }
    assert!(realm.judge(&sign(unsigned(header.as_bytes(), &payload))).is_ok());
}

// T16
#[test]
fn every_token_has_one_spelling() {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let realm = Realm::new();
    let mut tried = 0;
    for (spaces, scope) in [("", "a"), (" ", "ab"), ("  ", "abc")] {
        let mut claims = claims();
        claims.scope = scope.into();
        let header = format!("{}{spaces}", header(&realm.es256));
        let token = signed(&realm.es256, header.as_bytes(), &serde_json::to_vec(&claims).unwrap());
        assert!(realm.judge(&token).is_ok());
        for (part, text) in parts(&token).into_iter().enumerate() {
            let unused = match text.len() % 4 {
                2 => 4,
                3 => 2,
                _ => 0,
            };
            let last = *text.as_bytes().last().unwrap();
            let value = ALPHABET.iter().position(|c| *c == last).unwrap();
            for bits in 1..1 << unused {
                let mut twin = parts(&token).map(str::to_owned);
                twin[part].pop();
                twin[part].push(char::from(ALPHABET[value | bits]));
                assert_eq!(realm.refusal(&twin.join(".")), NOT_COMPACT);
                tried += 1;
            }
        }
    }
    // Each signature has four unused bits, and each other part was tried with two and with four.
    assert_eq!(tried, 3 * 15 + 2 * (15 + 3));
}

// T07
#[test]
fn an_es256_signature_out_of_range_or_of_another_form_is_refused() {
    let realm = Realm::new();
    let header = header(&realm.es256);
    let input = unsigned(header.as_bytes(), &payload());
    let signature = realm.es256.sign(input.as_bytes()).unwrap();
    assert!(realm.judge(&with_signature(&input, &signature)).is_ok());

    let (r, s) = (&signature[..32], &signature[32..]);
    let (zero, ones, mut one, mut above) = ([0; 32], [0xff; 32], [0; 32], N);
    one[31] = 1;
    above[31] += 1;
    let mut forged: Vec<Vec<u8>> = Vec::new();
    for a in [r, &zero, &one, &N, &above, &ones] {
        for b in [s, &zero, &one, &N, &above, &ones] {
            forged.push([a, b].concat());
        }
    }
    forged.remove(0); // the true one
    forged.push([s, r].concat());
    forged.push(der(r, s));
    forged.push(signature[..63].to_vec());
    forged.push(signature[1..].to_vec());
    forged.push([&signature[..], &[0]].concat());
    forged.push([&[0], &signature[..]].concat());
    forged.push([&signature[..], &[0; 32]].concat());
    forged.push([&[0], r, &[0], s].concat());
    forged.push([&signature[..], &signature[..]].concat());
    forged.push(vec![0]);
    for signature in forged {
        let token = with_signature(&input, &signature);
        assert_eq!(realm.refusal(&token), InvalidToken::Signature, "{signature:?}");
    }
}

/// The DER form of an ECDSA signature (RFC 3279 §2.2.3).
fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let integer = |bytes: &[u8]| {
        let start = bytes.iter().position(|b| *b != 0).unwrap();
        let sign: &[u8] = if bytes[start] >= 0x80 { &[0] } else { &[] };
        let value = [sign, &bytes[start..]].concat();
        [&[2, value.len() as u8], &value[..]].concat()
    };
    let body = [integer(r), integer(s)].concat();
    [&[0x30, body.len() as u8], &body[..]].concat()
}

// T33
#[test]
fn the_other_signature_of_the_same_token_is_under_the_same_revocation_keys() {
    let realm = Realm::new();
    let token = sign(&claims(), &realm.es256).unwrap();
    let [header, payload, signature] = parts(&token);
    let signature = b64::decode(signature).unwrap();
    let mut borrow = 0;
    let mut other = [0; 32];
    for at in (0..32).rev() {
        let difference = i16::from(N[at]) - i16::from(signature[32 + at]) - borrow;
        borrow = i16::from(difference < 0);
        other[at] = difference.rem_euclid(256) as u8;
    }
    let twin =
        with_signature(&format!("{header}.{payload}"), &[&signature[..32], &other[..]].concat());
    assert_ne!(twin, token);
    let (token, twin) = (realm.judge(&token).unwrap(), realm.judge(&twin).unwrap());
    let keys = TokenKeys::of(&token.claims, &token.kid);
    assert_eq!(TokenKeys::of(&twin.claims, &twin.kid), keys);
}

// T34
#[test]
fn an_ed25519_signature_with_s_beyond_the_order_is_refused() {
    let realm = Realm::new();
    let token = sign(&claims(), &realm.ed25519).unwrap();
    let [header, payload, signature] = parts(&token);
    let signature = b64::decode(signature).unwrap();
    let input = format!("{header}.{payload}");
    let mut s = signature[32..].to_vec();
    // 15 L is still under 2^256: every twin that fits into the signature is tried.
    for _ in 1..15 {
        let mut carry = 0;
        for at in 0..32 {
            let sum = u16::from(s[at]) + u16::from(L[at]) + carry;
            s[at] = sum as u8;
            carry = sum >> 8;
        }
        assert_eq!(carry, 0);
        let twin = with_signature(&input, &[&signature[..32], &s].concat());
        assert_eq!(realm.refusal(&twin), InvalidToken::Signature);
    }
    for wrong in [&signature[..63], &signature[1..], &[&signature[..], &[0]].concat()] {
        let token = with_signature(&input, wrong);
        assert_eq!(realm.refusal(&token), InvalidToken::Signature);
    }
}

// T13
#[test]
fn a_token_encrypted_to_the_issuers_own_key_is_refused() {
    let realm = Realm::new();
    let nested = realm.good();
    let jwe = encrypt_to(&realm, nested.as_bytes());
    assert_eq!(jwe.split('.').count(), 5);
    assert_eq!(realm.refusal(&jwe), NOT_COMPACT);
    // Cut to three parts, its header still names an algorithm that is not one of signatures.
    let [header, _, iv, ciphertext, _]: [&str; 5] =
        jwe.split('.').collect::<Vec<_>>().try_into().unwrap();
    let cut = format!("{header}.{ciphertext}.{iv}");
    assert!(matches!(realm.refusal(&cut), InvalidToken::Malformed(_)));
}

/// A JWE by ECDH-ES and A256GCM (RFC 7518 §4.6, §5.3) to the realm's published P-256 key.
#[expect(
    clippy::disallowed_methods,
    reason = "the attacker draws the ephemeral key; no part of the product encrypts"
)]
fn encrypt_to(realm: &Realm, plaintext: &[u8]) -> String {
    let jwk = support::jwk(&realm.es256);
    let coordinate = |name: &str| b64::decode(jwk[name].as_str().unwrap()).unwrap();
    let peer = [vec![4], coordinate("x"), coordinate("y")].concat();
    let random = aws_lc_rs::rand::SystemRandom::new();
    let own = agreement::EphemeralPrivateKey::generate(&agreement::ECDH_P256, &random).unwrap();
    let public = own.compute_public_key().unwrap();
    let (x, y) = public.as_ref()[1..].split_at(32);
    let header = serde_json::json!({
        "alg": "ECDH-ES", "enc": "A256GCM", "typ": "at+jwt", "cty": "at+jwt",
        "kid": realm.es256.kid(),
        "epk": { "kty": "EC", "crv": "P-256", "x": b64::encode(x), "y": b64::encode(y) },
    });
    let header = b64::encode(header.to_string());
    let peer = agreement::UnparsedPublicKey::new(&agreement::ECDH_P256, peer);
    let key = agreement::agree_ephemeral(own, peer, error::Unspecified, |z| {
        let info = [&[0, 0, 0, 7], &b"A256GCM"[..], &[0; 8], &[0, 0, 1, 0]].concat();
        let input = [&[0, 0, 0, 1], z, &info].concat();
        Ok(digest::digest(&digest::SHA256, &input))
    })
    .unwrap();
    let key = aead::UnboundKey::new(&aead::AES_256_GCM, key.as_ref()).unwrap();
    let nonce = aead::Nonce::assume_unique_for_key([7; 12]);
    let mut ciphertext = plaintext.to_vec();
    let tag = aead::LessSafeKey::new(key)
        .seal_in_place_separate_tag(nonce, aead::Aad::from(header.as_bytes()), &mut ciphertext)
        .unwrap();
    let [iv, body, tag] = [&[7; 12][..], &ciphertext, tag.as_ref()].map(b64::encode);
    format!("{header}..{iv}.{body}.{tag}")
}

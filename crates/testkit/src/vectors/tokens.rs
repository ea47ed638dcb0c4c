//! Tokens, and what is said of each at a time and under entries.

use super::{ISSUER, hex, key};
use rescind_wire::b64;
use rescind_wire::id::{Jti, Sid, Sub};
use rescind_wire::jwk::{KeySet, SigningKey};
use rescind_wire::revocation::TokenKeys;
use rescind_wire::token::{Claims, Expected, MAX_LEEWAY, sign, verify};
use serde_json::{Value, json};

const AUDIENCE: &str = "posts-api";
const NOW: u64 = 1_800_000_000;

pub(super) fn file() -> Value {
    let realm = Realm::new();
    let good = sign(&claims(), &realm.key).unwrap();
    json!({
        "issuer": ISSUER, "audience": AUDIENCE, "max_lifetime": realm.expected.max_lifetime,
        "algorithms": ["Ed25519"],
        "jwks": { "keys": [realm.key.public().unwrap().to_jwk()] },
        "good": { "token": good, "revocation_keys": revocation_keys(&realm.key), "at": at(&realm, &good) },
        "refused": refused(&realm, &good),
    })
}

struct Realm {
    key: SigningKey,
    keys: KeySet,
    expected: Expected,
}

impl Realm {
    fn new() -> Self {
        let key = key(3);
        let keys = KeySet::new(key.public().cloned(), []);
        let expected =
            Expected { issuer: ISSUER.into(), audience: AUDIENCE.into(), max_lifetime: 300 };
        Self { key, keys, expected }
    }
}

fn claims() -> Claims {
    Claims {
        iss: ISSUER.into(),
        sub: Sub::from_bytes([1; 16]),
        aud: vec![AUDIENCE.into(), "mail-api".into()],
        exp: NOW + 300,
        iat: NOW,
        nbf: None,
        jti: Jti::from_bytes([2; 16]),
        sid: Sid::from_bytes([3; 16]),
        client_id: "app".into(),
        scope: "read write".into(),
        roles: vec!["owner".into()],
        auth_time: NOW - 60,
        amr: vec!["pwd".into()],
        rv: 1_799_999_999_000_000,
    }
}

fn revocation_keys(key: &SigningKey) -> Value {
    TokenKeys::of(&claims(), key.kid())
        .iter()
        .map(|(scope, key)| json!({ "scope": scope as u8, "key": hex(key.as_bytes()) }))
        .collect()
}

/// The good token at several times, without and with the largest leeway.
fn at(realm: &Realm, good: &str) -> Value {
    let claims = verify(good, &realm.keys, &realm.expected).unwrap().claims;
    let times = [NOW - 31, NOW - 30, NOW - 1, NOW, NOW + 299, NOW + 300, NOW + 329, NOW + 330];
    let all = times.into_iter().flat_map(|now| [0, MAX_LEEWAY].map(|leeway| (now, leeway)));
    all.map(|(now, leeway)| {
        let valid = claims.check_time(now, leeway).is_ok();
        json!({ "second": now, "leeway": leeway, "valid": valid })
    })
    .collect()
}

/// Truly signed, or nearly so; none may pass.
fn refused(realm: &Realm, good: &str) -> Value {
    let parts: Vec<&str> = good.split('.').collect();
    let kid = realm.key.kid();
    let header = |text: &str| realm.signed(text, &payload(json!({})));
    let with = |changes: Value| {
        realm.signed(
            &format!(r#"{{"alg":"Ed25519","typ":"at+jwt","kid":"{kid}"}}"#),
            &payload(changes),
        )
    };
    let other = sign(&claims(), &key(4)).unwrap();
    let cases = [
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("alg none", format!("{}.{}.", b64::encode(r#"{"alg":"none","typ":"at+jwt"}"#), parts[1])),
        (
            "another algorithm's name",
            header(&format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{kid}"}}"#)),
        ),
        ("another type", header(&format!(r#"{{"alg":"Ed25519","typ":"JWT","kid":"{kid}"}}"#))),
        ("no type", header(&format!(r#"{{"alg":"Ed25519","kid":"{kid}"}}"#))),
        (
            "a key in the header",
            header(&format!(r#"{{"alg":"Ed25519","typ":"at+jwt","kid":"{kid}","jwk":{{}}}}"#)),
        ),
        (
            "an unknown critical header",
            header(&format!(
                r#"{{"alg":"Ed25519","typ":"at+jwt","kid":"{kid}","crit":["x"],"x":1}}"#
            )),
        ),
        ("a key that is not held", other),
        ("no rv", with(json!({ "rv": null }))),
        ("no sid", with(json!({ "sid": null }))),
        ("rv as text", with(json!({ "rv": "1" }))),
        ("a negative rv", with(json!({ "rv": -1 }))),
        ("another issuer", with(json!({ "iss": "https://auth.example.com/" }))),
        ("another audience", with(json!({ "aud": ["mail-api"] }))),
        ("a life longer than is allowed", with(json!({ "exp": NOW + 301 }))),
        ("exp before iat", with(json!({ "exp": NOW - 1 }))),
        ("padding", format!("{good}=")),
        ("a fourth part", format!("{good}.")),
    ];
    cases
        .into_iter()
        .map(|(name, token)| {
            assert!(verify(&token, &realm.keys, &realm.expected).is_err(), "{name}");
            json!({ "name": name, "token": token })
        })
        .collect()
}

/// The usual claims with some set to other values; null leaves one out.
fn payload(changes: Value) -> Vec<u8> {
    let mut members = serde_json::to_value(claims()).unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            members.as_object_mut().unwrap().remove(name);
        } else {
            members[name] = value.clone();
        }
    }
    serde_json::to_vec(&members).unwrap()
}

impl Realm {
    fn signed(&self, header: &str, payload: &[u8]) -> String {
        let input = format!("{}.{}", b64::encode(header), b64::encode(payload));
        let signature = self.key.sign(input.as_bytes()).unwrap();
        format!("{input}.{}", b64::encode(signature))
    }
}

//! Access tokens. The first byte chooses: the rest is a token as it comes, of which only what was truly
//! signed may be accepted; or it is a header and a payload, which are signed here, so that what stands
//! behind the signature is reached.

use crate::Target;
use crate::realm::{AUDIENCE, ISSUER, NOW, claims, key, public, signed};
use rescind_wire::jwk::{KeySet, SigningKey};
use rescind_wire::jws::Alg;
use rescind_wire::token::{Claims, Expected, sign, verify, verify_own};
use rescind_wire::{b64, jwk};
use serde_json::{Value, json};
use std::sync::OnceLock;

/// The target.
pub const TARGET: Target = Target { name: "token", seeds, holds, short: 25_000 };

struct Realm {
    key: SigningKey,
    keys: KeySet,
    expected: Expected,
}

fn realm() -> &'static Realm {
    static REALM: OnceLock<Realm> = OnceLock::new();
    REALM.get_or_init(|| {
        let (ed25519, es256) = (key(Alg::Ed25519, 7), key(Alg::Es256, 7));
        let keys = KeySet::new([public(&ed25519), public(&es256)], []);
        let expected =
            Expected { issuer: ISSUER.into(), audience: AUDIENCE.into(), max_lifetime: 300 };
        Realm { key: ed25519, keys, expected }
    })
}

fn holds(input: &[u8]) {
    match input.split_first() {
        Some((b'T', rest)) => as_it_comes(rest),
        Some((b'S', rest)) => signed_here(rest),
        _ => {}
    }
}

/// Only the seeds were truly signed: nothing else may be accepted, and nothing else is read out of them.
fn as_it_comes(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(verified) = verify(text, &realm().keys, &realm().expected) else { return };
    assert_eq!(verified.claims, claims(), "a token with other claims than any that was signed");
    let payload = text.split('.').nth(1).unwrap();
    assert_eq!(b64::decode(payload).unwrap(), serde_json::to_vec(&claims()).unwrap());
}

/// Whoever signs decides what the token says; what is accepted says the same to a lenient reader.
fn signed_here(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
    let (header, payload) = (parts.next().unwrap(), parts.next().unwrap_or_default());
    let realm = realm();
    let token = signed(&realm.key, header, payload);
    let own = verify_own(&token, &realm.keys, ISSUER);
    let Ok(verified) = verify(&token, &realm.keys, &realm.expected) else { return };
    assert!(token.len() <= rescind_wire::jws::MAX_TOKEN);
    assert_eq!(own.unwrap().claims, verified.claims);
    let header: Value = serde_json::from_slice(header).unwrap();
    assert_eq!(header.as_object().unwrap().len(), 3);
    assert_eq!(header["alg"], "Ed25519");
    assert_eq!(header["kid"], realm.key.kid());
    let claims = verified.claims;
    assert!(claims.iss == ISSUER && claims.aud.iter().any(|aud| aud == AUDIENCE));
    assert!(claims.exp.checked_sub(claims.iat).unwrap() <= 300);
    same_meaning(&claims, &serde_json::from_slice(payload).unwrap());
    for now in [0, claims.exp.saturating_sub(1), claims.exp, u64::MAX] {
        let alive = claims.check_time(now, u64::MAX).is_ok();
        assert!(!alive || now < claims.exp.saturating_add(30), "alive 30 s after its end");
    }
    let again = sign(&claims, &realm.key).unwrap();
    if again.len() <= rescind_wire::jws::MAX_TOKEN {
        assert_eq!(verify(&again, &realm.keys, &realm.expected).unwrap().claims, claims);
    }
}

/// Every claim stands in the payload as it was read; only optional ones may be absent.
fn same_meaning(claims: &Claims, payload: &Value) {
    let read = serde_json::to_value(claims).unwrap();
    for (name, value) in read.as_object().unwrap() {
        match payload.get(name) {
            Some(Value::String(one)) if name == "aud" => assert_eq!(*value, json!([one])),
            Some(written) => assert_eq!(written, value, "{name}"),
            None => assert!(["scope", "roles", "amr"].contains(&name.as_str()), "{name}"),
        }
    }
    assert_eq!(claims.nbf.is_some(), payload.get("nbf").is_some());
}

// Tokens of ES256 are files of the corpus: their signatures differ in each run.
fn seeds() -> Vec<Vec<u8>> {
    let (ed25519, es256) = (key(Alg::Ed25519, 7), key(Alg::Es256, 7));
    let payload = serde_json::to_vec(&claims()).unwrap();
    let header =
        |alg: &str, kid: &str| format!(r#"{{"alg":"{alg}","typ":"at+jwt","kid":"{kid}"}}"#);
    let good = signed(&ed25519, header("Ed25519", ed25519.kid()).as_bytes(), &payload);
    let (input, signature) = good.rsplit_once('.').unwrap();
    let public_jwk = jwk::jwks(ed25519.public());
    let confused = header("HS256", ed25519.kid());
    let mut seeds: Vec<String> = vec![
        good.clone(),
        format!("{input}.{}", b64::encode([0; 64])),
        format!("{input}."),
        format!("{good}="),
        format!("{good}.{signature}"),
        format!(r#"{{"payload":"{input}","signatures":[{{"signature":"{signature}"}}]}}"#),
        format!("{}.{}.", b64::encode(header("none", "")), b64::encode(&payload)),
        format!(
            "{}.{}.{}",
            b64::encode(&confused),
            b64::encode(&payload),
            b64::encode(&public_jwk)
        ),
        signed(&ed25519, header("Ed25519", es256.kid()).as_bytes(), &payload),
        signed(&ed25519, header("ES256", ed25519.kid()).as_bytes(), &payload),
    ];
    seeds.iter_mut().for_each(|token| token.insert(0, 'T'));
    seeds.extend(to_be_signed(ed25519.kid()));
    seeds.into_iter().map(String::into_bytes).collect()
}

/// Headers and payloads.
fn to_be_signed(kid: &str) -> Vec<String> {
    let mut seeds = Vec::new();
    let text = serde_json::to_string(&claims()).unwrap();
    for member in ["", r#","crit":["b64"],"b64":false"#, r#","jwk":{}"#, r#","\u0061lg":"none""#] {
        let header = format!(r#"{{"alg":"Ed25519","typ":"at+jwt","kid":"{kid}"{member}}}"#);
        seeds.push(format!("S{header}\n{text}"));
    }
    let good = format!(r#"S{{"alg":"Ed25519","typ":"application/AT+JWT","kid":"{kid}"}}"#);
    for change in [
        json!({ "aud": AUDIENCE, "nbf": NOW, "other": [[], {}, null, 1.5, "é\u{0}"] }),
        json!({ "aud": ["x", AUDIENCE], "exp": u64::MAX, "iat": u64::MAX, "rv": u64::MAX }),
        json!({ "exp": NOW as f64, "nbf": "x", "iss": [ISSUER], "sub": null }),
        json!({ "scope": null, "roles": "admin", "amr": {}, "jti": "" }),
    ] {
        let mut claims = serde_json::to_value(claims()).unwrap();
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        seeds.push(format!("{good}\n{claims}"));
    }
    let without = [r#","scope":"read write""#, r#","roles":["user"]"#, r#","amr":["pwd"]"#];
    let short = without.iter().fold(text.clone(), |text, member| text.replace(member, ""));
    seeds.push(format!("{good}\n{short}"));
    seeds.push(format!("{good}\n{}", text.replace("{", "{\"rv\":1,")));
    seeds.push(format!("{good}\n{}", "[".repeat(2000)));
    seeds
}

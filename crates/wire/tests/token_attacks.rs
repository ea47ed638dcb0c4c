//! Attacks on a token's header, algorithm and form. Each forged token carries a true signature
//! wherever its form allows one, so that only the rule under test can refuse it.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it says")]

mod support;

use aws_lc_rs::hmac;
use rescind_wire::b64;
use rescind_wire::jws::{self, Alg, MAX_TOKEN, Malformed};
use rescind_wire::token::{InvalidToken, Unproven, sign};
use support::{
    Realm, claims, header, key_set, new_key, new_rsa_key, parts, payload, rsa_sign, signed,
    unsigned, with_signature,
};

const NOT_COMPACT: InvalidToken = InvalidToken::Malformed(Malformed::NotCompact);
const HEADER: InvalidToken = InvalidToken::Malformed(Malformed::Header);
const UNKNOWN_HEADER: InvalidToken = InvalidToken::Malformed(Malformed::UnknownHeader);
const ALGORITHM: InvalidToken = InvalidToken::Malformed(Malformed::Algorithm);
const TOO_LONG: InvalidToken = InvalidToken::Malformed(Malformed::TooLong);

#[test]
fn a_true_token_is_accepted() {
    let realm = Realm::new();
    for key in [&realm.es256, &realm.ed25519] {
        let token = sign(&claims(), key).unwrap();
        let verified = realm.judge(&token).unwrap();
        assert_eq!(verified.claims, claims());
        assert_eq!(verified.kid, key.kid());
    }
    // And so is the one that the attacks below are made of.
    assert_eq!(realm.judge(&realm.good()).unwrap().claims, claims());
}

// T01
#[test]
fn alg_none_is_refused_in_every_spelling_with_any_signature() {
    let realm = Realm::new();
    let kid = realm.es256.kid();
    for alg in ["none", "None", "NONE", "nOnE", "", " none", "none\\u0000"] {
        let header = format!(r#"{{"alg":"{alg}","typ":"at+jwt","kid":"{kid}"}}"#);
        let input = unsigned(header.as_bytes(), &payload());
        assert_eq!(realm.refusal(&format!("{input}.")), NOT_COMPACT);
        assert_eq!(realm.refusal(&input), NOT_COMPACT);
        assert_eq!(realm.refusal(&with_signature(&input, &[0; 64])), ALGORITHM);
        assert_eq!(realm.refusal(&realm.with_header(&header)), ALGORITHM);
    }
    let header = format!(r#"{{"typ":"at+jwt","kid":"{kid}"}}"#);
    assert_eq!(realm.refusal(&realm.with_header(&header)), ALGORITHM);
}

// T02
#[test]
fn an_unknown_alg_is_refused_with_an_empty_and_with_a_true_signature() {
    let realm = Realm::new();
    for alg in ["zzz", "HS257", "ES256K", "ES512", "PS256", "RS1", "ECDH-ES"] {
        let header = header(&realm.es256).replace("ES256", alg);
        let input = unsigned(header.as_bytes(), &payload());
        assert_eq!(realm.refusal(&format!("{input}.")), NOT_COMPACT);
        assert_eq!(realm.refusal(&realm.with_header(&header)), ALGORITHM);
    }
}

// T03
#[test]
fn a_mac_keyed_with_the_public_key_is_refused() {
    let (rsa, rsa_jwk) = new_rsa_key();
    let mut realm = Realm::new();
    let ec_jwk = support::jwk(&realm.es256);
    let ed_jwk = support::jwk(&realm.ed25519);
    let document = serde_json::json!({ "keys": [ec_jwk, ed_jwk, rsa_jwk] });
    realm.keys = key_set(&document.to_string());

    let rsa_der = aws_lc_rs::signature::KeyPair::public_key(&rsa).as_ref().to_vec();
    let point = [vec![4], member(&ec_jwk, "x"), member(&ec_jwk, "y")].concat();
    let mut secrets = vec![point, member(&ed_jwk, "x"), member(&rsa_jwk, "n"), rsa_der];
    for der in secrets.clone() {
        secrets.push(pem(&der).into_bytes());
        secrets.push(pem(&der).trim_end().as_bytes().to_vec());
    }
    for jwk in [&ec_jwk, &ed_jwk, &rsa_jwk] {
        secrets.push(jwk.to_string().into_bytes());
    }
    secrets.push(Vec::new());

    let macs =
        [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)];
    for (name, mac) in macs {
        for kid in [realm.es256.kid(), realm.ed25519.kid(), "rsa"] {
            for secret in &secrets {
                let key = hmac::Key::new(mac, secret);
                let forge = |alg: &str| {
                    let header = format!(r#"{{"alg":"{alg}","typ":"at+jwt","kid":"{kid}"}}"#);
                    let input = unsigned(header.as_bytes(), &payload());
                    with_signature(&input, hmac::sign(&key, input.as_bytes()).as_ref())
                };
                // HS256 is known, but no key of the set is of it.
                let refusal = if name == "HS256" { InvalidToken::Signature } else { ALGORITHM };
                assert_eq!(realm.refusal(&forge(name)), refusal);
                for honest in ["ES256", "Ed25519", "EdDSA", "RS256"] {
                    assert_eq!(realm.refusal(&forge(honest)), InvalidToken::Signature);
                }
            }
        }
    }
}

fn member(jwk: &serde_json::Value, name: &str) -> Vec<u8> {
    b64::decode(jwk[name].as_str().unwrap()).unwrap()
}

fn pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}

// T05
#[test]
fn a_key_is_used_with_its_own_algorithm_only() {
    let (rsa, rsa_jwk) = new_rsa_key();
    let mut realm = Realm::new();
    let ec = support::jwk(&realm.es256);
    let ed = support::jwk(&realm.ed25519);
    realm.keys = key_set(&serde_json::json!({ "keys": [ec, ed, rsa_jwk] }).to_string());
    let (ec, ed) = (realm.es256.kid(), realm.ed25519.kid());

    for alg in ["ES256", "Ed25519", "RS256"] {
        for kid in [ec, ed, "rsa"] {
            let header = format!(r#"{{"alg":"{alg}","typ":"at+jwt","kid":"{kid}"}}"#);
            let input = unsigned(header.as_bytes(), &payload());
            // Signed by the key that `kid` names, and by the key that `alg` calls for.
            let by_ec = realm.es256.sign(input.as_bytes()).unwrap();
            let by_ed = realm.ed25519.sign(input.as_bytes()).unwrap();
            let by_rsa = rsa_sign(&rsa, input.as_bytes());
            for (signer, signature) in [(ec, by_ec), (ed, by_ed), ("rsa", by_rsa)] {
                let verdict = realm.judge(&with_signature(&input, &signature)).err();
                let own = [(ec, "ES256"), (ed, "Ed25519"), ("rsa", "RS256")];
                let fits = own.contains(&(kid, alg)) && signer == kid;
                assert_eq!(verdict, (!fits).then_some(InvalidToken::Signature));
            }
        }
    }
}

// T06 T35
#[test]
fn alg_is_compared_byte_for_byte() {
    let realm = Realm::new();
    let near = [
        "es256",
        "Es256",
        "ES256 ",
        " ES256",
        "ES256\\u0000",
        "es256\\u0000",
        "E\\u017f256",
        "ES-256",
        "rs256",
        "RS256 ",
        "EdDSA ",
        "EDDSA",
        "eddsa",
        "hs256",
        "HS256 ",
        "ED25519",
        "ed25519",
        "Ed25519 ",
        "Ed448",
    ];
    for alg in near {
        for key in [&realm.es256, &realm.ed25519] {
            let kid = key.kid();
            let header = format!(r#"{{"alg":"{alg}","typ":"at+jwt","kid":"{kid}"}}"#);
            let token = signed(key, header.as_bytes(), &payload());
            assert_eq!(realm.refusal(&token), ALGORITHM, "{alg}");
        }
    }
    // Byte for byte after JSON: an escape is the same text.
    let header = header(&realm.es256).replace("ES256", "\\u0045S256");
    assert!(realm.judge(&realm.with_header(&header)).is_ok());
}

// T35
#[test]
fn an_ed25519_token_carries_the_fully_specified_name() {
    let realm = Realm::new();
    let token = sign(&claims(), &realm.ed25519).unwrap();
    let header = b64::decode(parts(&token)[0]).unwrap();
    let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
    assert_eq!(header["alg"], "Ed25519");
}

// T08 T10 T11 T14
#[test]
fn a_header_member_that_is_not_understood_is_refused_although_the_signature_is_true() {
    let realm = Realm::new();
    let attacker = new_key(Alg::Es256);
    let embedded = format!(r#""jwk":{}"#, support::jwk(&attacker));
    let members = [
        // T08: keys brought by the token.
        embedded.as_str(),
        r#""jku":"https://attacker.example/jwks.json""#,
        r#""x5u":"https://attacker.example/chain.pem""#,
        r#""x5c":["MIIB"]"#,
        r#""x5t":"AA""#,
        r#""x5t#S256":"AA""#,
        r#""jwk":null"#,
        // T10: whatever `crit` holds.
        r#""crit":["exp"]"#,
        r#""crit":["b64"]"#,
        r#""crit":["alg"]"#,
        r#""crit":["absent"]"#,
        r#""crit":["exp","exp"],"exp":1"#,
        r#""crit":[]"#,
        r#""crit":"exp""#,
        r#""crit":{}"#,
        r#""crit":null"#,
        r#""crit":[null]"#,
        // T11: the payload is base64url, always.
        r#""b64":false"#,
        r#""b64":true"#,
        r#""b64":false,"crit":["b64"]"#,
        // T14: work that a header asks for.
        r#""zip":"DEF""#,
        r#""p2c":1000000000,"p2s":"AAAAAAAAAAA""#,
        r#""enc":"A256GCM""#,
        r#""epk":{}"#,
        r#""cty":"JWT""#,
        r#""iss":"https://auth.example.com""#,
        r#""x":1"#,
        r#""ALG":"ES256""#,
    ];
    for member in members {
        assert_eq!(realm.refusal(&realm.with_member(member)), UNKNOWN_HEADER, "{member}");
    }
}

// T08
#[test]
fn a_key_embedded_in_the_token_never_verifies_it() {
    let realm = Realm::new();
    let attacker = new_key(Alg::Es256);
    let jwk = support::jwk(&attacker);
    for kid in [realm.es256.kid(), attacker.kid()] {
        let header = format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{kid}","jwk":{jwk}}}"#);
        let token = signed(&attacker, header.as_bytes(), &payload());
        assert_eq!(realm.refusal(&token), UNKNOWN_HEADER);
    }
    // Nor one that only calls itself a key of the realm.
    let header = header(&realm.es256);
    let token = signed(&attacker, header.as_bytes(), &payload());
    assert_eq!(realm.refusal(&token), InvalidToken::Signature);
}

// T09
#[test]
fn a_hostile_kid_is_refused_like_any_unknown_one_and_is_not_repeated() {
    let realm = Realm::new();
    let long = "k".repeat(5_000);
    let prefix = &realm.es256.kid()[..42];
    let padded = format!("{}\\u0000", realm.es256.kid());
    let kids = [
        "../../dev/null",
        "' OR 1=1--",
        "unknown",
        "",
        "\\u0000",
        "*",
        ".",
        "https://x.example/k",
        "__proto__",
        "\\n\\u001b[31m",
        &long,
        prefix,
        &padded,
    ];
    for kid in kids {
        let header = format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{kid}"}}"#);
        let refusal = realm.refusal(&realm.with_header(&header));
        assert_eq!(refusal, InvalidToken::UnknownKey, "{kid}");
        // The reason is one fixed text: nothing of the token can reach a log through it.
        assert_eq!(refusal.to_string(), "the token's key is unknown");
    }
    let huge = "k".repeat(10_000);
    let header = format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{huge}"}}"#);
    assert_eq!(realm.refusal(&realm.with_header(&header)), TOO_LONG);
    let header = r#"{"alg":"ES256","typ":"at+jwt"}"#;
    let refusal = realm.refusal(&realm.with_header(header));
    assert_eq!(refusal, InvalidToken::Malformed(Malformed::Header));
}

// T09 T20
#[test]
fn a_header_member_of_another_type_is_refused() {
    let realm = Realm::new();
    for member in ["alg", "typ", "kid"] {
        for value in ["null", "1", "true", "[]", "{}", r#"["ES256"]"#] {
            let mut header: serde_json::Value =
                serde_json::from_str(&header(&realm.es256)).unwrap();
            header[member] = serde_json::from_str(value).unwrap();
            let token = realm.with_header(&header.to_string());
            assert_eq!(realm.refusal(&token), HEADER, "{member} {value}");
        }
    }
}

// T12
#[test]
fn json_serialization_detached_payload_and_polyglots_are_refused() {
    let realm = Realm::new();
    let good = realm.good();
    let [header, payload, signature] = parts(&good);
    let flat =
        format!(r#"{{"protected":"{header}","payload":"{payload}","signature":"{signature}"}}"#);
    let general = format!(
        r#"{{"payload":"{payload}","signatures":[{{"protected":"{header}","signature":"{signature}"}}]}}"#
    );
    // One text that is both: a compact token hides in the name of a member.
    let polyglot = format!(
        r#"{{"  {header}.eyJzdWIiOiJhZG1pbiJ9.{signature}":1,"protected":"{header}","payload":"{payload}","signature":"{signature}"}}"#
    );
    let detached = format!("{header}..{signature}");
    let bearer = format!("Bearer {good}");
    let twice = format!("{good},{good}");
    for token in [&flat, &general, &polyglot, &detached, &bearer, &twice] {
        assert_eq!(realm.refusal(token), NOT_COMPACT, "{token}");
    }
}

// T17
#[test]
fn anything_but_three_full_parts_is_refused() {
    let realm = Realm::new();
    let good = realm.good();
    let [header, payload, signature] = parts(&good);
    let cases = [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        header.into(),
        format!("{header}.{payload}"),
        format!("{header}.{payload}."),
        format!("{header}..{signature}"),
        format!(".{payload}.{signature}"),
        format!("{good}."),
        format!(".{good}"),
        format!("{good}.{signature}"),
        format!("{header}.{header}.{payload}.{signature}"),
        ".".repeat(MAX_TOKEN),
    ];
    for token in cases {
        assert_eq!(realm.refusal(&token), NOT_COMPACT, "{token}");
    }
    // More than the limit is not even cut into parts.
    assert_eq!(realm.refusal(&".".repeat(100_000)), TOO_LONG);
}

// T18
#[test]
fn a_token_of_the_longest_size_is_accepted_and_one_byte_more_is_not_looked_at() {
    let realm = Realm::new();
    let mut claims = claims();
    let mut header = header(&realm.es256);
    let token = loop {
        let payload = serde_json::to_vec(&claims).unwrap();
        let token = signed(&realm.es256, header.as_bytes(), &payload);
        match MAX_TOKEN - token.len() {
            0 => break token,
            1 => header.push(' '),
            missing => claims.scope.push_str(&"x".repeat(missing * 3 / 4)),
        }
    };
    assert!(realm.judge(&token).is_ok());
    assert_eq!(realm.refusal(&format!("{token}A")), TOO_LONG);
    // What would be refused as base64url or as JSON is refused for its length first.
    for filler in ["=", ".", "{", "\u{fffd}"] {
        assert_eq!(realm.refusal(&filler.repeat(MAX_TOKEN + 1)), TOO_LONG);
    }
}

// G02
#[test]
fn what_was_taken_apart_shows_nothing_that_could_be_presented() {
    let token = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImsifQ.bm90aGluZw.c2lnbmF0dXJl";
    assert_eq!(format!("{:?}", Unproven::read(token)), "Ok(Unproven)");
    let parts = jws::split(token).unwrap();
    assert_eq!(format!("{parts:?}"), "Unverified { alg: Es256, .. }");
}

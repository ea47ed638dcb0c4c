//! Attacks on the claims. Each forged token is truly signed by the issuer's key: it is what a
//! confused or half-broken issuer could produce.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it says")]

mod support;

use rescind_wire::token::InvalidToken;
use serde_json::{Value, json};
use support::{AUDIENCE, ISSUER, NOW, Realm, claims_json};

// T22
#[test]
fn a_token_without_a_required_claim_is_refused() {
    let realm = Realm::new();
    let required =
        ["iss", "sub", "aud", "exp", "iat", "jti", "sid", "client_id", "auth_time", "rv"];
    for name in required {
        let mut claims = claims_json();
        claims.as_object_mut().unwrap().remove(name).unwrap();
        let token = realm.with_payload(claims.to_string().as_bytes());
        assert_eq!(realm.refusal(&token), InvalidToken::Claims, "{name}");
        let token = realm.with_claims(json!({ name: null }));
        assert_eq!(realm.refusal(&token), InvalidToken::Claims, "{name}");
    }
    // What may be missing takes nothing from the check: no scope and no role is what remains.
    let mut claims = claims_json();
    for name in ["scope", "roles", "amr"] {
        claims.as_object_mut().unwrap().remove(name).unwrap();
    }
    let token = realm.with_payload(claims.to_string().as_bytes());
    let claims = realm.judge(&token).unwrap().claims;
    assert_eq!((claims.scope.as_str(), claims.roles.len()), ("", 0));
}

// T23 T24
#[test]
fn a_known_claim_of_another_type_is_refused_and_never_taken_for_absent() {
    let realm = Realm::new();
    let texts = ["iss", "sub", "jti", "sid", "client_id", "scope"];
    let numbers = ["exp", "iat", "nbf", "auth_time", "rv"];
    let lists = ["roles", "amr"];
    let wrong_text = [json!(null), json!(1), json!(true), json!({}), json!([]), json!([ISSUER])];
    let wrong_number = [
        json!(null),
        json!("9999999999"),
        json!("x"),
        json!(""),
        json!(true),
        json!([NOW + 300]),
        json!({}),
    ];
    let wrong_list = [
        json!(null),
        json!(1),
        json!("admin"),
        json!({}),
        json!([1]),
        json!([null]),
        json!([["admin"]]),
        json!(["admin", 1]),
    ];
    let tables: [(&[&str], &[Value]); 3] =
        [(&texts, &wrong_text), (&numbers, &wrong_number), (&lists, &wrong_list)];
    for (names, values) in tables {
        for name in names {
            for value in values {
                let token = realm.with_claims(json!({ *name: value }));
                assert_eq!(realm.refusal(&token), InvalidToken::Claims, "{name} {value}");
            }
        }
    }
    // An id is 22 characters of base64url, whatever the claim.
    for name in ["sub", "jti", "sid"] {
        for value in ["", "1", "admin", "AQEBAQEBAQEBAQEBAQEBAQ==", "AQEBAQEBAQEBAQEBAQEBAR"] {
            let token = realm.with_claims(json!({ name: value }));
            assert_eq!(realm.refusal(&token), InvalidToken::Claims, "{name} {value}");
        }
    }
}

// T24
#[test]
fn only_the_issuer_byte_for_byte_is_accepted() {
    let realm = Realm::new();
    let near = [
        "",
        "https://auth.example.com/",
        "https://auth.example.co",
        "https://auth.example.com.attacker.example",
        "https://auth.example.com@attacker.example",
        "https://attacker.example/https://auth.example.com",
        "https://auth.example.com:443",
        "https://AUTH.example.com",
        "HTTPS://auth.example.com",
        "http://auth.example.com",
        "https://auth.example.com\0",
        " https://auth.example.com",
        "https://\u{430}uth.example.com",
        "https://auth%2eexample.com",
        "auth.example.com",
    ];
    for iss in near {
        let token = realm.with_claims(json!({ "iss": iss }));
        assert_eq!(realm.refusal(&token), InvalidToken::Issuer, "{iss}");
    }
}

// T25
#[test]
fn only_a_token_whose_audiences_hold_this_one_exactly_is_accepted() {
    let realm = Realm::new();
    for aud in
        [json!(AUDIENCE), json!([AUDIENCE]), json!(["other", AUDIENCE]), json!([AUDIENCE, "x"])]
    {
        let token = realm.with_claims(json!({ "aud": aud }));
        assert!(realm.judge(&token).is_ok(), "{aud}");
    }
    let others = [
        json!([]),
        json!(""),
        json!([""]),
        json!("other"),
        json!(["other", "another"]),
        json!("Posts-api"),
        json!("posts-api/"),
        json!("posts-ap"),
        json!("posts-api2"),
        json!(" posts-api"),
        json!("posts-api other"),
        json!("posts-api,other"),
        json!("posts-api\0"),
        json!("*"),
        json!(ISSUER),
    ];
    for aud in others {
        let token = realm.with_claims(json!({ "aud": aud }));
        assert_eq!(realm.refusal(&token), InvalidToken::Audience, "{aud}");
    }
    for aud in [json!({}), json!(null), json!(1), json!([[AUDIENCE]]), json!([AUDIENCE, 1])] {
        let token = realm.with_claims(json!({ "aud": aud }));
        assert_eq!(realm.refusal(&token), InvalidToken::Claims, "{aud}");
    }
}

// T27
#[test]
fn a_time_that_is_no_whole_second_in_range_is_refused() {
    let realm = Realm::new();
    let body = |exp: &str, iat: &str| {
        let mut claims = claims_json();
        claims["exp"] = "EXP".into();
        claims["iat"] = "IAT".into();
        claims.to_string().replace("\"EXP\"", exp).replace("\"IAT\"", iat)
    };
    let iat = NOW.to_string();
    let exps = [
        "1e308",
        "-1",
        "-0",
        "0",
        "-0.0",
        "1.5",
        "1800000100.5",
        "1800000100.0",
        "1.8000001e9",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "1e20",
        "99999999999999999999999999",
        "1799999999",
        "1800000301",
    ];
    for exp in exps {
        let token = realm.with_payload(body(exp, &iat).as_bytes());
        assert_eq!(realm.refusal(&token), InvalidToken::Claims, "{exp}");
    }
    for iat in ["-1", "-0", "1.5", "0", "1e308", "18446744073709551616", "1800000301"] {
        let token = realm.with_payload(body("1800000300", iat).as_bytes());
        assert_eq!(realm.refusal(&token), InvalidToken::Claims, "{iat}");
    }
    assert!(realm.judge(&realm.with_payload(body("1800000300", &iat).as_bytes())).is_ok());
}

// T27
#[test]
fn times_at_the_end_of_the_range_are_judged_without_wrap() {
    let realm = Realm::new();
    let token = realm.with_claims(json!({ "iat": u64::MAX - 1, "exp": u64::MAX, "nbf": u64::MAX }));
    let claims = realm.judge(&token).unwrap().claims;
    assert_eq!(claims.check_time(NOW, 30), Err(InvalidToken::NotYetValid));
    assert_eq!(claims.check_time(NOW, u64::MAX), Err(InvalidToken::NotYetValid));
    assert_eq!(claims.check_time(u64::MAX, 30), Err(InvalidToken::Expired));
    let token = realm.with_claims(json!({ "iat": 0, "exp": 0, "nbf": 0 }));
    let claims = realm.judge(&token).unwrap().claims;
    assert_eq!(claims.check_time(NOW, u64::MAX), Err(InvalidToken::Expired));
    assert_eq!(claims.check_time(30, 30), Err(InvalidToken::Expired));
    assert_eq!(claims.check_time(29, 30), Ok(()));
}

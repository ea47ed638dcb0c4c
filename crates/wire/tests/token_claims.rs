//! Attacks on the claims, and tokens of every other kind. Each forged token is truly signed by the
//! issuer's key: it is what a confused or half-broken issuer could produce.

#![allow(
    clippy::unwrap_used,
    reason = "a test may stop at the first thing that is not as it says"
)]

mod support;

use rescind_wire::frame::{self, BadFrame, Frame, KeysMark};
use rescind_wire::json;
use rescind_wire::jws::Malformed;
use rescind_wire::token::{InvalidToken, sign};
use rescind_wire::{b64, token};
use serde_json::{Value, json};
use support::{
    AUDIENCE, ISSUER, NOW, Realm, claims, claims_json, header, parts, payload, public_key, signed,
    with_signature,
};

const HEADER: InvalidToken = InvalidToken::Malformed(Malformed::Header);

// T19
#[test]
fn a_duplicate_member_is_refused_in_header_and_claims_also_when_escaped() {
    let realm = Realm::new();
    let headers = [
        r#""alg":"ES256""#,
        r#""\u0061lg":"ES256""#,
        r#""al\u0067":"none""#,
        r#""kid":"other""#,
        r#""typ":"JWT""#,
        r#""crit":[],"crit":[]"#,
    ];
    for member in headers {
        assert_eq!(
            realm.refusal(&realm.with_member(member)),
            HEADER,
            "{member}"
        );
    }
    let body = claims_json().to_string();
    let body = body.strip_suffix('}').unwrap();
    let members = [
        r#""exp":9999999999"#,
        r#""\u0065xp":9999999999"#,
        r#""sub":"AQEBAQEBAQEBAQEBAQEBAQ""#,
        r#""r\u006fles":["admin"]"#,
        r#""x":1,"x":1"#,
        r#""x":{"y":1,"y":1}"#,
        r#""x":[{"y":1,"\u0079":2}]"#,
    ];
    for member in members {
        let token = realm.with_payload(format!("{body},{member}}}").as_bytes());
        assert_eq!(realm.refusal(&token), InvalidToken::Claims, "{member}");
    }
    let token = realm.with_payload(format!(r#"{body},"x":1,"y":1}}"#).as_bytes());
    assert!(realm.judge(&token).is_ok());
}

// T20
#[test]
fn what_is_not_strict_json_in_utf_8_is_refused() {
    let realm = Realm::new();
    let key = &realm.es256;
    let claims = claims_json().to_string();
    for broken in broken(&claims) {
        let token = realm.with_payload(&broken);
        let text = String::from_utf8_lossy(&broken);
        assert_eq!(realm.refusal(&token), InvalidToken::Claims, "{text}");
    }
    for broken in broken(&header(key)) {
        let token = signed(key, &broken, &payload());
        let text = String::from_utf8_lossy(&broken);
        assert_eq!(realm.refusal(&token), HEADER, "{text}");
    }
}

/// An object of JSON, broken in every way but a deep one.
fn broken(object: &str) -> Vec<Vec<u8>> {
    let open = object.strip_suffix('}').unwrap();
    let texts = [
        format!("\u{feff}{object}"),
        format!("{object}{object}"),
        format!("{object},"),
        format!("{object}\0"),
        format!("{object}//"),
        format!("/**/{object}"),
        format!("[{object}]"),
        format!("\"{object}\""),
        format!("{open},}}"),
        format!("{open},\"x\":NaN}}"),
        format!("{open},\"x\":Infinity}}"),
        format!("{open},\"x\":-Infinity}}"),
        format!("{open},\"x\":1e999}}"),
        format!("{open},\"x\":01}}"),
        format!("{open},\"x\":+1}}"),
        format!("{open},\"x\":0x1}}"),
        format!("{open},\"x\":.5}}"),
        format!("{open},\"x\":'y'}}"),
        format!("{open},x:1}}"),
        format!("{open},\"x\":1 /* y */}}"),
        format!("{open},\"x\":\"\\ud800\"}}"),
        format!("{open},\"x\":\"\\udc00\"}}"),
        format!("{open},\"x\":\"\\ud800\\u0041\"}}"),
        format!("{open},\"\\ud800\":1}}"),
        format!("{open},\"x\":\"\\x41\"}}"),
        format!("{open},\"x\":\"a\nb\"}}"),
        format!("{open},\"x\":\"a\0b\"}}"),
        format!("{open},\"x\":True}}"),
        format!("{open},\"x\"}}"),
        open.to_owned(),
        "null".into(),
        "[]".into(),
        "1".into(),
        " ".into(),
    ];
    let mut all: Vec<Vec<u8>> = texts.map(String::into_bytes).into();
    for bytes in [
        &b"\xff"[..],
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xe2\x82",
    ] {
        all.push([open.as_bytes(), b",\"x\":\"", bytes, b"\"}"].concat());
        all.push([open.as_bytes(), b",\"", bytes, b"\":1}"].concat());
    }
    all.push(object.encode_utf16().flat_map(u16::to_le_bytes).collect());
    all.push(object.encode_utf16().flat_map(u16::to_be_bytes).collect());
    all
}

// T21
#[test]
fn nesting_ends_at_32_levels() {
    let realm = Realm::new();
    let nested = |levels: usize, inner: &str| {
        // The claims themselves are the first level.
        let (open, close) = ("[".repeat(levels - 1), "]".repeat(levels - 1));
        let body = claims_json().to_string();
        let body = body.strip_suffix('}').unwrap().to_owned();
        realm.with_payload(format!("{body},\"x\":{open}{inner}{close}}}").as_bytes())
    };
    assert!(realm.judge(&nested(32, "")).is_ok());
    assert!(realm.judge(&nested(32, "1")).is_ok());
    assert!(realm.judge(&nested(31, "{}")).is_ok());
    for token in [
        nested(33, ""),
        nested(32, "{}"),
        nested(32, "[]"),
        nested(200, ""),
    ] {
        assert_eq!(realm.refusal(&token), InvalidToken::Claims);
    }
}

// T21
#[test]
fn a_hundred_thousand_brackets_need_no_deep_stack() {
    let judged = std::thread::Builder::new()
        .stack_size(256 * 1024)
        .spawn(|| {
            ["[", "{\"x\":", "{\"x\":[", "[{\"x\":"]
                .map(|open| format!("{{\"x\":{}", open.repeat(100_000)))
                .map(|text| json::object(text.as_bytes()).is_err())
        })
        .unwrap()
        .join();
    assert_eq!(judged.unwrap(), [true; 4]);
}

// T22
#[test]
fn a_token_without_a_required_claim_is_refused() {
    let realm = Realm::new();
    let required = [
        "iss",
        "sub",
        "aud",
        "exp",
        "iat",
        "jti",
        "sid",
        "client_id",
        "auth_time",
        "rv",
    ];
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
    let wrong_text = [
        json!(null),
        json!(1),
        json!(true),
        json!({}),
        json!([]),
        json!([ISSUER]),
    ];
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
    let tables: [(&[&str], &[Value]); 3] = [
        (&texts, &wrong_text),
        (&numbers, &wrong_number),
        (&lists, &wrong_list),
    ];
    for (names, values) in tables {
        for name in names {
            for value in values {
                let token = realm.with_claims(json!({ *name: value }));
                assert_eq!(
                    realm.refusal(&token),
                    InvalidToken::Claims,
                    "{name} {value}"
                );
            }
        }
    }
    // An id is 22 characters of base64url, whatever the claim.
    for name in ["sub", "jti", "sid"] {
        for value in [
            "",
            "1",
            "admin",
            "AQEBAQEBAQEBAQEBAQEBAQ==",
            "AQEBAQEBAQEBAQEBAQEBAR",
        ] {
            let token = realm.with_claims(json!({ name: value }));
            assert_eq!(
                realm.refusal(&token),
                InvalidToken::Claims,
                "{name} {value}"
            );
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
    for aud in [
        json!(AUDIENCE),
        json!([AUDIENCE]),
        json!(["other", AUDIENCE]),
        json!([AUDIENCE, "x"]),
    ] {
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
    for aud in [
        json!({}),
        json!(null),
        json!(1),
        json!([[AUDIENCE]]),
        json!([AUDIENCE, 1]),
    ] {
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
        claims
            .to_string()
            .replace("\"EXP\"", exp)
            .replace("\"IAT\"", iat)
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
    for iat in [
        "-1",
        "-0",
        "1.5",
        "0",
        "1e308",
        "18446744073709551616",
        "1800000301",
    ] {
        let token = realm.with_payload(body("1800000300", iat).as_bytes());
        assert_eq!(realm.refusal(&token), InvalidToken::Claims, "{iat}");
    }
    assert!(
        realm
            .judge(&realm.with_payload(body("1800000300", &iat).as_bytes()))
            .is_ok()
    );
}

// T27
#[test]
fn times_at_the_end_of_the_range_are_judged_without_wrap() {
    let realm = Realm::new();
    let token = realm.with_claims(json!({ "iat": u64::MAX - 1, "exp": u64::MAX, "nbf": u64::MAX }));
    let claims = realm.judge(&token).unwrap().claims;
    assert_eq!(claims.check_time(NOW, 30), Err(InvalidToken::NotYetValid));
    assert_eq!(
        claims.check_time(NOW, u64::MAX),
        Err(InvalidToken::NotYetValid)
    );
    assert_eq!(claims.check_time(u64::MAX, 30), Err(InvalidToken::Expired));
    let token = realm.with_claims(json!({ "iat": 0, "exp": 0, "nbf": 0 }));
    let claims = realm.judge(&token).unwrap().claims;
    assert_eq!(claims.check_time(NOW, u64::MAX), Err(InvalidToken::Expired));
    assert_eq!(claims.check_time(30, 30), Err(InvalidToken::Expired));
    assert_eq!(claims.check_time(29, 30), Ok(()));
}

// T29 T30
#[test]
fn a_token_of_any_other_type_is_refused_although_its_claims_would_do() {
    let realm = Realm::new();
    let types = [
        "JWT",
        "jwt",
        "id_token+jwt",
        "logout+jwt",
        "secevent+jwt",
        "dpop+jwt",
        "token-introspection+jwt",
        "statuslist+jwt",
        "application/statuslist+jwt",
        "kb+jwt",
        "oauth-authz-req+jwt",
        "client-authentication+jwt",
        "JOSE",
        "JOSE+JSON",
        "",
        "at+jwt ",
        " at+jwt",
        "at+jwt\\u0000",
        "at+jwt;v=1",
        "at-jwt",
        "at+jwts",
        "xat+jwt",
        "text/at+jwt",
        "application/application/at+jwt",
        "application/",
        "application/jwt",
        "\\u0430t+jwt",
    ];
    for typ in types {
        let header = header(&realm.es256).replace("at+jwt", typ);
        let token = realm.with_header(&header);
        assert_eq!(realm.refusal(&token), InvalidToken::Type, "{typ}");
    }
    let header_without = header(&realm.es256).replace(r#""typ":"at+jwt","#, "");
    let refusal = realm.refusal(&realm.with_header(&header_without));
    assert_eq!(refusal, InvalidToken::Type);
    for typ in [
        "at+jwt",
        "AT+JWT",
        "At+Jwt",
        "application/at+jwt",
        "Application/AT+jwt",
    ] {
        let header = header(&realm.es256).replace("at+jwt", typ);
        assert!(realm.judge(&realm.with_header(&header)).is_ok(), "{typ}");
    }
}

// T30
#[test]
fn another_kind_of_token_is_refused_even_if_it_calls_itself_an_access_token() {
    let realm = Realm::new();
    let kinds = [
        // An ID token, a logout token, a SET, a DPoP proof, an introspection answer, a status list:
        // the claims of each as its standard has them.
        json!({"iss": ISSUER, "sub": claims().sub, "aud": AUDIENCE, "exp": NOW + 300, "iat": NOW,
            "nonce": "n", "auth_time": NOW, "azp": "first-party", "sid": claims().sid}),
        json!({"iss": ISSUER, "sub": claims().sub, "aud": AUDIENCE, "exp": NOW + 120, "iat": NOW,
            "jti": claims().jti, "sid": claims().sid,
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}}}),
        json!({"iss": ISSUER, "aud": AUDIENCE, "iat": NOW, "jti": claims().jti, "sub_id": {},
            "events": {"https://schemas.openid.net/secevent/caep/event-type/session-revoked": {}}}),
        json!({"jti": claims().jti, "htm": "GET", "htu": ISSUER, "iat": NOW}),
        json!({"iss": ISSUER, "aud": AUDIENCE, "iat": NOW, "token_introspection": claims_json()}),
        json!({"iss": ISSUER, "sub": ISSUER, "iat": NOW, "exp": NOW + 300,
            "status_list": {"bits": 1, "lst": "eNrbuRgAAhcBXQ"}}),
    ];
    for kind in kinds {
        let token = realm.with_payload(kind.to_string().as_bytes());
        assert_eq!(realm.refusal(&token), InvalidToken::Claims, "{kind}");
    }
}

// T30
#[test]
fn a_feed_frame_is_no_token_and_a_token_no_frame_under_one_key() {
    let realm = Realm::new();
    let key = &realm.ed25519;
    let keys = [public_key(&key.public().to_jwk())];
    let mark = KeysMark {
        version: 1,
        hash: [0; 32],
    };
    let sealed = frame::seal(&Frame::Keys(mark), ISSUER, key).unwrap();
    assert_eq!(frame::open(&sealed, ISSUER, &keys), Ok(Frame::Keys(mark)));
    let (content, signature) = sealed.split_at(sealed.len() - 64);

    // The frame whole, its signature under a token's parts, and its bytes as a payload.
    let good = sign(&claims(), key).unwrap();
    let [head, body, own] = parts(&good);
    assert!(matches!(
        realm.refusal(&b64::encode(&sealed)),
        InvalidToken::Malformed(_)
    ));
    let moved = with_signature(&format!("{head}.{body}"), signature);
    assert_eq!(realm.refusal(&moved), InvalidToken::Signature);
    let carried = with_signature(&format!("{head}.{}", b64::encode(&content[4..])), signature);
    assert_eq!(realm.refusal(&carried), InvalidToken::Signature);
    let resigned = signed(key, header(key).as_bytes(), &sealed);
    assert_eq!(realm.refusal(&resigned), InvalidToken::Claims);

    // The token's signature under the frame, over the same bytes and over the frame's own.
    let own = b64::decode(own).unwrap();
    assert_eq!(
        frame::open(&[content, &own].concat(), ISSUER, &keys),
        Err(BadFrame::Signature)
    );
    let over_content = key.sign(&content[4..]).unwrap();
    assert_eq!(
        frame::open(&[content, &over_content].concat(), ISSUER, &keys),
        Err(BadFrame::Signature)
    );
    let as_frame = [&(good.len() as u32).to_be_bytes(), good.as_bytes()].concat();
    assert_eq!(
        frame::open(&as_frame, ISSUER, &keys),
        Err(BadFrame::Signature)
    );
    assert!(token::verify(&good, &realm.keys, &realm.expected).is_ok());
}

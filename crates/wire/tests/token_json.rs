//! Attacks on the JSON of header and claims. Every token is truly signed by the issuer's key.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it says")]

mod support;

use rescind_wire::json;
use rescind_wire::jws::Malformed;
use rescind_wire::token::InvalidToken;
use support::{Realm, claims_json, header, payload, signed};

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
        assert_eq!(realm.refusal(&realm.with_member(member)), HEADER, "{member}");
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
    for bytes in [&b"\xff"[..], b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"] {
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
    for token in [nested(33, ""), nested(32, "{}"), nested(32, "[]"), nested(200, "")] {
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

//! Tokens of every other kind, truly signed by the issuer's key, are no access tokens.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it says")]

mod support;

use rescind_wire::b64;
use rescind_wire::frame::{self, BadFrame, Frame, KeysMark};
use rescind_wire::token::{InvalidToken, sign};
use serde_json::json;
use support::{
    AUDIENCE, ISSUER, NOW, Realm, claims, claims_json, header, parts, public_key, signed,
    with_signature,
};

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
    for typ in ["at+jwt", "AT+JWT", "At+Jwt", "application/at+jwt", "Application/AT+jwt"] {
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
    let keys = [public_key(&support::jwk(key))];
    let mark = KeysMark { version: 1, hash: [0; 32] };
    let sealed = frame::seal(&Frame::Keys(mark), ISSUER, key).unwrap();
    assert_eq!(frame::open(&sealed, ISSUER, &keys), Ok(Frame::Keys(mark)));
    let (content, signature) = sealed.split_at(sealed.len() - 64);

    // The frame whole, its signature under a token's parts, and its bytes as a payload.
    let good = sign(&claims(), key).unwrap();
    let [head, body, own] = parts(&good);
    assert!(matches!(realm.refusal(&b64::encode(&sealed)), InvalidToken::Malformed(_)));
    let moved = with_signature(&format!("{head}.{body}"), signature);
    assert_eq!(realm.refusal(&moved), InvalidToken::Signature);
    let carried = with_signature(&format!("{head}.{}", b64::encode(&content[4..])), signature);
    assert_eq!(realm.refusal(&carried), InvalidToken::Signature);
    let resigned = signed(key, header(key).as_bytes(), &sealed);
    assert_eq!(realm.refusal(&resigned), InvalidToken::Claims);

    // The token's signature under the frame, over the same bytes and over the frame's own.
    let own = b64::decode(own).unwrap();
    assert_eq!(frame::open(&[content, &own].concat(), ISSUER, &keys), Err(BadFrame::Signature));
    let over_content = key.sign(&content[4..]).unwrap();
    assert_eq!(
        frame::open(&[content, &over_content].concat(), ISSUER, &keys),
        Err(BadFrame::Signature)
    );
    let as_frame = [&(good.len() as u32).to_be_bytes(), good.as_bytes()].concat();
    assert_eq!(frame::open(&as_frame, ISSUER, &keys), Err(BadFrame::Signature));
    assert!(realm.judge(&good).is_ok());
}

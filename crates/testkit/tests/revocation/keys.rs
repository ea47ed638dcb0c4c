//! One key per purpose: what the key of one makes is nothing to the others.

use crate::{Device, assert_good, quick};
use http::Method;
use rescind_testkit::server::PASSWORD;
use rescind_verifier::{Alg, Refusal};
use rescind_wire::b64;
use rescind_wire::frame::{BadFrame, Frame, open, seal};
use rescind_wire::id::Sid;
use rescind_wire::token::{Claims, sign};

/// An id of printable bytes, so that it can be asked for as text and as an id.
const SID: [u8; 16] = *b"0123456789abcdef";

// K11
#[tokio::test(flavor = "multi_thread")]
async fn a_csrf_value_and_a_sign_in_value_of_the_same_bytes_differ_and_neither_fits_the_other() {
    let authority = quick().await;
    let keyring = authority.app.authority.keyring();
    let text = std::str::from_utf8(&SID).unwrap();
    let csrf = keyring.csrf_value(Sid::from_bytes(SID));
    let sign_in = keyring.sign_in_value(text);
    assert!(keyring.csrf_fits(Sid::from_bytes(SID), &csrf) && keyring.sign_in_fits(text, &sign_in));
    assert_ne!(csrf, sign_in);
    assert!(!keyring.csrf_fits(Sid::from_bytes(SID), &sign_in));
    assert!(!keyring.sign_in_fits(text, &csrf));
}

// K11
#[tokio::test(flavor = "multi_thread")]
async fn no_other_key_makes_a_credential_and_a_credential_is_no_other_value() {
    let authority = quick().await;
    authority.person("alice").await;
    let mut browser = authority.http().browser();
    browser.sign_in("alice", PASSWORD).await;
    let keyring = authority.app.authority.keyring();
    let cookie: [u8; 54] = b64::decode_array(browser.session_cookie()).unwrap();
    let (body, tag) = cookie.split_at(22);

    // The tag that the sign-in page's key makes of the very message of a line.
    let mut message = [&body[..2], &[1], &SID, &[0; 4]].concat();
    let of_sign_in = keyring.sign_in_value(std::str::from_utf8(&message).unwrap());
    message.remove(2);
    let forged = b64::encode([message, b64::decode(of_sign_in).unwrap()].concat());
    // And the CSRF value of the session itself, as the tag of its line.
    let csrf = b64::decode(&browser.jar["XSRF-TOKEN"]).unwrap();
    let with_csrf = b64::encode([body, &csrf].concat());
    for value in [forged, with_csrf] {
        let mut thief = browser.clone();
        thief.jar.insert("rescind-dev".into(), value);
        assert_eq!(thief.get("/whoami").await.status, 401);
    }

    // The line's tag is no CSRF value; the logout is refused and the session lives.
    let mut crossed = browser.clone();
    crossed.jar.insert("XSRF-TOKEN".into(), b64::encode(tag));
    assert_eq!(crossed.send(Method::POST, "/logout", None).await.status, 403);
    assert_eq!(browser.get("/whoami").await.status, 200);
    assert_eq!(browser.post("/logout").await.status, 204);
}

// K11
#[tokio::test(flavor = "multi_thread")]
async fn a_cookies_line_is_no_refresh_token_and_the_reverse() {
    let authority = quick().await;
    authority.person("alice").await;
    let mut browser = authority.http().browser();
    browser.sign_in("alice", PASSWORD).await;
    let mut device = Device::sign_in(&authority, "alice").await;
    let as_token = format!("rsc_rt_{}", browser.session_cookie());
    let answer = authority.http().refresh(&as_token, None).await;
    assert_eq!(answer.json()["error"], "invalid_grant");
    assert_eq!(authority.http().get_as("/whoami", &as_token).await.status, 401);
    let mut thief = browser.clone();
    let as_cookie = device.refresh.strip_prefix("rsc_rt_").unwrap().to_owned();
    thief.jar.insert("rescind-dev".into(), as_cookie);
    assert_eq!(thief.get("/whoami").await.status, 401);
    device.assert_works().await;
    assert_eq!(browser.get("/whoami").await.status, 200);
}

// K11
#[tokio::test(flavor = "multi_thread")]
async fn the_feeds_key_signs_no_token_and_the_tokens_key_no_frame() {
    let authority = quick().await;
    authority.person("alice").await;
    let device = Device::sign_in(&authority, "alice").await;
    let keyring = authority.app.authority.keyring();
    let verifier =
        authority.verifier_builder().algorithms(&[Alg::Es256, Alg::Ed25519]).build().await.unwrap();
    assert_good(&verifier, &device.access);

    let honest = verifier.check(&device.access).unwrap().claims().clone();
    let by_feed_key =
        sign(&Claims { roles: vec!["owner".into()], ..honest.clone() }, keyring.feed_key());
    let judged = verifier.check(&by_feed_key.unwrap());
    assert!(matches!(judged, Err(Refusal::InvalidToken(_))), "{judged:?}");
    let jwks = authority.http().get("/.well-known/jwks.json", &[]).await.text();
    assert!(jwks.contains(keyring.token_key().kid()) && !jwks.contains(keyring.feed_key().kid()));

    let feed_keys = keyring.feed_public();
    let frame = seal(&Frame::Resync, authority.issuer(), keyring.feed_key()).unwrap();
    assert_eq!(open(&frame, authority.issuer(), feed_keys), Ok(Frame::Resync));
    let frame = seal(&Frame::Resync, authority.issuer(), keyring.token_key()).unwrap();
    assert_eq!(open(&frame, authority.issuer(), feed_keys), Err(BadFrame::Signature));
}

//! What a refused caller is told: enough to go on, and nothing of why.

use crate::support::{behind_tls, get_with, quick, signed_in, stakes};
use http::Method;
use rescind_testkit::http::{Answer, Headers};
use rescind_testkit::server::operator;
use rescind_testkit::server::{PASSWORD, TestAuthority};
use rescind_wire::b64;
use std::time::Duration;

/// Codes registered for the token endpoint (RFC 6749 §5.2, RFC 8707).
const REGISTERED: [&str; 7] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "invalid_target",
];

fn basic(id: &str, secret: &str) -> String {
    // RFC 4648 §4: the standard alphabet, padded.
    let text = format!("{id}:{secret}");
    let mut encoded = b64::encode(&text).replace('-', "+").replace('_', "/");
    while encoded.len() % 4 != 0 {
        encoded.push('=');
    }
    format!("Basic {encoded}")
}

/// Checks the form of RFC 6749 §5.2.
fn assert_oauth_error(answer: &Answer, status: u16, error: &str) {
    let body = answer.json();
    assert_eq!((answer.status.as_u16(), body["error"].as_str()), (status, Some(error)), "{body}");
    assert!(REGISTERED.contains(&error));
    let members: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(members, ["error", "error_description"]);
    let allowed = |b: u8| matches!(b, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    let description = body["error_description"].as_str().unwrap();
    assert!(!description.is_empty() && description.bytes().all(allowed), "{description}");
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    let basic = answer.header("www-authenticate").starts_with("Basic ");
    assert_eq!(basic, error == "invalid_client");
}

// E01
#[tokio::test(flavor = "multi_thread")]
async fn the_token_endpoint_answers_errors_in_the_form_of_oauth() {
    let authority = quick().await;
    authority.person("alice").await;
    let http = authority.http();
    let tokens = http.sign_in("alice", PASSWORD).await;
    let token = tokens["refresh_token"].as_str().unwrap();
    let before = stakes(&authority, "alice").await;
    let grant = [("grant_type", "refresh_token"), ("refresh_token", token)];
    let and = |name, value| vec![grant[0], grant[1], (name, value)];
    let secret = basic("posts-api", &authority.secret);
    let wrong = basic("posts-api", "wrong");
    let none: Headers = &[];
    for (status, error, form, headers) in [
        (400, "invalid_request", vec![], none),
        (400, "invalid_request", vec![grant[0]], none),
        (400, "invalid_request", vec![grant[1]], none),
        (400, "invalid_request", and("refresh_token", "x"), none),
        (400, "invalid_request", and("access_token", "x"), none),
        (400, "invalid_request", grant.to_vec(), &[("idempotency-key", "short")]),
        (400, "invalid_request", and("client_secret", "x"), &[("authorization", &secret)]),
        (400, "unsupported_grant_type", vec![("grant_type", "password")], none),
        (400, "unsupported_grant_type", vec![("grant_type", "")], none),
        (400, "invalid_grant", vec![grant[0], ("refresh_token", "x\"\\\u{e9}")], none),
        (400, "invalid_grant", grant.to_vec(), &[("authorization", &secret)]),
        (400, "invalid_scope", and("scope", "admin"), none),
        (400, "invalid_target", and("audience", "nobody"), none),
        (400, "invalid_target", and("resource", "https://nobody.example"), none),
        (401, "invalid_client", grant.to_vec(), &[("authorization", &wrong)]),
        (401, "invalid_client", grant.to_vec(), &[("authorization", "Basic !")]),
        (401, "invalid_client", grant.to_vec(), &[("authorization", "Bearer x")]),
        (401, "invalid_client", and("client_id", "posts-api"), none),
        (401, "invalid_client", and("client_id", "' OR 1=1 --"), none),
    ] {
        let answer = http.post_form("/token", &form, headers).await;
        assert_oauth_error(&answer, status, error);
    }
    let json = [("content-type", "application/json")];
    let answer = http.send(Method::POST, "/token", &json, "{}").await;
    assert_oauth_error(&answer, 415, "invalid_request");
    let answer = http.post_form("/token?access_token=x", &grant, &[]).await;
    assert_oauth_error(&answer, 400, "invalid_request");
    let twice = [("authorization", secret.as_str()), ("authorization", secret.as_str())];
    let answer = http.post_form("/token", &grant, &twice).await;
    assert_oauth_error(&answer, 400, "invalid_request");

    assert_eq!(stakes(&authority, "alice").await, before);
    assert_eq!(http.refresh(token, None).await.status, 200, "the token is still the current one");
}

// E02
#[tokio::test(flavor = "multi_thread")]
async fn none_bad_and_not_enough_are_three_answers() {
    let authority = quick().await;
    let http = authority.http();
    for (method, path) in [
        (Method::GET, "/whoami"),
        (Method::GET, "/sessions"),
        (Method::DELETE, "/sessions"),
        (Method::DELETE, "/sessions/AAAAAAAAAAAAAAAAAAAAAA"),
        (Method::POST, "/logout/everywhere"),
    ] {
        let none = http.send(method.clone(), path, &[], "").await;
        assert_eq!((none.status.as_u16(), none.header("www-authenticate")), (401, "Bearer"));
        assert_eq!(none.json()["type"], "urn:rescind:problem:unauthenticated");
        let bad = http.send_as(method, path, "rsc_rt_x").await;
        assert_eq!(bad.status, 401);
        assert_eq!(bad.header("www-authenticate"), r#"Bearer error="invalid_token""#);
        assert_eq!(bad.json()["type"], "urn:rescind:problem:invalid-token");
    }
    let made =
        authority.app.authority.add_client("mute", vec!["mute".into()], vec![], &operator()).await;
    let mute = basic("mute", made.unwrap().expose());
    for path in ["/v1/snapshot", "/v1/feed"] {
        let none = http.get(path, &[]).await;
        assert_eq!(none.status, 401);
        assert!(none.header("www-authenticate").starts_with("Basic realm="));
        let bad = http.get(path, &[("authorization", &basic("posts-api", "x"))]).await;
        assert_eq!(bad.status, 401);
        let little = http.get(path, &[("authorization", &mute)]).await;
        assert_eq!(little.status, 403);
        assert_eq!(little.json()["type"], "urn:rescind:problem:forbidden");
        assert_eq!(little.header("www-authenticate"), "");
    }
    let good = basic("posts-api", &authority.secret);
    assert_eq!(http.get("/v1/snapshot", &[("authorization", &good)]).await.status, 200);
}

/// Everything of an answer but the clock and the request's own id.
fn shown(answer: &Answer) -> String {
    let mut headers = answer.headers.clone();
    headers.remove("date");
    headers.remove("x-correlation-id");
    format!("{} {headers:?} {}", answer.status, answer.text())
}

// E03
#[tokio::test(flavor = "multi_thread")]
async fn why_a_credential_is_bad_is_not_told() {
    let authority = quick().await;
    authority.person("alice").await;
    authority.person("bob").await;
    let http = authority.http();
    let tokens = http.sign_in("alice", PASSWORD).await;
    let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
    let (spent, access) = (text("refresh_token"), text("access_token"));
    let ended = http.sign_in("alice", PASSWORD).await["refresh_token"].as_str().unwrap().to_owned();
    http.send_as(Method::POST, "/logout", &ended).await;
    let banned = http.sign_in("bob", PASSWORD).await["refresh_token"].as_str().unwrap().to_owned();
    let bob = rescind_authority::name::Name::new("bob").unwrap();
    authority.app.authority.revoke_account(bob, operator()).await.unwrap();
    let second =
        http.refresh(&spent, None).await.json()["refresh_token"].as_str().unwrap().to_owned();
    authority.clock.advance(Duration::from_secs(31));
    let mut forged = second.clone();
    forged.replace_range(20..21, if &second[20..21] == "A" { "B" } else { "A" });

    let bad = ["x", "rsc_rt_x", &spent, &ended, &banned, &forged, &access, &access[..40], "a.b.c"];
    for path in ["/whoami", "/sessions"] {
        let answers: Vec<String> =
            futures_of(&authority, path, &bad).await.iter().map(shown).collect();
        assert!(answers[0].contains("401"));
        for (one, bad) in answers.iter().zip(bad) {
            assert_eq!(*one, answers[0], "{path} {bad}");
        }
    }
    // At the token endpoint a spent one ends the session; the answer is that of any other.
    let mut answers = Vec::new();
    for token in ["x", "rsc_rt_x", &ended, &banned, &forged, &access, &spent, &second] {
        answers.push(shown(&http.refresh(token, None).await));
    }
    assert!(answers[0].contains("invalid_grant"));
    assert!(answers.iter().all(|a| *a == answers[0]), "{answers:?}");

    // And of a cookie: forged, of an ended session, of a session that has expired.
    let mut browser = signed_in(&http, "alice").await;
    let old = browser.session_cookie().to_owned();
    browser.post("/logout").await;
    let idle = signed_in(&http, "alice").await;
    authority.clock.advance(Duration::from_secs(3601));
    let mut answers = Vec::new();
    for value in ["x", "", &old, idle.session_cookie(), &second, "\u{e9}"] {
        let cookie = format!("rescind-dev={value}");
        answers.push(shown(&get_with(&http, "/whoami", &[&cookie]).await));
    }
    assert!(answers[0].contains("401"));
    assert!(answers.iter().all(|a| *a == answers[0]), "{answers:?}");
}

async fn futures_of(authority: &TestAuthority, path: &str, tokens: &[&str]) -> Vec<Answer> {
    let http = authority.http();
    let mut answers = Vec::new();
    for token in tokens {
        answers.push(http.get_as(path, token).await);
    }
    answers
}

// S12
#[tokio::test(flavor = "multi_thread")]
async fn another_persons_session_is_like_one_that_does_not_exist() {
    let (authority, door) = behind_tls().await;
    authority.person("alice").await;
    authority.person("mallory").await;
    let http = &door.http;
    let mut alice = signed_in(http, "alice").await;
    let id = alice.get("/whoami").await.json()["session"]["id"].as_str().unwrap().to_owned();
    let mut mallory = signed_in(http, "mallory").await;
    let own = mallory.get("/whoami").await.json()["session"]["id"].as_str().unwrap().to_owned();
    let before = stakes(&authority, "alice").await;
    let nobody = "AAAAAAAAAAAAAAAAAAAAAA";
    let rename = serde_json::json!({ "device": "mine now" });
    for body in [None, Some(rename)] {
        let method = if body.is_some() { Method::PATCH } else { Method::DELETE };
        let mut answers = Vec::new();
        for path in [nobody, &id, "x", "%00", "%ff", "..%2f..", "' OR 1=1 --", "AAAA"] {
            let path = format!("/sessions/{}", path.replace(' ', "%20"));
            let answer = mallory.send(method.clone(), &path, body.clone()).await;
            assert_eq!(answer.status, 404, "{path}");
            answers.push(shown(&answer));
        }
        assert!(answers.iter().all(|a| *a == answers[0]), "{answers:?}");
    }
    let csrf = mallory.jar["XSRF-TOKEN"].clone();
    for session in [nobody, id.as_str(), "x"] {
        let form = rescind_testkit::http::encode(&[("session", session), ("csrf", &csrf)]);
        let headers = [crate::support::FORM];
        let path = "/account/sessions/end";
        assert_eq!(mallory.send_raw(Method::POST, path, &headers, form).await.status, 404);
    }
    let seen = mallory.get("/sessions").await;
    assert!(!seen.text().contains(&id) && !seen.text().contains("alice"));
    assert!(!mallory.get("/account").await.text().contains(&id));

    // The id alone opens nothing, in whatever place.
    for value in [id.clone(), format!("rsc_rt_{id}")] {
        assert_eq!(http.get_as("/whoami", &value).await.status, 401);
        let cookie = format!("__Host-rescind={value}");
        assert_eq!(get_with(http, "/whoami", &[&cookie]).await.status, 401);
        assert_eq!(http.refresh(&value, None).await.json()["error"], "invalid_grant");
    }
    assert_eq!(stakes(&authority, "alice").await, before);
    let ended = mallory.send(Method::DELETE, &format!("/sessions/{own}"), None).await;
    assert_eq!(ended.status, 200, "one's own can be ended");
    assert_eq!(alice.get("/whoami").await.status, 200);
}

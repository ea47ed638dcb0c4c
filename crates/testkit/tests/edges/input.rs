//! Fields that hold what they should not, credentials where they do not belong, and the published keys.

use crate::support::{FORM, JSON, cookie_of, get_with, log, quick, signed_in, stakes};
use http::Method;
use rescind_testkit::http::Headers;
use rescind_testkit::server::{PASSWORD, TestAuthority};
use rescind_wire::{b64, sha256};
use serde_json::{Value, json};

// G02 L22
#[tokio::test(flavor = "multi_thread")]
async fn hostile_input_is_a_problem_and_none_of_it_is_shown_or_logged() {
    let authority = quick().await;
    authority.person("alice").await;
    let http = authority.http();
    let before = stakes(&authority, "alice").await;
    let mark = "hostile7mark31";
    let login = |name: &str, password: &str| {
        json!({ "username": name, "password": password, "carrier": "token" }).to_string()
    };
    let deep = format!("{}\"{mark}\"{}", "[".repeat(5000), "]".repeat(5000));
    let bodies = [
        login(&format!("{mark}\0"), "x"),
        login(&format!("{mark}\r\n{{\"event\":\"forged\"}}"), "x"),
        login(&format!("\u{1b}[31m{mark}"), "x"),
        login(&format!("{mark}\u{202e}"), "x"),
        login(mark, &format!("{mark}\0")),
        login(mark, ""),
        login("", mark),
        login(&mark.repeat(100), "x"),
        format!("{{\"username\":\"{mark}\""),
        format!("{{\"username\":\"{mark}\"}} trailing"),
        format!("{{\"username\":\"{mark}\",\"username\":\"alice\"}}"),
        format!("{{\"username\":\"\\ud800{mark}\",\"password\":\"x\",\"carrier\":\"token\"}}"),
        format!("{{\"username\":[\"{mark}\"],\"password\":\"x\",\"carrier\":\"token\"}}"),
        format!("{{\"username\":\"{mark}\",\"password\":{{\"$ne\":1}},\"carrier\":\"token\"}}"),
        format!("{{\"username\":\"{mark}\",\"password\":\"x\",\"carrier\":\"{mark}\"}}"),
        format!("{{\"username\":\"{mark}\",\"password\":\"x\"}}"),
        format!(
            "{{\"username\":\"{mark}\",\"password\":\"x\",\"carrier\":\"token\",\"device\":\"a\\nb\"}}"
        ),
        format!("\u{feff}{{\"username\":\"{mark}\"}}"),
        format!("\"{mark}\""),
        format!("[\"{mark}\"]"),
        deep,
        "null".into(),
        String::new(),
    ];
    for body in bodies {
        let answer = http.send(Method::POST, "/login", &[JSON], body.clone()).await;
        assert_eq!(answer.status, 400, "{body:.80}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert!(!answer.text().contains(mark), "{}", answer.text());
    }
    let invalid = [b"{\"username\":\"\xff\xfe".as_slice(), mark.as_bytes(), b"\"}"].concat();
    assert_eq!(http.send(Method::POST, "/login", &[JSON], invalid).await.status, 400);
    let answer = http.send(Method::POST, "/signin", &[FORM], format!("username=%ff{mark}")).await;
    assert_eq!(answer.status, 400);
    let token = format!("eyJhbGciOiJFUzI1NiIsImtpZCI6IicgT1IgMT0xIC0tIn0.{mark}.x");
    for (path, headers) in [
        ("/whoami", [("authorization", format!("Bearer {token}"))]),
        ("/whoami", [("authorization", format!("Bearer {mark} {mark}"))]),
        ("/whoami", [("cookie", format!("rescind-dev={mark}; rescind-dev={mark}"))]),
        ("/whoami", [("cookie", format!("a={}{mark}", "x".repeat(8192)))]),
        ("/v1/snapshot", [("authorization", format!("Basic {mark}"))]),
        ("/v1/feed?epoch=x", [("authorization", format!("Basic {}", b64::encode(mark)))]),
        ("/signin?next=a&next=hostile7mark31", [("accept", mark.into())]),
        ("/sessions/hostile7mark31", [("accept", mark.into())]),
        ("/hostile7mark31%ff%00", [("host", mark.into())]),
    ] {
        let headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let answer = http.get(path, &headers).await;
        assert!(answer.status.is_client_error(), "{path}: {}", answer.status);
        assert!(!answer.text().contains(mark), "{path}: {}", answer.text());
    }
    assert_eq!(log().events_with(mark), Vec::<Value>::new());
    assert_eq!(stakes(&authority, "alice").await, before);
    http.sign_in("alice", PASSWORD).await;
}

// A05
#[tokio::test(flavor = "multi_thread")]
async fn nobody_gives_themselves_what_no_field_is_for() {
    let authority = quick().await;
    let sub = authority.person("alice").await;
    authority.person("bob").await;
    let http = authority.http();
    let mut browser = signed_in(&http, "alice").await;
    let id = browser.get("/whoami").await.json()["session"]["id"].as_str().unwrap().to_owned();
    let before = stakes(&authority, "alice").await;
    let privileged = [
        ("role", json!("admin")),
        ("roles", json!(["admin"])),
        ("sub", json!("x")),
        ("disabled", json!(false)),
        ("state", json!("active")),
        ("scope", json!("admin")),
        ("auth_time", json!(9)),
        ("amr", json!(["hwk"])),
        ("rv", json!(u64::MAX)),
        ("sid", json!(id)),
        ("expires_at", json!(u64::MAX)),
        ("__proto__", json!({})),
        ("Username", json!("bob")),
        ("password_hash", json!("x")),
        ("access_life", json!(999_999)),
    ];
    for (name, value) in &privileged {
        let login = json!({ "username": "alice", "password": PASSWORD, "carrier": "cookie" });
        let ask = json!({ "audience": "posts-api" });
        let rename = json!({ "device": "new name" });
        for (method, path, mut body) in [
            (Method::POST, "/login".to_owned(), login),
            (Method::POST, "/session/token".into(), ask),
            (Method::PATCH, format!("/sessions/{id}"), rename),
            (Method::POST, "/reauthenticate".into(), json!({ "password": PASSWORD })),
            (
                Method::POST,
                "/password".into(),
                json!({ "current_password": PASSWORD, "new_password": PASSWORD }),
            ),
        ] {
            body[*name] = value.clone();
            let answer = browser.send(method, &path, Some(body)).await;
            assert_eq!(answer.status, 400, "{path} {name}");
        }
    }
    assert_eq!(stakes(&authority, "alice").await, before);

    // OAuth says that unknown parameters are ignored (RFC 6749 §3.2): they change nothing.
    let tokens = http.sign_in("alice", PASSWORD).await;
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
        ("roles", "admin"),
        ("sub", "x"),
        ("expires_in", "999999"),
    ];
    let answer = http.post_form("/token", &form, &[]).await.json();
    assert_eq!(answer["expires_in"], 300);
    let verifier = authority.verifier().await;
    let principal = verifier.check(answer["access_token"].as_str().unwrap()).unwrap();
    assert_eq!((principal.subject(), principal.roles()), (sub, &["author".to_owned()][..]));
}

/// Requests with a credential that is good in itself, in a place or form that is not.
async fn assert_refused(authority: &TestAuthority, path: &str, headers: Headers<'_>, status: u16) {
    let answer = authority.http().get(path, headers).await;
    assert_eq!(answer.status.as_u16(), status, "{path} {headers:?}");
    assert!(!answer.text().contains("alice"), "{path}");
}

// H03
#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_the_address_is_refused_and_the_address_not_logged() {
    let authority = quick().await;
    authority.person("alice").await;
    let http = authority.http();
    let tokens = http.sign_in("alice", PASSWORD).await;
    let token = tokens["refresh_token"].as_str().unwrap();
    let access = tokens["access_token"].as_str().unwrap();
    let header = format!("Bearer {token}");
    let before = stakes(&authority, "alice").await;
    for name in [
        "access_token",
        "refresh_token",
        "password",
        "ACCESS_TOKEN",
        "access%5Ftoken",
        "%61ccess_token",
        "a=b&access_token",
        "a=b;access_token",
    ] {
        for value in [token, access] {
            let path = format!("/whoami?{name}={value}");
            assert_refused(&authority, &path, &[], 400).await;
            assert_refused(&authority, &path, &[("authorization", &header)], 400).await;
            let path = path.replace("/whoami", "/logout");
            let answer = http.send(Method::POST, &path, &[("authorization", &header)], "").await;
            assert_eq!((answer.status.as_u16(), answer.text().contains(value)), (400, false));
        }
    }
    let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
    let answer = http.post_form(&format!("/token?refresh_token={token}"), &form, &[]).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (400, &json!("invalid_request")));
    assert_eq!(stakes(&authority, "alice").await, before);

    let planted = "address5mark17";
    for path in ["/whoami", "/nowhere", "/signin", "/sessions/x"] {
        for way in
            [format!("?q={planted}"), format!("/{planted}"), format!("?access_token={planted}")]
        {
            http.get(&format!("{path}{way}"), &[]).await;
        }
    }
    for secret in [planted, &token[40..], &access[access.len() - 40..]] {
        assert_eq!(log().events_with(secret), Vec::<Value>::new());
    }
    assert_eq!(http.get_as("/whoami", token).await.status, 200);
}

// H04
#[tokio::test(flavor = "multi_thread")]
async fn more_than_one_credential_is_a_bad_request() {
    let authority = quick().await;
    authority.person("alice").await;
    let http = authority.http();
    let tokens = http.sign_in("alice", PASSWORD).await;
    let token = tokens["refresh_token"].as_str().unwrap();
    let bearer = format!("Bearer {token}");
    let cookie = format!("rescind-dev={}", cookie_of(&http, "alice", "rescind-dev").await);
    let before = stakes(&authority, "alice").await;
    let twice = format!("{bearer}, {bearer}");
    let mixed = format!("Basic eDp5, {bearer}");
    let authorization = |value| ("authorization", value);
    for headers in [
        vec![authorization(bearer.as_str()), authorization(&bearer)],
        vec![authorization("Basic eDp5"), authorization(&bearer)],
        vec![authorization(&bearer), authorization("")],
        vec![authorization(&twice)],
        vec![authorization(&mixed)],
        vec![authorization(&bearer), ("cookie", &cookie)],
    ] {
        for path in ["/whoami", "/sessions"] {
            assert_refused(&authority, path, &headers, 400).await;
        }
        let answer = http.send(Method::POST, "/logout", &headers, "").await;
        assert_eq!(answer.status, 400, "{headers:?}");
    }
    let two = [authorization("Basic eDp5"), authorization("Basic eDp5")];
    assert_refused(&authority, "/v1/snapshot", &two, 400).await;
    let form = [("access_token", token)];
    for path in ["/account/logout", "/token"] {
        let answer = http.post_form(path, &form, &[authorization(&bearer)]).await;
        assert_eq!(answer.status, 400, "{path}");
    }
    assert_eq!(stakes(&authority, "alice").await, before);
    assert_eq!(http.get_as("/whoami", token).await.status, 200);
    assert_eq!(get_with(&http, "/whoami", &[&cookie]).await.status, 200);
}

// H05
#[tokio::test(flavor = "multi_thread")]
async fn the_bearer_header_has_one_form_whatever_the_case_of_its_scheme() {
    let authority = quick().await;
    authority.person("alice").await;
    let tokens = authority.http().sign_in("alice", PASSWORD).await;
    let t = tokens["refresh_token"].as_str().unwrap();
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        let header = format!("{scheme} {t}");
        let answer = authority.http().get("/whoami", &[("authorization", &header)]).await;
        assert_eq!(answer.status, 200, "{scheme}");
    }
    for (status, header) in [
        (400, "Bearer".to_owned()),
        (400, format!("Bearer  {t}")),
        (400, format!("Bearer\t{t}")),
        (400, format!("Bearer {t} x")),
        (400, format!("Bearer {t},")),
        (400, format!("Bearer \"{t}\"")),
        (400, format!("Bearer token={t}, a=\"b\"")),
        (400, format!("Bearer:{t}")),
        (400, format!("Bearer{t}")),
        (400, format!("Token {t}")),
        (400, format!("Basic {t}")),
        (400, t.to_owned()),
        (400, format!("Bearer {t}\u{e9}")),
        (401, format!("Bearer {t}=")),
        (401, format!("Bearer {}", &t[7..])),
        (401, format!("Bearer {}", t.to_ascii_uppercase())),
    ] {
        assert_refused(&authority, "/whoami", &[("authorization", &header)], status).await;
    }
}

async fn published(authority: &TestAuthority) -> Vec<Value> {
    let answer = authority.http().get("/.well-known/jwks.json", &[]).await;
    assert_eq!(answer.header("content-type"), "application/jwk-set+json");
    let set = answer.json();
    assert_eq!(set.as_object().unwrap().keys().collect::<Vec<_>>(), ["keys"]);
    set["keys"].as_array().unwrap().clone()
}

// K01 K02
#[tokio::test(flavor = "multi_thread")]
async fn the_published_keys_are_public_and_named_by_what_they_are() {
    let authority = quick().await;
    let keys = published(&authority).await;
    assert_eq!(keys.len(), 2, "the one in use and the next");
    assert_ne!(keys[0]["kid"], keys[1]["kid"]);
    for key in &keys {
        let members: Vec<&String> = key.as_object().unwrap().keys().collect();
        assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
        let part = |name: &str| key[name].as_str().unwrap();
        assert_eq!(
            (part("kty"), part("crv"), part("alg"), part("use")),
            ("EC", "P-256", "ES256", "sig")
        );
        // The id is a function of the key (RFC 7638), so it cannot name another one.
        let required =
            format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, part("x"), part("y"));
        assert_eq!(part("kid"), b64::encode(sha256(&[required.as_bytes()])));
    }

    let path = "/.well-known/oauth-authorization-server";
    let metadata = authority.http().get(path, &[]).await.json();
    let feed = metadata["rescind_feed_keys"]["keys"].as_array().unwrap();
    let members: Vec<&String> = feed[0].as_object().unwrap().keys().collect();
    assert_eq!(feed.len(), 2);
    assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"]);
    assert_ne!(feed[0]["kid"], keys[0]["kid"]);
    let every = metadata.to_string() + &json!(keys).to_string();
    for secret in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        assert!(!every.contains(&format!("\"{secret}\":")), "{secret}");
    }

    // The same keys after a restart; another realm has other ones.
    let other = quick().await;
    assert_ne!(published(&other).await[0]["kid"], keys[0]["kid"]);
    let authority = authority.restart().await;
    assert_eq!(published(&authority).await, keys);
}

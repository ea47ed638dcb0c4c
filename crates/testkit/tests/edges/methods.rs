//! Methods and content types: what reads changes nothing, and nothing else passes for JSON or for
//! another method.

use crate::support::{CHANGES, FORM, HERE, JSON, ROUTES, Stage, quick, signed_in, stakes};
use http::Method;
use rescind_testkit::server::PASSWORD;
use serde_json::json;

// X07
#[tokio::test(flavor = "multi_thread")]
async fn reading_methods_change_nothing() {
    let authority = quick().await;
    authority.person("alice").await;
    let stage = Stage::of(&authority, "alice", Method::POST, "/logout").await;
    let before = stakes(&authority, "alice").await;
    let headers = [("cookie", stage.cookie.as_str()), HERE[0], ("x-xsrf-token", &stage.csrf)];
    let more = ["/sessions/{id}?_method=DELETE", "/revoke", "/account/sessions/end?session={id}"];
    for path in ROUTES.map(|(_, path)| path).into_iter().chain(more) {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            let path = path.replace("AAAAAAAAAAAAAAAAAAAAAA", "{id}").replace("{id}", &stage.other);
            let answer = authority.http().send(method.clone(), &path, &headers, "").await;
            let gone = answer.set_cookies().iter().any(|line| line.contains("Max-Age=0"));
            assert!(!gone, "{method} {path}");
            assert_eq!(stakes(&authority, "alice").await, before, "{method} {path}");
        }
    }
    for (method, path, _) in
        CHANGES.into_iter().filter(|(m, p, _)| m == Method::POST || p.contains('{'))
    {
        let path = path.replace("{id}", &stage.other);
        let answer = authority.http().get(&path, &headers).await;
        assert_eq!(answer.status, 405, "GET for {method} {path}");
        assert!(answer.header("allow").contains(method.as_str()));
    }
    assert_eq!(stage.send(HERE, Some(&stage.csrf)).await.status, 204);
}

// X08 X09
#[tokio::test(flavor = "multi_thread")]
async fn json_routes_take_json_only() {
    let authority = quick().await;
    authority.person("alice").await;
    let http = authority.http();
    let login = json!({ "username": "alice", "password": PASSWORD, "carrier": "token" });
    let (patch, token) = (json!({ "device": "evil" }), json!({ "audience": "posts-api" }));
    let stage = Stage::of(&authority, "alice", Method::POST, "/logout").await;
    let id = format!("/sessions/{}", stage.other);
    let credentials = [("cookie", stage.cookie.as_str()), ("x-xsrf-token", &stage.csrf), HERE[0]];
    let routes = [
        (Method::PATCH, id.as_str(), patch),
        (Method::POST, "/session/token", token),
        (Method::POST, "/reauthenticate", json!({ "password": PASSWORD })),
        // Last: a sign-in ends the session whose cookie it carries.
        (Method::POST, "/login", login),
    ];
    for (method, path, body) in routes {
        let before = stakes(&authority, "alice").await;
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "",
            "text/plain; a=application/json",
            "application/jsonx",
            "text/json",
            "json",
            "application/json, text/plain",
            "application/problem+json",
            "*/*",
        ] {
            let headers = [&credentials[..], &[("content-type", kind)]].concat();
            let answer = http.send(method.clone(), path, &headers, body.to_string());
            assert_eq!(answer.await.status, 415, "{method} {path} {kind:?}");
        }
        let none = http.send(method.clone(), path, &credentials, body.to_string()).await;
        assert_eq!(none.status, 415, "{method} {path} without a type");
        let twice = [&credentials[..], &[("content-type", "text/plain"), JSON]].concat();
        let twice = http.send(method.clone(), path, &twice, body.to_string()).await;
        assert_eq!(twice.status, 415, "{method} {path} with two types");
        let twice = [&credentials[..], &[JSON, ("content-type", "text/plain")]].concat();
        let twice = http.send(method.clone(), path, &twice, body.to_string()).await;
        assert_eq!(twice.status, 415, "{method} {path} with two types");
        // JSON that a form can be made to send: a field's name opens the object, its value ends it.
        let trick = format!("{}={}", &body.to_string()[..3], &body.to_string()[3..]);
        let headers = [&credentials[..], &[FORM]].concat();
        let answer = http.send(method.clone(), path, &headers, trick).await;
        assert_eq!(answer.status, 415, "{method} {path}");
        assert_eq!(stakes(&authority, "alice").await, before, "{method} {path}");
        let kind =
            [&credentials[..], &[("content-type", "Application/JSON; charset=utf-8")]].concat();
        let honest = http.send(method.clone(), path, &kind, body.to_string()).await;
        assert!(honest.status.is_success(), "{method} {path}: {}", honest.text());
    }
}

// X09
#[tokio::test(flavor = "multi_thread")]
async fn nothing_in_a_request_overrides_its_method() {
    let authority = quick().await;
    authority.person("alice").await;
    let stage = Stage::of(&authority, "alice", Method::POST, "/logout").await;
    let id = format!("/sessions/{}", stage.other);
    let before = stakes(&authority, "alice").await;
    let http = authority.http();
    for header in ["x-http-method-override", "x-http-method", "x-method-override", "_method"] {
        for method in ["DELETE", "POST", "PATCH"] {
            let headers = [
                ("cookie", stage.cookie.as_str()),
                ("x-xsrf-token", &stage.csrf),
                HERE[0],
                (header, method),
            ];
            assert_eq!(http.get("/sessions", &headers).await.status, 200);
            assert_eq!(http.get(&id, &headers).await.status, 405);
            let query = format!("/sessions?_method={method}&method={method}");
            assert_eq!(http.get(&query, &headers).await.status, 200);
            let form = [&headers[..3], &[FORM]].concat();
            let body = format!("_method={method}&csrf={}", stage.csrf);
            for path in ["/sessions", id.as_str(), "/whoami"] {
                let answer = http.send(Method::POST, path, &form, body.clone()).await;
                assert_eq!(answer.status, 405, "{path}");
            }
        }
    }
    assert_eq!(stakes(&authority, "alice").await, before);
}

// H08
#[tokio::test(flavor = "multi_thread")]
async fn methods_that_a_path_does_not_take_are_405() {
    let authority = quick().await;
    authority.person("alice").await;
    let http = authority.http();
    let browser = signed_in(&http, "alice").await;
    let cookie = format!("rescind-dev={}", browser.session_cookie());
    let before = stakes(&authority, "alice").await;
    for (method, path) in ROUTES {
        for other in
            ["TRACE", "TRACK", "CONNECT", "PROPFIND", "PUT", "PRI", "X", "get", "Post", "!"]
        {
            let raw = format!(
                "{other} {path} HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\nX-Secret: echo\r\n\
                 Connection: close\r\n\r\n"
            );
            let answer = http.raw(raw.as_bytes()).await;
            assert!(
                answer.starts_with("HTTP/1.1 405 ") || other == "CONNECT",
                "{other} {path}: {answer}"
            );
            assert!(other != "CONNECT" || answer.starts_with("HTTP/1.1 4"), "{answer}");
            assert!(!answer.contains("echo"), "{answer}");
            let allow = answer.lines().find(|l| l.to_ascii_lowercase().starts_with("allow:"));
            assert!(other == "CONNECT" || allow.unwrap().contains(method.as_str()), "{answer}");
        }
    }
    assert_eq!(stakes(&authority, "alice").await, before);
}

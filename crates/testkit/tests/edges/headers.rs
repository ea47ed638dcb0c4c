//! What every answer tells the browser: its type, not to sniff, not to frame, not to keep, not to share.

use crate::support::{Door, FORM, JSON, ROUTES, behind_tls, quick, quick_with, signed_in};
use http::{HeaderName, Method};
use rescind_testkit::http::{Answer, Headers};
use rescind_testkit::server::PASSWORD;
use serde_json::json;

/// Answers of every kind from every route: with and without credentials, of every method, good and bad.
async fn tour(door: &Door) -> Vec<(String, Answer)> {
    let http = &door.http;
    let mut seen = Vec::new();
    let mut methods: Vec<Method> =
        vec![Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::TRACE];
    methods.extend([Method::POST, Method::PATCH, Method::DELETE]);
    methods.push(Method::from_bytes(b"PROPFIND").unwrap());
    let nowhere = ["/nowhere", "/admin/users", "/metrics", "/whoami/", "//whoami", "/assets/"];
    for path in ROUTES.map(|(_, path)| path).into_iter().chain(nowhere) {
        for method in &methods {
            for headers in [&[][..], &[JSON], &[FORM]] {
                let answer = http.send(method.clone(), path, headers, "").await;
                seen.push((format!("{method} {path} {headers:?}"), answer));
            }
        }
    }
    let mut browser = signed_in(http, "alice").await;
    let pages = ["/account", "/", "/signin", "/signin?next=a&next=b", "/demo", "/assets/demo.js"];
    for path in ["/whoami", "/sessions"].into_iter().chain(pages) {
        seen.push((format!("signed in, {path}"), browser.get(path).await));
    }
    let ask = json!({ "audience": "posts-api" });
    seen.push(("a token".into(), browser.send(Method::POST, "/session/token", Some(ask)).await));
    let tokens = json!({ "username": "alice", "password": PASSWORD, "carrier": "token" });
    seen.push(("tokens".into(), http.post_json("/login", &tokens).await));
    let refresh = seen.last().unwrap().1.json()["refresh_token"].as_str().unwrap().to_owned();
    seen.push(("a refresh".into(), http.refresh(&refresh, None).await));
    let huge = "x".repeat(1024 * 1024);
    seen.push(("413".into(), http.send(Method::POST, "/login", &[JSON], huge).await));
    let flood = "a=1; ".repeat(60);
    seen.push(("431".into(), http.get("/whoami", &[("cookie", &flood)]).await));
    seen.push(("in the URL".into(), http.get("/whoami?access_token=x", &[]).await));
    seen.push(("signed out".into(), browser.post("/logout").await));
    seen
}

// C13 E06 X12
#[tokio::test(flavor = "multi_thread")]
async fn every_answer_states_its_type_and_forbids_to_sniff_frame_and_keep() {
    let (authority, door) = behind_tls().await;
    authority.person("alice").await;
    let seen = tour(&door).await;
    let statuses: std::collections::BTreeSet<u16> =
        seen.iter().map(|(_, a)| a.status.as_u16()).collect();
    for status in [200, 204, 303, 400, 401, 403, 404, 405, 413, 415, 431] {
        assert!(statuses.contains(&status), "the tour meets {status}: {statuses:?}");
    }
    for (what, answer) in &seen {
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{what}");
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'"), "{what}: {policy}");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{what}");
        assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin", "{what}");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin", "{what}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{what}");
        assert!(answer.header("strict-transport-security").contains("max-age=31536000"), "{what}");
        assert_eq!(answer.header("server"), "", "{what}");
        let kind = answer.header("content-type");
        if !answer.body.is_empty() {
            assert!(!kind.is_empty(), "{what}");
        }
        if kind.starts_with("text/") {
            assert!(kind.ends_with("; charset=utf-8"), "{what}: {kind}");
        }
        // Only what everybody may see may be kept.
        if answer.header("cache-control") != "no-store" {
            assert!(answer.header("cache-control").starts_with("public, max-age="), "{what}");
            assert!(["/.well-known/", "/assets/"].iter().any(|p| what.contains(p)), "{what}");
            assert!(answer.set_cookies().is_empty(), "{what}");
        }
        if answer.status.is_client_error() && !kind.starts_with("text/html") {
            let form = ["application/problem+json", "application/json"];
            assert!(form.contains(&kind), "{what}: {kind} {}", answer.text());
        }
    }
}

// E06 X10 X12
#[test]
fn the_tours_of_these_tests_take_every_route() {
    let tables = [
        include_str!("../../../server/src/http/mod.rs"),
        include_str!("../../../server/src/http/pages.rs"),
    ];
    let mut routes: Vec<&str> = tables
        .iter()
        .flat_map(|table| table.split(".route(\"").skip(1))
        .map(|rest| rest.split('"').next().unwrap())
        // The demo's page is served only where a demo was asked for; the others are nobody's in
        // particular.
        .filter(|path| !["/demo", "/healthz", "/readyz", "/metrics"].contains(path))
        .collect();
    routes.push(rescind_server::pages::STYLE_PATH);
    assert!(routes.len() > 20);
    for route in routes {
        let concrete = route.replace("{id}", "AAAAAAAAAAAAAAAAAAAAAA");
        assert!(ROUTES.iter().any(|(_, path)| *path == concrete), "{route} is not in ROUTES");
    }
}

// X10
#[tokio::test(flavor = "multi_thread")]
async fn no_other_origin_may_read_an_answer() {
    let authority = quick().await;
    authority.person("alice").await;
    let http = authority.http();
    let browser = signed_in(&http, "alice").await;
    let cookie = format!("rescind-dev={}", browser.session_cookie());
    let here = authority.issuer();
    let origins = [
        "https://evil.example".to_owned(),
        "null".into(),
        "*".into(),
        format!("{here}.evil.example"),
        format!("{here}1"),
        here.replace("http://", "http://evil"),
        here.replace("http://", "https://"),
        here.replace("127.0.0.1", "localhost"),
        here.to_uppercase(),
        here.to_owned(),
    ];
    for origin in &origins {
        for (method, path) in ROUTES {
            let own: Headers = &[("origin", origin), ("cookie", &cookie)];
            let preflight: Headers = &[
                ("origin", origin),
                ("access-control-request-method", method.as_str()),
                ("access-control-request-headers", "authorization,x-xsrf-token,content-type"),
                ("access-control-request-private-network", "true"),
            ];
            let answers = [
                http.send(method.clone(), path, own, "").await,
                http.send(Method::OPTIONS, path, preflight, "").await,
                http.send(method, "/nowhere", own, "").await,
            ];
            for answer in &answers {
                let shares = |name: &&HeaderName| name.as_str().starts_with("access-control-");
                assert_eq!(answer.headers.keys().find(shares), None, "{origin} {path}");
            }
            assert_eq!(answers[1].status, 405, "no preflight is granted: {path}");
        }
    }
    assert_eq!(http.get("/whoami", &[("cookie", &cookie)]).await.status, 200);
}

// H09
#[tokio::test(flavor = "multi_thread")]
async fn a_request_for_another_host_is_refused_and_changes_nothing() {
    let authority = quick().await;
    authority.person("alice").await;
    let http = authority.http();
    let own = http.address().to_owned();
    let body =
        json!({ "username": "alice", "password": PASSWORD, "carrier": "cookie" }).to_string();
    let ask = async |path: &str, host: &str| {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        http.raw(request.as_bytes()).await
    };
    let (_, port) = own.rsplit_once(':').unwrap();
    for other in ["evil.example", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.", &format!("a@{own}"), ""]
    {
        let said = ask("/login", other).await;
        assert!(
            said.starts_with("HTTP/1.1 400") && !said.contains("set-cookie"),
            "{other}: {said}"
        );
        let said = ask(&format!("http://evil.example:{port}/login"), &own).await;
        assert!(said.starts_with("HTTP/1.1 400"), "the URL of the request line: {said}");
    }
    assert!(ask("/login", &own).await.starts_with("HTTP/1.1 200"));
    // Probes of a balancer know an address and no name.
    let probe = http
        .raw(b"GET /healthz HTTP/1.1\r\nhost: 10.0.0.7:4000\r\nconnection: close\r\n\r\n")
        .await;
    assert!(probe.starts_with("HTTP/1.1 200"), "{probe}");
}

// H09
#[tokio::test(flavor = "multi_thread")]
async fn further_hosts_are_those_that_are_configured() {
    let authority = quick_with(|config| config.hosts = vec!["auth.internal".to_owned()]).await;
    let ask =
        "GET /.well-known/jwks.json HTTP/1.1\r\nhost: AUTH.internal\r\nconnection: close\r\n\r\n";
    let said = authority.http().raw(ask.as_bytes()).await;
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
}

//! Where a request begins and ends: odd request lines, tricks with chunks, pipelines, headers without
//! number, bodies that no route takes.

use crate::hostile::{answers, drip, hidden, impatient, within};
use crate::support::{FORM, HERE, JSON, quick, signed_in, stakes};
use http::Method;

// H06
#[tokio::test(flavor = "multi_thread")]
async fn a_request_line_has_one_form_and_no_request_follows_another() {
    let authority = quick().await;
    authority.person("alice").await;
    let http = authority.http();
    let browser = signed_in(&http, "alice").await;
    let cookie = format!("rescind-dev={}", browser.session_cookie());
    let hidden = hidden(&cookie, &browser.jar["XSRF-TOKEN"]);
    let before = stakes(&authority, "alice").await;
    for line in [
        "GET /",
        "GET  /whoami HTTP/1.1",
        "GET /whoami  HTTP/1.1",
        "GET\t/whoami\tHTTP/1.1",
        " GET /whoami HTTP/1.1",
        "GET /who ami HTTP/1.1",
        "GET /whoami HTTP/1.1 ",
        "GET /whoami HTTP/1.2",
        "GET /whoami HTTP/2.0",
        "GET /whoami HTTP/1.1x",
        "GET /whoami http/1.1",
        "GET /whoami",
        "GET HTTP/1.1",
        "G(T /whoami HTTP/1.1",
        "G\0T /whoami HTTP/1.1",
        "GET /who\0ami HTTP/1.1",
        "GET /whoami\rX: HTTP/1.1",
        "GET /who\\ami<>\" HTTP/1.1",
        "\u{feff}GET /whoami HTTP/1.1",
        "",
    ] {
        let raw = format!("{line}\r\nHost: a\r\nCookie: {cookie}\r\n\r\n{hidden}");
        let answer = within(http.raw(raw.as_bytes())).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{line:?}: {answer}");
        assert_eq!(answers(&answer), 1, "{line:?}: {answer}");
        assert_eq!(stakes(&authority, "alice").await, before, "{line:?}");
    }
}

// H06
#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_names_another_host_changes_nothing_of_the_answer() {
    let authority = quick().await;
    let http = authority.http();
    let metadata = "/.well-known/oauth-authorization-server";
    let plain = http.get(metadata, &[]).await;
    for target in [format!("http://evil.example{metadata}"), format!("//evil.example{metadata}")] {
        let raw = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let answer = within(http.raw(raw.as_bytes())).await;
        assert_eq!(answers(&answer), 1, "{answer}");
        assert!(!answer.contains("evil"), "{answer}");
        assert!(answer.ends_with(&plain.text()) || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
}

// H06
#[tokio::test(flavor = "multi_thread")]
async fn a_bare_line_feed_ends_a_line_and_hides_nothing() {
    let authority = quick().await;
    authority.person("alice").await;
    let http = authority.http();
    let browser = signed_in(&http, "alice").await;
    let cookie = format!("rescind-dev={}", browser.session_cookie());
    let hidden = hidden(&cookie, &browser.jar["XSRF-TOKEN"]);
    let before = stakes(&authority, "alice").await;
    // RFC 9112 §2.2 lets a server read it so; what stands behind it then counts like any other line.
    let length = format!("Content-Length: {}\r\n", hidden.len());
    for (head, status) in [
        (format!("X-A: b\n{length}"), "401"),
        (format!("Content-Length: 0\n{length}"), "400"),
        ("X-A: b\nTransfer-Encoding: xchunked\r\n".into(), "400"),
        ("X-A: b\n X-B: c\r\n".into(), "400"),
        ("X-A: b\nHost: c\r\n".into(), "400"),
    ] {
        let raw =
            format!("GET /whoami HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{head}\r\n{hidden}");
        let answer = within(http.raw(raw.as_bytes())).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{head:?}: {answer}");
        assert_eq!(answers(&answer), 1, "{head:?}: {answer}");
        assert_eq!(stakes(&authority, "alice").await, before, "{head:?}");
    }
}

// H06
#[tokio::test(flavor = "multi_thread")]
async fn however_chunks_are_written_no_second_request_comes_out_of_them() {
    let authority = quick().await;
    authority.person("alice").await;
    let http = authority.http();
    let browser = signed_in(&http, "alice").await;
    let cookie = format!("rescind-dev={}", browser.session_cookie());
    let hidden = hidden(&cookie, &browser.jar["XSRF-TOKEN"]);
    let before = stakes(&authority, "alice").await;
    for (chunks, refused) in [
        ("0x2\r\n{}\r\n0\r\n\r\n", true),
        ("+2\r\n{}\r\n0\r\n\r\n", true),
        (" 2\r\n{}\r\n0\r\n\r\n", true),
        ("2_\r\n{}\r\n0\r\n\r\n", true),
        ("\u{ff12}\r\n{}\r\n0\r\n\r\n", true),
        ("10000000000000002\r\n{}\r\n0\r\n\r\n", true),
        ("2\n{}\n0\n\n", true),
        ("2\r{}\r\n0\r\n\r\n", true),
        ("2\r\n{}0\r\n\r\n", true),
        ("2\r\n{}\n0\r\n\r\n", true),
        ("2;a=b\n\r\n{}\r\n0\r\n\r\n", true),
        ("2;\r\n{}\r\n0\r\n\r\n", false),
        ("2;a=\"\r\n{}\r\n0\r\n\r\n", false),
        ("2 \t\r\n{}\r\n0\r\n\r\n", false),
        ("000000000000002\r\n{}\r\n00\r\n\r\n", false),
        ("2\r\n{}\r\n0\r\nContent-Length: 9999\r\nHost: b\r\n\r\n", false),
        ("2\r\n{}\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", false),
    ] {
        let raw = format!(
            "POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
             Transfer-Encoding: chunked\r\n\r\n{chunks}{hidden}"
        );
        let answer = within(http.raw(raw.as_bytes())).await;
        // The body `{}` lacks its members: whoever reads it says so, with the same status.
        assert!(answer.starts_with("HTTP/1.1 400 "), "{chunks:?}: {answer}");
        assert_eq!(answer.contains("ended early"), refused, "{chunks:?}: {answer}");
        assert_eq!(answers(&answer), 1, "{chunks:?}: {answer}");
        assert_eq!(stakes(&authority, "alice").await, before, "{chunks:?}");
    }
}

// H06
#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_gets_an_answer_for_each_request_until_one_is_bad() {
    let http = quick().await;
    let http = http.http();
    let good = "GET /.well-known/jwks.json HTTP/1.1\r\nHost: a\r\n\r\n";
    let last = "GET /whoami HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = within(http.raw(format!("{}{last}{good}", good.repeat(50)).as_bytes())).await;
    assert_eq!(answers(&answer), 51, "nothing is answered after the last one");
    assert_eq!(answer.matches("HTTP/1.1 200 ").count(), 50);
    let bad = "GET /.well-known/jwks.json HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n";
    let answer = within(http.raw(format!("{good}{good}{bad}{good}").as_bytes())).await;
    assert_eq!(answers(&answer), 3, "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 400 ").count(), 1);
}

// H08
#[tokio::test(flavor = "multi_thread")]
async fn headers_without_number_are_answered_with_431() {
    let authority = quick().await;
    let http = authority.http();
    for many in [200, 2000] {
        let headers: String = (0..many).map(|n| format!("a{n}: b\r\n")).collect();
        let raw = format!("GET /.well-known/jwks.json HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
        let answer = within(http.raw(raw.as_bytes())).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{many}: {answer}");
        assert_eq!(answers(&answer), 1);
    }
}

// H08
#[tokio::test(flavor = "multi_thread")]
async fn a_second_request_and_a_chunked_body_have_the_same_deadlines() {
    let authority = quick().await;
    let door = impatient(&authority).await;
    let first = "GET /.well-known/jwks.json HTTP/1.1\r\nHost: a\r\n\r\n";
    let second = format!("{first}GET /.well-known/jwks.json HTTP/1.1\r\nX: ");
    let answer = within(drip(&door.address, &second, b'x')).await;
    assert_eq!(answer.matches("HTTP/1.1 200 ").count(), 1, "{answer}");
    for start in ["", "2;a=", "fff\r\n"] {
        let head = "POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
                    Transfer-Encoding: chunked\r\n\r\n";
        let answer = within(drip(&door.address, &format!("{head}{start}"), b'0')).await;
        let cut = answer.starts_with("HTTP/1.1 408 ") || answer.starts_with("HTTP/1.1 400 ");
        assert!(cut, "{start:?}: {answer}");
        assert_eq!(answers(&answer), 1, "{answer}");
    }
}

// H08
#[tokio::test(flavor = "multi_thread")]
async fn every_route_that_reads_a_body_refuses_one_over_16_kib() {
    let authority = quick().await;
    authority.person("alice").await;
    let http = authority.http();
    let browser = signed_in(&http, "alice").await;
    let cookie = format!("rescind-dev={}", browser.session_cookie());
    let csrf = browser.jar["XSRF-TOKEN"].as_str();
    let before = stakes(&authority, "alice").await;
    let basic = rescind_testkit::http::basic("posts-api", &authority.secret);
    for (method, path, kind) in [
        (Method::POST, "/login", JSON),
        (Method::POST, "/reauthenticate", JSON),
        (Method::POST, "/password", JSON),
        (Method::POST, "/session/token", JSON),
        (Method::PATCH, "/sessions/AAAAAAAAAAAAAAAAAAAAAA", JSON),
        (Method::POST, "/v1/head", JSON),
        (Method::POST, "/token", FORM),
        (Method::POST, "/revoke", FORM),
        (Method::POST, "/introspect", FORM),
        (Method::POST, "/signin", FORM),
        (Method::POST, "/account/logout", FORM),
        (Method::POST, "/account/logout-everywhere", FORM),
        (Method::POST, "/account/sessions/end", FORM),
        (Method::POST, "/account/sessions/end-others", FORM),
    ] {
        let mut headers = vec![kind, ("cookie", cookie.as_str()), ("x-xsrf-token", csrf), HERE[0]];
        if ["/v1/head", "/introspect"].contains(&path) {
            headers = vec![kind, ("authorization", basic.as_str())];
        }
        for (size, large) in [(16 * 1024, false), (16 * 1024 + 1, true)] {
            let answer = http.send(method.clone(), path, &headers, " ".repeat(size)).await;
            assert!(answer.status.is_client_error(), "{path} with {size}: {}", answer.text());
            assert_eq!(answer.status == 413, large, "{path} with {size}: {}", answer.text());
        }
    }
    assert_eq!(stakes(&authority, "alice").await, before);
}

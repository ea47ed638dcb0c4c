//! Requests that are no honest HTTP: two framings in one, slow, endless, in methods nobody knows.

use crate::support::{Door, cookie_of, get_with, quick, signed_in, stakes};
use http::Method;
use rescind_server::serve::Limits;
use rescind_testkit::server::operator;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How many answers these bytes hold. Bodies here are JSON and never hold such a line.
pub(crate) fn answers(text: &str) -> usize {
    text.matches("HTTP/1.1 ").count()
}

/// What an attacker hides behind a first request, to be taken for a second one.
pub(crate) fn hidden(cookie: &str, csrf: &str) -> String {
    format!(
        "POST /logout/everywhere HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\nX-XSRF-TOKEN: {csrf}\r\n\
         Sec-Fetch-Site: same-origin\r\nContent-Length: 0\r\n\r\n"
    )
}

// H06
#[tokio::test(flavor = "multi_thread")]
async fn ambiguous_framing_is_refused_and_never_a_second_request() {
    let authority = quick().await;
    authority.person("alice").await;
    let http = authority.http();
    let browser = signed_in(&http, "alice").await;
    let cookie = format!("rescind-dev={}", browser.session_cookie());
    let hidden = hidden(&cookie, &browser.jar["XSRF-TOKEN"]);
    let length = hidden.len();
    let before = stakes(&authority, "alice").await;
    for (what, head) in [
        ("two lengths", format!("Content-Length: 0\r\nContent-Length: {length}\r\n")),
        ("two lengths in one", format!("Content-Length: 0, {length}\r\n")),
        ("a signed length", "Content-Length: +0\r\n".into()),
        ("a negative length", "Content-Length: -1\r\n".into()),
        ("a length in hex", "Content-Length: 0x0\r\n".into()),
        ("an empty length", "Content-Length: \r\n".into()),
        ("an endless length", "Content-Length: 99999999999999999999\r\n".into()),
        ("xchunked", "Transfer-Encoding: xchunked\r\n".into()),
        ("identity", "Transfer-Encoding: identity\r\nContent-Length: 0\r\n".into()),
        ("chunked twice", "Transfer-Encoding: chunked, chunked\r\n".into()),
        ("chunked not last", "Transfer-Encoding: chunked, identity\r\n".into()),
        ("gzip, chunked", "Transfer-Encoding: gzip, chunked\r\n".into()),
        ("two codings", "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n".into()),
        ("a quoted coding", "Transfer-Encoding: \"chunked\"\r\n".into()),
        ("a folded line", "X-A: b\r\n Content-Length: 0\r\n".into()),
        ("a folded coding", "Transfer-Encoding:\r\n chunked\r\n".into()),
        ("a space before the colon", "Content-Length : 0\r\n".into()),
        ("a space before the name", " Content-Length: 0\r\n".into()),
        ("a bare CR in a value", "X-A: b\rContent-Length: 0\r\n".into()),
        ("a bare CR in a name", "X-\rA: b\r\n".into()),
        ("a NUL", "X-A: b\0\r\n".into()),
        ("no colon", "X-A\r\n".into()),
        ("an empty name", ": x\r\n".into()),
        ("two hosts", "Host: b\r\n".into()),
    ] {
        // The zero chunk ends the body for whoever reads chunks.
        let raw = format!("POST /logout HTTP/1.1\r\nHost: a\r\n{head}\r\n0\r\n\r\n{hidden}");
        let answer = within(http.raw(raw.as_bytes())).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{what}: {answer}");
        assert_eq!(answers(&answer), 1, "{what}: {answer}");
        let length = answer.to_ascii_lowercase();
        assert!(length.contains("connection: close") || length.contains("content-length: 0"));
        assert_eq!(stakes(&authority, "alice").await, before, "{what}");
    }
    assert_eq!(get_with(&http, "/whoami", &[&cookie]).await.status, 200);
}

// H06
#[tokio::test(flavor = "multi_thread")]
async fn after_a_chunked_body_the_connection_ends() {
    let authority = quick().await;
    authority.person("alice").await;
    let http = authority.http();
    let browser = signed_in(&http, "alice").await;
    let cookie = format!("rescind-dev={}", browser.session_cookie());
    let hidden = hidden(&cookie, &browser.jar["XSRF-TOKEN"]);
    let before = stakes(&authority, "alice").await;
    let body = r#"{"username":"nobody","password":"x","carrier":"token"}"#;
    for lengths in ["", "Content-Length: 4\r\n", "Content-Length: 4\r\nContent-Length: 5\r\n"] {
        for (first, second) in [(lengths, ""), ("", lengths)] {
            let raw = format!(
                "POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n{first}\
                 Transfer-Encoding: chunked\r\n{second}\r\n{:x}\r\n{body}\r\n0\r\n\r\n{hidden}",
                body.len()
            );
            let answer = within(http.raw(raw.as_bytes())).await;
            assert_eq!(answers(&answer), 1, "{lengths:?}: {answer}");
            let refused =
                answer.starts_with("HTTP/1.1 400 ") || answer.starts_with("HTTP/1.1 401 ");
            assert!(refused, "{answer}");
            assert_eq!(stakes(&authority, "alice").await, before, "{lengths:?}");
        }
    }
    for chunks in ["-1\r\n", "x\r\n", "FFFFFFFFFFFFFFFFF\r\n", "5\r\nabcdefgh\r\n0\r\n\r\n", "\r\n"]
    {
        let raw = format!(
            "POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
             Transfer-Encoding: chunked\r\n\r\n{chunks}{hidden}"
        );
        let answer = within(http.raw(raw.as_bytes())).await;
        assert!(
            answer.starts_with("HTTP/1.1 400 ") && answers(&answer) == 1,
            "{chunks:?}: {answer}"
        );
        assert_eq!(stakes(&authority, "alice").await, before, "{chunks:?}");
    }
    // An honest chunked request is served.
    let body = format!(
        r#"{{"username":"alice","password":"{}","carrier":"token"}}"#,
        rescind_testkit::server::PASSWORD
    );
    let raw = format!(
        "POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    assert!(within(http.raw(raw.as_bytes())).await.starts_with("HTTP/1.1 200 "));
}

// H06
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_no_route_reads_is_never_a_second_request() {
    let authority = quick().await;
    authority.person("alice").await;
    let http = authority.http();
    let browser = signed_in(&http, "alice").await;
    let cookie = format!("rescind-dev={}", browser.session_cookie());
    let hidden = hidden(&cookie, &browser.jar["XSRF-TOKEN"]);
    let before = stakes(&authority, "alice").await;
    for line in [
        "GET /assets/rescind.css",
        "GET /whoami",
        "GET /",
        "POST /logout",
        "POST /nowhere",
        "DELETE /token",
        "POST /whoami?access_token=x",
        "HEAD /signin",
        "OPTIONS *",
    ] {
        let raw = format!(
            "{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{hidden}",
            hidden.len()
        );
        let answer = within(http.raw(raw.as_bytes())).await;
        assert_eq!(answers(&answer), 1, "{line}: {answer}");
        assert_eq!(stakes(&authority, "alice").await, before, "{line}");
    }
}

pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(8), work).await.expect("the server goes on waiting")
}

/// A door that waits 200 ms, where the product waits ten seconds.
pub(crate) async fn impatient(authority: &rescind_testkit::server::TestAuthority) -> Door {
    let app = authority.app.clone();
    let ten = Duration::from_secs(10);
    let waits = (app.limits.headers, app.limits.body, app.limits.write);
    assert_eq!(waits, (ten, ten, 3 * ten));
    let limits = Limits {
        headers: Duration::from_millis(200),
        body: Duration::from_millis(200),
        write: Duration::from_millis(200),
        ..app.limits
    };
    Door::to(app.with(|app| app.limits = limits)).await
}

/// Sends this, then one byte of `drip` every 20 ms, until the server ends the connection.
pub(crate) async fn drip(address: &str, start: &str, drip: u8) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(start.as_bytes()).await.unwrap();
    let (mut from, mut to) = stream.into_split();
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    let dripping = async {
        loop {
            pace.tick().await;
            if to.write_all(&[drip]).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let mut answer = Vec::new();
    tokio::select! {
        _ = from.read_to_end(&mut answer) => {}
        () = dripping => {}
    }
    String::from_utf8(answer).unwrap()
}

// H08
#[tokio::test(flavor = "multi_thread")]
async fn slow_headers_are_cut_off() {
    let authority = quick().await;
    let door = impatient(&authority).await;
    for start in ["", "GET /who", "GET /whoami HTTP/1.1\r\nX-Slow: "] {
        let byte = if start.is_empty() { b'\r' } else { b'x' };
        let answer = within(drip(&door.address, start, byte)).await;
        assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
        let answer = within(door.http.raw(start.as_bytes())).await;
        assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    }
    // So is a connection that is kept open for nothing.
    let idle = "GET /.well-known/jwks.json HTTP/1.1\r\nHost: a\r\n\r\n";
    let answer = within(door.http.raw(idle.as_bytes())).await;
    assert!(answer.starts_with("HTTP/1.1 200 "));
    assert_eq!(door.http.get("/.well-known/jwks.json", &[]).await.status, 200);
}

// H08
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_and_never_reads_is_cut_off() {
    use tokio::io::AsyncWriteExt as _;
    let authority = quick().await;
    let door = impatient(&authority).await;
    let address = door.http.address().to_owned();
    let ask = "GET /assets/rescind.css HTTP/1.1\r\nHost: a\r\n\r\n".repeat(64);
    // Nothing is read: once all buffers are full the server cannot write, and ends the connection.
    within(async move {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        while stream.write_all(ask.as_bytes()).await.is_ok() {}
    })
    .await;
    assert_eq!(door.http.get("/.well-known/jwks.json", &[]).await.status, 200);
}

// H08
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_body_is_cut_off_and_nothing_is_computed() {
    let authority = quick().await;
    authority.person("alice").await;
    let door = impatient(&authority).await;
    let computed = authority.app.authority.hasher().computed();
    for (path, kind) in [
        ("/login", "application/json"),
        ("/token", "application/x-www-form-urlencoded"),
        ("/signin", "application/x-www-form-urlencoded"),
    ] {
        let start = format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nContent-Length: 9999\r\n\r\n{{"
        );
        let silent = within(door.http.raw(start.as_bytes())).await;
        assert!(silent.starts_with("HTTP/1.1 408 "), "{path}: {silent}");
        assert_eq!(answers(&silent), 1);
        let slow = within(drip(&door.address, &start, b' ')).await;
        assert!(slow.starts_with("HTTP/1.1 408 "), "{path}: {slow}");
    }
    // A route that reads no body does not wait for one.
    let unread = "POST /logout HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\nx";
    assert!(within(door.http.raw(unread.as_bytes())).await.starts_with("HTTP/1.1 204 "));
    assert_eq!(authority.app.authority.hasher().computed(), computed);
    door.http.sign_in("alice", rescind_testkit::server::PASSWORD).await;
}

// H08 L05
#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_is_413_and_nothing_is_computed() {
    let authority = quick().await;
    authority.person("alice").await;
    let http = authority.http();
    let computed = authority.app.authority.hasher().computed();
    let password = "x".repeat(1024 * 1024);
    let json = format!(r#"{{"username":"alice","password":"{password}","carrier":"token"}}"#);
    let answer = http.send(Method::POST, "/login", &[crate::support::JSON], json.clone()).await;
    assert_eq!(answer.status, 413);
    assert_eq!(answer.json()["type"], "urn:rescind:problem:too-large");
    let form = [("username", "alice"), ("password", password.as_str()), ("form_value", "x")];
    assert_eq!(http.post_form("/signin", &form, &[]).await.status, 413);
    let form = [("grant_type", "refresh_token"), ("refresh_token", password.as_str())];
    assert_eq!(http.post_form("/token", &form, &[]).await.status, 413);
    let headers = [crate::support::JSON, ("transfer-encoding", "chunked")];
    assert_eq!(http.send(Method::POST, "/login", &headers, json).await.status, 413);

    let raw = "POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
               Content-Length: 1099511627776\r\nExpect: 100-continue\r\n\r\n";
    let mut stream =
        TcpStream::connect(authority.issuer().strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(raw.as_bytes()).await.unwrap();
    let chunk = vec![b' '; 64 * 1024];
    let mut sent = 0;
    while sent < 64 * 1024 * 1024 && stream.write_all(&chunk).await.is_ok() {
        sent += chunk.len();
    }
    assert!(sent < 32 * 1024 * 1024, "a terabyte was announced, and {sent} bytes were taken");
    assert_eq!(authority.app.authority.hasher().computed(), computed);
    http.sign_in("alice", rescind_testkit::server::PASSWORD).await;
}

// L05
#[tokio::test(flavor = "multi_thread")]
async fn an_overlong_password_is_400_before_any_hash() {
    let authority = quick().await;
    let http = authority.http();
    let name = rescind_authority::name::Name::new("alice").unwrap();
    let good = rescind_testkit::server::PASSWORD;
    let longest = format!("{good}{}", "é".repeat(1024 - good.len()));
    let chosen = rescind_authority::password::Password::chosen(&longest).unwrap();
    authority.app.authority.add_account(name, &chosen, Vec::new(), &operator()).await.unwrap();
    let computed = authority.app.authority.hasher().computed();
    for password in ["é".repeat(1025), "x".repeat(4097), "🐒".repeat(1025), String::new()] {
        let body =
            serde_json::json!({ "username": "alice", "password": password, "carrier": "token" });
        assert_eq!(http.post_json("/login", &body).await.status, 400, "{}", password.len());
    }
    assert_eq!(authority.app.authority.hasher().computed(), computed);
    http.sign_in("alice", &longest).await;
    assert_eq!(authority.app.authority.hasher().computed(), computed + 1);
}

// C08 H08
#[tokio::test(flavor = "multi_thread")]
async fn headers_without_end_are_answered_with_431() {
    let authority = quick().await;
    authority.person("alice").await;
    let http = authority.http();
    let session = format!("rescind-dev={}", cookie_of(&http, "alice", "rescind-dev").await);
    let address = authority.issuer().strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let start = format!("GET /whoami HTTP/1.1\r\nHost: a\r\nCookie: {session}; a=");
    stream.write_all(start.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    for sent in 1..=64 {
        stream.write_all(&[b'x'; 1024]).await.unwrap();
        let said = stream.read_buf(&mut answer);
        let patience = Duration::from_millis(if sent < 30 { 1 } else { 200 });
        if tokio::time::timeout(patience, said).await.is_ok() {
            assert!((30..=34).contains(&sent), "answered after {sent} KiB");
            break;
        }
    }
    assert!(answer.starts_with(b"HTTP/1.1 431 "), "{}", String::from_utf8_lossy(&answer));
    let _ = stream.read_to_end(&mut answer).await;

    // All at once: the connection may be gone before the answer is read. Never is it served.
    let flood = format!("{start}{}\r\n\r\n", "x".repeat(64 * 1024));
    let answer = http.raw(flood.as_bytes()).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert_eq!(get_with(&http, "/whoami", &[&session]).await.status, 200);
}

//! The session's cookie: what is set, and what is taken for it.

use crate::support::{behind_tls, cookie_of, get_with, quick, signed_in, stakes};
use http::Method;
use rescind_testkit::server::PASSWORD;
use rescind_wire::b64;
use serde_json::json;
use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

const NAME: &str = "__Host-rescind";
const MINUTE: Duration = Duration::from_secs(60);

fn attributes(line: &str) -> BTreeSet<String> {
    line.split("; ").skip(1).map(str::to_owned).collect()
}

fn set(expected: &[&str]) -> BTreeSet<String> {
    expected.iter().map(|a| (*a).to_owned()).collect()
}

// C01 R-20
#[tokio::test(flavor = "multi_thread")]
async fn the_session_cookie_is_bound_to_host_tls_http_and_same_site() {
    let (authority, door) = behind_tls().await;
    authority.person("alice").await;
    let bound = set(&["Path=/", "SameSite=Strict", "HttpOnly", "Secure"]);

    let mut browser = door.http.browser();
    let first = browser.sign_in("alice", PASSWORD).await;
    assert_eq!(browser.get("/whoami").await.status, 200);
    authority.clock.advance(16 * MINUTE);
    let moved = browser.get("/whoami").await;
    for answer in [&first, &moved] {
        let lines = answer.set_cookies();
        assert_eq!(lines.len(), 2, "{lines:?}");
        let session = lines.iter().find(|l| l.starts_with("__Host-rescind=")).unwrap();
        assert_eq!(attributes(session), bound);
        let csrf = lines.iter().find(|l| l.starts_with("XSRF-TOKEN=")).unwrap();
        assert_eq!(attributes(csrf), set(&["Path=/", "SameSite=Strict", "Secure"]));
    }

    let body = json!({
        "username": "alice", "password": PASSWORD, "carrier": "cookie", "remember": true,
    });
    let remembered = door.http.post_json("/login", &body).await;
    let line = remembered.set_cookies()[0].to_owned();
    let mut expected = bound.clone();
    expected.insert(format!("Max-Age={}", 30 * 24 * 3600));
    assert_eq!(attributes(&line), expected);

    let page = door.http.get("/signin", &[]).await;
    let expected = set(&["Path=/", "Max-Age=600", "SameSite=Strict", "HttpOnly", "Secure"]);
    assert_eq!(attributes(page.set_cookies()[0]), expected);
    assert!(page.set_cookies()[0].starts_with("__Host-"));
}

// C02
#[tokio::test(flavor = "multi_thread")]
async fn the_cookie_value_is_random_and_tells_nothing() {
    let authority = quick().await;
    let sub = authority.person("alice").await;
    authority.person("bob").await;
    let http = authority.http();
    let mut values = Vec::new();
    for turn in 0..48 {
        let name = if turn % 2 == 0 { "alice" } else { "bob" };
        let text = cookie_of(&http, name, "rescind-dev").await;
        assert_eq!(text.len(), 72);
        values.push(b64::decode_array::<54>(&text).unwrap());
    }

    let seconds = (1_790_000_000_u32).to_be_bytes();
    for value in &values {
        for told in [&sub.as_bytes()[..4], b"alice", b"bob", &seconds, &[127, 0, 0, 1]] {
            let reversed: Vec<u8> = told.iter().rev().copied().collect();
            let holds = |part: &[u8]| value.windows(part.len()).any(|w| w == part);
            assert!(!holds(told) && !holds(&reversed), "{told:?} in {value:?}");
        }
    }
    // Of the 54 bytes, six say version, key and generation: alike for everybody. The other 48 are
    // different each time, in every bit, whoever signs in.
    let constant: HashSet<_> = values.iter().map(|v| (v[0], v[1], v[18..22].to_vec())).collect();
    assert_eq!(constant.len(), 1);
    let distinct: HashSet<_> = values.iter().map(|v| v[2..18].to_vec()).collect();
    assert_eq!(distinct.len(), values.len());
    for at in (2..18).chain(22..54) {
        let ones = values.iter().fold(0, |bits, v| bits | v[at]);
        let zeros = values.iter().fold(0, |bits, v| bits | !v[at]);
        assert_eq!((ones, zeros), (255, 255), "byte {at} has a bit that never changes");
    }
}

// C03
#[tokio::test(flavor = "multi_thread")]
async fn two_cookies_of_the_session_name_are_no_session() {
    let (authority, door) = behind_tls().await;
    authority.person("alice").await;
    authority.person("mallory").await;
    let own = cookie_of(&door.http, "alice", NAME).await;
    let tossed = cookie_of(&door.http, "mallory", NAME).await;
    let (own, tossed) = (format!("{NAME}={own}"), format!("{NAME}={tossed}"));
    let before = (stakes(&authority, "alice").await, stakes(&authority, "mallory").await);
    for lines in [
        vec![format!("{own}; {tossed}")],
        vec![format!("{tossed}; {own}")],
        vec![own.clone(), tossed.clone()],
        vec![tossed.clone(), own.clone()],
        vec![format!("{own}; {own}")],
        vec![format!("{own}; {NAME}=")],
        vec![format!("{NAME}=; a=1; {own}")],
    ] {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        for path in ["/whoami", "/sessions", "/account"] {
            let answer = get_with(&door.http, path, &lines).await;
            assert_eq!(answer.status, 400, "{path} {lines:?}");
            assert!(answer.set_cookies().is_empty());
            assert!(!answer.text().contains("alice") && !answer.text().contains("mallory"));
        }
        let mut headers: Vec<_> = lines.iter().map(|l| ("cookie", *l)).collect();
        headers.push(("sec-fetch-site", "same-origin"));
        assert_eq!(door.http.send(Method::POST, "/logout", &headers, "").await.status, 400);
    }
    assert_eq!(before, (stakes(&authority, "alice").await, stakes(&authority, "mallory").await));
    assert_eq!(get_with(&door.http, "/whoami", &[&own]).await.status, 200);
}

// C04
#[tokio::test(flavor = "multi_thread")]
async fn only_the_exact_name_is_the_session_cookie() {
    let (authority, door) = behind_tls().await;
    authority.person("alice").await;
    let value = cookie_of(&door.http, "alice", NAME).await;
    for name in [
        "__host-rescind",
        "__HOST-RESCIND",
        "__Host-rescind ",
        "__Host-Rescind",
        "__Host-rescind\t",
        "\u{2000}__Host-rescind",
        "\u{feff}__Host-rescind",
        "\u{a0}__Host-rescind",
        "%5F%5FHost-rescind",
        "__Host%2Drescind",
        "\"__Host-rescind\"",
        "__Host-rescind[]",
        "__Host-rescind.",
        "rescind",
        "rescind-dev",
        "__Secure-rescind",
        "Host-rescind",
        "session",
    ] {
        let answer = get_with(&door.http, "/whoami", &[&format!("{name}={value}")]).await;
        assert_eq!(answer.status, 401, "{name:?}");
        assert_eq!(answer.header("www-authenticate"), "Bearer", "{name:?} counts as no credential");
    }
    assert_eq!(get_with(&door.http, "/whoami", &[&format!("{NAME}={value}")]).await.status, 200);

    // And where cookies are not bound to TLS, the bound name is not the session's.
    let plain = quick().await;
    plain.person("alice").await;
    let value = cookie_of(&plain.http(), "alice", "rescind-dev").await;
    let bound = get_with(&plain.http(), "/whoami", &[&format!("{NAME}={value}")]).await;
    assert_eq!(bound.status, 401);
}

// C05
#[tokio::test(flavor = "multi_thread")]
async fn old_and_malformed_cookie_syntax_gives_no_session() {
    let (authority, door) = behind_tls().await;
    authority.person("alice").await;
    let v = cookie_of(&door.http, "alice", NAME).await;
    for (status, line) in [
        (400, format!("$Version=1; {NAME}={v}")),
        (400, format!("$Version=\"1\"; {NAME}=\"{v}\"; $Path=\"/\"")),
        (400, format!("{NAME}={v}; $Path=/")),
        (401, format!("{NAME}=\"{v}\"")),
        (401, format!("{NAME}='{v}'")),
        (401, format!("a=1, {NAME}={v}")),
        (401, format!("{NAME}={v}, a=1")),
        (401, format!("={NAME}={v}")),
        (401, format!("=; ={NAME}={v}")),
        (401, NAME.to_owned()),
        (401, format!("{NAME}:{v}")),
        (401, format!("{NAME}=={v}")),
        (401, v.clone()),
    ] {
        assert_eq!(get_with(&door.http, "/whoami", &[&line]).await.status, status, "{line}");
    }
    assert_eq!(get_with(&door.http, "/whoami", &[&format!("{NAME}={v}")]).await.status, 200);
}

// C06
#[tokio::test(flavor = "multi_thread")]
async fn a_value_in_another_encoding_is_another_value() {
    let authority = quick().await;
    authority.person("alice").await;
    let http = authority.http();
    let mut value = String::new();
    while !value.contains(['-', '_']) || !value.contains(|c: char| c.is_ascii_lowercase()) {
        value = cookie_of(&http, "alice", "rescind-dev").await;
    }
    let percent: String = value.bytes().map(|b| format!("%{b:02X}")).collect();
    for other in [
        format!("%{:02X}{}", value.as_bytes()[0], &value[1..]),
        percent,
        value.replace('-', "+").replace('_', "/"),
        value.replace('-', "%2D").replace('_', "%5F"),
        format!("{value}="),
        format!("{value}=="),
        format!("{value}%00"),
        format!("{value}."),
        b64::encode(&value),
        value.to_ascii_uppercase(),
        value.to_ascii_lowercase(),
        format!("{} {}", &value[..36], &value[36..]),
        format!("rsc_rt_{value}"),
    ] {
        let answer = get_with(&http, "/whoami", &[&format!("rescind-dev={other}")]).await;
        assert_eq!(answer.status, 401, "{other}");
    }
    assert_eq!(get_with(&http, "/whoami", &[&format!("rescind-dev={value}")]).await.status, 200);
}

// C07
#[tokio::test(flavor = "multi_thread")]
async fn several_cookie_fields_mean_the_same_as_one() {
    let authority = quick().await;
    authority.person("alice").await;
    let http = authority.http();
    let session = format!("rescind-dev={}", cookie_of(&http, "alice", "rescind-dev").await);
    let one = get_with(&http, "/whoami", &[&format!("a=1; {session}; b=2")]).await;
    for lines in [
        [session.as_str(), "a=1", "b=2"],
        ["a=1", session.as_str(), "b=2"],
        ["a=1", "b=2", session.as_str()],
    ] {
        let several = get_with(&http, "/whoami", &lines).await;
        assert_eq!((several.status, several.body), (one.status, one.body.clone()));
    }
    assert_eq!(one.status, 200);
}

// C08
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_cookies_is_an_error_and_loses_no_session() {
    let authority = quick().await;
    authority.person("alice").await;
    let http = authority.http();
    let session = format!("rescind-dev={}", cookie_of(&http, "alice", "rescind-dev").await);
    let jar = |others: usize| format!("{}{session}", "a=1; ".repeat(others));
    assert_eq!(get_with(&http, "/whoami", &[&jar(49)]).await.status, 200);
    let fields: Vec<String> = (0..50).map(|n| format!("c{n}=1")).chain([session.clone()]).collect();
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    let large = format!("{session}; a={}", "x".repeat(8 * 1024));
    for lines in [vec![jar(50).as_str()], fields, vec![&large], vec![&large[80..], &session]] {
        for path in ["/whoami", "/account"] {
            let answer = get_with(&http, path, &lines).await;
            assert_eq!(answer.status, 431, "{path}");
            assert!(answer.set_cookies().is_empty(), "the session is not lost on the way");
        }
    }
    assert_eq!(get_with(&http, "/whoami", &[&session]).await.status, 200);
}

// C09
#[tokio::test(flavor = "multi_thread")]
async fn logout_clears_the_cookie_as_it_was_set_and_ends_the_session() {
    let (authority, door) = behind_tls().await;
    authority.person("alice").await;
    for path in ["/logout", "/logout/everywhere"] {
        let mut browser = door.http.browser();
        let set = browser.sign_in("alice", PASSWORD).await;
        let replay = format!("{NAME}={}", browser.jar[NAME]);
        let gone = browser.post(path).await;
        for (set, cleared) in set.set_cookies().iter().zip(gone.set_cookies()) {
            let mut expected = attributes(set);
            expected.insert("Max-Age=0".into());
            assert_eq!(attributes(cleared), expected);
            assert_eq!(cleared.split('=').next(), set.split('=').next());
        }
        assert_eq!(gone.set_cookies().len(), 2);
        assert!(!browser.jar.contains_key(NAME) && !browser.jar.contains_key("XSRF-TOKEN"));
        let answer = get_with(&door.http, "/whoami", &[&replay]).await;
        assert_eq!(answer.status, 401, "{path}: the authority has ended it");
        assert!(answer.set_cookies().is_empty(), "a 401 clears nothing");
    }
}

// C10
#[tokio::test(flavor = "multi_thread")]
async fn the_record_decides_whether_a_session_lives_not_the_browser() {
    let authority = quick().await;
    authority.person("alice").await;
    let http = authority.http();

    // A browser that is closed forgets this cookie; by hand it serves as long as the record says.
    let forgotten = format!("rescind-dev={}", cookie_of(&http, "alice", "rescind-dev").await);
    authority.clock.advance(59 * MINUTE);
    assert_eq!(get_with(&http, "/whoami", &[&forgotten]).await.status, 200);
    authority.clock.advance(61 * MINUTE);
    assert_eq!(get_with(&http, "/whoami", &[&forgotten]).await.status, 401);

    // One that a browser would keep for thirty days is over when the record says so.
    let mut browser = http.browser();
    let body = json!({
        "username": "alice", "password": PASSWORD, "carrier": "cookie", "remember": true,
    });
    let set = browser.send(Method::POST, "/login", Some(body)).await;
    assert!(set.set_cookies()[0].contains("; Max-Age=2592000;"));
    let kept = format!("rescind-dev={}", browser.session_cookie());
    assert_eq!(get_with(&http, "/whoami", &[&kept]).await.status, 200);
    browser.post("/logout").await;
    assert_eq!(get_with(&http, "/whoami", &[&kept]).await.status, 401);
}

// C11
#[tokio::test(flavor = "multi_thread")]
async fn a_session_counts_only_in_its_cookie() {
    let (authority, door) = behind_tls().await;
    authority.person("alice").await;
    let http = &door.http;
    let v = cookie_of(http, "alice", NAME).await;
    let before = stakes(&authority, "alice").await;
    for path in [
        format!("/whoami?{NAME}={v}"),
        format!("/whoami?session={v}"),
        format!("/whoami;{NAME}={v}"),
        format!("/whoami/{v}"),
        format!("/sessions/{v}"),
        format!("/{v}/whoami"),
    ] {
        let answer = http.get(&path, &[]).await;
        assert!([401, 404, 405].contains(&answer.status.as_u16()), "{path}: {}", answer.status);
    }
    let pair = format!("{NAME}={v}");
    let bearer = format!("Bearer {v}");
    for (name, value) in [
        (NAME, v.as_str()),
        ("x-session", &v),
        ("session", &pair),
        ("cookie2", &pair),
        ("set-cookie", &pair),
        ("x-cookie", &pair),
        ("authorization", &bearer),
        ("x-xsrf-token", &v),
    ] {
        let answer = http.get("/whoami", &[(name, value)]).await;
        assert_eq!(answer.status, 401, "{name}");
    }
    let body = json!({ "audience": "posts-api", NAME: v }).to_string();
    let answer = http.send(Method::POST, "/session/token", &[crate::support::JSON], body).await;
    assert_eq!(answer.status, 400);
    let form = [(NAME, v.as_str()), ("session", &v), ("csrf", "x")];
    let answer = http.post_form("/account/sessions/end", &form, &[]).await;
    assert_eq!(answer.status, 401);

    // Nor does one carrier's credential serve in the other's place.
    assert_eq!(http.refresh(&v, None).await.json()["error"], "invalid_grant");
    assert_eq!(http.refresh(&format!("rsc_rt_{v}"), None).await.json()["error"], "invalid_grant");
    assert_eq!(stakes(&authority, "alice").await, before);
    let tokens = http.sign_in("alice", PASSWORD).await;
    let refresh = tokens["refresh_token"].as_str().unwrap();
    for other in [refresh, &refresh[7..], tokens["access_token"].as_str().unwrap()] {
        let answer = get_with(http, "/whoami", &[&format!("{NAME}={other}")]).await;
        assert_eq!(answer.status, 401);
    }
    assert_eq!(get_with(http, "/whoami", &[&pair]).await.status, 200);
}

// C12
#[tokio::test(flavor = "multi_thread")]
async fn every_cookie_is_small_whatever_the_account_is() {
    let authority = quick().await;
    let name = "a".repeat(255);
    authority.person(&name).await;
    let http = authority.http();
    let mut answers = vec![http.get("/signin", &[]).await];
    let mut browser = http.browser();
    let agent = [("user-agent", "x".repeat(7000)), ("content-type", "application/json".into())];
    let agent = [("user-agent", agent[0].1.as_str()), ("content-type", agent[1].1.as_str())];
    let body = json!({
        "username": name, "password": PASSWORD, "carrier": "cookie", "device": "d".repeat(60),
    });
    answers.push(browser.send_raw(Method::POST, "/login", &agent, body.to_string()).await);
    answers.push(browser.get("/whoami").await);
    authority.clock.advance(16 * MINUTE);
    answers.push(browser.get("/whoami").await);
    answers.push(browser.post("/logout").await);
    let lines: Vec<&str> = answers.iter().flat_map(|a| a.set_cookies()).collect();
    assert_eq!(lines.len(), 1 + 2 + 2 + 2, "{lines:?}");
    for line in lines {
        let pair = line.split(';').next().unwrap();
        assert!(pair.len() <= 128, "browsers keep 4096 bytes: {pair}");
    }
    let mut other = signed_in(&http, &name).await;
    assert_eq!(other.get("/whoami").await.status, 200);
}

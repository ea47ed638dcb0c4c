//! Requests that a browser is made to send: by a page of another site, of a sibling domain, or without
//! any word of where they come from.

use crate::support::{CHANGES, FORM, HERE, JSON, Stage, get_with, quick, signed_in, stakes};
use http::Method;
use rescind_testkit::http::encode;
use rescind_testkit::server::{PASSWORD, TestAuthority};
use serde_json::json;

/// All ways to have no good CSRF value for a session; `other` is another session's.
fn wrong_values(right: &str, other: &str) -> Vec<Option<String>> {
    let flipped = if right.starts_with('A') { "B" } else { "A" };
    vec![
        None,
        Some(String::new()),
        Some(other.to_owned()),
        Some("x".repeat(43)),
        Some(right[..42].to_owned()),
        Some(format!("{right}=")),
        Some(format!("{right}A")),
        Some(format!("{flipped}{}", &right[1..])),
        Some(format!("{right},{right}")),
        Some("undefined".into()),
    ]
}

// X01 X02 R-26
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_changed_by_a_cookie_without_its_sessions_csrf_value() {
    let authority = quick().await;
    authority.person("alice").await;
    authority.person("mallory").await;
    let mallory = signed_in(&authority.http(), "mallory").await;
    for (method, path, success) in CHANGES {
        let stage = Stage::of(&authority, "alice", method.clone(), path).await;
        let before = stakes(&authority, "alice").await;
        for wrong in wrong_values(&stage.csrf, &mallory.jar["XSRF-TOKEN"]) {
            let answer = stage.send(HERE, wrong.as_deref()).await;
            assert_eq!(answer.status, 403, "{method} {path} {wrong:?}");
            assert!(answer.set_cookies().is_empty());
            // A page says it in words; everything else as a problem that says what to do.
            if !path.starts_with("/account") {
                assert_eq!(answer.json()["type"], "urn:rescind:problem:csrf");
                assert!(answer.text().contains("X-XSRF-TOKEN"));
            }
        }
        assert_eq!(stakes(&authority, "alice").await, before, "{method} {path}");
        let honest = stage.send(HERE, Some(&stage.csrf)).await;
        assert_eq!(honest.status.as_u16(), success, "{method} {path}: {}", honest.text());
        if path != "/session/token" {
            assert_ne!(stakes(&authority, "alice").await, before, "{method} {path} does something");
        }
    }
    assert_eq!(get_with(&authority.http(), "/whoami", &[&cookie_line(&mallory)]).await.status, 200);
}

fn cookie_line(browser: &rescind_testkit::http::Browser) -> String {
    format!("rescind-dev={}", browser.session_cookie())
}

// X01
#[tokio::test(flavor = "multi_thread")]
async fn a_csrf_value_in_the_wrong_place_or_twice_is_none() {
    let authority = quick().await;
    authority.person("alice").await;
    let stage = Stage::of(&authority, "alice", Method::POST, "/logout/everywhere").await;
    let before = stakes(&authority, "alice").await;
    let http = authority.http();
    let twice = [("x-xsrf-token", stage.csrf.as_str()), HERE[0], ("x-xsrf-token", &stage.csrf)];
    assert_eq!(stage.send(&twice, None).await.status, 403);
    for header in ["x-csrf-token", "xsrf-token", "csrf", "x-xsrf-token-2"] {
        let answer = stage.send(&[HERE[0], (header, &stage.csrf)], None).await;
        assert_eq!(answer.status, 403, "{header}");
    }
    let cookie = [("cookie", stage.cookie.as_str()), HERE[0]];
    for path in ["/logout/everywhere?X-XSRF-TOKEN=", "/logout/everywhere?csrf="] {
        let path = format!("{path}{}", stage.csrf);
        assert_eq!(http.send(Method::POST, &path, &cookie, "").await.status, 403);
    }
    // A form's value belongs into its field: a header does not stand in for it, nor the field for the
    // header.
    let form = [cookie[0], cookie[1], FORM, ("x-xsrf-token", stage.csrf.as_str())];
    let answer = http.send(Method::POST, "/account/logout-everywhere", &form, "a=b").await;
    assert_eq!(answer.status, 403);
    let body = encode(&[("csrf", &stage.csrf)]);
    assert_eq!(http.send(Method::POST, "/logout/everywhere", &form[..3], body).await.status, 403);
    assert_eq!(stakes(&authority, "alice").await, before);
}

// X02
#[tokio::test(flavor = "multi_thread")]
async fn a_csrf_value_dies_with_its_session() {
    let authority = quick().await;
    authority.person("alice").await;
    let mut browser = signed_in(&authority.http(), "alice").await;
    let old = browser.jar["XSRF-TOKEN"].clone();
    browser.sign_in("alice", PASSWORD).await;
    let fresh = browser.jar["XSRF-TOKEN"].clone();
    assert_ne!(old, fresh, "a sign-in makes a new session with a new value");
    let before = stakes(&authority, "alice").await;
    let stale = [("x-xsrf-token", old.as_str())];
    let answer = browser.send_raw(Method::POST, "/logout", &stale, String::new()).await;
    assert_eq!(answer.status, 403);
    assert_eq!(stakes(&authority, "alice").await, before);

    // It is stable over the cookie's generations, and told where the page asks who it is.
    let whoami = browser.get("/whoami").await;
    assert_eq!(whoami.json()["csrf_token"], fresh.as_str());
    authority.clock.advance(std::time::Duration::from_secs(16 * 60));
    let cookie = browser.session_cookie().to_owned();
    assert_eq!(browser.get("/whoami").await.json()["csrf_token"], fresh.as_str());
    assert_ne!(browser.session_cookie(), cookie);
    assert_eq!(browser.post("/logout").await.status, 204);
}

// X03
#[tokio::test(flavor = "multi_thread")]
async fn a_planted_csrf_cookie_that_equals_the_header_does_not_pass() {
    let authority = quick().await;
    authority.person("alice").await;
    authority.person("mallory").await;
    let mallory = signed_in(&authority.http(), "mallory").await;
    let stage = Stage::of(&authority, "alice", Method::POST, "/logout/everywhere").await;
    let before = stakes(&authority, "alice").await;
    for planted in ["x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &mallory.jar["XSRF-TOKEN"]]
    {
        let cookie = format!("XSRF-TOKEN={planted}; {}", stage.cookie);
        let headers = [("cookie", cookie.as_str()), HERE[0], ("x-xsrf-token", planted)];
        let answer = authority.http().send(Method::POST, "/logout/everywhere", &headers, "").await;
        assert_eq!(answer.status, 403, "{planted}");
    }
    assert_eq!(stakes(&authority, "alice").await, before);
    // The cookie itself is not asked: the value is judged by the session, not by its twin.
    assert_eq!(stage.send(HERE, Some(&stage.csrf)).await.status, 200);
}

type HeaderSet = Vec<(String, String)>;

/// Header sets that do not prove this origin, and sets that do.
fn origins(authority: &TestAuthority) -> (Vec<HeaderSet>, Vec<HeaderSet>) {
    let here = authority.issuer();
    let set = |pairs: &[(&str, &str)]| -> HeaderSet {
        pairs.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect()
    };
    let mut foreign = vec![
        set(&[]),
        set(&[("origin", here), ("sec-fetch-site", "cross-site")]),
        set(&[("referer", here), ("sec-fetch-site", "same-site")]),
        set(&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")]),
        set(&[("origin", here), ("origin", "https://evil.example")]),
        set(&[("origin", "null"), ("referer", here)]),
        set(&[("origin", "https://evil.example"), ("referer", here)]),
    ];
    for site in ["cross-site", "same-site", "none", "", "Same-Origin", "same-origin, cross-site"] {
        foreign.push(set(&[("sec-fetch-site", site)]));
    }
    for origin in [
        "null".to_owned(),
        String::new(),
        "https://evil.example".into(),
        format!("{here}.evil.example"),
        format!("{here}1"),
        format!("{here}/"),
        format!("{here} {here}"),
        here.replace("http://", "https://"),
        here.replace("http://", ""),
        here.replace("127.0.0.1", "localhost"),
        here.replace("127.0.0.1", "127.0.0.1."),
        here.replace("127.0.0.1", "evil@127.0.0.1"),
    ] {
        foreign.push(set(&[("origin", &origin)]));
    }
    for referer in
        ["https://evil.example/", &format!("{here}.evil.example/"), &format!("{here}@e/")]
    {
        foreign.push(set(&[("referer", referer)]));
    }
    let own = vec![
        set(&[("sec-fetch-site", "same-origin")]),
        set(&[("origin", here)]),
        set(&[("referer", &format!("{here}/account?x=1"))]),
        set(&[("sec-fetch-site", "same-origin"), ("origin", here), ("referer", here)]),
    ];
    (foreign, own)
}

fn pairs(set: &[(String, String)]) -> Vec<(&str, &str)> {
    set.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect()
}

// X04 X05 R-26
#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_come_from_a_page_of_this_origin_changes_nothing() {
    let authority = quick().await;
    authority.person("alice").await;
    let (foreign, own) = origins(&authority);
    for (method, path, success) in CHANGES {
        let stage = Stage::of(&authority, "alice", method.clone(), path).await;
        let before = stakes(&authority, "alice").await;
        for set in &foreign {
            let answer = stage.send(&pairs(set), Some(&stage.csrf)).await;
            assert_eq!(answer.status, 403, "{method} {path} {set:?}");
        }
        assert_eq!(stakes(&authority, "alice").await, before, "{method} {path}");
        for set in &own {
            let stage = Stage::of(&authority, "alice", method.clone(), path).await;
            let answer = stage.send(&pairs(set), Some(&stage.csrf)).await;
            assert_eq!(answer.status.as_u16(), success, "{method} {path} {set:?}");
        }
    }
}

// X04 X05 R-26
#[tokio::test(flavor = "multi_thread")]
async fn no_other_origin_gets_the_answer_that_clears_cookies() {
    let authority = quick().await;
    authority.person("alice").await;
    let http = authority.http();
    // The browser keeps the SameSite cookie back, and would still obey a Set-Cookie.
    let mut over = signed_in(&http, "alice").await;
    let ended = format!("rescind-dev={}", over.session_cookie());
    over.post("/logout").await;
    let (foreign, own) = origins(&authority);
    for path in ["/logout", "/account/logout"] {
        for set in foreign.iter().filter(|set| !set.is_empty()) {
            for cookie in [None, Some("rescind-dev=x"), Some(ended.as_str())] {
                let mut headers = pairs(set);
                headers.extend(cookie.map(|line| ("cookie", line)));
                headers.push(FORM);
                let answer = http.send(Method::POST, path, &headers, "").await;
                assert_eq!(answer.status, 403, "{path} {set:?} {cookie:?}");
                assert!(answer.set_cookies().is_empty(), "{path} {set:?}");
            }
        }
        for set in own.iter().chain([&Vec::new()]) {
            let headers = [pairs(set), vec![FORM]].concat();
            let answer = http.send(Method::POST, path, &headers, "").await;
            assert!([204, 303].contains(&answer.status.as_u16()), "{path} {set:?}");
            assert_eq!(answer.set_cookies().len(), 2);
        }
    }
}

// X06 R-26
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_signed_in_from_another_origin() {
    let authority = quick().await;
    authority.person("mallory").await;
    let http = authority.http();
    let (foreign, own) = origins(&authority);
    let body = json!({ "username": "mallory", "password": PASSWORD, "carrier": "cookie" });
    let before = stakes(&authority, "mallory").await;
    for set in &foreign {
        // With no word of an origin, a program may sign in; one that sends cookies is a browser.
        let mut headers = pairs(set);
        headers.extend([JSON, ("cookie", "theme=dark")]);
        let answer = http.send(Method::POST, "/login", &headers, body.to_string()).await;
        assert_eq!(answer.status, 403, "{set:?}");
        assert!(answer.set_cookies().is_empty());
        if !set.is_empty() {
            headers.pop();
            let answer = http.send(Method::POST, "/login", &headers, body.to_string()).await;
            assert_eq!(answer.status, 403, "{set:?}");
        }
    }
    assert_eq!(stakes(&authority, "mallory").await, before);
    for set in &own {
        let headers = [pairs(set), vec![JSON, ("cookie", "theme=dark")]].concat();
        let answer = http.send(Method::POST, "/login", &headers, body.to_string()).await;
        assert_eq!(answer.status, 200, "{set:?}");
    }
    assert_eq!(http.post_json("/login", &body).await.status, 200, "a program");
}

// X06 R-26
#[tokio::test(flavor = "multi_thread")]
async fn the_sign_in_form_serves_only_the_browser_that_asked_for_it() {
    let authority = quick().await;
    authority.person("mallory").await;
    let http = authority.http();
    let form_of = |page: &str| {
        let rest = page.split("name=\"form_value\" value=\"").nth(1).unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    let (mut victim, mut attacker) = (http.browser(), http.browser());
    let own = form_of(&victim.get("/signin").await.text());
    let foreign = form_of(&attacker.get("/signin").await.text());
    let before = stakes(&authority, "mallory").await;
    let post = |value: &str| {
        encode(&[("username", "mallory"), ("password", PASSWORD), ("form_value", value)])
    };
    for value in ["", "x", foreign.as_str(), &own[1..]] {
        let answer = victim.send_raw(Method::POST, "/signin", &[FORM], post(value)).await;
        assert_eq!(answer.status, 403, "{value:?}");
    }
    let (bad, _) = origins(&authority);
    let cookie = format!("rescind-dev-sign-in={}", victim.jar["rescind-dev-sign-in"]);
    for set in &bad {
        let headers = [pairs(set), vec![FORM, ("cookie", cookie.as_str())]].concat();
        let answer = http.send(Method::POST, "/signin", &headers, post(&own)).await;
        assert_eq!(answer.status, 403, "{set:?}");
        assert!(answer.set_cookies().iter().all(|line| !line.starts_with("rescind-dev=")));
    }
    let bare = http.post_form("/signin", &[("username", "mallory"), ("password", PASSWORD)], &[]);
    assert_eq!(bare.await.status, 403);
    assert_eq!(stakes(&authority, "mallory").await, before);
    let answer = victim.send_raw(Method::POST, "/signin", &[FORM], post(&own)).await;
    assert_eq!(answer.status, 303);
    assert_eq!(victim.get("/whoami").await.json()["user"]["username"], "mallory");
}

// X11
#[tokio::test(flavor = "multi_thread")]
async fn a_junk_authorization_header_does_not_lift_the_csrf_rule() {
    let authority = quick().await;
    authority.person("alice").await;
    authority.person("mallory").await;
    let tokens = authority.http().sign_in("mallory", PASSWORD).await;
    let refresh = format!("Bearer {}", tokens["refresh_token"].as_str().unwrap());
    let access = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let both = ["Bearer x", "Bearer", "bearer x", "Basic eDp5", "", "x", &refresh, &access];
    for (method, path, success) in CHANGES {
        let stage = Stage::of(&authority, "alice", method.clone(), path).await;
        let before = (stakes(&authority, "alice").await, stakes(&authority, "mallory").await);
        for authorization in both {
            for proof in [&[][..], HERE] {
                let headers = [proof, &[("authorization", authorization)]].concat();
                for csrf in [None, Some(stage.csrf.as_str())] {
                    let answer = stage.send(&headers, csrf).await;
                    assert_eq!(answer.status, 400, "{method} {path} {authorization:?}");
                    assert!(answer.set_cookies().is_empty());
                }
            }
        }
        let after = (stakes(&authority, "alice").await, stakes(&authority, "mallory").await);
        assert_eq!(after, before, "{method} {path}");
        let honest = stage.send(HERE, Some(&stage.csrf)).await;
        assert_eq!(honest.status.as_u16(), success, "{method} {path}");
    }
    let stage = Stage::of(&authority, "alice", Method::POST, "/logout").await;
    for path in ["/whoami", "/sessions"] {
        let both = [("cookie", stage.cookie.as_str()), ("authorization", refresh.as_str())];
        assert_eq!(authority.http().get(path, &both).await.status, 400, "{path}");
    }
}

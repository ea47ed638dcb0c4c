//! Requests that are refused again and again for what they present, and those that are good beside them.

use crate::support::{FORM, HERE, JSON, quick_with, signed_in};
use http::Method;
use rescind_authority::Settings;
use rescind_authority::clients::Permission;
use rescind_testkit::http::{Answer, Browser, Http, basic, encode};
use rescind_testkit::server::{PASSWORD, TestAuthority, operator};
use serde_json::json;
use std::time::Duration;

/// A refresh by an API server.
async fn refresh_as(http: &Http, authorization: &str) -> Answer {
    let form = [("grant_type", "refresh_token"), ("refresh_token", "x")];
    http.post_form("/token", &form, &[("authorization", authorization)]).await
}

fn assert_held_off(answer: &Answer, seconds: &str) {
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, seconds));
    assert_eq!(answer.json()["error"], "invalid_request");
    assert_eq!(answer.header("cache-control"), "no-store");
}

// B10
#[tokio::test(flavor = "multi_thread")]
async fn wrong_tokens_and_client_secrets_at_the_token_endpoint_run_out_per_address() {
    let limits = Settings::new("https://auth.example.com").throttle;
    let authority = quick_with(|config| config.settings.throttle = limits).await;
    authority.person("alice").await;
    let http = authority.http();
    let tokens = http.sign_in("alice", PASSWORD).await;
    let good = tokens["refresh_token"].as_str().unwrap();
    let wrong = basic("posts-api", "a wrong secret");
    for n in 0..300 {
        let (answer, error) = match n % 2 {
            0 => (http.refresh("rsr_nothing", None).await, "invalid_grant"),
            _ => (refresh_as(&http, &wrong).await, "invalid_client"),
        };
        assert_eq!(answer.json()["error"], error, "{n}: {}", answer.text());
    }
    assert_held_off(&http.refresh("rsr_nothing", None).await, "1");
    assert_held_off(&refresh_as(&http, &wrong).await, "1");

    // What is good is served all the while, and is not told to wait either.
    let next = http.refresh(good, None).await;
    assert_eq!(next.status, 200, "{}", next.text());
    assert_held_off(&http.refresh("rsr_nothing", None).await, "1");

    let mut waited = Vec::new();
    for _ in 0..6 {
        let held_off = http.refresh("rsr_nothing", None).await;
        let seconds = held_off.header("retry-after").parse().unwrap();
        waited.push(seconds);
        authority.clock.advance(Duration::from_secs(seconds));
        assert_eq!(http.refresh("rsr_nothing", None).await.json()["error"], "invalid_grant");
    }
    assert_eq!(waited, [1, 2, 4, 8, 10, 10]);
    authority.clock.advance(Duration::from_secs(3601));
    assert_eq!(http.refresh("rsr_nothing", None).await.status, 400);
    assert_eq!(http.refresh("rsr_nothing", None).await.status, 400, "forgotten after an hour");
}

// B10
#[tokio::test(flavor = "multi_thread")]
async fn wrong_client_secrets_run_out_at_every_oauth_endpoint_and_right_ones_do_not() {
    let (authority, _) = with_few_refusals().await;
    let http = authority.http();
    let permissions = vec![Permission::Introspect];
    let audiences = vec!["gateway".to_owned()];
    let gateway =
        authority.app.authority.add_client("gateway", audiences, permissions, &operator()).await;
    let right = basic("gateway", gateway.unwrap().expose());
    let wrong = basic("gateway", "a wrong secret");
    let ask = async |path: &str, authorization: &str| {
        let form = [("token", "x"), ("grant_type", "refresh_token"), ("refresh_token", "x")];
        http.post_form(path, &form, &[("authorization", authorization)]).await
    };
    let endpoints = ["/token", "/revoke", "/introspect"];
    for n in 0..10 {
        let answer = ask(endpoints[n % 3], &wrong).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["error"]),
            (401, &"invalid_client".into())
        );
    }
    for path in endpoints {
        assert_held_off(&ask(path, &wrong).await, "1");
    }
    for _ in 0..20 {
        assert_eq!(ask("/introspect", &right).await.json(), json!({ "active": false }));
        assert_eq!(ask("/revoke", &right).await.status, 200);
    }
}

// B10
#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_one_address_are_no_other_addresses() {
    let authority = quick_with(|config| {
        config.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
        config.settings.throttle.refusals.free = 5;
    })
    .await;
    let http = authority.http();
    let refresh_from = async |from: &str| {
        let form = [("grant_type", "refresh_token"), ("refresh_token", "x")];
        http.post_form("/token", &form, &[("x-forwarded-for", from)]).await
    };
    for _ in 0..5 {
        assert_eq!(refresh_from("192.0.2.1").await.status, 400);
    }
    assert_held_off(&refresh_from("192.0.2.1").await, "1");
    assert_eq!(refresh_from("192.0.2.2").await.status, 400);
}

async fn with_few_refusals() -> (TestAuthority, Browser) {
    let authority = quick_with(|config| config.settings.throttle.refusals.free = 10).await;
    authority.person("alice").await;
    let browser = signed_in(&authority.http(), "alice").await;
    (authority, browser)
}

// B10
#[tokio::test(flavor = "multi_thread")]
async fn requests_without_the_csrf_value_run_out_and_those_with_it_do_not() {
    let (authority, mut browser) = with_few_refusals().await;
    let ask = json!({ "audience": "posts-api" }).to_string();
    for n in 0..12 {
        let value = [("x-xsrf-token", "a guess"), JSON];
        let answer = browser.send_raw(Method::POST, "/session/token", &value, ask.clone()).await;
        let (status, kind) = if n < 10 { (403, "csrf") } else { (429, "too-many-requests") };
        assert_eq!(answer.status, status, "{n}");
        assert_eq!(answer.json()["type"], format!("urn:rescind:problem:{kind}"));
        assert_eq!(answer.header("retry-after"), if n < 10 { "" } else { "1" });
    }
    // A form is answered by a page.
    let form = encode(&[("csrf", "a guess")]);
    for (path, form) in [("/account/logout", form), ("/signin", encode(&[("username", "alice")]))] {
        let answer = browser.send_raw(Method::POST, path, &[FORM], form).await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, "1"), "{path}");
        assert!(answer.header("content-type").starts_with("text/html"));
        assert!(answer.set_cookies().is_empty());
    }
    let good =
        browser.send(Method::POST, "/session/token", Some(json!({ "audience": "posts-api" })));
    assert_eq!(good.await.status, 200);
    assert_eq!(browser.get("/whoami").await.status, 200);
    assert_eq!(browser.post("/logout").await.status, 204);
    let mut again = authority.http().browser();
    again.sign_in("alice", PASSWORD).await;
}

// B10
#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_page_that_posts_without_end_keeps_nobody_at_that_address_out() {
    let (authority, mut browser) = with_few_refusals().await;
    let http = authority.http();
    let tokens = http.sign_in("alice", PASSWORD).await;
    let cross = [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example"), FORM];
    for path in ["/token", "/logout", "/account/logout", "/signin"] {
        for _ in 0..20 {
            let form = encode(&[("grant_type", "refresh_token"), ("refresh_token", "x")]);
            let answer = http.send(Method::POST, path, &cross, form).await;
            assert!(answer.status.is_client_error(), "{path}");
        }
    }
    let refreshed = http.refresh(tokens["refresh_token"].as_str().unwrap(), None).await;
    assert_eq!(refreshed.status, 200);
    browser.sign_in("alice", PASSWORD).await;
    assert_eq!(browser.post("/logout/everywhere").await.status, 200);
}

// B10
#[tokio::test(flavor = "multi_thread")]
async fn refusals_never_stop_a_working_verifier() {
    let (authority, _) = with_few_refusals().await;
    let http = authority.http();
    let wrong = basic("posts-api", "a wrong secret");
    for _ in 0..20 {
        for path in ["/v1/snapshot", "/v1/feed", "/v1/head"] {
            let method = if path == "/v1/head" { Method::POST } else { Method::GET };
            let headers = [("authorization", wrong.as_str()), HERE[0], JSON];
            assert_eq!(http.send(method, path, &headers, "{}").await.status, 401, "{path}");
        }
        refresh_as(&http, &wrong).await;
    }
    assert_held_off(&refresh_as(&http, &wrong).await, "1");
    let verifier = authority.verifier().await;
    let tokens = http.sign_in("alice", PASSWORD).await;
    let access = tokens["access_token"].as_str().unwrap();
    assert!(verifier.check_online(access).await.is_ok());
}

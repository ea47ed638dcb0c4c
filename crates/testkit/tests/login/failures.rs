//! What a failed sign-in tells: nothing.

use super::attempt;
use rescind_testkit::accounts::{administer, essence, hashes, quick};
use rescind_testkit::http::encode;
use rescind_testkit::server::{PASSWORD, TestAuthority};
use serde_json::json;

async fn with_a_suspended_account() -> TestAuthority {
    let authority = quick().await;
    authority.person("alice").await;
    authority.person("closed").await;
    let suspend = json!({ "state": "suspended" });
    administer(&authority, "/admin/users/closed/state", suspend).await.unwrap();
    authority
}

const FAILURES: [(&str, &str); 5] = [
    ("alice", "wrong password"),
    ("nobody", "wrong password"),
    ("nobody", PASSWORD),
    ("closed", "wrong password"),
    ("closed", PASSWORD),
];

// L14 L15 R-1
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sign_in_looks_and_costs_the_same_whatever_made_it_fail() {
    let authority = with_a_suspended_account().await;
    let http = authority.http();
    for carrier in ["token", "cookie"] {
        let mut first = None;
        for (name, password) in FAILURES {
            let before = hashes(&authority);
            let body = json!({ "username": name, "password": password, "carrier": carrier });
            let answer = http.post_json("/login", &body).await;
            assert_eq!(answer.status, 401, "{name}");
            assert!(answer.set_cookies().is_empty());
            assert_eq!(hashes(&authority) - before, 1, "{name} {password}");
            let seen = essence(&answer);
            assert_eq!(&seen, first.get_or_insert_with(|| seen.clone()), "{name} {password}");
        }
    }
    let sessions = authority.app.authority.store();
    for account in sessions.accounts().await.unwrap() {
        assert!(authority.app.authority.sessions(account.sub).await.unwrap().is_empty());
    }
    assert_eq!(attempt(&http, "alice", PASSWORD).await.status, 200);
    administer(&authority, "/admin/users/closed/state", json!({ "state": "active" }))
        .await
        .unwrap();
    assert_eq!(attempt(&http, "closed", PASSWORD).await.status, 200, "it was only closed");
}

// L14
#[tokio::test(flavor = "multi_thread")]
async fn the_sign_in_page_looks_the_same_whatever_made_it_fail() {
    let authority = with_a_suspended_account().await;
    let mut first = None;
    for (name, password) in FAILURES {
        let mut browser = authority.http().browser();
        let fits = form_value(&browser.get("/signin").await.text());
        let form = encode(&[("username", name), ("password", password), ("form_value", &fits)]);
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        let answer = browser.send_raw(http::Method::POST, "/signin", &kind, form).await;
        assert_eq!(answer.status, 401, "{name}: {}", answer.text());
        assert!(browser.session_cookie().is_empty());
        // The page repeats the name that was typed, and has a form value of its own each time.
        let page = answer.text();
        let text = page.replace(&form_value(&page), "VALUE").replace(name, "NAME");
        assert_eq!(&text, first.get_or_insert_with(|| text.clone()), "{name} {password}");
    }
}

fn form_value(page: &str) -> String {
    let rest = page.split("name=\"form_value\" value=\"").nth(1).unwrap();
    rest.split('"').next().unwrap().to_owned()
}

// L23
#[tokio::test(flavor = "multi_thread")]
async fn the_password_grant_is_not_offered() {
    let authority = quick().await;
    let http = authority.http();
    let sub = authority.person("alice").await;
    let before = hashes(&authority);
    for client in [&[][..], &[("client_id", "first-party")]] {
        let mut form =
            vec![("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
        form.extend_from_slice(client);
        let answer = http.post_form("/token", &form, &[]).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.json()["error"], "unsupported_grant_type");
        assert!(answer.json()["access_token"].is_null() && !answer.text().contains(PASSWORD));
    }
    assert_eq!(hashes(&authority), before);
    assert!(authority.app.authority.sessions(sub).await.unwrap().is_empty());
    let metadata = http.get("/.well-known/oauth-authorization-server", &[]).await.json();
    assert_eq!(metadata["grant_types_supported"], json!(["refresh_token"]));
}

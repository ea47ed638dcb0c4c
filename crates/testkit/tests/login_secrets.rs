//! What a tour of the routes leaves in the log and in error bodies: no secret. In a program of its own, since
//! it keeps the whole log.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it says")]

use http::Method;
use rescind_testkit::accounts::{administer, key, quick};
use rescind_testkit::http::{Answer, Http};
use rescind_testkit::server::PASSWORD;
use serde_json::json;
use std::io::Write;
use std::sync::{Arc, Mutex};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

async fn attempt(http: &Http, name: &str, password: &str) -> Answer {
    let body = json!({ "username": name, "password": password, "carrier": "token" });
    http.post_json("/login", &body).await
}

// L22 R-1
#[tokio::test(flavor = "multi_thread")]
async fn no_password_or_token_reaches_the_log_or_an_error_body() {
    let captured = Captured::default();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(captured.clone())
        .init();
    let authority = quick().await;
    authority.person("alice").await;
    let http = authority.http();
    let wrong = "Tr0ub4dor&3-is-wrong";
    let imported = "$2y$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK";
    let bob = json!({ "username": "bob", "password_hash": imported });
    administer(&authority, "/admin/users", bob).await.unwrap();

    let mut refused: Vec<Answer> = vec![
        attempt(&http, "alice", wrong).await,
        attempt(&http, "nobody", wrong).await,
        attempt(&http, "alice", &wrong.repeat(100)).await,
        attempt(&http, "bob", &format!("{wrong}\u{7}")).await,
    ];
    // Malformed bodies with the password in odd places: nothing is echoed.
    let form = [("content-type", "application/json")];
    for body in [
        format!("{{\"username\":\"alice\",\"password\":\"{wrong}\""),
        json!({ "username": "alice", "password": [wrong], "carrier": "token" }).to_string(),
        json!({ "username": "alice", "password": "x", "carrier": wrong }).to_string(),
        json!({ "username": "alice", wrong: "x", "carrier": "token" }).to_string(),
    ] {
        refused.push(http.send(Method::POST, "/login", &form, body).await);
    }
    let tokens = http.sign_in("alice", PASSWORD).await;
    let first = tokens["refresh_token"].as_str().unwrap().to_owned();
    let access = tokens["access_token"].as_str().unwrap().to_owned();
    let idempotency_key = key("not-for-the-log");
    let next = http.refresh(&first, Some(&idempotency_key)).await.json();
    let second = next["refresh_token"].as_str().unwrap().to_owned();
    let mut browser = http.browser();
    browser.sign_in("alice", PASSWORD).await;
    let cookie = browser.session_cookie().to_owned();
    let csrf = browser.jar["XSRF-TOKEN"].clone();
    for (path, body) in [
        ("/reauthenticate", json!({ "password": wrong })),
        ("/password", json!({ "current_password": wrong, "new_password": PASSWORD })),
        ("/password", json!({ "current_password": PASSWORD, "new_password": "short" })),
    ] {
        refused.push(browser.send(Method::POST, path, Some(body)).await);
    }
    refused.push(http.get_as("/whoami", &access).await);
    refused.push(http.get_as("/whoami", &first[..70]).await);
    refused.push(http.refresh(&first, Some(&key("another-one"))).await);
    refused.push(http.refresh(&access, None).await);
    // A spent token that comes back: the alarm names the session, not the token.
    authority.clock.advance(std::time::Duration::from_secs(31));
    refused.push(http.refresh(&first, None).await);
    refused.push(http.refresh(&second, None).await);
    browser.post("/logout").await;

    let log = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    for expected in ["sign_in_failed", "signed_in", "refreshed", "credential_reuse", "signed_out"] {
        assert!(log.contains(expected), "the log tells of {expected}");
    }
    let secret = authority.secret.as_str();
    // The unsigned part of a token is no secret, its signature is.
    let signature = access.rsplit('.').next().unwrap();
    let new_signature = next["access_token"].as_str().unwrap().rsplit('.').next().unwrap();
    for hidden in [
        PASSWORD,
        wrong,
        imported,
        &first[7..],
        &second[7..],
        signature,
        new_signature,
        &cookie,
        &csrf,
        secret,
        &idempotency_key,
    ] {
        assert!(!log.contains(hidden), "in the log: {hidden}");
    }
    for answer in refused {
        assert!(answer.status.is_client_error(), "{}", answer.status);
        let text = answer.text();
        for hidden in [wrong, &first[7..], signature, &second[7..]] {
            assert!(!text.contains(hidden), "{text}");
        }
    }
}

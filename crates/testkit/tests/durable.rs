//! A revocation that could not be made durable is not claimed. The fail points are the process's: each
//! test here holds the scenario alone.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it says")]

use fail::FailScenario;
use http::Method;
use rescind_authority::settings::Argon2Cost;
use rescind_server::admin::client::{CallError, Door};
use rescind_testkit::http::{Answer, Http};
use rescind_testkit::server::{PASSWORD, TestAuthority, until};
use rescind_verifier::{Refusal, Verifier};
use serde_json::{Value, json};
use std::sync::Mutex;
use std::sync::mpsc;

const BEFORE_COMMIT: &str = "store::before_commit";

struct World {
    authority: TestAuthority,
    verifier: Verifier,
    http: Http,
    access: String,
    refresh: String,
}

impl World {
    async fn start() -> Self {
        let authority = TestAuthority::start_with(|config| {
            config.settings.argon2 = Argon2Cost { memory_kib: 8, passes: 1, lanes: 1 };
        })
        .await;
        authority.person("alice").await;
        let http = authority.http();
        let tokens = http.sign_in("alice", PASSWORD).await;
        let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
        let (access, refresh) = (text("access_token"), text("refresh_token"));
        Self { verifier: authority.verifier().await, http, access, refresh, authority }
    }

    fn sid(&self) -> Value {
        let body = rescind_wire::b64::decode(self.access.split('.').nth(1).unwrap()).unwrap();
        serde_json::from_slice::<Value>(&body).unwrap()["sid"].clone()
    }

    async fn send(&self, method: Method, path: &str) -> Answer {
        self.http.send_as(method, path, &self.refresh).await
    }

    /// Nothing has happened to the session.
    async fn assert_untouched(&self) {
        assert_eq!(self.send(Method::GET, "/whoami").await.status, 200);
        assert!(self.verifier.check_online(&self.access).await.is_ok());
        assert_eq!(self.verifier.status().applied, 0);
    }
}

// V06
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_that_cannot_be_made_durable_answers_503_with_retry_after_and_changes_nothing()
{
    let scenario = FailScenario::setup();
    let world = World::start().await;
    let one = format!("/sessions/{}", world.sid().as_str().unwrap());
    let doors = [
        (Method::POST, "/logout"),
        (Method::POST, "/logout/everywhere"),
        (Method::DELETE, one.as_str()),
    ];
    fail::cfg(BEFORE_COMMIT, "return").unwrap();
    for (method, path) in doors.clone() {
        let answer = world.send(method, path).await;
        assert_eq!(answer.status, 503, "{path}: {}", answer.text());
        assert!(answer.header("retry-after").parse::<u32>().unwrap() > 0, "{path}");
        assert!(answer.set_cookies().is_empty(), "{path}: nothing is cleared");
        world.assert_untouched().await;
    }
    for what in [json!({ "user": "alice" }), json!({ "session": world.sid() })] {
        let door = Door::find(&world.authority.config).await.unwrap();
        let answer = door.call(Method::POST, "/admin/revoke", what).await;
        assert!(matches!(answer, Err(CallError::Refused(_))), "{answer:?}");
        world.assert_untouched().await;
    }
    // A refresh, which could not be made durable either, gives nothing out and spends nothing.
    let refused = world.http.refresh(&world.refresh, None).await;
    assert_eq!(refused.status, 503);
    assert!(!refused.text().contains("rsc_rt_") && !refused.header("retry-after").is_empty());
    world.assert_untouched().await;

    fail::remove(BEFORE_COMMIT);
    assert_eq!(world.send(Method::POST, "/logout").await.status, 204);
    let judged = world.verifier.check_online(&world.access).await;
    assert!(matches!(judged, Err(Refusal::Revoked)), "{judged:?}");
    assert_eq!(world.send(Method::GET, "/whoami").await.status, 401);
    scenario.teardown();
}

/// Stops whoever comes to this point, until what it gives is dropped; says when somebody has come.
fn hold(point: &str) -> (mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (say, reached) = mpsc::channel();
    let (open, opened) = mpsc::channel::<()>();
    let ends = Mutex::new((say, opened));
    fail::cfg_callback(point, move || {
        let ends = ends.lock().unwrap();
        let _ = ends.0.send(());
        let _ = ends.1.recv();
    })
    .unwrap();
    (reached, open)
}

// P07: what was signed before is inside of the log then, which is told from memory.
#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_asked_for_after_a_commit_counts_it_although_nobody_was_told_yet() {
    let scenario = FailScenario::setup();
    let world = World::start().await;
    world.http.sign_in("alice", PASSWORD).await;
    let everybody_else = world.send(Method::DELETE, "/sessions").await;
    assert!(everybody_else.status.is_success(), "{}", everybody_else.text());
    until("the first entry", || world.verifier.status().applied == 1).await;
    assert!(world.verifier.check_online(&world.access).await.is_ok());
    let (reached, open) = hold("store::after_commit");
    let (http, refresh) = (world.http.clone(), world.refresh.clone());
    let logout = tokio::spawn(async move { http.send_as(Method::POST, "/logout", &refresh).await });
    until("the commit", || reached.try_recv().is_ok()).await;
    let judged = world.verifier.check_online(&world.access).await;
    assert!(matches!(judged, Err(Refusal::Stale { .. })), "{judged:?}");
    fail::remove("store::after_commit");
    drop(open);
    assert_eq!(logout.await.unwrap().status, 204);
    let judged = world.verifier.check_online(&world.access).await;
    assert!(matches!(judged, Err(Refusal::Revoked)), "{judged:?}");
    scenario.teardown();
}

// V06, P10
#[tokio::test(flavor = "multi_thread")]
async fn success_is_answered_and_the_entry_sent_only_after_the_commit() {
    let scenario = FailScenario::setup();
    let world = World::start().await;
    let (reached, open) = hold(BEFORE_COMMIT);
    let (http, refresh) = (world.http.clone(), world.refresh.clone());
    let logout = tokio::spawn(async move { http.send_as(Method::POST, "/logout", &refresh).await });
    until("the commit", || reached.try_recv().is_ok()).await;
    // Held there: not answered, not sent, not in force.
    world.assert_untouched().await;
    assert!(!logout.is_finished(), "answered before the commit");
    fail::remove(BEFORE_COMMIT);
    drop(open);
    assert_eq!(logout.await.unwrap().status, 204);
    until("the entry", || matches!(world.verifier.check(&world.access), Err(Refusal::Revoked)))
        .await;
    scenario.teardown();
}

//! Faults inside: a store that fails, a handler that panics. The real store stands behind; only whether
//! it answers is the test's.

use crate::support::{Door, FORM, JSON, log, quick, stakes};
use async_trait::async_trait;
use http::Method;
use rescind_authority::Authority;
use rescind_authority::account::Account;
use rescind_authority::audit::{Record, Search};
use rescind_authority::clients::Client;
use rescind_authority::store::{
    Decide, Head, Judged, Load, Loaded, LogPart, Store, StoreError, Swept,
};
use rescind_server::app::App;
use rescind_server::feed::FeedHub;
use rescind_server::keys::{self, MasterSource};
use rescind_testkit::http::{Answer, Http, encode};
use rescind_testkit::server::{PASSWORD, TestAuthority};
use rescind_wire::id::{Epoch, Sid, Sub};
use rescind_wire::revocation::Entry;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::sync::watch;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// Every verb fails.
    Store,
    /// Reads work, nothing can be written.
    Writes,
    /// Every verb panics.
    Panic,
}

/// What a fault says of itself; none of it may be shown to a caller.
const INSIDE: &str = "SELECT secret9mark FROM /var/lib/rescind.db at main.rs:1";

struct Faulty {
    inner: Arc<dyn Store>,
    fault: Arc<AtomicU8>,
}

impl Faulty {
    fn ask(&self, writes: bool) -> Result<(), StoreError> {
        match self.fault.load(Ordering::SeqCst) {
            fault if fault == Fault::Panic as u8 => panic!("{INSIDE}"),
            fault if fault == Fault::Store as u8 => Err(StoreError::Failed(INSIDE.into())),
            fault if fault == Fault::Writes as u8 && writes => {
                Err(StoreError::Failed(INSIDE.into()))
            }
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Store for Faulty {
    async fn head(&self) -> Result<Head, StoreError> {
        self.ask(false)?;
        self.inner.head().await
    }
    async fn read(&self, load: Load) -> Result<Loaded, StoreError> {
        self.ask(false)?;
        self.inner.read(load).await
    }
    /// The rule is asked, and the commit fails: what the rule has made must not get out.
    async fn transact(&self, load: Load, decide: Decide) -> Result<Head, StoreError> {
        if let Err(error) = self.ask(true) {
            decide(&self.inner.read(load).await?);
            return Err(error);
        }
        self.inner.transact(load, decide).await
    }
    async fn log(&self, after: u64, most: usize) -> Result<LogPart, StoreError> {
        self.ask(false)?;
        self.inner.log(after, most).await
    }
    async fn snapshot(&self) -> Result<(Head, Vec<Entry>), StoreError> {
        self.ask(false)?;
        self.inner.snapshot().await
    }
    async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        self.ask(false)?;
        self.inner.accounts().await
    }
    async fn records(&self, sub: Option<Sub>, most: usize) -> Result<Vec<Record>, StoreError> {
        self.ask(false)?;
        self.inner.records(sub, most).await
    }
    async fn search(&self, asked: Search, most: usize) -> Result<Vec<(u64, Record)>, StoreError> {
        self.ask(false)?;
        self.inner.search(asked, most).await
    }
    async fn sessions(&self, after: Option<Sid>, most: usize) -> Result<Vec<Judged>, StoreError> {
        self.ask(false)?;
        self.inner.sessions(after, most).await
    }
    async fn clients(&self) -> Result<Vec<Client>, StoreError> {
        self.ask(false)?;
        self.inner.clients().await
    }
    async fn sweep(&self, now: u64) -> Result<Swept, StoreError> {
        self.ask(true)?;
        self.inner.sweep(now).await
    }
    async fn open_epoch(
        &self,
        epoch: Epoch,
        ts: u64,
        end: bool,
        record: Record,
    ) -> Result<Head, StoreError> {
        self.ask(true)?;
        self.inner.open_epoch(epoch, ts, end, record).await
    }
    fn committed(&self) -> watch::Receiver<Head> {
        self.inner.committed()
    }
}

/// A second authority over the store of `authority`, through a store that can fail.
async fn fragile(authority: &TestAuthority) -> (Door, Door, Arc<AtomicU8>) {
    let inner = &authority.app.authority;
    let fault = Arc::new(AtomicU8::new(Fault::None as u8));
    let store = Faulty { inner: Arc::clone(inner.store()), fault: Arc::clone(&fault) };
    let master = keys::master(&MasterSource::Folder, &authority.config.keys, false).unwrap();
    let sources = (Arc::clone(inner.clock()), Arc::clone(inner.entropy()));
    let settings = authority.config.settings.clone();
    let second = Authority::open(settings, Arc::new(store), sources, master, Vec::new());
    let second = Arc::new(second.await.unwrap());
    let feed =
        FeedHub::new(Arc::clone(&second), authority.config.settings.staleness).await.unwrap();
    let app = App::new(second, feed).unwrap();
    (Door::to(app.clone()).await, Door::to_administration(app).await, fault)
}

/// What a session needs for its requests.
struct Held {
    cookie: String,
    csrf: String,
    refresh: String,
    basic: String,
}

/// One request to every route that asks the store, with good credentials.
async fn every_route(http: &Http, held: &Held) -> Vec<(&'static str, Answer)> {
    let cookie = ("cookie", held.cookie.as_str());
    let page = [cookie, ("sec-fetch-site", "same-origin"), ("x-xsrf-token", held.csrf.as_str())];
    let form = [cookie, page[1], FORM];
    let csrf = encode(&[("csrf", &held.csrf), ("session", "AAAAAAAAAAAAAAAAAAAAAA")]);
    let basic = [("authorization", held.basic.as_str()), JSON];
    let login = json!({ "username": "alice", "password": PASSWORD, "carrier": "token" });
    let ask = json!({
        "nonce": "AAAAAAAAAAAAAAAAAAAAAA", "instance": "AAAAAAAAAAAAAAAAAAAAAA", "applied": 0,
    });
    let mut seen = Vec::new();
    for path in ["/whoami", "/sessions", "/account"] {
        seen.push((path, http.get(path, &page).await));
    }
    for (what, method, path) in [
        ("sign out", Method::POST, "/logout"),
        ("sign out everywhere", Method::POST, "/logout/everywhere"),
        ("end the others", Method::DELETE, "/sessions"),
        ("end one", Method::DELETE, "/sessions/AAAAAAAAAAAAAAAAAAAAAA"),
    ] {
        seen.push((what, http.send(method, path, &page, "").await));
    }
    let json = [page[0], page[1], page[2], JSON];
    let audience = json!({ "audience": "posts-api" }).to_string();
    seen.push(("/session/token", http.send(Method::POST, "/session/token", &json, audience).await));
    let again = json!({ "password": PASSWORD }).to_string();
    let change = json!({ "current_password": PASSWORD, "new_password": PASSWORD }).to_string();
    for (path, body) in [("/reauthenticate", again), ("/password", change)] {
        seen.push((path, http.send(Method::POST, path, &json, body).await));
    }
    let device = json!({ "device": "x" }).to_string();
    let path = "/sessions/AAAAAAAAAAAAAAAAAAAAAA";
    seen.push((path, http.send(Method::PATCH, path, &json, device).await));
    for path in [
        "/account/logout",
        "/account/logout-everywhere",
        "/account/sessions/end",
        "/account/sessions/end-others",
    ] {
        seen.push((path, http.send(Method::POST, path, &form, csrf.clone()).await));
    }
    seen.push(("/login", http.post_json("/login", &login).await));
    seen.push(("/token", http.refresh(&held.refresh, None).await));
    seen.push(("/v1/snapshot", http.get("/v1/snapshot", &basic).await));
    seen.push(("/v1/head", http.send(Method::POST, "/v1/head", &basic, ask.to_string()).await));
    seen
}

async fn held(authority: &TestAuthority, http: &Http) -> Held {
    let mut browser = http.browser();
    browser.sign_in("alice", PASSWORD).await;
    assert_eq!(browser.get("/whoami").await.status, 200);
    let tokens = http.sign_in("alice", PASSWORD).await;
    let pair = rescind_wire::b64::encode(format!("posts-api:{}", authority.secret));
    let mut basic = format!("Basic {}", pair.replace('-', "+").replace('_', "/"));
    while (basic.len() - 6) % 4 != 0 {
        basic.push('=');
    }
    Held {
        cookie: format!("rescind-dev={}", browser.session_cookie()),
        csrf: browser.jar["XSRF-TOKEN"].clone(),
        refresh: tokens["refresh_token"].as_str().unwrap().to_owned(),
        basic,
    }
}

/// A plain failure with an id to ask for, which the log has, and nothing of what went wrong.
fn assert_says_nothing(what: &str, answer: &Answer, status: u16, event: &str) {
    assert_eq!(answer.status.as_u16(), status, "{what}: {}", answer.text());
    let id = answer.header("x-correlation-id");
    assert_eq!(id.len(), 12, "{what}: {:?}", answer.headers);
    let told = format!("{:?} {}", answer.headers, answer.text()).to_lowercase();
    for inside in
        ["secret9mark", "select", "sqlite", "panic", ".rs", "rescind.db", "version", "main"]
    {
        let page = answer.header("content-type").starts_with("text/html");
        let harmless = page && ["main", "version"].contains(&inside);
        assert!(harmless || !told.contains(inside), "{what}: {inside} in {told}");
    }
    if answer.header("content-type") == "application/problem+json" {
        assert_eq!(answer.json()["correlation_id"], id, "{what}");
        assert_eq!(answer.json()["status"], status);
    }
    assert_eq!(answer.header("retry-after"), if status == 503 { "1" } else { "" }, "{what}");
    assert!(answer.set_cookies().is_empty(), "{what}");
    let events = log().events_with(id);
    assert!(events.iter().any(|e| e["event"] == event), "{what}: {events:?}");
    assert!(events.iter().any(|e| e["event"] == "request" && e["status"] == status), "{events:?}");
}

// E04 E05
#[tokio::test(flavor = "multi_thread")]
async fn a_fault_inside_is_a_plain_answer_with_an_id_that_the_log_has() {
    let authority = quick().await;
    authority.person("alice").await;
    let (door, administration, fault) = fragile(&authority).await;
    let held = held(&authority, &door.http).await;
    let before = stakes(&authority, "alice").await;
    for (kind, status, event) in
        [(Fault::Store, 503, "store_failed"), (Fault::Panic, 500, "request_failed")]
    {
        fault.store(kind as u8, Ordering::SeqCst);
        for (what, answer) in every_route(&door.http, &held).await {
            assert_says_nothing(what, &answer, status, event);
        }
        authority.clock.advance(std::time::Duration::from_secs(1));
        let ready = door.http.get("/readyz", &[]).await;
        assert_says_nothing("/readyz", &ready, status, event);
        let ready = administration.http.get("/readyz", &[]).await;
        assert_eq!(ready.status.as_u16(), status);
        assert!(!ready.text().contains("secret9mark"), "{}", ready.text());
        fault.store(Fault::None as u8, Ordering::SeqCst);
        assert_eq!(stakes(&authority, "alice").await, before, "{kind:?}");
    }
    authority.clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(administration.http.get("/readyz", &[]).await.status, 200);
    assert_eq!(door.http.get("/whoami", &[("cookie", &held.cookie)]).await.status, 200);
}

// E05
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_made_durable_is_not_done_and_not_given_out() {
    let authority = quick().await;
    authority.person("alice").await;
    let (door, _, fault) = fragile(&authority).await;
    let held = held(&authority, &door.http).await;
    let before = stakes(&authority, "alice").await;
    fault.store(Fault::Writes as u8, Ordering::SeqCst);
    let reads = ["/whoami", "/sessions", "/account", "/v1/snapshot", "/v1/head"];
    for (what, answer) in every_route(&door.http, &held).await {
        if reads.contains(&what) {
            assert_eq!(answer.status, 200, "{what}");
            continue;
        }
        assert_says_nothing(what, &answer, 503, "store_failed");
        for given in ["access_token", "refresh_token\":", "rsc_rt_", "csrf_token", "eyJ"] {
            assert!(!answer.text().contains(given), "{what}: {}", answer.text());
        }
    }
    // A cookie that is due is not moved, not served, and not lost.
    authority.clock.advance(std::time::Duration::from_secs(16 * 60));
    let due = door.http.get("/whoami", &[("cookie", &held.cookie)]).await;
    assert_says_nothing("/whoami", &due, 503, "store_failed");
    fault.store(Fault::None as u8, Ordering::SeqCst);
    assert_eq!(stakes(&authority, "alice").await, before);
    let due = door.http.get("/whoami", &[("cookie", &held.cookie)]).await;
    assert_eq!((due.status.as_u16(), due.set_cookies().len()), (200, 2));
    assert_eq!(door.http.refresh(&held.refresh, None).await.status, 200);
    let form = json!({ "username": "alice", "password": PASSWORD, "carrier": "token" });
    assert_eq!(door.http.post_json("/login", &form).await.status, 200);
}

// E05
#[tokio::test(flavor = "multi_thread")]
async fn a_spent_token_stays_refused_although_its_session_could_not_be_ended() {
    let authority = quick().await;
    authority.person("alice").await;
    let (door, _, fault) = fragile(&authority).await;
    let held = held(&authority, &door.http).await;
    let next = door.http.refresh(&held.refresh, None).await.json();
    let next = next["refresh_token"].as_str().unwrap();
    authority.clock.advance(std::time::Duration::from_secs(31));
    fault.store(Fault::Writes as u8, Ordering::SeqCst);
    let stolen = door.http.refresh(&held.refresh, None).await;
    assert_eq!((stolen.status.as_u16(), stolen.text().contains("rsc_rt_")), (503, false));
    fault.store(Fault::None as u8, Ordering::SeqCst);
    assert_eq!(door.http.get_as("/whoami", next).await.status, 200, "nothing was half done");
    assert_eq!(door.http.refresh(&held.refresh, None).await.json()["error"], "invalid_grant");
    assert_eq!(door.http.get_as("/whoami", next).await.status, 401, "and now it is ended");
}

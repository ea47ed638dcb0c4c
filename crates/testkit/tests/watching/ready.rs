//! `/healthz` and `/readyz`: yes or no to strangers, each check to the administrator, and bounded work
//! whoever asks.

use crate::support::{Metrics, Watched, over_socket, watched, watched_with};
use rescind_authority::settings::Argon2Cost;
use rescind_server::run::{World, open};
use rescind_testkit::clock::SeededEntropy;
use rescind_testkit::server::{PASSWORD, until};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

impl Watched {
    /// The public answer of `/readyz`, once the last one does not hold any more.
    async fn ready(&self) -> u16 {
        self.authority.clock.advance(Duration::from_secs(1));
        let answer = self.authority.http().get("/readyz", &[]).await;
        let said = if answer.status == 200 { json!({ "ready": true }) } else { answer.json() };
        if answer.status == 503 {
            let known = ["type", "title", "status", "detail", "correlation_id"];
            let members = said.as_object().unwrap().keys();
            assert!(members.into_iter().all(|m| known.contains(&m.as_str())), "{said}");
            assert_eq!(
                (&said["detail"], answer.header("retry-after")),
                (&json!("Not ready."), "1")
            );
        } else {
            assert_eq!(answer.json(), said);
        }
        answer.status.as_u16()
    }

    /// What the administrator is told of a check.
    async fn check(&self, name: &str) -> String {
        let (status, body) = over_socket(&self.authority.config.data, "/readyz").await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["ready"], status == 200);
        body["checks"][name].as_str().unwrap_or_else(|| panic!("{body}")).to_owned()
    }

    async fn alive(&self) -> u16 {
        let answer = self.authority.http().get("/healthz", &[]).await;
        assert_eq!(answer.json(), json!({ "alive": true }));
        answer.status.as_u16()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_is_well_is_ready_and_each_check_says_so() {
    let watched = watched().await;
    assert_eq!((watched.alive().await, watched.ready().await), (200, 200));
    for check in ["store", "commits", "keys", "feed", "hashing", "clock"] {
        assert_eq!(watched.check(check).await, "ok");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_takes_no_commit_is_not_ready_until_it_takes_one_again() {
    let watched = watched().await;
    watched.authority.person("alice").await;
    fail::cfg("store::before_commit", "return").unwrap();
    let sign_in = json!({ "username": "alice", "password": PASSWORD, "carrier": "token" });
    assert_eq!(watched.authority.http().post_json("/login", &sign_in).await.status, 503);
    assert_eq!(watched.ready().await, 503);
    assert_eq!(watched.check("store").await, "ok");
    assert!(watched.check("commits").await.contains("commit_failed"));
    assert_eq!(watched.ready().await, 503, "it was tried again, in vain");
    assert_eq!(watched.alive().await, 200);
    fail::remove("store::before_commit");
    assert_eq!(watched.ready().await, 200, "it was tried again, although nobody was sent here");
    assert_eq!(watched.authority.http().post_json("/login", &sign_in).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_answers_no_read_is_not_ready() {
    let watched = watched().await;
    fail::cfg("store::before_read", "return").unwrap();
    assert_eq!((watched.ready().await, watched.alive().await), (503, 200));
    assert!(watched.check("store").await.contains("store_failed"));
    let metrics = Metrics::of(&watched.authority).await;
    assert_eq!(metrics.value("rescind_ready"), 0.0, "metrics are there all the same");
    assert_eq!(metrics.value("rescind_check_ok{check=\"store\"}"), 0.0);
    fail::remove("store::before_read");
    assert_eq!(watched.ready().await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_could_not_be_looked_after_make_it_unready() {
    let watched = watched().await;
    fail::cfg("store::before_read", "return").unwrap();
    assert!(watched.authority.app.authority.tend_keys().await.is_err());
    fail::remove("store::before_read");
    assert_eq!(watched.ready().await, 503);
    assert!(watched.check("keys").await.contains("keys_not_tended"));
    watched.authority.app.authority.tend_keys().await.unwrap();
    assert_eq!(watched.ready().await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_has_jumped_makes_it_unready_until_it_is_right() {
    let watched = watched().await;
    watched.authority.clock.set_stepped(true);
    assert_eq!(watched.ready().await, 503);
    assert!(watched.check("clock").await.contains("clock_stepped"));
    watched.authority.clock.set_stepped(false);
    assert_eq!(watched.ready().await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_whose_beat_has_stopped_makes_it_unready() {
    let Watched { authority, _alone } = watched().await;
    let (config, clock) = (authority.config.clone(), Arc::clone(&authority.clock));
    let _folder = authority.stop().await;
    let world = World { clock: Arc::clone(&clock) as _, entropy: Arc::new(SeededEntropy::new(1)) };
    // Opened, and its feed not begun.
    let app = open(&config, &world).await.unwrap();
    assert!(app.readiness.verdict(&app).await.is_ready());
    clock.advance(Duration::from_secs(10));
    let verdict = app.readiness.verdict(&app).await;
    let failed: Vec<_> = verdict.checks.iter().filter(|(_, o)| o.is_err()).collect();
    assert_eq!(failed, [&("feed", Err("it signs no heads: see feed_failed"))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_ask_whether_it_is_ready_are_one_read_a_second() {
    let watched = watched().await;
    let reads = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&reads);
    watched.authority.clock.advance(Duration::from_secs(1));
    fail::cfg_callback("store::before_read", move || {
        counted.fetch_add(1, Ordering::SeqCst);
    })
    .unwrap();
    let http = watched.authority.http();
    let asking = (0..200).map(|_| {
        let http = http.clone();
        tokio::spawn(async move { http.get("/readyz", &[]).await.status })
    });
    for asked in asking.collect::<Vec<_>>() {
        assert_eq!(asked.await.unwrap(), 200);
    }
    // One of theirs, and those of the feed's beat in that time.
    let read = reads.load(Ordering::SeqCst);
    assert!((1..20).contains(&read), "{read} reads for 200 requests");
}

// L21
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_is_turned_away_has_cost_the_store_nothing() {
    let watched = watched_with(|config| {
        config.settings.hash_threads = 1;
        config.settings.hash_queue = 1;
        // So slow that both are under way until everything else is over.
        config.settings.argon2 = Argon2Cost { memory_kib: 64 * 1024, passes: 20, lanes: 1 };
    })
    .await;
    let http = watched.authority.http();
    let body = |name: &str| json!({ "username": name, "password": PASSWORD, "carrier": "token" });
    let pool = || watched.authority.app.authority.hasher().state();
    // One after the other: the queue has room for one.
    for (name, waiting) in [("at-work", 0), ("waiting", 1)] {
        let (http, body) = (http.clone(), body(name));
        tokio::spawn(async move { http.post_json("/login", &body).await });
        until(name, || (pool().busy, pool().waiting) == (1, waiting)).await;
    }
    // Who read first would fail by that, and be counted as that.
    fail::cfg("store::before_read", "return").unwrap();
    let answer = http.post_json("/login", &body("turned-away")).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "1"));
    assert_eq!(pool().refused, 1, "the queue has refused it, not the store");
    assert_eq!(pool().waiting, 1, "and it was still full");
}

// A08
#[tokio::test(flavor = "multi_thread")]
async fn strangers_learn_yes_or_no_and_neither_metrics_nor_version() {
    let port = rescind_testkit::process::free_port();
    let listen = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let watched = watched_with(|config| config.metrics_listen = Some(listen)).await;
    let http = watched.authority.http();
    for path in ["/metrics", "/debug", "/debug/pprof", "/admin/users", "/docs", "/openapi.json"] {
        assert_eq!(http.get(path, &[]).await.status, 404, "{path}");
        let there = rescind_testkit::http::Http::new(&format!("http://{listen}"));
        let status = there.get(path, &[]).await.status;
        assert_eq!(status, if path == "/metrics" { 200 } else { 404 }, "{path}");
    }
    let version = env!("CARGO_PKG_VERSION");
    for path in ["/healthz", "/readyz", "/", "/signin", "/nowhere", "/.well-known/jwks.json"] {
        let answer = http.get(path, &[]).await;
        let told = format!("{:?} {}", answer.headers, answer.text()).to_lowercase();
        for detail in [version, "server\":", "x-powered-by", "hyper", "axum", "sqlite", "feed_"] {
            assert!(!told.contains(detail), "{path}: {detail} in {told}");
        }
    }
    let (status, text) = over_socket(&watched.authority.config.data, "/metrics").await;
    assert!(
        status == 200 && text.contains(&format!("rescind_build_info{{version=\"{version}\"}} 1"))
    );
}

// H09
#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_not_read_under_a_name_that_somebody_has_pointed_here() {
    let port = rescind_testkit::process::free_port();
    let listen = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let _watched = watched_with(|config| {
        config.metrics_listen = Some(listen);
        config.hosts = vec!["auth.internal:4000".into()];
    })
    .await;
    for (host, status) in [
        (format!("127.0.0.1:{port}"), 200),
        (format!("localhost:{port}"), 200),
        (format!("auth.internal:{port}"), 200),
        (format!("evil.example:{port}"), 400),
        ("evil.example".to_owned(), 400),
        (String::new(), 400),
    ] {
        let (answered, body) = ask_metrics(listen, &format!("host: {host}\r\n")).await;
        assert_eq!(answered, status, "{host:?}");
        assert_eq!(body.contains("rescind_ready"), status == 200, "{host:?}");
    }
    assert_eq!(ask_metrics(listen, "").await.0, 400, "for nobody");
}

/// Status and body of `/metrics` with this line in the head.
async fn ask_metrics(listen: std::net::SocketAddr, line: &str) -> (u16, String) {
    let mut stream = tokio::net::TcpStream::connect(listen).await.unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\n{line}connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

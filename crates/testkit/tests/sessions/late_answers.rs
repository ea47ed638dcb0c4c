//! An answer that leaves too late sets no cookie: by then its value could be taken for a thief's.

use http::{HeaderMap, Method, Request, StatusCode, header};
use rescind_authority::Settings;
use rescind_authority::clock::{Clock, Now};
use rescind_authority::line::Carrier;
use rescind_authority::name::Name;
use rescind_authority::password::Password;
use rescind_authority::secret::Secret;
use rescind_authority::store::Load;
use rescind_server::run::{Config, World, open};
use rescind_testkit::accounts::CHEAP;
use rescind_testkit::clock::{ManualClock, SeededEntropy};
use rescind_testkit::server::operator;
use rescind_testkit::server::{PASSWORD, TestAuthority};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tower::ServiceExt as _;

/// A clock that jumps when it has been read so many times: the server stands still in between.
struct Jumping {
    clock: ManualClock,
    reads_left: AtomicI64,
    by: Duration,
}

impl Clock for Jumping {
    fn now(&self) -> Now {
        if self.reads_left.fetch_sub(1, Ordering::SeqCst) == 0 {
            self.clock.advance(self.by);
        }
        Clock::now(&self.clock)
    }
}

struct Story {
    router: axum::Router,
    clock: Arc<Jumping>,
    app: rescind_server::app::App,
    _folder: tempfile::TempDir,
}

impl Story {
    async fn begin(by: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::new("http://127.0.0.1:4000");
        settings.argon2 = CHEAP;
        let config = Config {
            settings,
            data: folder.path().join("data"),
            keys: folder.path().join("keys"),
            ..TestAuthority::start().await.config.clone()
        };
        let clock = ManualClock::default();
        let clock = Arc::new(Jumping { clock, reads_left: AtomicI64::new(-1), by });
        let entropy = Arc::new(SeededEntropy::new(1));
        let app = open(&config, &World { clock: Arc::clone(&clock) as _, entropy }).await.unwrap();
        let (name, password) = (Name::new("alice").unwrap(), Password::chosen(PASSWORD).unwrap());
        app.authority.add_account(name, &password, Vec::new(), &operator()).await.unwrap();
        let router = rescind_server::http::router(app.clone());
        Self { router, clock, app, _folder: folder }
    }

    async fn send(&self, request: Request<String>) -> (StatusCode, HeaderMap) {
        let answer =
            self.router.clone().oneshot(request.map(axum::body::Body::from)).await.unwrap();
        (answer.status(), answer.headers().clone())
    }

    async fn sign_in(&self) -> String {
        let body = json!({ "username": "alice", "password": PASSWORD, "carrier": "cookie" });
        let request = Request::post("/login")
            .header(header::HOST, "127.0.0.1:4000")
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.to_string());
        cookie(&self.send(request.unwrap()).await.1).unwrap()
    }

    async fn whoami(&self, cookie: &str) -> (StatusCode, Option<String>) {
        let request = Request::builder()
            .method(Method::GET)
            .uri("/whoami")
            .header(header::HOST, "127.0.0.1:4000")
            .header(header::COOKIE, format!("rescind-dev={cookie}"))
            .body(String::new());
        let (status, headers) = self.send(request.unwrap()).await;
        (status, self::cookie(&headers))
    }

    async fn generation(&self, cookie: &str) -> u32 {
        let secret = Secret::new(cookie.to_owned());
        let sid = self.app.authority.session_of(Carrier::Cookie, &secret).unwrap();
        let loaded = self.app.authority.store().read(Load::session(sid)).await.unwrap();
        loaded.session.unwrap().session.generation
    }
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(header::SET_COOKIE).iter();
    let mut values = lines.filter_map(|l| l.to_str().unwrap().strip_prefix("rescind-dev="));
    values.next().map(|rest| rest.split(';').next().unwrap().to_owned())
}

/// The server stands still for `by` after each of its readings of the clock in turn. Gives how many
/// answers had moved the line and brought the new cookie, and how many had lost it.
async fn stand_still(by: Duration) -> (u32, u32) {
    let story = Story::begin(by).await;
    let (mut brought, mut dropped) = (0, 0);
    for read in 0..12 {
        let old = story.sign_in().await;
        assert_eq!(story.whoami(&old).await, (StatusCode::OK, None));
        story.clock.clock.advance(Duration::from_secs(15 * 60));
        story.clock.reads_left.store(read, Ordering::SeqCst);
        let (status, set) = story.whoami(&old).await;
        story.clock.reads_left.store(-1, Ordering::SeqCst);
        assert_eq!((status, story.generation(&old).await), (StatusCode::OK, 1), "{read}");
        match set {
            Some(_) => brought += 1,
            None => {
                dropped += 1;
                // Nothing is lost for good: the old one is served, and the new one set.
                let (status, again) = story.whoami(&old).await;
                assert_eq!(status, StatusCode::OK);
                let again = again.unwrap();
                assert_eq!(story.whoami(&again).await, (StatusCode::OK, None));
            }
        }
    }
    (brought, dropped)
}

//
#[tokio::test(flavor = "multi_thread")]
async fn a_set_cookie_whose_answer_leaves_later_than_the_grace_time_is_dropped() {
    let grace = Duration::from_secs(30);
    let (brought, dropped) = stand_still(grace + Duration::from_micros(1)).await;
    // Standing still before the line is judged, or after the answer is made, does no harm.
    assert!(dropped > 0 && brought > 0, "{dropped} {brought}");
    assert_eq!(stand_still(grace).await, (12, 0), "within the grace time nothing is lost");
}

//! What these tests share: quick authorities, doors to one, what is at stake, and the captured log.

use axum::middleware::Next;
use http::{HeaderValue, Method};
use rescind_authority::settings::Argon2Cost;
use rescind_server::admin;
use rescind_server::app::App;
use rescind_server::run::Config;
use rescind_server::serve::{self, Front, Limits, Uid};
use rescind_server::telemetry::events::Events;
use rescind_server::telemetry::json_lines;
use rescind_testkit::http::{Answer, Browser, Headers, Http};
use rescind_testkit::server::{PASSWORD, TestAuthority};
use serde_json::{Value, json};
use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

/// An authority whose hashes are cheap: here nothing depends on their cost.
pub(crate) async fn quick() -> TestAuthority {
    quick_with(|_| {}).await
}

/// The same with other settings. Its log is captured.
pub(crate) async fn quick_with(change: impl FnOnce(&mut Config)) -> TestAuthority {
    log();
    TestAuthority::start_with(|config| {
        config.settings.argon2 = Argon2Cost { memory_kib: 64, passes: 1, lanes: 1 };
        // What requests say that are written by hand.
        config.hosts = vec!["a".to_owned()];
        change(config);
    })
    .await
}

/// One as it stands behind a proxy that ends TLS: its issuer is https, its cookies are `__Host-`. It
/// serves the demo's page, too.
pub(crate) async fn behind_tls() -> (TestAuthority, Door) {
    let authority = quick_with(|config| {
        config.settings.issuer = "https://auth.example.com".into();
        config.demo_api = Some("https://api.example.com".into());
    })
    .await;
    let door = Door::to(authority.app.clone()).await;
    (authority, door)
}

/// Another listener of an authority's public routes.
pub(crate) struct Door {
    /// A client there.
    pub(crate) http: Http,
    /// Where it is.
    pub(crate) address: String,
    _stop: watch::Sender<bool>,
}

impl Door {
    /// Opens one.
    pub(crate) async fn to(app: App) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let app = app.with(|app| app.hosts = app.hosts.iter().cloned().chain([address]).collect());
        let (router, limits) = (rescind_server::http::router(app.clone()), app.limits);
        Self::serving(listener, router, limits)
    }

    /// Opens one to the administrator's routes, which otherwise stand on a Unix socket.
    pub(crate) async fn to_administration(app: App) -> Self {
        let (router, limits) = (rescind_server::http::admin_router(app.clone()), app.limits);
        // What the socket brings along.
        let by_socket = async |mut request: axum::extract::Request, next: Next| {
            request.extensions_mut().insert(Uid(0));
            request.headers_mut().insert("host", HeaderValue::from_static(admin::HOST));
            next.run(request).await
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::serving(listener, router.layer(axum::middleware::from_fn(by_socket)), limits)
    }

    fn serving(listener: TcpListener, router: axum::Router, limits: Limits) -> Self {
        let address = listener.local_addr().unwrap().to_string();
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(serve::tcp(listener, router, limits, Front::default(), stopped));
        Self { http: Http::new(&format!("http://{address}")), address, _stop: stop }
    }
}

/// A browser in which this person is signed in.
pub(crate) async fn signed_in(http: &Http, name: &str) -> Browser {
    let mut browser = http.browser();
    browser.sign_in(name, PASSWORD).await;
    browser
}

/// Signs in for a cookie as a program does; gives the cookie's value.
pub(crate) async fn cookie_of(http: &Http, name: &str, cookie: &str) -> String {
    let body = json!({ "username": name, "password": PASSWORD, "carrier": "cookie" });
    http.post_json("/login", &body).await.cookie(cookie).unwrap()
}

/// GET with these Cookie lines.
pub(crate) async fn get_with(http: &Http, path: &str, cookies: &[&str]) -> Answer {
    let lines: Vec<_> = cookies.iter().map(|line| ("cookie", *line)).collect();
    http.get(path, &lines).await
}

/// What a request that is refused must leave alone: the account's sessions with their names, and the
/// position of the log.
pub(crate) async fn stakes(authority: &TestAuthority, name: &str) -> Value {
    let name = rescind_authority::name::Name::new(name).unwrap();
    let inner = &authority.app.authority;
    let accounts = inner.store().accounts().await.unwrap();
    let account = accounts.into_iter().find(|a| a.name == name).unwrap();
    let sessions = inner.sessions(account.sub).await.unwrap();
    let seen: Vec<Value> =
        sessions.iter().map(|s| json!([s.sid, s.device, s.generation, s.carrier as u8])).collect();
    let pos = inner.store().head().await.unwrap().pos;
    json!({ "roles": account.roles, "sessions": seen, "pos": pos })
}

/// Every public route, with each method it takes.
pub(crate) const ROUTES: [(Method, &str); 29] = [
    (Method::POST, "/login"),
    (Method::POST, "/logout"),
    (Method::POST, "/logout/everywhere"),
    (Method::GET, "/whoami"),
    (Method::GET, "/sessions"),
    (Method::DELETE, "/sessions"),
    (Method::PATCH, "/sessions/AAAAAAAAAAAAAAAAAAAAAA"),
    (Method::DELETE, "/sessions/AAAAAAAAAAAAAAAAAAAAAA"),
    (Method::POST, "/reauthenticate"),
    (Method::POST, "/password"),
    (Method::POST, "/session/token"),
    (Method::POST, "/token"),
    (Method::POST, "/revoke"),
    (Method::POST, "/introspect"),
    (Method::GET, "/.well-known/jwks.json"),
    (Method::GET, "/.well-known/oauth-authorization-server"),
    (Method::GET, "/v1/snapshot"),
    (Method::GET, "/v1/feed"),
    (Method::POST, "/v1/head"),
    (Method::POST, "/v1/heads"),
    (Method::GET, "/"),
    (Method::GET, "/signin"),
    (Method::POST, "/signin"),
    (Method::GET, "/account"),
    (Method::POST, "/account/logout"),
    (Method::POST, "/account/logout-everywhere"),
    (Method::POST, "/account/sessions/end"),
    (Method::POST, "/account/sessions/end-others"),
    (Method::GET, "/assets/rescind.css"),
];

/// What proves an origin.
pub(crate) const HERE: Headers<'static> = &[("sec-fetch-site", "same-origin")];

/// Every request that changes something with a cookie, and the status of its success. `{id}` is
/// another session of the same person.
pub(crate) const CHANGES: [(Method, &str, u16); 12] = [
    (Method::POST, "/logout", 204),
    (Method::POST, "/logout/everywhere", 200),
    (Method::DELETE, "/sessions", 200),
    (Method::DELETE, "/sessions/{id}", 200),
    (Method::PATCH, "/sessions/{id}", 204),
    (Method::POST, "/reauthenticate", 200),
    (Method::POST, "/password", 200),
    (Method::POST, "/session/token", 200),
    (Method::POST, "/account/logout", 303),
    (Method::POST, "/account/logout-everywhere", 303),
    (Method::POST, "/account/sessions/end", 303),
    (Method::POST, "/account/sessions/end-others", 303),
];

/// The content type of JSON.
pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");
/// The content type of a form.
pub(crate) const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// The log of this process, as the server writes it where no person looks: one JSON line per event,
/// here with every event of every crate.
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

#[derive(Clone)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Buffer {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The captured log; the first call begins it.
pub(crate) fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let lines = json_lines(Buffer(Arc::clone(&bytes))).with_filter(EnvFilter::new("trace"));
        tracing_subscriber::registry().with(lines).with(Events::layer()).init();
        Log(bytes)
    })
}

impl Log {
    /// Everything so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The events so far that hold this text.
    pub(crate) fn events_with(&self, text: &str) -> Vec<Value> {
        let all = self.text();
        let lines = all.lines().filter(|line| line.contains(text));
        lines.map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// A person signed in twice in browsers, about to send one request from the first.
pub(crate) struct Stage {
    http: Http,
    method: Method,
    path: String,
    /// The Cookie header.
    pub(crate) cookie: String,
    /// The session's own CSRF value.
    pub(crate) csrf: String,
    /// The id of the other session.
    pub(crate) other: String,
}

impl Stage {
    /// Signs in. `{id}` in the path is the other session.
    pub(crate) async fn of(
        authority: &TestAuthority,
        name: &str,
        method: Method,
        path: &str,
    ) -> Self {
        let http = authority.http();
        let mut other = signed_in(&http, name).await;
        let other = other.get("/whoami").await.json()["session"]["id"].as_str().unwrap().to_owned();
        let mut browser = signed_in(&http, name).await;
        assert_eq!(browser.get("/whoami").await.status, 200);
        let cookie = format!("rescind-dev={}", browser.session_cookie());
        let csrf = browser.jar["XSRF-TOKEN"].clone();
        Self { http, method, path: path.replace("{id}", &other), cookie, csrf, other }
    }

    /// Sends the request with its body and cookie, these headers, and this CSRF value where the route
    /// wants it: a form in its field, everything else in the header.
    pub(crate) async fn send(&self, headers: Headers<'_>, csrf: Option<&str>) -> Answer {
        let mut all = [headers, &[("cookie", self.cookie.as_str())]].concat();
        if self.path.starts_with("/account") {
            all.push(FORM);
            let mut fields = vec![("session", self.other.as_str())];
            fields.extend(csrf.map(|value| ("csrf", value)));
            let body = rescind_testkit::http::encode(&fields);
            return self.http.send(self.method.clone(), &self.path, &all, body).await;
        }
        all.extend(csrf.map(|value| ("x-xsrf-token", value)));
        let body = match (&self.method, self.path.as_str()) {
            (&Method::PATCH, _) => json!({ "device": "kitchen tablet" }).to_string(),
            (_, "/reauthenticate") => json!({ "password": PASSWORD }).to_string(),
            (_, "/password") => {
                json!({ "current_password": PASSWORD, "new_password": PASSWORD }).to_string()
            }
            (_, "/session/token") => json!({ "audience": "posts-api" }).to_string(),
            _ => return self.http.send(self.method.clone(), &self.path, &all, "").await,
        };
        all.push(JSON);
        self.http.send(self.method.clone(), &self.path, &all, body).await
    }
}

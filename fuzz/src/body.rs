//! Bodies of requests to a whole authority, through its own router: `route u8 | parts u8 | body`. In the
//! body `$A`, `$R` and `$F` stand for a living access token, a living refresh token and the value of the
//! sign-in form, for those differ in each run.

use crate::Target;
use axum::Router;
use axum::body::Body;
use futures_util::stream;
use http::header::HOST;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use rescind_authority::clients::Permission;
use rescind_authority::name::Name;
use rescind_authority::password::Password;
use rescind_authority::settings::{Argon2Cost, Limit};
use rescind_testkit::http::basic;
use rescind_testkit::server::{PASSWORD, TestAuthority, operator};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::{Mutex, OnceLock};
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

/// The target.
pub const TARGET: Target = Target { name: "body", seeds, holds, short: 120 };

/// What proves who asks.
#[derive(Clone, Copy, PartialEq)]
enum Proof {
    Nothing,
    Form,
    Basic,
    Bearer,
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// The routes that read a body: the path, what they take, and who asks.
const ROUTES: [(&str, &str, Proof); 10] = [
    ("/login", JSON, Proof::Nothing),
    ("/signin", FORM, Proof::Form),
    ("/token", FORM, Proof::Nothing),
    ("/revoke", FORM, Proof::Nothing),
    ("/introspect", FORM, Proof::Basic),
    ("/v1/head", JSON, Proof::Basic),
    ("/reauthenticate", JSON, Proof::Bearer),
    ("/session/token", JSON, Proof::Bearer),
    ("/password", JSON, Proof::Bearer),
    ("/v1/heads", JSON, Proof::Basic),
];

const SIGN_IN: &str = "AAAAAAAAAAAAAAAAAAAAAA";

struct World {
    runtime: Runtime,
    router: Router,
    authority: TestAuthority,
    /// HTTP Basic of a client that may introspect and follow.
    basic: String,
    /// The value of the sign-in form.
    form: String,
    living: Mutex<Living>,
}

/// Credentials that open something.
#[derive(Clone, Default)]
struct Living {
    access: String,
    refresh: String,
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let authority = runtime.block_on(TestAuthority::start_with(|config| {
            config.settings.argon2 = Argon2Cost { memory_kib: 64, passes: 1, lanes: 1 };
            // Here time stands still, and only failures come.
            let throttle = &mut config.settings.throttle;
            throttle.many_failures = u32::MAX;
            let free = |limit: &mut Limit| limit.free = u32::MAX;
            free(&mut throttle.pair);
            free(&mut throttle.account);
            free(&mut throttle.address);
            free(&mut throttle.network);
        }));
        let inner = &authority.app.authority;
        let may = vec![Permission::Feed, Permission::Introspect];
        let operator = operator();
        let client = inner.add_client("fuzz", vec!["posts-api".into()], may, &operator);
        let secret = runtime.block_on(client).unwrap();
        runtime.block_on(authority.person("alice"));
        let router = rescind_server::http::router(authority.app.clone());
        let form = inner.keyring().sign_in_value(SIGN_IN);
        let basic = basic("fuzz", secret.expose());
        World { runtime, router, authority, basic, form, living: Mutex::default() }
    })
}

impl World {
    /// Credentials that live now: those of the last run, if it has not ended them.
    async fn living(&self) -> Living {
        let living = self.living.lock().unwrap().clone();
        let bearer = format!("Bearer {}", living.access);
        let request = Request::get("/whoami").header("authorization", bearer);
        if self.send(request.body(Body::empty()).unwrap()).await.0 == StatusCode::OK {
            return living;
        }
        let answer = self.authority.http().sign_in("alice", PASSWORD).await;
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        let living = Living { access: text("access_token"), refresh: text("refresh_token") };
        *self.living.lock().unwrap() = living.clone();
        living
    }

    async fn ask(&self, route: usize, parts: usize, body: Vec<u8>) -> (StatusCode, Vec<u8>) {
        let (path, kind, proof) = ROUTES[route];
        let mut request = Request::builder().method(Method::POST).uri(path);
        let issuer = self.authority.issuer();
        request = request.header("content-type", kind);
        request = match proof {
            Proof::Nothing => request,
            Proof::Form => request
                .header("cookie", format!("rescind-dev-sign-in={SIGN_IN}"))
                .header("sec-fetch-site", "same-origin")
                .header("origin", issuer),
            Proof::Basic => request.header("authorization", &self.basic),
            Proof::Bearer => {
                let access = self.living.lock().unwrap().access.clone();
                request.header("authorization", format!("Bearer {access}"))
            }
        };
        let chunks = |size| body.chunks(size).map(|c| Ok::<_, Infallible>(c.to_vec()));
        let body = match parts {
            0 => Body::from(body),
            size => Body::from_stream(stream::iter(chunks(size).collect::<Vec<_>>())),
        };
        self.send(request.body(body).unwrap()).await
    }

    async fn send(&self, mut request: Request<Body>) -> (StatusCode, Vec<u8>) {
        let host = self.authority.issuer().trim_start_matches("http://").parse().unwrap();
        request.headers_mut().insert(HOST, host);
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        (status, answer.into_body().collect().await.unwrap().to_bytes().to_vec())
    }
}

fn holds(input: &[u8]) {
    let [route, parts, text @ ..] = input else { return };
    let world = world();
    world.runtime.block_on(async {
        let living = world.living().await;
        let route = usize::from(*route) % ROUTES.len();
        let body = written(text, &living, &world.form);
        let (status, answer) = world.ask(route, usize::from(*parts), body.clone()).await;
        let (path, kind, proof) = ROUTES[route];
        let said = String::from_utf8_lossy(&answer);
        assert!(!status.is_server_error(), "{path}: {status} {said}");
        let most = if path == "/v1/heads" { 1024 * 1024 } else { 16 * 1024 };
        assert!(body.len() <= most || !status.is_success(), "{path} took a large body");
        if status.is_client_error() && proof != Proof::Form {
            let problem: Value = serde_json::from_slice(&answer).unwrap();
            assert!(problem["type"].is_string() || problem["error"].is_string(), "{path}: {said}");
        }
        let done = status.is_success() || status == StatusCode::SEE_OTHER;
        if done {
            let field = |name: &str| field(kind, &body, name);
            rightly(path, &field, &living, &answer);
        }
        if done && !["/login", "/v1/head", "/v1/heads"].contains(&path) {
            *world.living.lock().unwrap() = Living::default();
        }
    });
}

/// The body with the living credentials in it.
fn written(text: &[u8], living: &Living, form: &str) -> Vec<u8> {
    let mut body = Vec::new();
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        let value = match (byte, after.first()) {
            (b'$', Some(b'A')) => Some(living.access.as_str()),
            (b'$', Some(b'R')) => Some(living.refresh.as_str()),
            (b'$', Some(b'F')) => Some(form),
            _ => None,
        };
        match value {
            Some(value) => body.extend_from_slice(value.as_bytes()),
            None => body.push(*byte),
        }
        rest = &after[usize::from(value.is_some())..];
    }
    body
}

/// A field as a lenient reader finds it.
fn field(kind: &str, body: &[u8], name: &str) -> Option<String> {
    if kind == JSON {
        let value: Value = serde_json::from_slice(body).ok()?;
        return value[name].as_str().map(str::to_owned);
    }
    form_urlencoded::parse(body).find(|(n, _)| n == name).map(|(_, value)| value.into_owned())
}

/// What was done was done for the right name and password, or the living credential, and nothing else.
fn rightly(path: &str, field: &dyn Fn(&str) -> Option<String>, living: &Living, answer: &[u8]) {
    let is = |name: &str, value: &str| field(name).is_some_and(|found| found == value);
    let password = |name: &str| {
        let presented = Password::presented(&field(name).unwrap()).unwrap();
        presented.expose() == PASSWORD.as_bytes()
    };
    match path {
        "/login" | "/signin" => {
            let alice = Name::new("alice").unwrap();
            assert!(Name::new(&field("username").unwrap()).unwrap() == alice);
            assert!(password("password"), "signed in with another password");
        }
        "/token" => assert!(is("refresh_token", &living.refresh), "refreshed with another token"),
        "/reauthenticate" => assert!(password("password")),
        "/password" => {
            assert!(password("current_password"));
            assert!(password("new_password"), "the target must keep its password");
        }
        "/introspect" => {
            let said: Value = serde_json::from_slice(answer).unwrap();
            let known = is("token", &living.access) || is("token", &living.refresh);
            assert!(known || said == json!({ "active": false }), "{said}");
        }
        _ => {}
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let head =
        r#"{"nonce":"AAAAAAAAAAAAAAAAAAAAAA","instance":"AAAAAAAAAAAAAAAAAAAAAA","applied":0"#;
    let login = format!(r#"{{"username":"alice","password":"{PASSWORD}","carrier":"token"}}"#);
    let spaces = PASSWORD.replace(' ', "+");
    let bodies = [
        (0, login.clone()),
        (0, login.replace('}', r#","remember":true,"device":"d","audience":["posts-api"]}"#)),
        (0, login.replace("alice", "\\u0061lice\\u0000")),
        (0, login.replace("username", "user\\u006eame\":\"x\",\"username")),
        (0, "[".repeat(5000)),
        (1, format!("username=alice&password={spaces}&form_value=$F")),
        (1, format!("username=al%69ce&password={spaces}&form_value=$F&remember=on&next=%2F%2Fx")),
        (2, "grant_type=refresh_token&refresh_token=$R".into()),
        (2, "grant_type=password&refresh_token=$R&refresh_token=x&client_id=first-party".into()),
        (3, "token=$R&client_id=first-party&token_type_hint=refresh_token".into()),
        (3, "token=$A&client_id=posts-api".into()),
        (4, "token=$A".into()),
        (4, "token=$R&client_id=fuzz".into()),
        (4, "token=$A%00&access_token=$A".into()),
        (5, format!("{head}}}")),
        (5, format!(r#"{head},"epoch":"AAAAAAAAAAAAAAAAAAAAAA","seen":"AAAASQ","max_age_ms":1}}"#)),
        (6, format!(r#"{{"password":"{PASSWORD}"}}"#)),
        (7, r#"{"audience":"posts-api"}"#.into()),
        (8, format!(r#"{{"current_password":"{PASSWORD}","new_password":"{PASSWORD}"}}"#)),
        (9, "[]".into()),
        (9, format!("[{head}}},{head}}}]")),
        (9, format!("[{}]", vec![format!("{head}}}"); 513].join(","))),
        (9, format!(r#"[{head},"seen":"{}"}}]"#, "A".repeat(1025))),
    ];
    let whole = |(route, body): &(u8, String)| [&[*route, 0], body.as_bytes()].concat();
    let mut seeds: Vec<Vec<u8>> = bodies.iter().map(whole).collect();
    seeds.push([&[2, 3], bodies[7].1.as_bytes()].concat());
    seeds.push([&[0, 64], &b" ".repeat(17 * 1024)[..]].concat());
    seeds
}

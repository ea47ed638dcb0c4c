//! What people use today on axum, as the benchmark of Rescind measures it:
//! `sessions memory`, `sessions redis PORT`: tower-sessions, and a route that reads its session;
//! `jwt ISSUER AUDIENCE X Y`: a route behind jsonwebtoken, ES256, with the key made once.
//!
//! Prints one line of JSON when it is ready: its port, and for sessions the cookies of its clients. Ends with its
//! standard input.

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::routing::get;
use axum::{Json, Router};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::error::Error;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, stdin};
use tokio::net::TcpListener;
use tower_sessions::{MemoryStore, Session, SessionManagerLayer, SessionStore};
use tower_sessions_redis_store::RedisStore;
use tower_sessions_redis_store::fred::prelude::{ClientLike as _, Config, Pool};

/// Clients, each with a session of its own.
const CLIENTS: usize = 64;
/// Connections to Redis: what the documentation of the store shows.
const CONNECTIONS: usize = 6;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

// One thread, as Rescind's server has beside it.
#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (router, values) = match words[..] {
        ["sessions", "memory"] => sessions(MemoryStore::default()).await?,
        ["sessions", "redis", port] => {
            let config = Config::from_url(&format!("redis://127.0.0.1:{port}"))?;
            let pool = Pool::new(config, None, None, None, CONNECTIONS)?;
            pool.init().await?;
            sessions(RedisStore::new(pool)).await?
        }
        ["jwt", issuer, audience, x, y] => (jwt(issuer, audience, x, y)?, Vec::new()),
        _ => return Err("sessions memory, sessions redis PORT, or jwt ISSUER AUDIENCE X Y".into()),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", json!({ "port": listener.local_addr()?.port(), "values": values }));
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    stdin().read_to_end(&mut Vec::new()).await?;
    serving.abort();
    Ok(())
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct User {
    name: String,
    roles: Vec<String>,
    since: u64,
}

/// The route, and the cookies of clients who are signed in.
async fn sessions<S: SessionStore + Clone>(store: S) -> Outcome<(Router, Vec<String>)> {
    let mut cookies = Vec::new();
    for _ in 0..CLIENTS {
        let session = Session::new(None, Arc::new(store.clone()), None);
        let user = User { name: "alice".to_owned(), roles: vec!["author".to_owned()], since: 1 };
        session.insert("user", user).await?;
        session.save().await?;
        cookies.push(format!("id={}", session.id().ok_or("a session has no id")?));
    }
    let layer = SessionManagerLayer::new(store).with_secure(false);
    Ok((Router::new().route("/whoami", get(whoami)).layer(layer), cookies))
}

async fn whoami(session: Session) -> Result<Json<User>, StatusCode> {
    let user = session.get("user").await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    user.map(Json).ok_or(StatusCode::UNAUTHORIZED)
}

/// What a token is checked with.
#[derive(Clone)]
struct Checks(Arc<(DecodingKey, Validation)>);

#[expect(dead_code, reason = "an application reads them")]
#[derive(Deserialize)]
struct Claims {
    sub: String,
    sid: String,
    exp: u64,
    roles: Vec<String>,
}

fn jwt(issuer: &str, audience: &str, x: &str, y: &str) -> Outcome<Router> {
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[audience]);
    let checks = Checks(Arc::new((DecodingKey::from_ec_components(x, y)?, validation)));
    Ok(Router::new().route("/hello", get(hello)).with_state(checks))
}

async fn hello(_: Claims, State(_): State<Checks>) -> Json<Value> {
    Json(json!({ "hello": "world" }))
}

impl FromRequestParts<Checks> for Claims {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, checks: &Checks) -> Result<Self, StatusCode> {
        let value = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = value.and_then(|value| value.strip_prefix("Bearer "));
        let token = token.ok_or(StatusCode::UNAUTHORIZED)?;
        let (key, validation) = &*checks.0;
        let decoded = jsonwebtoken::decode(token, key, validation);
        Ok(decoded.map_err(|_| StatusCode::UNAUTHORIZED)?.claims)
    }
}

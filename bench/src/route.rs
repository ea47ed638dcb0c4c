//! What a protected route costs an application's server, against the same route unprotected.

use crate::Outcome;
use crate::bench::{Bench, say};
use crate::load::Requests;
use crate::promise::Row;
use crate::realm::Realm;
use crate::report::{Series, Unit};
use axum::routing::get;
use axum::{Json, Router};
use rescind_verifier::Principal;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What is measured, for the page.
pub(crate) const METHOD: &str = "\
- **Protected route**: a handler of axum behind `verifier.layer()` that takes the `Principal`, asked by `wrk` with 64
  tokens in turn. Floor: the same handler without both, with the same requests and answers.
";

/// Sessions whose tokens are sent in turn.
const SESSIONS: usize = 64;

async fn open() -> Json<Value> {
    Json(json!({ "hello": "world" }))
}

async fn protected(_: Principal) -> Json<Value> {
    open().await
}

/// Serves a router on the servers' side; gives its URL.
pub(crate) fn serve(bench: &Bench, router: Router) -> Outcome<String> {
    bench.on_servers(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(url)
    })
}

/// The measurement.
pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Series>> {
    let realm = Realm::start(bench)?;
    let verifier = realm.verifier_beside(bench)?;
    let with = Router::new().route("/hello", get(protected)).layer(verifier.layer());
    let without = Router::new().route("/hello", get(open));
    let (with, without) = (serve(bench, with)?, serve(bench, without)?);
    let mut values = Vec::new();
    for _ in 0..SESSIONS {
        values.push(format!("Bearer {}", bench.clients.block_on(realm.sign_in())?.0));
    }
    let requests = Requests::new(bench, "/hello", "authorization", values)?;
    requests.alike(bench, [&with, &without])?;
    let mut series = Series::new("Protected route of an axum server, known tokens", Unit::Requests)
        .at_least(Row::Route, 0.93);
    for round in 1..=bench.rounds {
        say(&format!("protected route: round {round} of {}", bench.rounds));
        let floor = requests.load(&without, &[])?;
        series.add_loads(floor, requests.load(&with, &[])?);
    }
    Ok(vec![series])
}

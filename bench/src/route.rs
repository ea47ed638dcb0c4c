//! What a protected route costs an application's server, against the same route unprotected.

use crate::Outcome;
use crate::bench::{Bench, say};
use crate::load::{Load, Requests};
use crate::promise::Row;
use crate::realm::{Realm, drawn};
use crate::report::{Series, Unit};
use axum::routing::get;
use axum::{Extension, Json, Router};
use rescind_verifier::{Principal, Verifier};
use rescind_wire::b64;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::net::TcpListener;

/// What is measured, for the page.
pub(crate) const METHOD: &str = "\
- **Protected route**: a handler of axum behind `verifier.layer()` that takes the `Principal`, asked by `wrk` with 64
  tokens in turn; a million revocations are live. Floor: the same handler without both, with the same requests and answers.
  Beside a layer that looks at nothing: axum's own `Extension`, whose value the handler takes.
  Beside a flood: a second `wrk` sends 1,000 tokens with signatures of chance, by 64 connections, as fast as they are
  answered; beside it, the route without that flood. *If all were verified as they come*: with the setting that lets it.
";

/// Sessions whose tokens are sent in turn.
const SESSIONS: usize = 64;

async fn open() -> Json<Value> {
    Json(json!({ "hello": "world" }))
}

async fn protected(_: Principal) -> Json<Value> {
    open().await
}

async fn told(_: Extension<Arc<()>>) -> Json<Value> {
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

/// Live revocations.
const REVOCATIONS: usize = 1_000_000;
/// Tokens that somebody has made up: they look like good ones, but for the signature.
const MADE_UP: usize = 1000;

/// The measurement.
pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Series>> {
    let realm = Realm::start(bench)?;
    realm.take_back(bench, bench.choose(REVOCATIONS, 10_000))?;
    let verifier = realm.verifier_beside(bench)?;
    let behind = |verifier: &Verifier| {
        serve(bench, Router::new().route("/hello", get(protected)).layer(verifier.layer()))
    };
    let with = behind(&verifier)?;
    let without = serve(bench, Router::new().route("/hello", get(open)))?;
    let idle = Router::new().route("/hello", get(told)).layer(Extension(Arc::new(())));
    let idle = serve(bench, idle)?;
    let mut values = Vec::new();
    for _ in 0..SESSIONS {
        values.push(format!("Bearer {}", bench.clients.block_on(realm.sign_in())?.0));
    }
    let flood = Requests::new(bench, "/hello", "authorization", made_up(&values)?)?;
    let requests = Requests::new(bench, "/hello", "authorization", values)?;
    requests.alike(bench, [&with, &without])?;
    requests.alike(bench, [&idle, &without])?;
    let mut series = Series::new("Protected route of an axum server, known tokens", Unit::Requests)
        .at_least(Row::Route, 0.93);
    let mut layered = Series::new("The same beside a layer that looks at nothing", Unit::Requests);
    let mut flooded = Series::new("The same beside a flood of made-up tokens", Unit::Requests);
    let mut late = Series::new("The same beside that flood, p99", Unit::Millis);
    let builder = realm.verifier().new_tokens_at_once(MADE_UP);
    let hasty = bench.on_servers(async move { Ok(builder.build().await?) })?;
    let hasty = behind(&hasty)?;
    let mut all_at_once = Series::new("The same if all were verified as they come", Unit::Requests);
    requests.load(&hasty, &[])?;
    for round in 1..=bench.rounds {
        say(&format!("protected route: round {round} of {}", bench.rounds));
        let floor = requests.load(&without, &[])?;
        let layer = requests.load(&idle, &[])?;
        let alone = requests.load(&with, &[])?;
        series.add_loads(floor, alone.clone());
        layered.add_loads(layer, alone.clone());
        let during = beside(&flood, &requests, &with)?;
        late.add(alone.p99(), during.p99());
        flooded.add_loads(alone.clone(), during);
        all_at_once.add_loads(alone, beside(&flood, &requests, &hasty)?);
    }
    if verifier.status().entries < bench.choose(REVOCATIONS, 10_000) {
        return Err("not all revocations were held to the end".into());
    }
    Ok(vec![series, layered, flooded, late, all_at_once])
}

fn beside(flood: &Requests, requests: &Requests, url: &str) -> Outcome<Load> {
    let _flood = flood.flood(url)?;
    requests.load(url, &[])
}

/// Tokens with the header and the claims of a good one, and signatures of chance.
fn made_up(good: &[String]) -> Outcome<Vec<String>> {
    let (input, _) = good.first().and_then(|good| good.rsplit_once('.')).ok_or("no token")?;
    let signature = || b64::encode([drawn(), drawn(), drawn(), drawn()].concat());
    Ok((0..MADE_UP).map(|_| format!("{input}.{}", signature())).collect())
}

//! The same work done by what people use today, in turns with ours: a protected route by Express, jsonwebtoken and a
//! deny-list in Redis; a session check by tower-sessions, express-session and better-auth.

use crate::Outcome;
use crate::bench::{Bench, say};
use crate::load::{CONNECTIONS, Load, Requests};
use crate::peer::{Peer, Redis};
use crate::picture::beside;
use crate::promise::Row;
use crate::realm::Realm;
use crate::report::{Series, Unit};
use crate::route::serve;
use crate::whoami;
use axum::routing::get;
use axum::{Json, Router};
use rescind_verifier::Principal;
use serde_json::{Value, json};

/// What is measured, for the page.
pub(crate) const METHOD: &str = "\
- **Protected route, beside Express**: a handler of axum behind `verifier.layer()` that takes the `Principal`, with a million live
  revocations, beside [the same in Express 5](../../bench/peers/node/deny_list.mjs): jsonwebtoken (RS256), and a deny-list of a
  million in Redis 7, asked for every request. *As written* is what the documentation of each shows; *tuned* makes the key
  object once and leaves out what Express adds to an answer. `wrk`, 64 tokens in turn, all known to ours.
- **`GET /whoami`, beside others**: 64 cookies in turn on every side, so all of theirs are as warm as they can be: tower-sessions
  [on axum](../../bench/peers/rust/src/main.rs), in memory and in Redis; [express-session](../../bench/peers/node/sessions.mjs) with
  connect-redis; [better-auth](../../bench/peers/node/better_auth.mjs) on SQLite.
- Of what a peer needs, everything runs on the servers' core, Redis too: it must be paid for somewhere. It comes without
  persistence, over loopback; in a second machine it would cost the same and wait longer.

![Requests per second of a protected route](benchmarks-route-rates.svg)

![Share of requests answered, by time](benchmarks-route-latencies.svg)

![Session checks per second](benchmarks-whoami-rates.svg)

![Share of session checks answered, by time](benchmarks-whoami-latencies.svg)

";

/// Live revocations.
const REVOCATIONS: usize = 1_000_000;

/// A route that tells nothing but lets in only who is known.
pub(crate) async fn hello(_: Principal) -> Json<Value> {
    Json(json!({ "hello": "world" }))
}

/// The measurement.
pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Series>> {
    let mut all = routes(bench)?;
    all.extend(sessions(bench)?);
    Ok(all)
}

fn routes(bench: &Bench) -> Outcome<Vec<Series>> {
    say("peers: deny-lists are filled");
    let count = bench.choose(REVOCATIONS, 10_000);
    let realm = Realm::start(bench)?;
    realm.take_back(bench, count)?;
    let verifier = realm.verifier_beside(bench)?;
    let ours = serve(bench, Router::new().route("/hello", get(hello)).layer(verifier.layer()))?;
    let mut values = Vec::new();
    for _ in 0..CONNECTIONS {
        values.push(format!("Bearer {}", bench.clients.block_on(realm.sign_in())?.0));
    }
    let requests = Requests::new(bench, "/hello", "authorization", values)?;
    let redis = Redis::start(bench)?;
    let (port, revocations) = (redis.port.to_string(), count.to_string());
    let express = |how| -> Outcome<Peer> {
        let asked = Some(("/hello", "authorization"));
        let peer = Peer::node(bench, asked, &["deny_list.mjs", how, &port, &revocations])?;
        Ok(peer.with(&redis))
    };
    let name = |how| format!("Protected route, beside Express + jsonwebtoken + Redis, {how}");
    let sides = [("tuned", 18.0), ("written", 35.0)].map(|(how, least)| -> Outcome<_> {
        let about = name(if how == "tuned" { "tuned" } else { "as written" });
        let series = Series::new(about, Unit::Requests).at_least(Row::RoutePeers, least);
        Ok((series, express(how)?))
    });
    let sides = sides.into_iter().collect::<Outcome<Vec<_>>>()?;
    let series = rounds(bench, "route", sides, || requests.load(&ours, &[]))?;
    draw(
        bench,
        "route",
        "Protected route, requests per second",
        &["Express + Redis, tuned", "Express + Redis, as written"],
        &series,
    )?;
    let held = verifier.status().entries;
    if held < count {
        return Err(format!("of {count} revocations only {held} were held to the end").into());
    }
    Ok(series)
}

fn sessions(bench: &Bench) -> Outcome<Vec<Series>> {
    let realm = Realm::start(bench)?;
    let requests = whoami::requests(bench, &realm)?;
    let redis = Redis::start(bench)?;
    let port = redis.port.to_string();
    let file = bench.folder().join("better-auth.db");
    let file = file.to_str().ok_or("a path is no text")?;
    let asked = Some(("/whoami", "cookie"));
    let series = |with: &str| Series::new(format!("`GET /whoami`, beside {with}"), Unit::Requests);
    let sides = vec![
        (series("tower-sessions in memory"), Peer::rust(bench, asked, &["sessions", "memory"])?),
        (
            series("tower-sessions on Redis").at_least(Row::Whoami, 1.3),
            Peer::rust(bench, asked, &["sessions", "redis", &port])?.with(&redis),
        ),
        (
            series("express-session + connect-redis").at_least(Row::Whoami, 25.0),
            Peer::node(bench, asked, &["sessions.mjs", &port])?.with(&redis),
        ),
        (
            series("better-auth on SQLite").at_least(Row::Whoami, 100.0),
            Peer::node(
                bench,
                Some(("/api/auth/get-session", "cookie")),
                &["better_auth.mjs", file],
            )?,
        ),
    ];
    let series = rounds(bench, "session check", sides, || requests.load(realm.issuer(), &[]))?;
    let names =
        ["tower-sessions, memory", "tower-sessions, Redis", "express-session", "better-auth"];
    draw(bench, "whoami", "Session check, requests per second", &names, &series)?;
    Ok(series)
}

fn draw(bench: &Bench, what: &str, title: &str, names: &[&str], all: &[Series]) -> Outcome {
    let [rates, latencies] =
        ["rates", "latencies"].map(|kind| bench.picture(&format!("benchmarks-{what}-{kind}.svg")));
    let named: Vec<(&str, &Series)> = names.iter().copied().zip(all).collect();
    beside(&rates, &latencies, title, &named)
}

/// All sides in turn, ours once in each round.
fn rounds(
    bench: &Bench,
    what: &str,
    mut sides: Vec<(Series, Peer)>,
    ours: impl Fn() -> Outcome<Load>,
) -> Outcome<Vec<Series>> {
    for round in 1..=bench.rounds {
        say(&format!("peers: {what}: round {round} of {}", bench.rounds));
        let ours = ours()?;
        for (series, peer) in &mut sides {
            series.add_loads(peer.load()?, ours.clone());
        }
    }
    Ok(sides.into_iter().map(|(series, _)| series).collect())
}

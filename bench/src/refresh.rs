//! What a refresh over HTTP costs, against the one durable transaction that it needs.

use crate::Outcome;
use crate::bench::{Bench, SPAN, say};
use crate::load::CONNECTIONS;
use crate::promise::Row;
use crate::realm::{Realm, text};
use crate::report::{Series, Unit};
use crate::stopwatch::Stopwatch;
use rescind_authority::Authority;
use rescind_authority::store::{Load, Loaded, Write};
use rescind_testkit::http::Http;
use rescind_wire::id::Sid;
use std::sync::Arc;
use tokio::task::JoinSet;

/// What is measured, for the page.
pub(crate) const METHOD: &str = "\
- **Refresh**: `POST /token` by 64 clients, each with the token that it was given last. Floor: transactions of the store
  alone that load a session and move its line, asked for by 64 tasks at once, which it groups as it does there.
";

/// The measurement: as many clients on either side, each with a session of its own.
pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Series>> {
    let realm = Realm::start(bench)?;
    let (mut sids, mut tokens) = (Vec::new(), Vec::new());
    for _ in 0..CONNECTIONS {
        tokens.push(bench.clients.block_on(realm.sign_in())?.1);
        let (other, _) = bench.clients.block_on(realm.sign_in())?;
        sids.push(realm.claims(&other)?.sid);
    }
    let mut series = Series::new("Refresh over HTTP, durable, SQLite, 64 clients", Unit::Requests)
        .at_least(Row::Refresh, 0.5);
    for round in 1..=bench.rounds {
        say(&format!("refresh: round {round} of {}", bench.rounds));
        let authority = Arc::clone(&realm.app.authority);
        let floor = bench.on_servers(transactions(authority, sids.clone()))?;
        let (rate, next) = bench.clients.block_on(refreshes(realm.http(), tokens))?;
        tokens = next;
        series.add(floor, rate);
    }
    Ok(vec![series])
}

/// Refreshes per second, with the tokens that came last. Each client follows its own line.
async fn refreshes(http: Http, tokens: Vec<String>) -> Outcome<(f64, Vec<String>)> {
    let watch = Stopwatch::start();
    let mut clients = JoinSet::new();
    for mut token in tokens {
        let http = http.clone();
        clients.spawn(async move {
            let mut done = 0;
            while watch.elapsed() < SPAN {
                token = text(&http.refresh(&token, None).await.json(), "refresh_token")?;
                done += 1;
            }
            Outcome::Ok((done, token))
        });
    }
    let (mut all, mut next) = (0, Vec::new());
    for client in clients.join_all().await {
        let (done, token) = client?;
        all += done;
        next.push(token);
    }
    Ok((1.0 / watch.each(all), next))
}

/// Transactions per second that load a session and move its line, and nothing else.
async fn transactions(authority: Arc<Authority>, sids: Vec<Sid>) -> Outcome<f64> {
    let watch = Stopwatch::start();
    let mut clients = JoinSet::new();
    for sid in sids {
        let authority = Arc::clone(&authority);
        clients.spawn(async move {
            let mut done = 0;
            while watch.elapsed() < SPAN {
                let at = authority.clock().now().wall;
                let rule = Box::new(move |loaded: &Loaded| {
                    let from = loaded.session.as_ref().map(|judged| judged.session.generation);
                    let step = |from| Write::MoveLine { sid, from, at, move_key: None };
                    from.map(step).into_iter().collect()
                });
                authority.store().transact(Load::session(sid), rule).await?;
                done += 1;
            }
            Outcome::Ok(done)
        });
    }
    let mut all = 0;
    for client in clients.join_all().await {
        all += client?;
    }
    Ok(1.0 / watch.each(all))
}

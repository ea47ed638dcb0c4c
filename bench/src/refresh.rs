//! What a refresh over HTTP costs, against the one durable transaction that it needs.
//!
//! The floor is the transaction of a refresh without the rest of it: it loads the session, its account, its
//! cut-offs and the clients, and moves the line, from as many tasks on the same side of the machine.

use crate::Outcome;
use crate::bench::{Bench, SPAN, awake, say};
use crate::load::CONNECTIONS;
use crate::promise::Row;
use crate::raw::{Raw, post};
use crate::realm::Realm;
use crate::report::{Series, Unit};
use crate::stopwatch::Stopwatch;
use rescind_authority::Authority;
use rescind_authority::store::{Load, Loaded, Write};
use rescind_wire::id::Sid;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use tokio::task::JoinSet;

/// What is measured, for the page.
pub(crate) const METHOD: &str = "\
- **Refresh**: `POST /token` by 64 clients, each with the token that it was given last, on a core that never sleeps. Floor: transactions of the store
  alone that load what a refresh loads and move the line, asked for by 64 tasks at once, which it groups as it does there.
";

/// The measurement: as many clients on either side, each with a session of its own.
pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Series>> {
    let realm = Realm::start(bench)?;
    let address: SocketAddr = realm.http().address().parse()?;
    let (mut sids, mut lines) = (Vec::new(), Vec::new());
    for _ in 0..CONNECTIONS {
        let (_, token) = bench.clients.block_on(realm.sign_in())?;
        lines.push(bench.clients.block_on(Line::open(address, &token))?);
        let (other, _) = bench.clients.block_on(realm.sign_in())?;
        sids.push(realm.claims(&other)?.sid);
    }
    let mut series = Series::new("Refresh over HTTP, durable, SQLite, 64 clients", Unit::Requests)
        .at_least(Row::Refresh, 0.5)
        .ours_at_least(Row::Refresh, 3000.0);
    for round in 1..=bench.rounds {
        say(&format!("refresh: round {round} of {}", bench.rounds));
        let authority = Arc::clone(&realm.app.authority);
        let floor = bench.on_servers(transactions(authority, sids.clone()))?;
        let (rate, next) = bench.clients.block_on(awake(refreshes(lines)))?;
        lines = next;
        series.add(floor, rate);
    }
    Ok(vec![series])
}

/// Refreshes per second. Each client follows its own line.
async fn refreshes(lines: Vec<Line>) -> Outcome<(f64, Vec<Line>)> {
    let watch = Stopwatch::start();
    let mut clients = JoinSet::new();
    for mut line in lines {
        clients.spawn(async move {
            let mut done = 0;
            while watch.elapsed() < SPAN {
                line.refresh().await?;
                done += 1;
            }
            Outcome::Ok((done, line))
        });
    }
    let (mut all, mut next) = (0, Vec::new());
    for client in clients.join_all().await {
        let (done, line) = client?;
        all += done;
        next.push(line);
    }
    Ok((1.0 / watch.each(all), next))
}

/// A client that holds one refresh token. Its request is written once; then only the token in it changes.
struct Line {
    connection: Raw,
    request: Vec<u8>,
    token: Range<usize>,
}

impl Line {
    async fn open(address: SocketAddr, token: &str) -> Outcome<Self> {
        let form = format!("grant_type=refresh_token&refresh_token={token}");
        let request = post(address, "/token", "application/x-www-form-urlencoded", &form);
        let token = request.len() - token.len()..request.len();
        Ok(Self { connection: Raw::open(address).await?, request: request.into_bytes(), token })
    }

    /// Sends the token and takes its successor; fails if the answer has none.
    async fn refresh(&mut self) -> Outcome {
        let answer = self.connection.ask(&self.request).await?;
        let (_, rest) = answer.split_once("\"refresh_token\":\"").ok_or("no refresh")?;
        let next = rest.get(..self.token.len()).ok_or("no whole token")?;
        self.request[self.token.clone()].copy_from_slice(next.as_bytes());
        Ok(())
    }
}

/// Transactions per second that load what a refresh loads and move the line, and nothing else.
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
                let load = Load { clients: true, ..Load::session(sid) };
                authority.store().transact(load, rule).await?;
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

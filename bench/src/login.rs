//! How many sign-ins fit beside the hashes that they need.

use crate::Outcome;
use crate::bench::{Bench, say};
use crate::program::{Place, name};
use crate::promise::Row;
use crate::raw::{Raw, post, status};
use crate::report::{Series, Unit};
use crate::stopwatch::Stopwatch;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use rescind_authority::Settings;
use rescind_testkit::server::PASSWORD;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use tokio::task::JoinSet;

/// What is measured, for the page.
pub(crate) const METHOD: &str = "\
- **Sign-in**: `POST /login` with the right password by 8 clients, each time of another account, at the default cost of a
  hash. Floor: as many hashes on as many threads as the program has for them, on its core, each thread with memory that it
  keeps.
";

/// Accounts that sign in, in turn.
pub(crate) const ACCOUNTS: usize = 1024;
/// So many at once: enough that no thread waits for work.
const CLIENTS: usize = 8;

/// The measurement.
pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Series>> {
    let place = Place::with_accounts(bench, ACCOUNTS)?;
    let (_program, _) = place.start(bench)?;
    let mut series =
        Series::new("Sign-in with a password", Unit::Requests).at_least(Row::Login, 0.95);
    let (count, next) = (bench.choose(150, 10), Arc::new(AtomicUsize::new(0)));
    // The program's threads take their memory at the first.
    bench.clients.block_on(sign_ins(place.address, CLIENTS, &next))?;
    for round in 1..=bench.rounds {
        say(&format!("login: round {round} of {}", bench.rounds));
        let floor = bench.on_servers(async move { hashes(count) })?;
        series.add(floor, bench.clients.block_on(sign_ins(place.address, count, &next))?);
    }
    Ok(vec![series])
}

/// Sign-ins per second that this place can take.
pub(crate) fn capacity(bench: &Bench, place: &Place) -> Outcome<f64> {
    let next = Arc::new(AtomicUsize::new(0));
    bench.clients.block_on(sign_ins(place.address, bench.choose(100, 10), &next))
}

/// Hashes per second, with the settings' threads.
fn hashes(count: usize) -> Outcome<f64> {
    let settings = Settings::new("http://127.0.0.1");
    let cost = settings.argon2;
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32))?;
    let hash = |memory: &mut [Block]| {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        argon2.hash_password_into_with_memory(PASSWORD.as_bytes(), &[7; 16], &mut [0; 32], memory)
    };
    let mut memories = vec![vec![Block::new(); params.block_count()]; settings.hash_threads];
    for memory in &mut memories {
        hash(memory)?;
    }
    let (hash, left) = (&hash, &AtomicUsize::new(count));
    let watch = Stopwatch::start();
    thread::scope(|scope| {
        let threads: Vec<_> = memories
            .iter_mut()
            .map(|memory| {
                scope.spawn(move || {
                    while left
                        .try_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
                        .is_ok()
                    {
                        hash(memory)?;
                    }
                    Outcome::Ok(())
                })
            })
            .collect();
        threads
            .into_iter()
            .try_for_each(|t| t.join().map_err(|_| "a thread that hashes panicked")?)
    })?;
    Ok(1.0 / watch.each(count))
}

/// Sign-ins per second; `next` is the next account.
async fn sign_ins(address: SocketAddr, count: usize, next: &Arc<AtomicUsize>) -> Outcome<f64> {
    let end = next.load(Ordering::Relaxed) + count;
    let mut connections = Vec::new();
    for _ in 0..CLIENTS {
        connections.push(Raw::open(address).await?);
    }
    let watch = Stopwatch::start();
    let mut clients = JoinSet::new();
    for mut connection in connections {
        let next = Arc::clone(next);
        clients.spawn(async move {
            while let Some(n) = taken(&next, end) {
                let answer = connection.ask(request(address, n).as_bytes()).await?;
                if status(answer)? != 200 {
                    return Err(format!("no sign-in: {answer}").into());
                }
            }
            Outcome::Ok(())
        });
    }
    for client in clients.join_all().await {
        client?;
    }
    Ok(1.0 / watch.each(count))
}

fn taken(next: &AtomicUsize, end: usize) -> Option<usize> {
    let step = |n| (n < end).then_some(n + 1);
    next.try_update(Ordering::Relaxed, Ordering::Relaxed, step).ok()
}

/// A sign-in for tokens.
pub(crate) fn request(address: SocketAddr, n: usize) -> String {
    let body = json!({ "username": name(n % ACCOUNTS), "password": PASSWORD, "carrier": "token" });
    post(address, "/login", "application/json", &body.to_string())
}

//! Whether a flood of sign-ins is felt by those who are signed in, and what becomes of it.

use crate::Outcome;
use crate::bench::{Bench, say};
use crate::load::{CONNECTIONS, Requests};
use crate::login::{ACCOUNTS, request};
use crate::program::{Place, Program, name};
use crate::promise::Row;
use crate::raw::{Raw, header, status};
use crate::report::{Series, Unit, quantile};
use crate::stopwatch::Stopwatch;
use rescind_authority::Settings;
use rescind_testkit::http::Http;
use rescind_testkit::server::PASSWORD;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;

/// What is measured, for the page.
pub(crate) const METHOD: &str = "\
- **Flood**: `/whoami` by 64 clients that keep a pace together, half of what `wrk` gets at most, without and with ten times
  as many sign-ins as the program can hash for, all with the right password, each on a connection of its own. A latency
  counts from when its request was due, or from when the client woke for it. The flood's own answers are 200, or 503 or 429
  with `Retry-After`: anything else fails the measurement. The memory is what the process has held at most; the bound beside
  it is what may be held idle, with the hashing threads' memory and 64 KiB for each connection.
";

/// How long one side lasts.
const SPAN: Duration = Duration::from_secs(3);
/// How many times what fits.
const TIMES: f64 = 10.0;
/// What the program may hold idle, in bytes.
const IDLE: f64 = 20e6;

/// What became of a flood: how long each refused one waited, in seconds, and how many were let in.
#[derive(Default)]
struct Fate {
    refused: Vec<f64>,
    served: usize,
    /// So many were open at once.
    connections: usize,
}

/// The measurement.
pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Series>> {
    let place = Place::with_accounts(bench, ACCOUNTS)?;
    let (program, _) = place.start(bench)?;
    let cookies = cookies(bench, &place)?;
    let requests = Requests::new(bench, "/whoami", "cookie", cookies.clone())?;
    let peak = requests.load(&place.issuer(), &[program.id()])?.rate;
    let fits = crate::login::capacity(bench, &place)?;
    let mut p99 =
        Series::new("`/whoami` at half its peak, p99: during a flood ÷ without", Unit::Millis)
            .at_most_or(Row::Flood, 3.0, 5e-3);
    let mut p50 = Series::new("The same, p50", Unit::Millis);
    let mut refused =
        Series::new("A refused sign-in's answer, p99", Unit::Millis).ours_at_most(Row::Flood, 0.1);
    let mut served = Series::new("Sign-ins during the flood ÷ what fits", Unit::Requests);
    let (address, rate) = (place.address, peak / 2.0);
    let mut connections = 0;
    for round in 1..=bench.rounds.min(5) {
        say(&format!("flood: round {round}"));
        let mut without = bench.clients.block_on(whoami(address, &cookies, rate))?;
        let (during, fate) = bench.clients.block_on(async {
            tokio::join!(whoami(address, &cookies, rate), flood(address, fits * TIMES))
        });
        let (mut during, mut fate) = (during?, fate?);
        connections = connections.max(fate.connections);
        p99.add(quantile(&mut without, 0.99), quantile(&mut during, 0.99));
        p50.add(quantile(&mut without, 0.5), quantile(&mut during, 0.5));
        refused.add_ours(quantile(&mut fate.refused, 0.99));
        served.add(fits, fate.served as f64 / SPAN.as_secs_f64());
    }
    Ok(vec![p99, p50, refused, served, memory(&program, connections + CONNECTIONS)?])
}

/// The most that the program has held, beside what it may.
fn memory(program: &Program, connections: usize) -> Outcome<Series> {
    let settings = Settings::new("http://127.0.0.1");
    let hashing = settings.hash_threads as f64 * f64::from(settings.argon2.memory_kib) * 1024.0;
    let bound = IDLE + hashing + 65_536.0 * connections as f64;
    let mut series = Series::new("Peak memory in a flood ÷ its bound", Unit::Megabytes);
    series = series.at_most(Row::Flood, 1.0);
    series.add(bound, program.memory("VmHWM:")?);
    Ok(series)
}

/// The session cookies of some people.
fn cookies(bench: &Bench, place: &Place) -> Outcome<Vec<String>> {
    let mut cookies = Vec::new();
    for n in 0..CONNECTIONS {
        let mut browser = Http::new(&place.issuer()).browser();
        bench.clients.block_on(browser.sign_in(&name(n), PASSWORD));
        cookies.push(format!("rescind-dev={}", browser.session_cookie()));
    }
    Ok(cookies)
}

/// The latencies of `/whoami`, in seconds, at so many requests per second from all together.
async fn whoami(address: SocketAddr, cookies: &[String], rate: f64) -> Outcome<Vec<f64>> {
    let watch = Stopwatch::start();
    let mut clients = JoinSet::new();
    let apart = Duration::from_secs_f64(cookies.len() as f64 / rate);
    for (n, cookie) in cookies.iter().enumerate() {
        let request =
            format!("GET /whoami HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\n\r\n");
        let first = Duration::from_secs_f64(n as f64 / rate);
        clients.spawn(async move {
            let (mut connection, mut due) = (Raw::open(address).await?, first);
            let mut latencies = Vec::new();
            while due < SPAN {
                let mut from = due;
                if watch.elapsed() < due {
                    tokio::time::sleep(due.saturating_sub(watch.elapsed())).await;
                    from = watch.elapsed();
                }
                let answer = connection.ask(request.as_bytes()).await?;
                if status(answer)? != 200 {
                    return Err(format!("no answer: {answer}").into());
                }
                latencies.push((watch.elapsed() - from).as_secs_f64());
                due += apart;
            }
            Outcome::Ok(latencies)
        });
    }
    let mut all = Vec::new();
    for latencies in clients.join_all().await {
        all.extend(latencies?);
    }
    Ok(all)
}

/// Sends so many sign-ins per second, whatever becomes of those before, and waits for all answers.
async fn flood(address: SocketAddr, rate: f64) -> Outcome<Fate> {
    let (watch, fate) = (Stopwatch::start(), Arc::new(Mutex::new(Fate::default())));
    let idle = Arc::new(Mutex::new(Vec::new()));
    let mut attempts = JoinSet::new();
    for n in 0..(rate * SPAN.as_secs_f64()) as usize {
        let due = Duration::from_secs_f64(n as f64 / rate);
        tokio::time::sleep(due.saturating_sub(watch.elapsed())).await;
        let (idle, fate) = (Arc::clone(&idle), Arc::clone(&fate));
        attempts.spawn(async move {
            let kept = lock(&idle)?.pop();
            let mut connection = match kept {
                Some(connection) => connection,
                None => {
                    lock(&fate)?.connections += 1;
                    Raw::open(address).await?
                }
            };
            let asked = Stopwatch::start();
            let answer = connection.ask(request(address, n).as_bytes()).await?;
            match (status(answer)?, header(answer, "retry-after")) {
                (200, _) => lock(&fate)?.served += 1,
                (429 | 503, Some(_)) => lock(&fate)?.refused.push(asked.elapsed().as_secs_f64()),
                _ => {
                    return Err(format!("neither served nor refused as it should: {answer}").into());
                }
            }
            lock(&idle)?.push(connection);
            Outcome::Ok(())
        });
    }
    for attempt in attempts.join_all().await {
        attempt?;
    }
    let fate = std::mem::take(&mut *lock(&fate)?);
    Ok(fate)
}

fn lock<T>(of: &Mutex<T>) -> Outcome<std::sync::MutexGuard<'_, T>> {
    of.lock().map_err(|_| "another client panicked".into())
}

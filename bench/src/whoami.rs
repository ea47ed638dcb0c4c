//! What `/whoami` by cookie costs the authority, against a handler that says hello at the same length: sessions
//! drawn at random, whose lines move and whose last request is recorded as the defaults say.

use crate::Outcome;
use crate::bench::{Bench, SPAN, awake, say};
use crate::follow::{Jars, Until, VALUE};
use crate::load::{CONNECTIONS, Requests};
use crate::promise::Row;
use crate::realm::{Realm, drawn};
use crate::report::{Series, Unit};
use crate::route::serve;
use axum::Router;
use axum::routing::get;
use http::header::{CONTENT_LENGTH, DATE};
use rescind_authority::account::{Account, AccountState};
use rescind_authority::clients::FIRST_PARTY;
use rescind_authority::line::{Carrier, Line};
use rescind_authority::name::Name;
use rescind_authority::session::{Session, SessionState, recorded_every};
use rescind_authority::store::{Load, Loaded, Write};
use rescind_testkit::server::PASSWORD;
use rescind_wire::id::{Sid, Sub};
use std::rc::Rc;

/// Sessions in one transaction.
const AT_ONCE: usize = 10_000;
/// Devices of one person.
const DEVICES: usize = 4;
/// Different user agents: browsers tell less than they did.
const AGENTS: usize = 2_000;
const SECOND: u64 = 1_000_000;

/// What is measured, for the page.
pub(crate) const METHOD: &str = "\
- **`GET /whoami`**: a million sessions, drawn at random, by 64 connections of a client of ours that follows `Set-Cookie` and never sleeps: their lines
  move, and their last request is recorded, as the defaults say. Floor: a handler of axum that gives a fixed answer with the same
  headers and as long a body, asked by the same client with the same requests; how fast that is beside `wrk` is measured, too.
";

/// The measurement.
pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Series>> {
    let count = bench.choose(1_000_000, 4_000);
    let realm = Realm::start(bench)?;
    say(&format!("whoami: {count} sessions"));
    let jars = Jars::new(realm.app.cookies.session, seed(bench, &realm, count)?);
    let before = resident()?;
    say("whoami: each of them once");
    let cold = bench.clients.block_on(jars.ask(realm.issuer(), Until::All))?;
    let held = realm.app.authority.store().health();
    let memory = (resident()? - before) / held.held as f64;
    say(&format!(
        "  {:.0}/s the first time; {} are held, {memory:.0} B each",
        cold.rate, held.held
    ));
    let hello = hello(bench, &realm, &jars)?;
    let wrk = Requests::new(bench, "/whoami", "cookie", (0..64).map(|n| jars.header(n)).collect())?;
    wrk.alike(bench, [realm.issuer(), &hello])?;
    let what = format!("`GET /whoami` by cookie, {count} sessions at random");
    let mut rates = Series::new(&what, Unit::Requests).at_least(Row::Whoami, 0.80);
    let mut costs = Series::new(format!("{what}: CPU of the server"), Unit::Micros);
    let mut client =
        Series::new("Our client beside `wrk`, at the floor of `GET /whoami`", Unit::Requests);
    for round in 1..=bench.rounds {
        say(&format!("whoami: round {round} of {}", bench.rounds));
        client.add(wrk.load(&hello, &[])?.rate, asked(bench, &jars, &hello)?.0);
        let (floor, floor_cost) = asked(bench, &jars, &hello)?;
        let (rate, cost) = asked(bench, &jars, realm.issuer())?;
        rates.add(floor, rate);
        costs.add(floor_cost, cost);
    }
    let mut size =
        Series::new("Memory of a session that is held, beside what it says", Unit::Bytes)
            .ours_at_most(Row::Memory, 300.0);
    size.add(said(), memory);
    Ok(vec![rates, costs, client, size])
}

/// Answers per second, and seconds of CPU of each on the servers' side.
fn asked(bench: &Bench, jars: &Rc<Jars>, url: &str) -> Outcome<(f64, f64)> {
    let before = cpu_of_servers()?;
    let followed = bench.clients.block_on(awake(jars.ask(url, Until::Passed(SPAN))))?;
    Ok((followed.rate, (cpu_of_servers()? - before) / followed.answers as f64))
}

/// A handler that answers as `/whoami` does.
fn hello(bench: &Bench, realm: &Realm, jars: &Jars) -> Outcome<String> {
    let one = Requests::new(bench, "/whoami", "cookie", vec![jars.header(0)])?;
    // The second time its line does not move.
    bench.clients.block_on(one.answer(realm.issuer()))?;
    let answer = bench.clients.block_on(one.answer(realm.issuer()))?;
    let (mut headers, body) = (answer.headers, answer.body);
    // The server writes these two by itself.
    headers.remove(DATE);
    headers.remove(CONTENT_LENGTH);
    let hello = move || async move { (headers, body) };
    serve(bench, Router::new().route("/whoami", get(hello)))
}

/// Puts the sessions in, as they are after some time of use, and gives their cookies.
fn seed(bench: &Bench, realm: &Realm, count: usize) -> Outcome<Vec<[u8; VALUE]>> {
    let (authority, mut values) = (&realm.app.authority, Vec::with_capacity(count));
    let (settings, keyring) = (authority.settings(), authority.keyring());
    let idle = settings.cookie_life.idle.as_micros() as u64;
    let every = (settings.move_after.as_micros() as u64, recorded_every(idle));
    let mut left = count;
    while left > 0 {
        let now = authority.clock().now().wall;
        let mut writes = Vec::new();
        for n in 0..left.min(AT_ONCE) {
            if n % DEVICES == 0 {
                writes.push(Write::InsertAccount(Box::new(account(now, left - n)?)));
            }
            let Some(Write::InsertAccount(owner)) =
                writes.iter().rev().find(|w| matches!(w, Write::InsertAccount(_)))
            else {
                return Err("a session has an owner".into());
            };
            let session = session(owner.sub, now, every);
            let line = Line { carrier: Carrier::Cookie, sid: session.sid, generation: 0 };
            let value = keyring.seal(line);
            values.push(*value.expose().as_bytes().first_chunk().ok_or("a short cookie")?);
            writes.push(Write::InsertSession(Box::new(session)));
        }
        left -= left.min(AT_ONCE);
        let authority = authority.clone();
        bench.on_servers(async move {
            let rule = Box::new(move |loaded: &Loaded| {
                let mut writes = writes;
                for write in &mut writes {
                    if let Write::InsertSession(session) = write {
                        session.rv = loaded.head.ts;
                    }
                }
                writes
            });
            Ok(authority.store().transact(Load::default(), rule).await.map(drop)?)
        })?;
    }
    Ok(values)
}

/// Below this, by chance.
fn below(most: u64) -> u64 {
    u64::from_le_bytes(drawn().first_chunk().copied().unwrap_or_default()) % most
}

fn account(now: u64, number: usize) -> Outcome<Account> {
    let sub = Sub::from_bytes(drawn());
    Ok(Account {
        sub,
        name: Name::new(&format!("person-{number:08}"))?,
        password_hash: "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAA".into(),
        password_version: 1,
        roles: vec!["author".into()],
        state: AccountState::Active,
        created_at: now,
    })
}

fn session(sub: Sub, now: u64, (move_after, worth): (u64, u64)) -> Session {
    let seen_at = now - below(move_after);
    Session {
        sid: Sid::from_bytes(drawn()),
        sub,
        client_id: FIRST_PARTY.into(),
        audiences: Vec::new(),
        carrier: Carrier::Cookie,
        rv: 0,
        created_at: now - 3_600 * SECOND,
        auth_time: now - 3_600 * SECOND,
        amr: vec!["pwd".into()],
        idle: 3_600 * SECOND,
        expires_at: now + 20 * 3_600 * SECOND,
        last_seen_at: now - below(worth),
        generation: 0,
        reached_at: seen_at - SECOND,
        seen_at: Some(seen_at),
        move_key: None,
        state: SessionState::Live,
        device: None,
        user_agent: Some(agent(below(AGENTS as u64))),
        address: Some(format!("{}.{}.{}.{}", 1 + below(220), below(256), below(256), below(256))),
        remembered: false,
    }
}

fn agent(n: u64) -> String {
    let (minor, major) = (n % 20, 100 + n / 20);
    format!(
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
         Chrome/{major}.0.{minor}.0 Safari/537.36"
    )
}

/// What one of them says, in bytes: two ids, seven numbers, generation, texts.
fn said() -> f64 {
    let texts = "person-12345678".len() + "192.0.2.100".len() + agent(0).len();
    (16 + 16 + 7 * 8 + 4 + texts) as f64
}

/// Memory of this process, in bytes.
fn resident() -> Outcome<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1024.0)
}

/// Seconds that all threads but this one have run.
fn cpu_of_servers() -> Outcome<f64> {
    let own = rustix::thread::gettid().as_raw_nonzero().to_string();
    let mut nanos = 0.0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let task = task?;
        if task.file_name().to_string_lossy() != own {
            // One that has ended since is none of the servers': those stay.
            let Ok(text) = std::fs::read_to_string(task.path().join("schedstat")) else { continue };
            nanos += text.split(' ').next().ok_or("no schedstat")?.parse::<f64>()?;
        }
    }
    Ok(nanos / 1e9)
}

/// The requests of 64 sessions, each with its cookie.
pub(crate) fn requests(bench: &Bench, realm: &Realm) -> Outcome<Requests> {
    let mut values = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut browser = realm.http().browser();
        bench.clients.block_on(browser.sign_in("alice", PASSWORD));
        values.push(format!("{}={}", realm.app.cookies.session, browser.session_cookie()));
    }
    Requests::new(bench, "/whoami", "cookie", values)
}

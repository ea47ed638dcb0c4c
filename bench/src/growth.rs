//! What each request costs as accounts and sessions grow from a thousand to ten million, in turns in one run; and how
//! long the real program takes to start over the largest store.

use crate::Outcome;
use crate::bench::{Bench, SPAN, awake, say};
use crate::load::{CONNECTIONS, Requests};
use crate::picture::{Axes, Curve, curves};
use crate::promise::Row;
use crate::raw::{Raw, post, status};
use crate::realm::Realm;
use crate::report::{Series, Unit, middle};
use crate::seed::{People, mixed};
use crate::stopwatch::Stopwatch;
use rescind_authority::line::Line;
use rescind_server::app::App;
use rescind_testkit::server::PASSWORD;
use serde_json::json;
use std::collections::HashMap;
use std::net::SocketAddr;
use tokio::task::JoinSet;

/// What is measured, for the page.
pub(crate) const METHOD: &str = "\
- **Over N sessions**: the same authority over a store of N accounts with one session each, beside one of a thousand. *Refresh* and
  *login* over HTTP by 64 clients, drawn over all of them; hashes are cheap, and one account has at most one session, so
  that each login ends one, however often the same few are drawn. *Cookie check*: `/whoami` by `wrk` with 200 cookies in turn,
  spread over all sessions. *A cookie seen for the first time*: one after the other, one connection. Medians of 7 rounds.
- **Start with N sessions**: the program itself, from its start until `/readyz` says yes; nothing of the store's file is in the
  machine's memory.

![Time of a request by the number of sessions](benchmarks-growth.svg)
";

/// Accounts and sessions; the first is what the others stand beside.
const SIZES: [usize; 4] = [1_000, 100_000, 1_000_000, 10_000_000];
const QUICK: [usize; 2] = [1_000, 10_000];
const ROUNDS: usize = 7;
/// Cookies of the working set, and of those seen for the first time: all that a thousand sessions have.
const COOKIES: usize = 200;
/// What is promised of the largest.
const MOST: f64 = 1.3;
/// Starts over the largest store.
const STARTS: usize = 5;

/// Names of what is measured of each size.
const KINDS: [&str; 3] = ["Refresh", "Login", "Cookie check"];

/// The measurement.
pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Series>> {
    let sizes = bench.choose(&SIZES[..], &QUICK[..]);
    let most = sizes.last().copied().unwrap_or_default();
    let mut crowds = Vec::new();
    for size in sizes {
        crowds.push(Crowd::new(bench, *size)?);
    }
    let first_sight = first_sights(bench, &crowds, most)?;
    let mut times: Vec<[Vec<f64>; 3]> = crowds.iter().map(|_| Default::default()).collect();
    for round in 1..=bench.choose(ROUNDS, 1) {
        say(&format!("growth: round {round}"));
        for (crowd, times) in crowds.iter_mut().zip(&mut times) {
            for (time, times) in crowd.round(bench)?.into_iter().zip(times) {
                times.push(time);
            }
        }
    }
    let mut all = series(sizes, &times);
    draw(bench, sizes, &times)?;
    all.push(first_sight);
    let last = crowds.pop().ok_or("there is no largest")?;
    all.push(starts(bench, last, most)?);
    Ok(all)
}

/// One for each kind and size, beside the smallest.
fn series(sizes: &[usize], times: &[[Vec<f64>; 3]]) -> Vec<Series> {
    let mut all = Vec::new();
    for (kind, name) in KINDS.into_iter().enumerate() {
        for (size, of_size) in sizes.iter().zip(times).skip(1) {
            let about = format!("{name} over {size} sessions, beside {}", sizes[0]);
            let series = Series::new(about, Unit::Micros);
            let is_last = Some(size) == sizes.last();
            let mut series = if is_last { series.at_most(Row::Growth, MOST) } else { series };
            for (floor, ours) in times[0][kind].iter().zip(&of_size[kind]) {
                series.add(*floor, *ours);
            }
            all.push(series);
        }
    }
    all
}

/// Whoever's cookie is not in memory.
fn first_sights(bench: &Bench, crowds: &[Crowd], most: usize) -> Outcome<Series> {
    let about = format!("A cookie seen for the first time, {most} sessions, beside {}", SIZES[0]);
    let mut series = Series::new(about, Unit::Micros);
    let [first, .., last] = crowds else { return Err("there is nothing to stand beside".into()) };
    let floor = bench.clients.block_on(first.first_sights())?;
    series.add(floor, bench.clients.block_on(last.first_sights())?);
    Ok(series)
}

/// Starts of the program over the largest store.
fn starts(bench: &Bench, crowd: Crowd, most: usize) -> Outcome<Series> {
    let about = format!("Start to the first answer, {most} sessions");
    let mut series = Series::new(about, Unit::Millis).ours_at_most(Row::Start, 1.0);
    let Crowd { realm, clients, .. } = crowd;
    drop(clients);
    let place = bench.on_servers(realm.stop())?;
    for _ in 0..bench.choose(STARTS, 1) {
        place.forget_pages()?;
        let (_program, time) = place.start(bench)?;
        series.add_ours(time.as_secs_f64());
    }
    Ok(series)
}

/// A realm with its people, and those who ask it.
struct Crowd {
    realm: Realm,
    people: People,
    cookies: Requests,
    clients: Vec<Client>,
}

impl Crowd {
    fn new(bench: &Bench, size: usize) -> Outcome<Self> {
        let people = People(size);
        let realm = Realm::with_people(bench, people)?;
        let cookies = spaced(size).map(|number| cookie(&realm, people, number + 1)).collect();
        let cookies = Requests::new(bench, "/whoami", "cookie", cookies)?;
        let open = |number| bench.clients.block_on(Client::open(number, &realm, people));
        let clients = (0..CONNECTIONS).map(open).collect::<Outcome<_>>()?;
        Ok(Self { realm, people, cookies, clients })
    }

    /// Seconds for each refresh, login and cookie check.
    fn round(&mut self, bench: &Bench) -> Outcome<[f64; 3]> {
        let refresh = bench.clients.block_on(awake(self.all(Act::Refresh)))?;
        let login = bench.clients.block_on(awake(self.all(Act::SignIn)))?;
        let check = self.cookies.load(self.realm.issuer(), &[])?;
        Ok([refresh, login, 1.0 / check.rate])
    }

    /// All clients do this as often as they can; the seconds for each.
    async fn all(&mut self, act: Act) -> Outcome<f64> {
        for client in &mut self.clients {
            // Nobody's is kept open while he does nothing.
            client.connection = Raw::open(client.address).await?;
        }
        let watch = Stopwatch::start();
        let mut tasks = JoinSet::new();
        for mut client in self.clients.drain(..) {
            tasks.spawn(async move {
                let mut done = 0;
                while watch.elapsed() < SPAN {
                    client.act(act).await?;
                    done += 1;
                }
                Outcome::Ok((client, done))
            });
        }
        let mut all = 0;
        for outcome in tasks.join_all().await {
            let (client, done) = outcome?;
            self.clients.push(client);
            all += done;
        }
        Ok(watch.each(all))
    }

    /// Seconds for a cookie that nobody has shown before, in the middle.
    async fn first_sights(&self) -> Outcome<f64> {
        let address = self.realm.address();
        let mut connection = Raw::open(address).await?;
        let mut times = Vec::with_capacity(COOKIES);
        for number in spaced(self.people.0) {
            // The neighbours of the working set.
            let cookie = cookie(&self.realm, self.people, number + 3);
            let request =
                format!("GET /whoami HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\n\r\n");
            let watch = Stopwatch::start();
            good(connection.ask(request.as_bytes()).await?)?;
            times.push(watch.each(1));
        }
        Ok(middle(times))
    }
}

/// Numbers spread over all sessions: of each, the next three are another's.
fn spaced(size: usize) -> impl Iterator<Item = usize> {
    (0..COOKIES).map(move |at| at * size / COOKIES / 4 * 4)
}

fn cookie(realm: &Realm, people: People, number: usize) -> String {
    let value = realm.app.authority.keyring().seal(people.line(number));
    format!("{}={}", realm.app.cookies.session, value.expose())
}

fn good(answer: &str) -> Outcome {
    if status(answer)? == 200 { Ok(()) } else { Err(answer.into()) }
}

/// What a client does.
#[derive(Debug, Clone, Copy)]
enum Act {
    Refresh,
    SignIn,
}

/// Asks for sessions that are its own, so that no other is ahead of it.
struct Client {
    number: usize,
    connection: Raw,
    address: SocketAddr,
    app: App,
    people: People,
    /// How many it has drawn.
    draws: u64,
    /// Of the sessions that it has refreshed.
    generations: HashMap<usize, u32>,
}

impl Client {
    async fn open(number: usize, realm: &Realm, people: People) -> Outcome<Self> {
        let (address, app) = (realm.address(), realm.app.clone());
        let (connection, generations) = (Raw::open(address).await?, HashMap::new());
        Ok(Self { number, connection, address, app, people, draws: 0, generations })
    }

    /// One of its sessions with a refresh token; the second next is one of an account that signs in.
    fn draw(&mut self) -> usize {
        self.draws += 1;
        let own = self.people.0 / 4 / CONNECTIONS;
        let drawn = mixed(self.draws << 8 | self.number as u64) as usize % own;
        4 * (drawn * CONNECTIONS + self.number)
    }

    async fn act(&mut self, act: Act) -> Outcome {
        let session = self.draw();
        match act {
            Act::Refresh => self.refresh(session).await,
            Act::SignIn => self.sign_in(session + 2).await,
        }
    }

    async fn refresh(&mut self, session: usize) -> Outcome {
        let generation = self.generations.entry(session).or_default();
        let line = Line { generation: *generation, ..self.people.line(session) };
        let token = self.app.authority.keyring().seal(line);
        let form = format!("grant_type=refresh_token&refresh_token={}", token.expose());
        let request = post(self.address, "/token", "application/x-www-form-urlencoded", &form);
        good(self.connection.ask(request.as_bytes()).await?)?;
        *generation += 1;
        Ok(())
    }

    async fn sign_in(&mut self, session: usize) -> Outcome {
        let name = self.people.name(session);
        let body = json!({ "username": name, "password": PASSWORD, "carrier": "token" });
        let request = post(self.address, "/login", "application/json", &body.to_string());
        good(self.connection.ask(request.as_bytes()).await?)
    }
}

/// One curve for each kind.
fn draw(bench: &Bench, sizes: &[usize], times: &[[Vec<f64>; 3]]) -> Outcome {
    let of_kind = |(kind, name): (usize, &str)| Curve {
        name: name.to_owned(),
        dashed: false,
        points: sizes
            .iter()
            .zip(times)
            .map(|(size, times)| (*size as f64, middle(times[kind].clone()) * 1e6))
            .collect(),
    };
    let all: Vec<Curve> = KINDS.into_iter().enumerate().map(of_kind).collect();
    let axes = Axes { x: "sessions", y: "µs of a request" };
    curves(&bench.picture("benchmarks-growth.svg"), &axes, &all)
}

//! What `/whoami` by cookie costs the authority, against a handler that says hello at the same length.

use crate::Outcome;
use crate::bench::{Bench, say};
use crate::load::{CONNECTIONS, Requests};
use crate::promise::Row;
use crate::realm::Realm;
use crate::report::{Series, Unit};
use crate::route::serve;
use axum::Router;
use axum::routing::get;
use http::header::{CONTENT_LENGTH, DATE};
use rescind_testkit::server::PASSWORD;

/// What is measured, for the page.
pub(crate) const METHOD: &str = "\
- **`GET /whoami`**: asked by `wrk` with the cookies of 64 sessions in turn. Floor: a handler of axum that gives a fixed
  answer with the same headers and as long a body.
";

/// The measurement.
pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Series>> {
    let realm = Realm::start(bench)?;
    let requests = requests(bench, &realm)?;
    let answer = bench.clients.block_on(requests.answer(realm.issuer()))?;
    let (mut headers, body) = (answer.headers, answer.body);
    // The server writes these two by itself.
    headers.remove(DATE);
    headers.remove(CONTENT_LENGTH);
    let hello = move || async move { (headers, body) };
    let hello = serve(bench, Router::new().route("/whoami", get(hello)))?;
    requests.alike(bench, [realm.issuer(), &hello])?;
    let mut series =
        Series::new("`GET /whoami` by cookie", Unit::Requests).at_least(Row::Whoami, 0.80);
    for round in 1..=bench.rounds {
        say(&format!("whoami: round {round} of {}", bench.rounds));
        let floor = requests.load(&hello, &[])?;
        series.add_loads(floor, requests.load(realm.issuer(), &[])?);
    }
    Ok(vec![series])
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

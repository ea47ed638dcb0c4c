//! A protected route where every token is new, against the same route by axum and jsonwebtoken: what a server pays that
//! can remember nothing.

use crate::Outcome;
use crate::bench::{Bench, say};
use crate::load::Requests;
use crate::peer::Peer;
use crate::peers::hello;
use crate::promise::Row;
use crate::realm::{Realm, drawn};
use crate::report::{Series, Unit};
use crate::route::serve;
use axum::Router;
use axum::routing::get;
use rescind_testkit::server::AUDIENCE;
use rescind_wire::id::{Jti, Sid, Sub};
use rescind_wire::token::{self, Claims};

/// What is measured, for the page.
pub(crate) const METHOD: &str = "\
- **Protected route, every token new**: the same handler, asked with 40,000 tokens that nobody has seen, other ones in each
  round. Beside it [axum and jsonwebtoken](../../bench/peers/rust/src/main.rs), ES256, by the same crypto library, which checks
  signature, issuer, audience and expiry, and no revocation. The same requests, the same answers.
";

/// More than are answered in one round.
const TOKENS: usize = 40_000;
/// How long they live, in seconds.
const LIFE: u64 = 3600;

/// The measurement.
pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Series>> {
    let realm = Realm::start(bench)?;
    let verifier = realm.verifier_beside(bench)?;
    let ours = serve(bench, Router::new().route("/hello", get(hello)).layer(verifier.layer()))?;
    let (token, _) = bench.clients.block_on(realm.sign_in())?;
    let like = realm.claims(&token)?;
    let [x, y] = coordinates(&realm)?;
    let theirs = Peer::rust(bench, None, &["jwt", realm.issuer(), AUDIENCE, &x, &y])?;
    let about = "Protected route, every token new (ES256), beside axum + jsonwebtoken";
    let mut series = Series::new(about, Unit::Requests).at_least(Row::NewTokens, 1.05);
    let one = requests(bench, &realm, &like, 1)?;
    one.alike(bench, [&ours, theirs.url()])?;
    for round in 1..=bench.rounds {
        say(&format!("new tokens: round {round} of {}", bench.rounds));
        let requests = requests(bench, &realm, &like, TOKENS)?;
        let theirs = theirs.load_of(&requests)?;
        let ours = requests.load(&ours, &[])?;
        if ours.answered > TOKENS as f64 {
            return Err("tokens came twice: more are needed".into());
        }
        series.add_loads(theirs, ours);
    }
    Ok(vec![series])
}

/// Tokens of accounts and sessions of their own, otherwise as the realm issues them.
fn requests(bench: &Bench, realm: &Realm, like: &Claims, count: usize) -> Outcome<Requests> {
    let keyring = realm.app.authority.keyring();
    let bearer = |_| {
        let like = like.clone();
        let claims = Claims {
            sub: Sub::from_bytes(drawn()),
            sid: Sid::from_bytes(drawn()),
            jti: Jti::from_bytes(drawn()),
            exp: like.iat + LIFE,
            ..like
        };
        Ok(format!("Bearer {}", token::sign(&claims, keyring.token_key())?))
    };
    let values = (0..count).map(bearer).collect::<Outcome<_>>()?;
    Requests::new(bench, "/hello", "authorization", values)
}

/// The realm's public key.
fn coordinates(realm: &Realm) -> Outcome<[String; 2]> {
    let keyring = realm.app.authority.keyring();
    let jwk = keyring.token_key().public().ok_or("the realm's key is not public")?.to_jwk();
    let coordinate = |name: &str| jwk[name].as_str().map(str::to_owned);
    let (x, y) = coordinate("x").zip(coordinate("y")).ok_or("the realm's key is not ES256")?;
    Ok([x, y])
}

//! How long a revocation takes, from the call to the refusal at each verifier, against a bare push of the same
//! bytes to as many receivers.

use crate::Outcome;
use crate::bench::{Bench, say};
use crate::push::{Push, Signed};
use crate::realm::Realm;
use crate::report::{Series, Unit, quantile};
use crate::stopwatch::Stopwatch;
use futures_util::future::try_join_all;
use rescind_testkit::server::operator;
use rescind_verifier::{Ended, Refusal, Verifier};
use rescind_wire::frame::{Frame, seal};
use rescind_wire::revocation::{Entry, Scope, Target};
use rusqlite::Connection;

/// What is measured, for the page.
pub(crate) const METHOD: &str = "\
- **Revocation**: from the call of `Authority::revoke` for a session until a verifier on the other core refuses its
  token: commit to the disk, signature, feed, check. Floor: as many bytes written to a TCP connection on one core, read on
  the other, and their signature verified. With more verifiers: [the delay of a revocation](revocation-delay.md).
";

/// Revocations of one round with one verifier.
const OF_ROUND: usize = 500;

/// Seconds, one for each revocation and receiver.
#[derive(Default)]
pub(crate) struct Delays {
    pub(crate) push: Vec<f64>,
    pub(crate) ours: Vec<f64>,
}

/// One verifier, for the page of all measurements.
pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Series>> {
    let realm = Realm::start(bench)?;
    let about = "Revocation, from the call to the refusal";
    let mut p50 = Series::new(format!("{about}, p50"), Unit::Millis);
    let mut p99 = Series::new(format!("{about}, p99"), Unit::Millis);
    let fleet = Fleet::start(bench, realm, 1);
    let mut fleet = bench.clients.block_on(fleet)?;
    for round in 1..=bench.rounds {
        say(&format!("revocation: round {round} of {}", bench.rounds));
        let mut delays = Delays::default();
        bench.clients.block_on(fleet.revoke(bench, bench.choose(OF_ROUND, 20), &mut delays))?;
        p50.add(quantile(&mut delays.push, 0.5), quantile(&mut delays.ours, 0.5));
        p99.add(quantile(&mut delays.push, 0.99), quantile(&mut delays.ours, 0.99));
    }
    Ok(vec![p50, p99])
}

/// An authority, its verifiers, and as many receivers of a bare push.
pub(crate) struct Fleet {
    realm: Realm,
    verifiers: Vec<Verifier>,
    push: Push,
}

impl Fleet {
    pub(crate) async fn start(bench: &Bench, realm: Realm, count: usize) -> Outcome<Self> {
        let mut verifiers = Vec::with_capacity(count);
        for _ in 0..count {
            verifiers.push(realm.verifier().build().await?);
        }
        let push = Push::start(bench, count, frame_of_one_entry(&realm)?).await?;
        Ok(Self { realm, verifiers, push })
    }

    /// Revokes so many sessions, each push between two revocations.
    pub(crate) async fn revoke(
        &mut self,
        bench: &Bench,
        revocations: usize,
        delays: &mut Delays,
    ) -> Outcome {
        for _ in 0..revocations {
            delays.push.extend(self.push.times().await?);
            delays.ours.extend(self.times(bench).await?);
        }
        Ok(())
    }

    /// How many verifiers follow.
    pub(crate) fn followers(&self) -> usize {
        self.realm.app.feed.followers()
    }

    /// Signs in, ends the session as an administrator does, and waits until each verifier refuses the token;
    /// the seconds from the call to each refusal.
    async fn times(&self, bench: &Bench) -> Outcome<Vec<f64>> {
        let (token, _) = self.realm.sign_in().await?;
        let mut waiting = Vec::with_capacity(self.verifiers.len());
        for verifier in &self.verifiers {
            let principal = verifier.check(&token)?;
            let (verifier, token) = (verifier.clone(), token.clone());
            waiting.push(tokio::spawn(async move {
                let why = principal.ended().await;
                match (why, verifier.check(&token)) {
                    (Ended::Revoked, Err(Refusal::Revoked)) => Ok(Stopwatch::start()),
                    other => Err(format!("not refused as revoked: {other:?}")),
                }
            }));
        }
        // Whoever was spawned before waits now: this runtime has one thread.
        tokio::task::yield_now().await;
        let target = Target::Session(self.realm.claims(&token)?.sid);
        let authority = self.realm.app.authority.clone();
        let start = Stopwatch::start();
        let revoke = async move { authority.revoke(target, operator()).await };
        let revoke = bench.servers.spawn(revoke);
        let refused = try_join_all(waiting).await?;
        revoke.await??;
        refused.into_iter().map(|moment| Ok(moment?.since(start))).collect()
    }
}

/// The frame that carries one entry.
fn frame_of_one_entry(realm: &Realm) -> Outcome<Signed> {
    let mut position = realm.app.authority.store().committed().borrow().position();
    // The log may be empty still.
    position.pos = position.pos.max(1);
    let key = Target::Everything.key(realm.issuer());
    let entry = Entry { pos: position.pos, ts: position.ts, scope: Scope::Session, key, until: 0 };
    let frame = Frame::Delta { position, entries: vec![entry] };
    let keyring = realm.app.authority.keyring();
    let key = keyring.feed_key();
    let frame = seal(&frame, realm.issuer(), key)?;
    let keys = key.public().cloned().into_iter().collect();
    Ok(Signed { frame, issuer: realm.issuer().to_owned(), keys })
}

/// Seconds of durable commits of one row each, with SQLite as the store is set: WAL, `synchronous=FULL`.
pub(crate) fn commits(bench: &Bench, count: usize) -> Outcome<Vec<f64>> {
    let file = bench.folder().join("commits.db");
    bench.on_servers(async move {
        let conn = Connection::open(file)?;
        conn.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE row (bytes BLOB);",
        )?;
        let mut insert = conn.prepare("INSERT INTO row VALUES (?1)")?;
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let watch = Stopwatch::start();
            insert.execute([[7_u8; 100]])?;
            times.push(watch.each(1));
        }
        Ok(times)
    })
}

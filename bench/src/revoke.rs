//! How long a revocation takes, from the call to the refusal at a verifier, against a bare push of as many
//! bytes.

use crate::Outcome;
use crate::bench::{Bench, say};
use crate::realm::Realm;
use crate::report::{Series, Unit, quantile};
use crate::stopwatch::Stopwatch;
use rescind_testkit::server::operator;
use rescind_verifier::{Ended, Refusal, Verifier};
use rescind_wire::frame::{Frame, seal};
use rescind_wire::revocation::{Entry, Scope, Target};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// Revocations of one round.
const OF_ROUND: usize = 500;

/// The measurement: each push between two revocations.
pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Series>> {
    let realm = Realm::start(bench)?;
    let bytes = frame_of_one_entry(&realm)?;
    let about = "Revocation, from the call to the refusal";
    let mut p50 = Series::new(format!("{about}, p50"), Unit::Millis);
    let mut p99 = Series::new(format!("{about}, p99"), Unit::Millis);
    let measured = async {
        let verifier = realm.verifier().build().await?;
        let mut push = Push::start(bench, bytes).await?;
        for round in 1..=bench.rounds {
            say(&format!("revocation: round {round} of {}", bench.rounds));
            let (mut floor, mut ours) = (Vec::new(), Vec::new());
            for _ in 0..bench.choose(OF_ROUND, 20) {
                floor.push(push.time().await?);
                ours.push(time_to_refusal(bench, &realm, &verifier).await?);
            }
            p50.add(quantile(&mut floor, 0.5), quantile(&mut ours, 0.5));
            p99.add(quantile(&mut floor, 0.99), quantile(&mut ours, 0.99));
        }
        Outcome::Ok(())
    };
    bench.clients.block_on(measured)?;
    Ok(vec![p50, p99])
}

/// Signs in, ends the session as an administrator does, and waits until the token is refused; the seconds
/// from the call to the refusal.
async fn time_to_refusal(bench: &Bench, realm: &Realm, verifier: &Verifier) -> Outcome<f64> {
    let (token, _) = realm.sign_in().await?;
    let principal = verifier.check(&token)?;
    let (target, authority) = (Target::Session(principal.session()), realm.app.authority.clone());
    let ended = principal.ended();
    let watch = Stopwatch::start();
    let revoke = async move { authority.revoke(target, operator()).await };
    let revoke = bench.servers.spawn(revoke);
    let why = ended.await;
    let judged = verifier.check(&token);
    let took = watch.each(1);
    revoke.await??;
    match (why, judged) {
        (Ended::Revoked, Err(Refusal::Revoked)) => Ok(took),
        other => Err(format!("not refused as revoked: {other:?}").into()),
    }
}

/// The length of the frame that carries one entry.
fn frame_of_one_entry(realm: &Realm) -> Outcome<usize> {
    let position = realm.app.authority.store().committed().borrow().position();
    let key = Target::Everything.key(realm.issuer());
    let entry = Entry { pos: position.pos, ts: position.ts, scope: Scope::Session, key, until: 0 };
    let frame = Frame::Delta { position, entries: vec![entry] };
    let keyring = realm.app.authority.keyring();
    Ok(seal(&frame, realm.issuer(), keyring.feed_key())?.len())
}

/// A connection on which the servers' side sends when it is told to.
struct Push {
    send: mpsc::Sender<()>,
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Push {
    async fn start(bench: &Bench, bytes: usize) -> Outcome<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let stream = TcpStream::connect(listener.local_addr()?).await?;
        let (there, _) = listener.accept().await?;
        let (send, mut wanted) = mpsc::channel(1);
        let there = there.into_std()?;
        bench.servers.spawn(async move {
            let mut there = TcpStream::from_std(there)?;
            there.set_nodelay(true)?;
            let bytes = vec![0; bytes];
            while wanted.recv().await.is_some() {
                there.write_all(&bytes).await?;
            }
            std::io::Result::Ok(())
        });
        Ok(Self { send, stream, buffer: vec![0; bytes] })
    }

    /// Seconds from the call to the last byte.
    async fn time(&mut self) -> Outcome<f64> {
        let watch = Stopwatch::start();
        self.send.send(()).await?;
        self.stream.read_exact(&mut self.buffer).await?;
        Ok(watch.each(1))
    }
}

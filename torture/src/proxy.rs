//! The network in front of the authority: it delays, holds back and cuts what goes through, for each who
//! connects by a link of its own. TCP hides loss and disorder from both ends, so that these show as what they
//! become: delays, silence, broken connections, requests that overtake one another on several connections, and
//! requests that arrive twice, as behind a proxy that tries again. It also lies as far as somebody can who has no key:
//! it says again what the authority has said before.

use crate::boot;
use rescind_authority::clock::random;
use rescind_server::clock::SystemEntropy;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

/// How a link is at this moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct State {
    /// How long everything takes, each way.
    pub delay: Duration,
    /// By how much longer it may take by chance, so that connections overtake one another.
    pub scatter: Duration,
    /// What is sent on a connection that is opened now arrives twice: first on one more, whose answers nobody gets.
    pub twice: bool,
    /// Nothing reaches the authority; it is held back.
    pub deaf: bool,
    /// Nothing comes from the authority; it is held back.
    pub mute: bool,
}

/// What an authority has said before, byte by byte: the answers to who asks for the feed and for a snapshot.
#[derive(Debug)]
pub struct Recorded {
    /// To who asks for a log that is not there any more.
    pub feed: Vec<u8>,
    /// A snapshot.
    pub snapshot: Vec<u8>,
}

impl Recorded {
    fn answer(&self, request: &[u8]) -> Option<Vec<u8>> {
        let asks = |start: &str| request.starts_with(start.as_bytes());
        match () {
            () if asks("GET /v1/feed") => Some(self.feed.clone()),
            () if asks("GET /v1/snapshot") => Some(self.snapshot.clone()),
            () => None,
        }
    }
}

/// The way of one process to the authority, over all its connections.
#[derive(Debug, Default)]
pub struct Link {
    state: watch::Sender<State>,
    replayed: watch::Sender<Option<Arc<Recorded>>>,
    cuts: watch::Sender<()>,
}

impl Link {
    /// Makes it so; whether connections break is left to [`Link::cut`].
    pub fn set(&self, state: State) {
        self.state.send_replace(state);
    }

    /// From now on feed and snapshot are answered with this, whoever should answer; or no longer.
    pub fn replay(&self, recorded: Option<Arc<Recorded>>) {
        self.replayed.send_replace(recorded);
    }

    /// Breaks every connection that is open.
    pub fn cut(&self) {
        self.cuts.send_replace(());
    }
}

/// Carries connections to `upstream`, each by the link that `whose` finds for the port it comes from.
pub async fn carry(
    listener: TcpListener,
    upstream: SocketAddr,
    whose: impl Fn(u16) -> Arc<Link> + Send + Sync + 'static,
) {
    let whose = Arc::new(whose);
    loop {
        let Ok((stream, peer)) = listener.accept().await else { continue };
        let whose = Arc::clone(&whose);
        tokio::spawn(async move {
            let found = tokio::task::spawn_blocking(move || whose(peer.port())).await;
            if let (Ok(link), Ok(there)) = (found, TcpStream::connect(upstream).await) {
                connection(stream, there, &link).await;
            }
        });
    }
}

async fn connection(here: TcpStream, there: TcpStream, link: &Link) {
    let mut cuts = link.cuts.subscribe();
    let _ = (here.set_nodelay(true), there.set_nodelay(true));
    let ((here_read, here_write), (there_read, there_write)) =
        (here.into_split(), there.into_split());
    let twice = link.state.borrow().twice;
    let twin = match (twice, there_read.peer_addr()) {
        (true, Ok(upstream)) => Twin::open(upstream).await,
        _ => None,
    };
    let (answers, answered) = mpsc::channel(64);
    let caught = Caught { twin, replayed: link.replayed.subscribe(), answers: answers.downgrade() };
    let up = async {
        let (asked, asks) = mpsc::channel(64);
        let writing = write(asks, there_write, link.state.subscribe(), |s| s.deaf, Some(caught));
        tokio::join!(read(here_read, asked), writing);
    };
    let down = async {
        let writing = write(answered, here_write, link.state.subscribe(), |s| s.mute, None);
        tokio::join!(read(there_read, answers), writing);
    };
    tokio::select! {
        _ = async { tokio::join!(up, down) } => {}
        _ = cuts.changed() => {}
    }
}

/// Any span up to this. Not of the seed: what it meets is not either.
fn by_chance(most: Duration) -> Duration {
    let bytes: [u8; 4] = random(&SystemEntropy);
    most.mul_f64(f64::from(u32::from_be_bytes(bytes)) / f64::from(u32::MAX))
}

/// A second connection on which everything is said first. Nobody gets what is answered there.
struct Twin {
    write: OwnedWriteHalf,
    answered: watch::Receiver<()>,
}

impl Twin {
    async fn open(upstream: SocketAddr) -> Option<Self> {
        let (mut read, write) = TcpStream::connect(upstream).await.ok()?.into_split();
        let (answers, answered) = watch::channel(());
        tokio::spawn(async move {
            let mut bytes = vec![0; 16 * 1024];
            while let Ok(1..) = read.read(&mut bytes).await {
                answers.send_replace(());
            }
        });
        Some(Self { write, answered })
    }

    /// Says it, and waits a moment for an answer: then what comes on the other connection comes again.
    async fn hears(&mut self, bytes: &[u8]) {
        self.answered.mark_unchanged();
        if self.write.write_all(bytes).await.is_ok() {
            let _ = timeout(Duration::from_millis(500), self.answered.changed()).await;
        }
    }
}

/// A part of what is said, and when it came.
type Part = (u64, Vec<u8>);

/// What is done with a request on its way.
struct Caught {
    twin: Option<Twin>,
    replayed: watch::Receiver<Option<Arc<Recorded>>>,
    answers: mpsc::WeakSender<Part>,
}

impl Caught {
    /// Whether it is answered here already.
    async fn takes(&mut self, request: &[u8]) -> bool {
        let answer = self.replayed.borrow().as_ref().and_then(|said| said.answer(request));
        if let (Some(answer), Some(answers)) = (answer, self.answers.upgrade()) {
            return answers.send((boot(), answer)).await.is_ok();
        }
        if let Some(twin) = &mut self.twin {
            twin.hears(request).await;
        }
        false
    }
}

async fn read(mut from: OwnedReadHalf, send: mpsc::Sender<Part>) {
    loop {
        let mut bytes = vec![0; 16 * 1024];
        let Ok(length @ 1..) = from.read(&mut bytes).await else { return };
        bytes.truncate(length);
        if send.send((boot(), bytes)).await.is_err() {
            return;
        }
    }
}

async fn write(
    mut parts: mpsc::Receiver<Part>,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<State>,
    held: fn(&State) -> bool,
    mut caught: Option<Caught>,
) {
    while let Some((at, bytes)) = parts.recv().await {
        let Ok(now) = state.wait_for(|now| !held(now)).await.map(|now| *now) else { return };
        let due = Duration::from_micros(at) + now.delay + by_chance(now.scatter);
        sleep(due.saturating_sub(Duration::from_micros(boot()))).await;
        if let Some(caught) = &mut caught
            && caught.takes(&bytes).await
        {
            continue;
        }
        if to.write_all(&bytes).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pair() -> (Arc<Link>, TcpStream, TcpStream) {
        let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let front = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = front.local_addr().unwrap();
        let link = Arc::new(Link::default());
        let found = Arc::clone(&link);
        let whose = move |_| Arc::clone(&found);
        tokio::spawn(carry(front, upstream.local_addr().unwrap(), whose));
        let here = TcpStream::connect(address).await.unwrap();
        let (there, _) = upstream.accept().await.unwrap();
        (link, here, there)
    }

    #[tokio::test]
    async fn what_is_held_back_comes_when_the_link_heals() {
        let (link, mut here, mut there) = pair().await;
        link.set(State { deaf: true, ..State::default() });
        here.write_all(b"a").await.unwrap();
        there.write_all(b"b").await.unwrap();
        assert_eq!(here.read_u8().await.unwrap(), b'b');
        let held = timeout(Duration::from_millis(100), there.read_u8()).await;
        assert!(held.is_err());
        link.set(State::default());
        assert_eq!(there.read_u8().await.unwrap(), b'a');
    }

    #[tokio::test]
    async fn a_cut_ends_what_is_open_and_a_delay_is_kept() {
        let (link, mut here, mut there) = pair().await;
        link.set(State { delay: Duration::from_millis(80), ..State::default() });
        let sent = boot();
        here.write_all(b"a").await.unwrap();
        assert_eq!(there.read_u8().await.unwrap(), b'a');
        assert!(boot() - sent >= 80_000);
        link.cut();
        assert!(here.read_u8().await.is_err());
    }

    #[tokio::test]
    async fn what_arrives_twice_is_answered_once() {
        let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let front = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = front.local_addr().unwrap();
        let link = Arc::new(Link::default());
        link.set(State { twice: true, ..State::default() });
        tokio::spawn(carry(front, upstream.local_addr().unwrap(), move |_| Arc::clone(&link)));
        let mut here = TcpStream::connect(address).await.unwrap();
        let (mut there, _) = upstream.accept().await.unwrap();
        let (mut twin, _) = upstream.accept().await.unwrap();
        here.write_all(b"a").await.unwrap();
        assert_eq!(twin.read_u8().await.unwrap(), b'a');
        twin.write_all(b"1").await.unwrap();
        assert_eq!(there.read_u8().await.unwrap(), b'a');
        there.write_all(b"2").await.unwrap();
        assert_eq!(here.read_u8().await.unwrap(), b'2');
    }

    #[tokio::test]
    async fn old_frames_are_told_in_the_place_of_new_ones() {
        let (link, mut here, mut there) = pair().await;
        let recorded = Recorded { feed: b"old".to_vec(), snapshot: Vec::new() };
        link.replay(Some(Arc::new(recorded)));
        here.write_all(b"GET /v1/feed").await.unwrap();
        let mut said = [0; 3];
        here.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"old");
        link.replay(None);
        here.write_all(b"get").await.unwrap();
        assert_eq!(there.read_u8().await.unwrap(), b'g', "and nothing before");
    }
}

//! The network in front of the authority: it delays, holds back and cuts what goes through, for each who
//! connects by a link of its own. TCP hides loss and disorder from both ends, so that these show as what they
//! become: delays, silence, broken connections. Bytes are never changed.

use crate::boot;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

/// How a link is at this moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct State {
    /// How long everything takes, each way.
    pub delay: Duration,
    /// Nothing reaches the authority; it is held back.
    pub deaf: bool,
    /// Nothing comes from the authority; it is held back.
    pub mute: bool,
}

/// The way of one process to the authority, over all its connections.
#[derive(Debug, Default)]
pub struct Link {
    state: watch::Sender<State>,
    cuts: watch::Sender<()>,
}

impl Link {
    /// Makes it so; whether connections break is left to [`Link::cut`].
    pub fn set(&self, state: State) {
        self.state.send_replace(state);
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
    let up = one_way(here_read, there_write, link.state.subscribe(), |state| state.deaf);
    let down = one_way(there_read, here_write, link.state.subscribe(), |state| state.mute);
    tokio::select! {
        _ = async { tokio::join!(up, down) } => {}
        _ = cuts.changed() => {}
    }
}

async fn one_way(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<State>,
    held: fn(&State) -> bool,
) {
    let (send, mut read) = mpsc::channel::<(u64, Vec<u8>)>(64);
    let reading = async move {
        loop {
            let mut bytes = vec![0; 16 * 1024];
            let Ok(length @ 1..) = from.read(&mut bytes).await else { return };
            bytes.truncate(length);
            if send.send((boot(), bytes)).await.is_err() {
                return;
            }
        }
    };
    let writing = async move {
        while let Some((at, bytes)) = read.recv().await {
            let Ok(delay) = state.wait_for(|now| !held(now)).await.map(|now| now.delay) else {
                return;
            };
            let due = Duration::from_micros(at) + delay;
            sleep(due.saturating_sub(Duration::from_micros(boot()))).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(reading, writing);
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

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
}

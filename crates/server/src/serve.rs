//! The accept loop: HTTP/1.1 with a deadline for slow headers, a limit on header size and on
//! connections, and a shutdown that drains with a limit.

use crate::run::stopped;
use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt as _;

/// How long a request may take to arrive, and its answer to be taken. What is slower is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Request line and headers must be complete by then; also how long an open connection may be idle.
    pub headers: Duration,
    /// The body must be complete by then, counted from when its route begins to read it.
    pub body: Duration,
    /// Whoever has not read anything of what is being sent for so long is gone.
    pub write: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            headers: Duration::from_secs(10),
            body: Duration::from_secs(10),
            write: Duration::from_secs(30),
        }
    }
}

/// Largest request line with headers, in bytes; larger ones get 431.
const MAX_HEADERS: usize = 32 * 1024;
/// Most connections at once; further ones wait in the listener's queue.
const MAX_CONNECTIONS: usize = 10_000;
/// How long a shutdown waits for requests under way.
const DRAIN: Duration = Duration::from_secs(5);

/// Who opened a connection.
#[derive(Debug, Clone, Copy)]
enum Peer {
    /// Somebody at this address.
    Network(SocketAddr),
    /// A process of this machine, by the user id that the operating system vouches for.
    Process(Uid),
}

/// The user id of the process at the other end of the administrator's socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uid(pub u32);

impl Uid {
    /// Our own, as the other end would see it.
    pub fn of_this_process() -> Self {
        Self(rustix::process::geteuid().as_raw())
    }

    /// Whether it is the user that the authority runs as, or root.
    fn may_administer(self, own: Self) -> bool {
        self == own || self == Self(0)
    }
}

/// A listener of either kind.
trait Door: Send + 'static {
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    fn accept(&self) -> impl Future<Output = std::io::Result<(Self::Io, Peer)>> + Send;
}

impl Door for TcpListener {
    type Io = tokio::net::TcpStream;
    async fn accept(&self) -> std::io::Result<(Self::Io, Peer)> {
        let (stream, peer) = TcpListener::accept(self).await?;
        // Frames are small and must not wait for more.
        // A peer that is gone already shows itself at the first read.
        let _ = stream.set_nodelay(true);
        Ok((stream, Peer::Network(peer)))
    }
}

impl Door for UnixListener {
    type Io = tokio::net::UnixStream;
    async fn accept(&self) -> std::io::Result<(Self::Io, Peer)> {
        loop {
            let (stream, _) = UnixListener::accept(self).await?;
            let uid = Uid(stream.peer_cred()?.uid());
            if uid.may_administer(Uid::of_this_process()) {
                return Ok((stream, Peer::Process(uid)));
            }
            // Only if somebody has opened folder and socket to it.
            tracing::warn!(event = "socket_refused", uid = uid.0, "neither our own user nor root");
        }
    }
}

/// Serves a router on a TCP listener until `stop`.
pub async fn tcp(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    stop: watch::Receiver<bool>,
) {
    serve(listener, router, limits, stop).await;
}

/// Serves a router on a Unix socket until `stop`.
pub async fn unix(
    listener: UnixListener,
    router: Router,
    limits: Limits,
    stop: watch::Receiver<bool>,
) {
    serve(listener, router, limits, stop).await;
}

async fn serve<D: Door>(door: D, router: Router, limits: Limits, stop: watch::Receiver<bool>) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = accept(&door, &places) => accepted,
            () = stopped(stop.clone()) => break,
        };
        let (io, peer, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, mostly: others must end before a new one can begin.
                tracing::warn!(event = "accept_failed", %error);
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let router = router.clone();
        let service = hyper::service::service_fn(move |request: http::Request<Incoming>| {
            let mut request = request.map(axum::body::Body::new);
            match peer {
                Peer::Network(peer) => {
                    request.extensions_mut().insert(ConnectInfo(peer));
                }
                Peer::Process(uid) => {
                    request.extensions_mut().insert(uid);
                }
            }
            router.clone().oneshot(request)
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.headers)
            .max_buf_size(MAX_HEADERS)
            .serve_connection(TokioIo::new(Box::pin(patient(io, limits.write))), service);
        let watched = graceful.watch(connection);
        tokio::spawn(async move {
            // A connection that breaks is the client's affair; its requests were logged.
            let _ = watched.await;
            drop(place);
        });
    }
    drop(door);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!(event = "drain_timed_out", "requests under way were cut off");
    }
}

/// A connection whose other side must read: an answer that nobody takes ends it.
fn patient<Io: AsyncRead + AsyncWrite>(io: Io, write: Duration) -> TimeoutStream<Io> {
    let mut stream = TimeoutStream::new(io);
    stream.set_write_timeout(Some(write));
    stream
}

async fn accept<D: Door>(
    door: &D,
    places: &Arc<Semaphore>,
) -> std::io::Result<(D::Io, Peer, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(std::io::Error::other)?;
    let (io, peer) = door.accept().await?;
    Ok((io, peer, place))
}

#[cfg(test)]
mod tests {
    use super::*;

    // A01
    #[test]
    fn only_its_own_user_and_root_administer() {
        let own = Uid(4242);
        assert!(own.may_administer(own) && Uid(0).may_administer(own));
        for stranger in [Uid(1), Uid(4241), Uid(65_534)] {
            assert!(!stranger.may_administer(own), "{stranger:?}");
            assert!(!stranger.may_administer(Uid(0)), "{stranger:?}");
        }
    }
}

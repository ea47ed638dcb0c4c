//! The accept loop: HTTP/1.1, and HTTP/2 where TLS is done here, with deadlines for whoever is slow,
//! limits on headers, streams and connections, and a shutdown that drains with a limit. How many connections
//! one source may have stands in [`shares`].

mod deadlines;
mod pulse;
pub(crate) mod shares;

use crate::run::stopped;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use deadlines::Deadlines;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use pulse::Pulse;
use rustls::ServerConfig;
use shares::{Place, Places};
use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
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
    /// Most connections at once, further ones wait in the listener's queue; and most requests under way.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            headers: Duration::from_secs(10),
            body: Duration::from_secs(10),
            write: Duration::from_secs(30),
            connections: 10_000,
        }
    }
}

/// Largest request line with headers, in bytes; larger ones get 431.
const MAX_HEADERS: usize = 32 * 1024;
/// Requests that may be open at once on one HTTP/2 connection: no fewer than 100, since a client may begin
/// with so many before it has heard of a limit (RFC 9113 §6.5.2).
const MAX_STREAMS: u32 = 128;
/// Size of the header fields of one request of HTTP/2, with 32 bytes for each as RFC 9113 counts them.
const MAX_FIELD_LIST: u32 = 16 * 1024;
/// What of one answer is kept ready for a slow reader of HTTP/2.
const SEND_BUFFER: usize = 16 * 1024;
/// How often an HTTP/2 connection is asked whether it is alive.
const PING: Duration = Duration::from_secs(20);
/// How long a shutdown waits for requests under way.
const DRAIN: Duration = Duration::from_secs(5);

/// Who comes to a listener of TCP, and how.
#[derive(Clone, Default)]
pub struct Front {
    /// Set if TLS is done here.
    pub tls: Option<Arc<ServerConfig>>,
    /// Proxies, whose connections are those of many: no share limits them. Their requests are counted for
    /// the clients that they name.
    pub proxies: Arc<[IpAddr]>,
}

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
    front: Front,
    stop: watch::Receiver<bool>,
) {
    let tls = front.tls.map(TlsAcceptor::from);
    serve(listener, Connections { router, limits, tls, proxies: front.proxies, stop }).await;
}

/// Serves a router on a Unix socket until `stop`.
pub async fn unix(
    listener: UnixListener,
    router: Router,
    limits: Limits,
    stop: watch::Receiver<bool>,
) {
    let proxies = Arc::new([]);
    serve(listener, Connections { router, limits, tls: None, proxies, stop }).await;
}

async fn serve<D: Door>(door: D, connections: Connections) {
    let graceful = GracefulShutdown::new();
    let places = Places::new(connections.limits.connections);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&door, &places) => accepted,
            () = stopped(connections.stop.clone()) => break,
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
        let Some(place) = connections.admit(place, peer) else { continue };
        let (connections, watcher) = (connections.clone(), graceful.watcher());
        tokio::spawn(async move {
            connections.serve(io, peer, watcher).await;
            drop(place);
        });
    }
    drop(door);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!(event = "drain_timed_out", "requests under way were cut off");
    }
}

/// How each connection is served. One that breaks is the client's affair; its requests were logged.
#[derive(Clone)]
struct Connections {
    router: Router,
    limits: Limits,
    tls: Option<TlsAcceptor>,
    proxies: Arc<[IpAddr]>,
    stop: watch::Receiver<bool>,
}

impl Connections {
    /// The place of a connection as one of its source's share; `None` if that is taken.
    fn admit(&self, place: Place, peer: Peer) -> Option<Place> {
        let Peer::Network(peer) = peer else { return Some(place) };
        let address = peer.ip().to_canonical();
        if self.proxies.contains(&address) {
            return Some(place);
        }
        let admitted = place.of(address);
        if admitted.is_none() {
            tracing::info!(event = "connection_refused", %address);
        }
        admitted
    }

    async fn serve<Io>(self, io: Io, peer: Peer, watcher: Watcher)
    where
        Io: AsyncRead + AsyncWrite + Send + 'static,
    {
        let io = Box::pin(patient(io, self.limits.write));
        let Some(tls) = &self.tls else { return self.http1(io, peer, watcher).await };
        let handshake = tokio::time::timeout(self.limits.headers, tls.accept(io));
        let shaken = tokio::select! {
            shaken = handshake => shaken,
            // Nothing was asked here yet: a stop has nothing to wait for.
            () = stopped(self.stop.clone()) => return,
        };
        let Ok(Ok(io)) = shaken else { return };
        match io.get_ref().1.alpn_protocol() {
            Some(b"h2") => self.http2(io, peer, watcher).await,
            _ => self.http1(io, peer, watcher).await,
        }
    }

    async fn http1<Io>(self, io: Io, peer: Peer, watcher: Watcher)
    where
        Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let router = self.router;
        let service = hyper::service::service_fn(move |request| answer(&router, peer, request));
        let connection = http1::Builder::new()
            .timer(Deadlines::new())
            .header_read_timeout(self.limits.headers)
            .max_buf_size(MAX_HEADERS)
            .serve_connection(TokioIo::new(io), service);
        let _ = watcher.watch(connection).await;
    }

    async fn http2<Io>(self, io: Io, peer: Peer, watcher: Watcher)
    where
        Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (router, pulse) = (self.router, Pulse::new());
        let beats = Arc::clone(&pulse);
        let service = hyper::service::service_fn(move |request| {
            let (beat, answer) = (beats.begin(), answer(&router, peer, request));
            async move { answer.await.map(|response| response.map(|body| beat.watch(body))) }
        });
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .keep_alive_timeout(self.limits.headers)
            .max_header_list_size(MAX_FIELD_LIST)
            .max_concurrent_streams(MAX_STREAMS)
            .max_send_buf_size(SEND_BUFFER)
            .serve_connection(TokioIo::new(io), service);
        tokio::select! {
            _ = watcher.watch(connection) => {}
            () = pulse.stops(self.limits.headers, self.limits.write) => {}
        }
    }
}

/// One request, with who sent it.
fn answer(
    router: &Router,
    peer: Peer,
    request: http::Request<Incoming>,
) -> impl Future<Output = Result<http::Response<Body>, Infallible>> + use<> {
    let mut request = request.map(Body::new);
    match peer {
        Peer::Network(peer) => {
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        Peer::Process(uid) => {
            request.extensions_mut().insert(uid);
        }
    }
    router.clone().oneshot(request)
}

/// A connection whose other side must read: an answer that nobody takes ends it.
fn patient<Io: AsyncRead + AsyncWrite>(io: Io, write: Duration) -> TimeoutStream<Io> {
    let mut stream = TimeoutStream::new(io);
    stream.set_write_timeout(Some(write));
    stream
}

async fn accept<D: Door>(door: &D, places: &Arc<Places>) -> std::io::Result<(D::Io, Peer, Place)> {
    let place = places.wait().await?;
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

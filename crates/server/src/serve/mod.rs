//! The accept loop: HTTP/1.1, and HTTP/2 where TLS is done here, with deadlines for whoever is slow,
//! limits on headers, streams and connections, and a shutdown that drains with a limit.

mod pulse;

use crate::run::stopped;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use pulse::Pulse;
use rustls::ServerConfig;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
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
    /// Most connections at once; further ones wait in the listener's queue.
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
/// Fields in the headers of one request of HTTP/2; more get 431. HTTP/1.1 has the same limit.
const MAX_FIELDS: usize = 100;
/// Their size, with 32 bytes for each as RFC 9113 counts them.
const MAX_FIELD_LIST: u32 = 16 * 1024;
/// What of one answer is kept ready for a slow reader of HTTP/2.
const SEND_BUFFER: usize = 16 * 1024;
/// How often an HTTP/2 connection is asked whether it is alive.
const PING: Duration = Duration::from_secs(20);
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

/// Serves a router on a TCP listener until `stop`; with TLS if it is given.
pub async fn tcp(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    tls: Option<Arc<ServerConfig>>,
    stop: watch::Receiver<bool>,
) {
    let tls = tls.map(TlsAcceptor::from);
    serve(listener, Connections::new(router, limits, tls), stop).await;
}

/// Serves a router on a Unix socket until `stop`.
pub async fn unix(
    listener: UnixListener,
    router: Router,
    limits: Limits,
    stop: watch::Receiver<bool>,
) {
    serve(listener, Connections::new(router, limits, None), stop).await;
}

async fn serve<D: Door>(door: D, connections: Connections, stop: watch::Receiver<bool>) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(connections.limits.connections));
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
    /// Requests of HTTP/2 that may be open on all connections together: as many as there may be connections,
    /// so that they cost no more memory than as many of HTTP/1.1.
    streams: Arc<Semaphore>,
}

impl Connections {
    fn new(router: Router, limits: Limits, tls: Option<TlsAcceptor>) -> Self {
        Self { router, limits, tls, streams: Arc::new(Semaphore::new(limits.connections)) }
    }

    async fn serve<Io>(self, io: Io, peer: Peer, watcher: Watcher)
    where
        Io: AsyncRead + AsyncWrite + Send + 'static,
    {
        let io = Box::pin(patient(io, self.limits.write));
        let Some(tls) = &self.tls else { return self.http1(io, peer, watcher).await };
        let handshake = tokio::time::timeout(self.limits.headers, tls.accept(io));
        let Ok(Ok(io)) = handshake.await else { return };
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
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.headers)
            .max_buf_size(MAX_HEADERS)
            .serve_connection(TokioIo::new(io), service);
        let _ = watcher.watch(connection).await;
    }

    async fn http2<Io>(self, io: Io, peer: Peer, watcher: Watcher)
    where
        Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (router, streams, pulse) = (self.router, self.streams, Pulse::new());
        let beats = Arc::clone(&pulse);
        let service = hyper::service::service_fn(move |request: http::Request<Incoming>| {
            let few = request.headers().len() <= MAX_FIELDS;
            let place = Arc::clone(&streams).try_acquire_owned();
            let answer = match (few, place) {
                (true, Ok(place)) => Ok((beats.begin(place), answer(&router, peer, request))),
                (false, _) => Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
                (true, Err(_)) => Err(StatusCode::SERVICE_UNAVAILABLE),
            };
            async move {
                match answer {
                    Ok((beat, answer)) => {
                        answer.await.map(|response| response.map(|body| beat.watch(body)))
                    }
                    Err(status) => Ok(refused(status)),
                }
            }
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

/// The answer to what is not even looked at.
fn refused(status: StatusCode) -> http::Response<Body> {
    let mut response = http::Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
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

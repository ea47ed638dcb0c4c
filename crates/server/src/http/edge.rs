//! What stands around every route: the address of the client, a place among the requests under way, the
//! request log, security headers, and panics turned into a 500 that says nothing but a correlation id. What
//! is refused before a route is asked stands in [`refuse`](super::refuse). Before and after a route a test may
//! stop the process.

use crate::app::App;
use crate::correlation::CorrelationId;
use crate::http::problem::{self, Failure};
use crate::http::{limit, refuse};
use crate::serve::shares::Places;
use crate::telemetry::events::Events;
use axum::extract::{ConnectInfo, MatchedPath, Request};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, TRANSFER_ENCODING, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use rescind_authority::throttle::Source;
use rescind_wire::problem::ProblemCode;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::task::JoinHandle;
use tower::{Layer, Service};

/// Puts all that around each route of a listener, which has places of its own.
#[derive(Clone)]
pub(super) struct Around {
    app: App,
    places: Arc<Places>,
    /// Whether requests for other hosts are refused.
    own_hosts: bool,
}

impl Around {
    /// Around the routes of one listener.
    pub(super) fn new(app: App, own_hosts: bool) -> Self {
        let places = Places::new(app.limits.connections);
        Self { app, places, own_hosts }
    }
}

impl<S> Layer<S> for Around {
    type Service = Inside<S>;

    fn layer(&self, route: S) -> Inside<S> {
        Inside { around: self.clone(), route }
    }
}

/// A route with all that around it.
#[derive(Clone)]
pub(super) struct Inside<S> {
    around: Around,
    route: S,
}

impl<S> Service<Request> for Inside<S>
where
    S: Service<Request, Error = Infallible>,
    S::Response: IntoResponse,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Work;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.route.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Work {
        let Around { app, places, own_hosts } = &self.around;
        let seen = Seen::of(app, &request);
        // A proxy that names no client has no share: it is not one source.
        let shared = seen.source.ip().filter(|ip| !app.trusted_proxies.contains(ip));
        let Some(place) = places.take(shared) else {
            return Work::Refused(Some(seen.answered(app, refuse::no_place())));
        };
        request.extensions_mut().insert(seen.source);
        let route = seen.route();
        fail::fail_point!(&format!("http::before {route}"), |_| std::process::abort());
        let refused = refuse::early(&request, route)
            // What is nobody's route is nobody's under any name.
            .or_else(|| {
                let judged = *own_hosts && seen.route.is_some();
                judged.then(|| refuse::other_host(app, &request, route)).flatten()
            });
        let asked = refused.is_none().then(|| self.route.call(request));
        let app = app.clone();
        Work::Here(Box::pin(async move {
            let response = match (refused, asked) {
                (None, Some(asked)) => seen.ask(asked).await,
                (refused, _) => refused.unwrap_or_else(|| panicked().into_response()),
            };
            let response = seen.answered(&app, limit::refusals(&app, &seen.source, response));
            fail::fail_point!(&format!("http::after {}", seen.route()), |_| std::process::abort());
            response.map(|body| place.until_taken(body))
        }))
    }
}

/// A request under way. It is begun where it came in, and most are answered by that. One that has to wait for
/// something goes on in a task of its own: who hangs up does not cut off what follows a commit, nor what the log
/// says. (Nobody hangs up in the middle of a step.) The place is the task's, so that whoever hangs up again and
/// again has no more under way than others.
pub(super) enum Work {
    /// Not begun, or answered at once.
    Here(Pin<Box<dyn Future<Output = Response> + Send>>),
    /// It waits.
    InTask(JoinHandle<Response>),
    /// There is no place for it.
    Refused(Option<Response>),
}

impl Future for Work {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let lost = || panicked().into_response();
        match &mut *self {
            Self::Here(work) => {
                let step = AssertUnwindSafe(|| work.as_mut().poll(context));
                match std::panic::catch_unwind(step) {
                    Ok(Poll::Ready(response)) => return Poll::Ready(Ok(response)),
                    Ok(Poll::Pending) => {}
                    Err(_) => return Poll::Ready(Ok(lost())),
                }
            }
            Self::InTask(task) => {
                let done = Pin::new(task).poll(context);
                return done.map(|done| Ok(done.unwrap_or_else(|_| lost())));
            }
            Self::Refused(response) => {
                return Poll::Ready(Ok(response.take().unwrap_or_else(lost)));
            }
        }
        let Self::Here(work) = std::mem::replace(&mut *self, Self::Refused(None)) else {
            return Poll::Ready(Ok(lost()));
        };
        *self = Self::InTask(tokio::spawn(work));
        self.poll(context)
    }
}

/// What of a request is known before it is served: for its answer, and for the log.
struct Seen {
    id: Arc<CorrelationId>,
    /// By the boot clock.
    began: u64,
    source: Source,
    method: &'static str,
    route: Option<MatchedPath>,
    chunked: bool,
}

impl Seen {
    fn of(app: &App, request: &Request) -> Self {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        Self {
            id: CorrelationId::new(app.authority.entropy()),
            began: app.authority.clock().now().boot,
            source: source(&app.trusted_proxies, peer, request.headers()),
            method: name_of(request.method()),
            route: request.extensions().get::<MatchedPath>().cloned(),
            chunked: request.headers().contains_key(TRANSFER_ENCODING),
        }
    }

    /// The pattern of its route, and `-` where there is none.
    fn route(&self) -> &str {
        self.route.as_ref().map_or("-", MatchedPath::as_str)
    }

    /// What the route answers. Whatever is logged on the way carries the id, too.
    async fn ask<R: IntoResponse>(
        &self,
        asked: impl Future<Output = Result<R, Infallible>>,
    ) -> Response {
        match AssertUnwindSafe(self.id.of(asked)).catch_unwind().await {
            Ok(Ok(response)) => response.into_response(),
            Err(_) => panicked().into_response(),
        }
    }

    /// The answer with what every answer has, and its line in the log.
    fn answered(&self, app: &App, mut response: Response) -> Response {
        let (method, route) = (self.method, self.route());
        let status = response.status();
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(event = "request_failed", id = self.id.text(), method, route);
        }
        let refused = status.is_client_error() || status.is_server_error();
        if refused {
            response = problem::identified(response, self.id.text());
        }
        if self.chunked {
            // A Content-Length may have stood beside it: whoever believed that one sees the connection
            // end here, and not a second request (RFC 9112 §6.3).
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        secure(app, response.headers_mut());
        let micros = app.authority.clock().now().boot.saturating_sub(self.began);
        Events::answered(method, route, response.status().as_u16(), micros);
        // What only looks, and may, is most of all requests. One of which something is in the log has its line.
        let quiet = !refused && matches!(method, "GET" | "HEAD") && !self.id.is_drawn();
        self.log(quiet, response.status(), micros);
        response
    }

    /// The route's pattern and a known method, never path, query or another method: all of them can hold
    /// what somebody sent.
    fn log(&self, quiet: bool, status: StatusCode, micros: u64) {
        let (method, route, status) = (self.method, self.route(), status.as_u16());
        let (id, address) = (|| self.id.text(), || self.source.text());
        if quiet {
            tracing::debug!(
                event = "request",
                id = id(),
                address = address(),
                method,
                route,
                status,
                micros
            );
        } else {
            tracing::info!(
                event = "request",
                id = id(),
                address = address(),
                method,
                route,
                status,
                micros
            );
        }
    }
}

/// Where the request came from: the peer, or what trusted proxies say, counted from the right. A hop that
/// is no address says nothing: the request is then the proxy's own.
pub(crate) fn source(trusted: &[IpAddr], peer: Option<IpAddr>, headers: &HeaderMap) -> Source {
    let Some(mut address) = peer.map(|p| p.to_canonical()) else { return Source::local() };
    // Bytes, because a line that is no text is a hop, too: without it the one before would be believed.
    let lines = headers.get_all("x-forwarded-for").iter();
    let mut hops = lines.flat_map(|line| line.as_bytes().split(|b| *b == b',')).rev();
    while trusted.contains(&address) {
        match hops.next().and_then(|hop| std::str::from_utf8(hop).ok()?.trim().parse().ok()) {
            Some(hop) => address = IpAddr::to_canonical(&hop),
            None => break,
        }
    }
    Source::address(address)
}

/// A method for the log.
pub(crate) fn name_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "-",
    }
}

/// What the caller learns of a panic.
pub(crate) fn panicked() -> Failure {
    Failure::new(ProblemCode::Internal, "The log has more under this correlation id.")
}

/// Headers of every response; a handler that has set one keeps its own.
static SECURE: [(HeaderName, HeaderValue); 7] = [
    (STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000; includeSubDomains")),
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    // Not `no-referrer`: that makes browsers send `Origin: null` with a form of our own page.
    (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

fn secure(app: &App, headers: &mut HeaderMap) {
    headers.reserve(SECURE.len());
    // The first is for TLS alone.
    for (name, value) in &SECURE[usize::from(!app.cookies.secure)..] {
        headers.entry(name).or_insert_with(|| value.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: &str = "10.0.0.1";

    /// Whom a request counts for that came from this peer through proxies of which two are trusted.
    fn client(peer: &str, lines: &[(&'static str, &[u8])]) -> String {
        let trusted = [PROXY, "2001:db8::1"].map(|p| p.parse().unwrap());
        let mut headers = HeaderMap::new();
        for (name, line) in lines {
            headers.append(*name, HeaderValue::from_bytes(line).unwrap());
        }
        source(&trusted, Some(peer.parse().unwrap()), &headers).address_text().unwrap()
    }

    fn forwarded(line: &str) -> String {
        client(PROXY, &[("x-forwarded-for", line.as_bytes())])
    }

    // B05
    #[test]
    fn the_rightmost_hop_that_is_no_trusted_proxy_is_the_client() {
        assert_eq!(forwarded("192.0.2.1"), "192.0.2.1");
        assert_eq!(forwarded("198.51.100.7, 192.0.2.1"), "192.0.2.1");
        assert_eq!(forwarded("198.51.100.7,192.0.2.1 ,\t2001:DB8:0::1 , 10.0.0.1"), "192.0.2.1");
        assert_eq!(forwarded("192.0.2.1, ::ffff:10.0.0.1"), "192.0.2.1");
        assert_eq!(client("::ffff:10.0.0.1", &[("x-forwarded-for", b"192.0.2.1")]), "192.0.2.1");
        let lines: [&[u8]; 2] = [b"198.51.100.7", b"192.0.2.1"];
        assert_eq!(client(PROXY, &lines.map(|l| ("x-forwarded-for", l))), "192.0.2.1");
        assert_eq!(client(PROXY, &[]), PROXY);
        assert_eq!(forwarded("10.0.0.1"), PROXY);
    }

    // B05
    #[test]
    fn a_hop_that_is_no_address_is_charged_to_the_proxy() {
        for garbage in
            ["", "unknown", "_hidden", "192.0.2.1.", "192.0.2.1:80", "[::1]", "010.0.0.9"]
        {
            assert_eq!(forwarded(garbage), PROXY, "{garbage}");
            assert_eq!(forwarded(&format!("198.51.100.7, {garbage}")), PROXY, "{garbage}");
            assert_eq!(forwarded(&format!("{garbage}, 192.0.2.1")), "192.0.2.1", "{garbage}");
        }
        // Not even one that is no text uncovers what the client itself has written.
        let lines: [&[u8]; 2] = [b"198.51.100.7", b"\xff"];
        assert_eq!(client(PROXY, &lines.map(|l| ("x-forwarded-for", l))), PROXY);
        let lines: [&[u8]; 2] = [b"198.51.100.7", b"\xff, 192.0.2.1"];
        assert_eq!(client(PROXY, &lines.map(|l| ("x-forwarded-for", l))), "192.0.2.1");
    }

    // B05
    #[test]
    fn nobody_but_a_trusted_proxy_says_where_a_request_came_from() {
        let headers: [(&str, &[u8]); 4] = [
            ("x-forwarded-for", b"192.0.2.1"),
            ("x-real-ip", b"192.0.2.1"),
            ("forwarded", b"for=192.0.2.1"),
            ("x-client-ip", b"192.0.2.1"),
        ];
        assert_eq!(client("203.0.113.5", &headers), "203.0.113.5");
        assert_eq!(client("::ffff:203.0.113.5", &headers), "203.0.113.5");
        assert_eq!(client(PROXY, &headers[1..]), PROXY, "and that in one header only");
    }
}

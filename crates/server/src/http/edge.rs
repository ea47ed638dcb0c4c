//! What stands around every route: the address of the client, the request log, security headers, and
//! panics turned into a 500 that says nothing but a correlation id. What is refused before a route is
//! asked stands in [`refuse`](super::refuse).

use crate::app::App;
use crate::http::problem::{self, Failure};
use crate::http::refuse;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, TRANSFER_ENCODING, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use rescind_authority::clock::random;
use rescind_authority::throttle::Source;
use rescind_wire::b64;
use rescind_wire::problem::ProblemCode;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use tracing::Instrument as _;

/// Serves one request inside all that.
pub(super) async fn around(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let began = app.authority.clock().now();
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let source = source(&app, peer, request.headers());
    request.extensions_mut().insert(source);
    let method = name_of(request.method());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("-".to_owned(), |path| path.as_str().to_owned());
    let id = b64::encode(random::<9>(&**app.authority.entropy()));

    let chunked = request.headers().contains_key(TRANSFER_ENCODING);

    // Whatever is logged on the way carries the id, too.
    let span = tracing::error_span!("request", %id);
    let mut response = match refuse::early(&request, &route) {
        Some(refused) => refused,
        None => match AssertUnwindSafe(next.run(request)).catch_unwind().instrument(span).await {
            Ok(response) => response,
            Err(_) => panicked().into_response(),
        },
    };
    if response.status() == StatusCode::INTERNAL_SERVER_ERROR {
        tracing::error!(event = "request_failed", %id, method, route);
    }
    if response.status().is_server_error() {
        response = problem::identified(response, &id);
    }
    if chunked {
        // A Content-Length may have stood beside it: whoever believed that one sees the connection
        // end here, and not a second request (RFC 9112 §6.3).
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    secure(&app, response.headers_mut());
    let micros = app.authority.clock().now().boot.saturating_sub(began.boot);
    // The route's pattern and a known method, never path, query or another method: all of them can hold
    // what somebody sent.
    tracing::info!(event = "request", %id, method, route, status = response.status().as_u16(), micros);
    response
}

/// Where the request came from: the peer, or what trusted proxies say, counted from the right.
fn source(app: &App, peer: Option<IpAddr>, headers: &HeaderMap) -> Source {
    let Some(mut address) = peer.map(|p| p.to_canonical()) else { return Source::local() };
    let forwarded = headers.get_all("x-forwarded-for");
    let mut hops: Vec<&str> =
        forwarded.iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(',')).collect();
    while app.trusted_proxies.contains(&address) {
        match hops.pop().and_then(|hop| hop.trim().parse::<IpAddr>().ok()) {
            Some(hop) => address = hop.to_canonical(),
            None => break,
        }
    }
    Source::address(address)
}

/// A method for the log.
fn name_of(method: &Method) -> &'static str {
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
fn panicked() -> Failure {
    Failure::new(ProblemCode::Internal, "The log has more under this correlation id.")
}

/// Headers of every response; a handler that has set one keeps its own.
fn secure(app: &App, headers: &mut HeaderMap) {
    let mut put = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    put(CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
    put(X_CONTENT_TYPE_OPTIONS, "nosniff");
    // Not `no-referrer`: that makes browsers send `Origin: null` with a form of our own page.
    put(REFERRER_POLICY, "same-origin");
    put(CACHE_CONTROL, "no-store");
    put(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    put(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    if app.cookies.secure {
        put(STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains");
    }
}

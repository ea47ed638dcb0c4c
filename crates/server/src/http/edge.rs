//! What stands around every route: the address of the client, the request log, security headers, and
//! panics turned into a 500 that says nothing but a correlation id.

use crate::app::App;
use crate::http::problem::Failure;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use rescind_authority::clock::random;
use rescind_authority::throttle::Source;
use rescind_wire::b64;
use rescind_wire::problem::{Problem, ProblemCode};
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;

/// Serves one request inside all that.
pub(super) async fn around(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let began = app.authority.clock().now();
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let source = source(&app, peer, request.headers());
    request.extensions_mut().insert(source);
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("-".to_owned(), |path| path.as_str().to_owned());
    let id = b64::encode(random::<9>(&**app.authority.entropy()));

    let mut response = match refuse_early(&request) {
        Some(failure) => failure.into_response(),
        None => match AssertUnwindSafe(next.run(request)).catch_unwind().await {
            Ok(response) => response,
            Err(_) => internal(&id),
        },
    };
    if response.status() == StatusCode::INTERNAL_SERVER_ERROR {
        tracing::error!(event = "request_failed", %id, %method, route);
    }
    secure(&app, response.headers_mut());
    let micros = app.authority.clock().now().boot.saturating_sub(began.boot);
    // The route's pattern, never the path or the query: both can hold what somebody sent.
    tracing::info!(event = "request", %id, %method, route, status = response.status().as_u16(), micros);
    response
}

/// A token in the query would stand in every log on the way (RFC 6750 §2.3 is not offered).
fn refuse_early(request: &Request) -> Option<Failure> {
    let query = request.uri().query()?;
    let secret = ["access_token", "refresh_token", "password"];
    form_urlencoded::parse(query.as_bytes())
        .any(|(name, _)| secret.contains(&name.as_ref()))
        .then(|| Failure::bad_request("Send credentials in headers or bodies, never in the URL."))
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

fn internal(id: &str) -> Response {
    let problem = Problem {
        correlation_id: Some(id.to_owned()),
        ..Problem::new(ProblemCode::Internal, Some("The log has more under this correlation id."))
    };
    let kind = [(CONTENT_TYPE, "application/problem+json")];
    (StatusCode::INTERNAL_SERVER_ERROR, kind, axum::Json(problem)).into_response()
}

/// Headers of every response; a handler that has set one keeps its own.
fn secure(app: &App, headers: &mut HeaderMap) {
    let mut put = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    put(CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
    put(X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(REFERRER_POLICY, "no-referrer");
    put(CACHE_CONTROL, "no-store");
    put(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    put(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    if app.cookies.secure {
        put(STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains");
    }
}

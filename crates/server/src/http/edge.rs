//! What stands around every route: the address of the client, a place among the requests under way, the
//! request log, security headers, and panics turned into a 500 that says nothing but a correlation id. What
//! is refused before a route is asked stands in [`refuse`](super::refuse). Before and after a route a test may
//! stop the process.

use crate::app::App;
use crate::http::problem::{self, Failure};
use crate::http::{limit, refuse};
use crate::serve::shares::Places;
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
use std::sync::Arc;
use tracing::Instrument as _;

/// Serves one request inside all that, if there is a place for it.
pub(super) async fn around(
    State((app, places)): State<(App, Arc<Places>)>,
    mut request: Request,
    next: Next,
) -> Response {
    let seen = Seen::of(&app, &request);
    // A proxy that names no client has no share: it is not one source.
    let shared = seen.source.ip().filter(|ip| !app.trusted_proxies.contains(ip));
    let Some(place) = places.take(shared) else { return seen.answered(&app, refuse::no_place()) };
    request.extensions_mut().insert(seen.source);
    let id = seen.id.clone();
    // In a task of its own: who hangs up does not cut off what follows a commit, nor what the log says. The
    // place is the task's, so that whoever hangs up again and again has no more under way than others.
    let work = async move {
        let response = through(&app, seen, request, next).await;
        response.map(|body| place.until_taken(body))
    };
    match tokio::spawn(work).await {
        Ok(response) => response,
        Err(_) => problem::identified(panicked().into_response(), &id),
    }
}

async fn through(app: &App, seen: Seen, request: Request, next: Next) -> Response {
    let route = &seen.route;
    fail::fail_point!(&format!("http::before {route}"), |_| std::process::abort());
    // Whatever is logged on the way carries the id, too.
    let span = tracing::error_span!("request", id = %seen.id);
    let response = match refuse::early(&request, route) {
        Some(refused) => refused,
        None => match AssertUnwindSafe(next.run(request)).catch_unwind().instrument(span).await {
            Ok(response) => response,
            Err(_) => panicked().into_response(),
        },
    };
    let response = seen.answered(app, limit::refusals(app, &seen.source, response));
    fail::fail_point!(&format!("http::after {route}"), |_| std::process::abort());
    response
}

/// What of a request is known before it is served: for its answer, and for the log.
struct Seen {
    /// Drawn here, whatever the request says of itself.
    id: String,
    /// By the boot clock.
    began: u64,
    source: Source,
    method: &'static str,
    /// The pattern of its route, and `-` where there is none.
    route: String,
    chunked: bool,
}

impl Seen {
    fn of(app: &App, request: &Request) -> Self {
        let route = request.extensions().get::<MatchedPath>();
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        Self {
            id: b64::encode(random::<9>(&**app.authority.entropy())),
            began: app.authority.clock().now().boot,
            source: source(&app.trusted_proxies, peer, request.headers()),
            method: name_of(request.method()),
            route: route.map_or("-".to_owned(), |path| path.as_str().to_owned()),
            chunked: request.headers().contains_key(TRANSFER_ENCODING),
        }
    }

    /// The answer with what every answer has, and its line in the log.
    fn answered(&self, app: &App, mut response: Response) -> Response {
        let Self { id, method, route, .. } = self;
        if response.status() == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(event = "request_failed", %id, method, route);
        }
        if response.status().is_client_error() || response.status().is_server_error() {
            response = problem::identified(response, id);
        }
        if self.chunked {
            // A Content-Length may have stood beside it: whoever believed that one sees the connection
            // end here, and not a second request (RFC 9112 §6.3).
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        secure(app, response.headers_mut());
        let micros = app.authority.clock().now().boot.saturating_sub(self.began);
        // The route's pattern and a known method, never path, query or another method: all of them can hold
        // what somebody sent.
        let (status, address) = (response.status().as_u16(), self.source.text());
        tracing::info!(event = "request", %id, address, method, route, status, micros);
        response
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

//! What no route is asked about: what there is no place for, more header fields than anybody needs,
//! credentials in the address, and framing that two servers could read in two ways.

use crate::app::{App, canonical_host};
use crate::http::problem::{Failure, OAuthFailure};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CONNECTION, HOST, RETRY_AFTER, TRANSFER_ENCODING};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, StatusCode};
use rescind_wire::problem::ProblemCode;
use std::net::IpAddr;
use std::sync::Arc;

/// Parameters that never belong into an address, in lower case.
const SECRETS: [&str; 6] =
    ["access_token", "refresh_token", "id_token", "password", "client_secret", "token"];
/// Routes that anybody may ask under any name.
const PROBES: [&str; 2] = ["/healthz", "/readyz"];
/// Routes that answer in the form of RFC 6749.
const OAUTH: [&str; 3] = ["/token", "/revoke", "/introspect"];

/// Most fields in the headers of a request. A parser of HTTP/1.1 has the same limit before this one.
const MAX_FIELDS: usize = 100;

/// The answer to a request for which there is no place. Without a body: one would have to be kept until it was
/// taken, and there is no place for that.
pub(crate) fn no_place() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, HeaderValue::from_static("1"))])
        .into_response()
}

/// The answer to a request that is refused before its route is asked; of the route's own form.
pub(crate) fn early(request: &Request, route: &str) -> Option<Response> {
    if request.headers().len() > MAX_FIELDS {
        let detail = "Send fewer header fields: 100 at most.";
        return Some(too_many_fields(route, detail));
    }
    if ambiguous(request.headers()) {
        let detail = "Send one Host, and frame the body by Content-Length or by chunked alone.";
        let mut response = refusal(route, detail);
        // Where this request ends is not known, so no other one may follow.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        return Some(response);
    }
    let detail = "Send credentials in headers or bodies, never in the URL.";
    // The OAuth endpoints take nothing from the address, no callback of a script either.
    let refused = |query| OAUTH.contains(&route) || holds_secret(query);
    request.uri().query().is_some_and(refused).then(|| refusal(route, detail))
}

/// Refuses what is meant for another host (H09): a name that somebody has pointed here, or a proxy that
/// passes on everything. Probes ask by whatever address they have, and learn nothing.
pub(super) fn other_host(app: &App, request: &Request, route: &str) -> Option<Response> {
    let usual = app.origin.split_once("://").map_or("", |(_, host)| host);
    let ours = |host: &str| {
        let same = || canonical_host(host, app.cookies.secure);
        host == usual || same().is_some_and(|host| app.hosts.contains(&host))
    };
    if for_one_of(request, ours) || PROBES.contains(&route) {
        return None;
    }
    let detail =
        "This request is for another host: use the issuer's. A proxy in front passes Host on.";
    Some(refusal(route, detail))
}

/// The same at a listener for metrics or a relay's state, whatever its port: a page must not read them under a name that
/// somebody has pointed here. An address is nobody's to point.
pub(crate) async fn other_names(
    State(hosts): State<Arc<[String]>>,
    request: Request,
    next: Next,
) -> Response {
    if for_one_of(&request, |host| is_known(host, &hosts)) {
        return next.run(request).await;
    }
    let detail = "This request is for another host: use an address, localhost, its own host, or one of `hosts` (of a relay: --host).";
    Failure::bad_request(detail).into_response()
}

fn is_known(host: &str, hosts: &[String]) -> bool {
    let Ok(named) = host.parse::<Authority>() else { return false };
    let name = named.host();
    let address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    let same = |other: &String| {
        other.rsplit_once(':').is_some_and(|(other, _)| other.eq_ignore_ascii_case(name))
    };
    !host.contains('@')
        && (address || name.eq_ignore_ascii_case("localhost") || hosts.iter().any(same))
}

/// Whether it names a host, and only such. Where address and header do, both count.
fn for_one_of(request: &Request, ours: impl Fn(&str) -> bool) -> bool {
    let header = request.headers().get(HOST).map(|host| host.to_str().unwrap_or_default());
    let named = [request.uri().authority().map(Authority::as_str), header];
    named.iter().any(Option::is_some) && named.into_iter().flatten().all(ours)
}

fn too_many_fields(route: &str, detail: &'static str) -> Response {
    let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    match OAUTH.contains(&route) {
        true => OAuthFailure::invalid_request(detail).status(status).into_response(),
        false => Failure::new(ProblemCode::TooLarge, detail).status(status).into_response(),
    }
}

fn refusal(route: &str, detail: &'static str) -> Response {
    match OAUTH.contains(&route) {
        true => OAuthFailure::invalid_request(detail).into_response(),
        false => Failure::bad_request(detail).into_response(),
    }
}

/// A token in the query would stand in every log on the way (RFC 6750 §2.3 is not offered). However
/// the parameter's name is written.
fn holds_secret(query: &str) -> bool {
    query
        .split(['&', ';'])
        .filter_map(|pair| form_urlencoded::parse(pair.as_bytes()).next())
        .any(|(name, _)| SECRETS.contains(&name.to_ascii_lowercase().as_str()))
}

/// Two hosts, or a transfer coding besides `chunked`: a proxy in front may have taken another choice
/// (RFC 9112 §3.2, §6.1).
fn ambiguous(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let coding = codings.next().is_some_and(|c| !c.as_bytes().eq_ignore_ascii_case(b"chunked"));
    coding || codings.next().is_some() || headers.get_all(HOST).iter().count() > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    // H09
    #[test]
    fn metrics_are_for_addresses_and_known_names_under_any_port() {
        let hosts = ["auth.example.com:443".to_owned(), "[::1]:4000".to_owned()];
        for ours in [
            "127.0.0.1:9400",
            "10.0.0.5",
            "[::1]:9400",
            "[fd00::5]:9400",
            "localhost:9400",
            "Auth.example.com:9400",
            "auth.example.com",
        ] {
            assert!(is_known(ours, &hosts), "{ours}");
        }
        for other in [
            "",
            "evil.example:9400",
            "auth.example.com.evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "example.com",
            "127.0.0.1@evil.example",
            "a b",
            "\u{e4}",
        ] {
            assert!(!is_known(other, &hosts), "{other}");
        }
    }

    // H03
    #[test]
    fn a_secret_in_the_query_is_seen_however_its_name_is_written() {
        for query in [
            "access_token=x",
            "a=b&access_token=x",
            "a=b;access_token=x",
            "ACCESS_TOKEN=x",
            "access%5Ftoken=x",
            "%61ccess_token",
            "client_secret=x",
            "password=x",
        ] {
            assert!(holds_secret(query), "{query}");
        }
        for fine in ["", "next=/account", "q=access_token", "my_access_token=x", "from=1&epoch=2"] {
            assert!(!holds_secret(fine), "{fine}");
        }
    }
}

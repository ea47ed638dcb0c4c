//! What verifiers ask a relay: the authority's resources under the authority's paths.

use super::Parts;
use super::gate::{Closed, Reader};
use crate::correlation::CorrelationId;
use crate::http::body::{strict_array, strict_json};
use crate::http::client::basic;
use crate::http::edge::{name_of, panicked, source};
use crate::http::feed::{
    Ask, FRAMES, From, MOST_ASKED, UNBUFFERED, forbidden, unknown, until_taken,
};
use crate::http::problem::{Failure, identified};
use crate::http::refuse;
use crate::serve::shares::Places;
use crate::telemetry::events::Events;
use axum::Router;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, Extension, MatchedPath, Query, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::FutureExt as _;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, StatusCode};
use rescind_authority::throttle::Source;
use rescind_wire::problem::ProblemCode;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

/// Longest header of credentials that is asked about.
const LONGEST: usize = 1024;

/// The routes.
pub(super) fn router(parts: Parts) -> Router {
    let places = Places::new(parts.limits.connections);
    Router::new()
        .route("/v1/snapshot", get(snapshot))
        .route("/v1/feed", get(feed))
        .route("/v1/head", post(head))
        .route("/v1/heads", post(heads))
        .fallback(async || Failure::not_found())
        .method_not_allowed_fallback(async || {
            let detail = "This path takes other methods: see Allow.";
            Failure::new(ProblemCode::MethodNotAllowed, detail)
        })
        .layer(from_fn_with_state((parts.clone(), places), around))
        .with_state(parts)
}

/// What stands around every route: a place, the log, panics as 500, headers.
async fn around(
    State((parts, places)): State<(Parts, Arc<Places>)>,
    mut request: Request,
    next: Next,
) -> Response {
    let began = parts.world.clock.now();
    let id = CorrelationId::new(&parts.world.entropy);
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let source = source(&parts.trusted_proxies, peer, request.headers());
    request.extensions_mut().insert(source);
    let method = name_of(request.method());
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("-".to_owned(), |path| path.as_str().to_owned());
    let place = places.take(source.ip().filter(|ip| !parts.trusted_proxies.contains(ip)));
    let mut response = match place.as_ref().map(|_| refuse::early(&request, &route)) {
        None => refuse::no_place(),
        Some(Some(refused)) => refused,
        Some(None) => match AssertUnwindSafe(id.of(next.run(request))).catch_unwind().await {
            Ok(response) => response,
            Err(_) => panicked().into_response(),
        },
    };
    if response.status() == StatusCode::INTERNAL_SERVER_ERROR {
        tracing::error!(event = "request_failed", id = id.text(), method, route);
    }
    if response.status().is_client_error() || response.status().is_server_error() {
        response = identified(response, id.text());
    }
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let micros = parts.world.clock.now().boot.saturating_sub(began.boot);
    let (status, address) = (response.status().as_u16(), source.text());
    Events::answered(method, &route, status, micros);
    tracing::info!(event = "request", id = id.text(), address, method, route, status, micros);
    match place {
        Some(place) => response.map(|body| place.until_taken(body)),
        None => response,
    }
}

async fn allow(parts: &Parts, headers: &HeaderMap, source: Source) -> Result<Reader, Response> {
    let Ok(Some((client_id, secret))) = basic(headers) else { return Err(unknown()) };
    let header = headers.get(AUTHORIZATION).filter(|header| header.len() <= LONGEST);
    let header = header.ok_or_else(unknown)?.clone();
    parts.gate.admit((client_id, &secret), header, source).await.map_err(|closed| match closed {
        Closed::Refused(StatusCode::FORBIDDEN) => forbidden(),
        Closed::Refused(_) => unknown(),
        Closed::TooMany => Failure::too_many(10).into_response(),
        Closed::Unknown => Failure::unavailable(1).into_response(),
    })
}

async fn snapshot(
    State(parts): State<Parts>,
    Extension(source): Extension<Source>,
    headers: HeaderMap,
) -> Response {
    let reader = match allow(&parts, &headers, source).await {
        Ok(reader) => reader,
        Err(refused) => return refused,
    };
    let place = parts.snapshots.turn(&reader.client_id).await;
    match parts.frames.snapshot().zip(place) {
        Some((base, place)) => until_taken(base.sealed, place),
        None => Failure::unavailable(1).into_response(),
    }
}

async fn feed(
    State(parts): State<Parts>,
    Extension(source): Extension<Source>,
    headers: HeaderMap,
    query: Result<Query<From>, QueryRejection>,
) -> Response {
    let reader = match allow(&parts, &headers, source).await {
        Ok(reader) => reader,
        Err(refused) => return refused,
    };
    let Ok(Query(from)) = query else {
        return Failure::bad_request("Send epoch, from and instance.").into_response();
    };
    let client_id = reader.client_id.clone();
    let frames = match parts.frames.snapshot() {
        Some(_) => parts.frames.hub.follow(&client_id, reader, (from.epoch, from.from)),
        None => None,
    };
    let Some(frames) = frames else { return Failure::unavailable(5).into_response() };
    tracing::info!(event = "feed_opened", instance = %from.instance, from = from.from);
    let unbuffered = [(UNBUFFERED, "no")];
    (unbuffered, [(CONTENT_TYPE, FRAMES)], Body::from_stream(frames)).into_response()
}

async fn head(
    State(parts): State<Parts>,
    Extension(source): Extension<Source>,
    request: Request,
) -> Response {
    let reader = match allow(&parts, request.headers(), source).await {
        Ok(reader) => reader,
        Err(refused) => return refused,
    };
    match strict_json::<Ask>(request, parts.limits.body).await {
        Ok(ask) => answer(&parts, &reader, &[ask]).await.into_response(),
        Err(failure) => failure.into_response(),
    }
}

/// For a relay behind this one.
async fn heads(
    State(parts): State<Parts>,
    Extension(source): Extension<Source>,
    request: Request,
) -> Response {
    let reader = match allow(&parts, request.headers(), source).await {
        Ok(reader) => reader,
        Err(refused) => return refused,
    };
    let Some(_place) = parts.heads.batch_of(&reader.client_id) else {
        return Failure::unavailable(1).into_response();
    };
    match strict_array::<Ask>(request, parts.limits.body, MOST_ASKED).await {
        Ok(asks) => answer(&parts, &reader, &asks).await.into_response(),
        Err(failure) => failure.into_response(),
    }
}

async fn answer(parts: &Parts, reader: &Reader, asks: &[Ask]) -> Result<Response, Failure> {
    let heads = parts.heads.ask(&reader.client_id, asks).await?;
    Ok(([(CONTENT_TYPE, FRAMES)], heads.concat()).into_response())
}

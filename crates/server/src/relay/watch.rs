//! How a relay stands, on a listener of its own: `/healthz`, `/readyz`, `/metrics`.

use super::Parts;
use crate::http::refuse::other_names;
use crate::metrics::{CONTENT_TYPE, Standing, encode};
use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{StatusCode, header};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

/// A feed that has brought nothing for so long is down: three beats.
const SILENCE: Duration = Duration::from_secs(9);

/// The routes.
pub(super) fn router(parts: Parts) -> Router {
    Router::new()
        .route("/healthz", get(async || Json(json!({ "alive": true }))))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .layer(from_fn_with_state(Arc::clone(&parts.hosts), other_names))
        .with_state(parts)
}

fn checks(parts: &Parts) -> [(&'static str, Result<(), &'static str>); 4] {
    let holds = |fine: bool, why| if fine { Ok(()) } else { Err(why) };
    let heard = parts.frames.silent_for().is_some_and(|silent| silent < SILENCE);
    [
        ("snapshot", holds(parts.frames.snapshot().is_some(), "there is none yet")),
        ("feed", holds(heard, "nothing comes from the authority")),
        ("log", holds(!parts.upstream.stopped(), "the authority contradicted itself")),
        ("draining", holds(!parts.is_closing(), "it is to stop")),
    ]
}

async fn ready(State(parts): State<Parts>) -> Response {
    let checks = checks(&parts);
    let ready = checks.iter().all(|(_, outcome)| outcome.is_ok());
    let said =
        checks.map(|(name, outcome)| (name.to_owned(), Value::from(outcome.err().unwrap_or("ok"))));
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let checks: Map<String, Value> = said.into_iter().collect();
    (status, Json(json!({ "ready": ready, "checks": checks }))).into_response()
}

async fn metrics(State(parts): State<Parts>) -> Response {
    let ready = checks(&parts).iter().all(|(_, outcome)| outcome.is_ok());
    let (hub, applied) = (&parts.frames.hub, parts.upstream.applied());
    let silent = parts.frames.silent_for().map_or(f64::NAN, |silent| silent.as_secs_f64());
    let mut now = Standing::default();
    now.process(parts.started_at);
    now.gauge("rescind_ready", "1 if ready", u64::from(ready));
    now.gauge("rescind_feed_followers", "Open feeds", hub.followers());
    now.counter("rescind_relay_resyncs", "Followers sent for a snapshot", hub.resyncs());
    let position = applied.map_or(0, |position| position.pos);
    now.gauge("rescind_relay_position", "Position of the last entry that came", position);
    let lag = parts.upstream.lag().as_secs_f64();
    now.gauge("rescind_relay_lag_seconds", "How long a head has been ahead of the feed", lag);
    now.gauge("rescind_relay_silence_seconds", "Time since the authority's last frame", silent);
    match encode(&[&*parts.registry, now.registry()]) {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

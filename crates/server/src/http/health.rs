//! `/healthz`, `/readyz` and `/metrics`. In public the first two say yes or no and nothing else; what is
//! behind a no, and the metrics, are for the administrator's socket and the listener for metrics.

use crate::app::App;
use crate::http::problem::Failure;
use crate::metrics;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use rescind_wire::problem::ProblemCode;
use serde_json::{Map, Value, json};

/// The process lives.
pub(super) async fn alive() -> Json<Value> {
    Json(json!({ "alive": true }))
}

/// Whether requests should be sent here.
pub(super) async fn ready(State(app): State<App>) -> Result<Json<Value>, Failure> {
    match app.readiness.verdict(&app).await.is_ready() {
        true => Ok(Json(json!({ "ready": true }))),
        false => {
            let failure = Failure::new(ProblemCode::Unavailable, "Not ready.");
            Err(failure.retry_after(1))
        }
    }
}

/// The same with each check: `"ok"`, or what is wrong.
pub(super) async fn checks(State(app): State<App>) -> Response {
    let verdict = app.readiness.verdict(&app).await;
    let said = verdict.checks.iter().map(|(name, outcome)| {
        let said = outcome.err().unwrap_or("ok");
        ((*name).to_owned(), Value::from(said))
    });
    let checks: Map<String, Value> = said.collect();
    let status = match verdict.is_ready() {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(json!({ "ready": verdict.is_ready(), "checks": checks }))).into_response()
}

/// Everything that is counted and measured.
pub(super) async fn metrics(State(app): State<App>) -> Result<Response, Failure> {
    let text = metrics::text(&app).await;
    let text = text.map_err(|_| Failure::new(ProblemCode::Internal, "The metrics are no text."))?;
    Ok(([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response())
}

//! `/healthz` and `/readyz`, on the administrator's listener.

use crate::app::App;
use crate::http::problem::Failure;
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

/// The process answers.
pub(super) async fn alive() -> Json<Value> {
    Json(json!({ "alive": true }))
}

/// The store answers too.
pub(super) async fn ready(State(app): State<App>) -> Result<Json<Value>, Failure> {
    let head = app.authority.store().head().await?;
    Ok(Json(json!({ "ready": true, "epoch": head.epoch, "pos": head.pos })))
}

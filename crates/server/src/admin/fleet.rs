//! The verifiers that are known, and how far each is.

use crate::app::App;
use crate::feed::fleet::Seen;
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

fn view(seen: &Seen) -> Value {
    json!({
        "client_id": &*seen.client_id,
        "instance": seen.instance,
        "applied": seen.applied,
        "relayed": seen.relayed,
        "lag": seen.lag,
        "staleness_ms": u64::try_from(seen.staleness.as_millis()).unwrap_or(u64::MAX),
        "epoch_ok": seen.epoch_ok,
        "lags": seen.lags(),
        "since": seen.since / 1_000_000,
    })
}

/// Each verifier that has asked for the head within the bound. Times are UTC seconds.
pub(super) async fn list(State(app): State<App>) -> Json<Value> {
    let position = app.feed.position();
    let seen = app.feed.fleet().seen(position);
    let verifiers: Vec<Value> = seen.iter().map(view).collect();
    Json(json!({ "epoch": position.epoch, "pos": position.pos, "verifiers": verifiers }))
}

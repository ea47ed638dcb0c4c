//! What anybody may know: the JWKS and the metadata (RFC 8414).

use crate::app::App;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use rescind_wire::jwk::PublicKey;
use serde_json::json;

/// How long both may be cached.
const CACHE: &str = "public, max-age=60";

/// `GET /.well-known/jwks.json`.
pub(super) async fn jwks(State(app): State<App>) -> Response {
    let headers = [(CONTENT_TYPE, "application/jwk-set+json"), (CACHE_CONTROL, CACHE)];
    (headers, app.authority.keyring().jwks().to_owned()).into_response()
}

/// `GET /.well-known/oauth-authorization-server`.
pub(super) async fn metadata(State(app): State<App>) -> Response {
    let issuer = &app.settings().issuer;
    let feed_key = app.authority.keyring().feed_key().public();
    let at = |path: &str| format!("{issuer}{path}");
    let body = json!({
        "issuer": issuer,
        "token_endpoint": at("/token"),
        "jwks_uri": at("/.well-known/jwks.json"),
        "response_types_supported": [],
        "grant_types_supported": ["refresh_token"],
        "token_endpoint_auth_methods_supported": ["none", "client_secret_basic"],
        "rescind_login_endpoint": at("/login"),
        "rescind_snapshot_endpoint": at("/v1/snapshot"),
        "rescind_feed_endpoint": at("/v1/feed"),
        "rescind_head_endpoint": at("/v1/head"),
        "rescind_feed_keys": { "keys": feed_key.map(PublicKey::to_jwk).as_slice() },
    });
    ([(CACHE_CONTROL, CACHE)], axum::Json(body)).into_response()
}

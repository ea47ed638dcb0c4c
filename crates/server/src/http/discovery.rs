//! What anybody may know: the JWKS and the metadata (RFC 8414).

use crate::app::App;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use rescind_wire::jwk::PublicKey;
use serde_json::json;

/// How long both may be cached: a new key is published for longer than that before its first use.
fn cache(app: &App) -> String {
    format!("public, max-age={}", app.settings().jwks_max_age.as_secs())
}

/// `GET /.well-known/jwks.json`.
pub(super) async fn jwks(State(app): State<App>) -> Response {
    let headers =
        [(CONTENT_TYPE, "application/jwk-set+json".to_owned()), (CACHE_CONTROL, cache(&app))];
    (headers, app.authority.keyring().jwks().to_owned()).into_response()
}

/// `GET /.well-known/oauth-authorization-server`.
pub(super) async fn metadata(State(app): State<App>) -> Response {
    let issuer = &app.settings().issuer;
    let at = |path: &str| format!("{issuer}{path}");
    let feed_keys: Vec<_> =
        app.authority.keyring().feed_public().iter().map(PublicKey::to_jwk).collect();
    let body = json!({
        "issuer": issuer,
        "token_endpoint": at("/token"),
        "jwks_uri": at("/.well-known/jwks.json"),
        "revocation_endpoint": at("/revoke"),
        "introspection_endpoint": at("/introspect"),
        "response_types_supported": [],
        "grant_types_supported": ["refresh_token"],
        "token_endpoint_auth_methods_supported": ["none", "client_secret_basic"],
        "revocation_endpoint_auth_methods_supported": ["none", "client_secret_basic"],
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic"],
        "rescind_login_endpoint": at("/login"),
        "rescind_snapshot_endpoint": at("/v1/snapshot"),
        "rescind_feed_endpoint": at("/v1/feed"),
        "rescind_head_endpoint": at("/v1/head"),
        "rescind_heads_endpoint": at("/v1/heads"),
        "rescind_feed_keys": { "keys": feed_keys },
    });
    ([(CACHE_CONTROL, cache(&app))], axum::Json(body)).into_response()
}

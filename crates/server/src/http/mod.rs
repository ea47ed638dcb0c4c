//! HTTP: the whole route table on one screen, one file per endpoint beside it.

pub mod body;
pub(crate) mod client;
pub mod cookies;
pub mod credential;
pub mod csrf;
mod discovery;
pub(crate) mod edge;
pub(crate) mod feed;
mod health;
mod introspect;
mod limit;
mod login;
mod logout;
mod page_failure;
mod pages;
pub(crate) use pages::DEMO_AUDIENCE;
pub mod problem;
mod refresh;
pub(crate) mod refuse;
mod renew;
mod revoke;
mod session_token;
mod sessions;
pub(crate) mod wait;
mod whoami;
mod words;

use crate::app::App;
use axum::Router;
use axum::routing::{get, patch, post};
use problem::Failure;
use rescind_wire::problem::ProblemCode;
use std::sync::Arc;

/// The public routes.
pub fn router(app: App) -> Router {
    let people = Router::new()
        .route("/login", post(login::login))
        .route("/logout", post(logout::logout))
        .route("/logout/everywhere", post(logout::everywhere))
        .route("/whoami", get(whoami::whoami))
        .route("/sessions", get(sessions::list).delete(sessions::end_others))
        .route("/sessions/{id}", patch(sessions::rename).delete(sessions::end))
        .route("/reauthenticate", post(renew::reauthenticate))
        .route("/password", post(renew::password))
        .route("/session/token", post(session_token::session_token));
    let oauth = Router::new()
        .route("/token", post(refresh::token))
        .route("/revoke", post(revoke::revoke))
        .route("/introspect", post(introspect::introspect))
        .route("/.well-known/jwks.json", get(discovery::jwks))
        .route("/.well-known/oauth-authorization-server", get(discovery::metadata));
    let verifiers = Router::new()
        .route("/v1/snapshot", get(feed::snapshot))
        .route("/v1/feed", get(feed::feed))
        .route("/v1/head", post(feed::head))
        .route("/v1/heads", post(feed::heads));
    let probes =
        Router::new().route("/healthz", get(health::alive)).route("/readyz", get(health::ready));
    let all = people.merge(oauth).merge(verifiers).merge(probes).merge(pages::router(&app));
    all.pipe(app, true)
}

/// The routes of the administrator's own listener.
pub fn admin_router(app: App) -> Router {
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::checks))
        .route("/metrics", get(health::metrics))
        .merge(crate::admin::router())
        .pipe(app, false)
}

/// The one route of the listener for metrics.
pub fn metrics_router(app: App) -> Router {
    let hosts = Arc::clone(&app.hosts);
    let hosts = axum::middleware::from_fn_with_state(hosts, refuse::other_names);
    Router::new().route("/metrics", get(health::metrics)).layer(hosts).pipe(app, false)
}

trait Pipe {
    fn pipe(self, app: App, own_hosts: bool) -> Router;
}

impl Pipe for Router<App> {
    /// What stands around every route: unknown paths and methods as problems, panics as 500 with a
    /// correlation id, security headers, the request log; and whether it must be for one of our hosts.
    fn pipe(self, app: App, own_hosts: bool) -> Router {
        self.fallback(async || Failure::not_found())
            .method_not_allowed_fallback(async || {
                let detail = "This path takes other methods: see Allow.";
                Failure::new(ProblemCode::MethodNotAllowed, detail)
            })
            .layer(edge::Around::new(app.clone(), own_hosts))
            .with_state(app)
    }
}

//! Administration: a small HTTP API on a Unix socket that only the owner of the data folder can open.
//! The command line speaks with it while an authority runs, and with the same router in its own
//! process when none does. Every act is recorded with the user id of the process that asked.
//!
//! [`users`], [`sessions`], [`clients`], [`keys`], [`revoke`], [`affected`], [`audit`], [`fleet`]: one file each.
//! What ends or revokes takes `?wait=fleet`: it is answered once no verifier accepts it any more.

mod affected;
pub(crate) mod audit;
pub mod client;
mod clients;
mod fleet;
mod keys;
mod revoke;
mod sessions;
pub mod socket;
mod users;

use crate::app::App;
use crate::http::problem::Failure;
use crate::http::wait::Wait;
use crate::marker;
use crate::serve::Uid;
use axum::extract::{FromRequestParts, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use http::header::HOST as HOST_HEADER;
use http::request::Parts;
use rescind_authority::account::Account;
use rescind_authority::audit::Operator;
use rescind_authority::name::{MAX_NAME, Name};
use rescind_authority::store::{AccountRef, Head, Load};
use rescind_wire::problem::ProblemCode;
use serde_json::{Value, json};

/// The one host that these routes answer to: no page of a browser can name it.
pub const HOST: &str = "rescind";

/// The administrator's routes.
pub fn router() -> Router<App> {
    Router::new()
        .route("/admin/users", get(users::list).post(users::add))
        .route("/admin/users/{name}", delete(users::remove))
        .route("/admin/users/{name}/state", post(users::set_state))
        .route("/admin/users/{name}/roles", post(users::set_roles))
        .route("/admin/users/{name}/sessions", get(sessions::list))
        .route("/admin/sessions/{id}", get(sessions::show))
        .route("/admin/clients", get(clients::list).post(clients::add))
        .route("/admin/clients/{id}", delete(clients::remove))
        .route("/admin/clients/{id}/secret", post(clients::renew_secret))
        .route("/admin/keys", get(keys::list))
        .route("/admin/keys/rotate", post(keys::rotate))
        .route("/admin/keys/retire", post(keys::retire))
        .route("/admin/keys/share", post(keys::share))
        .route("/admin/revoke", post(revoke::revoke))
        .route("/admin/affected", get(affected::affected))
        .route("/admin/audit", get(audit::search))
        .route("/admin/fleet", get(fleet::list))
        .route_layer(axum::middleware::from_fn(only_here))
}

/// Refuses what did not come by the socket, or was meant for another host.
async fn only_here(request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST_HEADER).map(|h| h.as_bytes());
    if host != Some(HOST.as_bytes()) || request.extensions().get::<Uid>().is_none() {
        return Failure::not_found().into_response();
    }
    next.run(request).await
}

/// The user id of the process that asks; without one nothing is done.
struct Asked(Uid);

impl FromRequestParts<App> for Asked {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Failure> {
        parts.extensions.get::<Uid>().copied().map(Self).ok_or_else(Failure::not_found)
    }
}

impl Asked {
    fn because(&self, reason: Option<String>) -> Result<Operator, Failure> {
        Operator::administrator(self.0.0, reason).map_err(|_| {
            Failure::bad_request("A reason has at most 200 characters, without control characters.")
        })
    }
}

fn name(text: &str) -> Result<Name, Failure> {
    Name::new(text).map_err(|_| {
        Failure::bad_request(match text.len() > MAX_NAME {
            true => "A user name has at most 255 bytes; this one is longer.",
            false => {
                "A user name has 1 to 255 bytes of letters, digits and ASCII punctuation, no spaces."
            }
        })
    })
}

/// The account of this name.
async fn account(app: &App, text: &str) -> Result<Account, Failure> {
    account_or(app, text, NO_ACCOUNT).await
}

/// The same, with other words where there is none.
async fn account_or(app: &App, text: &str, none: &'static str) -> Result<Account, Failure> {
    let load = Load { account: Some(AccountRef::Name(name(text)?)), ..Load::default() };
    let account = app.authority.store().read(load).await?.account;
    account.ok_or(not_found(none))
}

const NO_ACCOUNT: &str = "No account of this name: see `rescind user list`.";
const NO_SESSION: &str = "No session of this id: see `rescind session list NAME`.";
const NO_CLIENT: &str = "No client of this id: see `rescind client list`.";
const NO_AUDIENCE: &str = "No client answers for this audience: see `rescind client list`.";
const NO_KEY: &str = "No key of this id: see `rescind keys list`.";
const BAD_ID: &str = "An id has 22 base64url characters.";

fn conflict(detail: &'static str) -> Failure {
    Failure::new(ProblemCode::Conflict, detail)
}

fn not_found(detail: &'static str) -> Failure {
    Failure::new(ProblemCode::NotFound, detail)
}

/// Writes the marker, before it is answered that a key is compromised: from then on no older copy of the
/// store trusts it again.
async fn remember(app: &App) -> Result<(), Failure> {
    if app.keys.as_os_str().is_empty() {
        return Ok(());
    }
    marker::remember(&app.keys, &**app.authority.store()).await.map_err(|_| {
        Failure::new(
            ProblemCode::Unavailable,
            "It is done in the store, but marker.json in the key folder could not be written, so that an older \
             copy of the store would trust a compromised key again. Mend the folder, then do this again.",
        )
    })
}

/// Where the log stands once it is durable, and where that holds if the call waits for it.
async fn done(app: &App, wait: Wait, head: Head) -> Json<Value> {
    let waiting = wait.by_administrator();
    Json(waiting.answer(app, &head, json!({ "epoch": head.epoch, "pos": head.pos })).await)
}

//! Administration: a small HTTP API on a Unix socket that only the owner of the data folder can open.
//! The command line speaks with it while an authority runs, and with the same router in its own
//! process when none does.

pub mod client;
pub mod socket;

use crate::app::App;
use crate::http::body::StrictJson;
use crate::http::problem::Failure;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use rescind_authority::account::{Account, AccountState};
use rescind_authority::clients::{AddClientError, Permission};
use rescind_authority::foreign::ImportedHash;
use rescind_authority::name::Name;
use rescind_authority::password::Password;
use rescind_authority::revoke::{AddAccountError, RevokeError};
use rescind_authority::store::Head;
use rescind_wire::problem::ProblemCode;
use rescind_wire::revocation::Target;
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

/// The administrator's routes.
pub fn router() -> Router<App> {
    Router::new()
        .route("/admin/users", get(list_users).post(add_user))
        .route("/admin/users/{name}/state", post(set_state))
        .route("/admin/clients", get(list_clients).post(add_client))
        .route("/admin/revoke", post(revoke))
}

fn bad_name() -> Failure {
    Failure::bad_request("A user name has letters, digits and ASCII punctuation, no spaces.")
}

fn user(account: &Account) -> Value {
    let state = match account.state {
        AccountState::Active => "active",
        AccountState::Suspended => "suspended",
    };
    let name = account.name.as_str();
    json!({ "sub": account.sub, "username": name, "roles": account.roles, "state": state })
}

async fn list_users(State(app): State<App>) -> Result<Json<Value>, Failure> {
    let accounts = app.authority.store().accounts().await?;
    Ok(Json(accounts.iter().map(user).collect()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewUser {
    username: String,
    password: Option<Zeroizing<String>>,
    password_hash: Option<Zeroizing<String>>,
    #[serde(default)]
    roles: Vec<String>,
}

/// Makes an account with a password, or with the password hash of another system.
async fn add_user(
    State(app): State<App>,
    StrictJson(new): StrictJson<NewUser>,
) -> Result<Json<Value>, Failure> {
    let name = Name::new(&new.username).map_err(|_| bad_name())?;
    let account = match (new.password, new.password_hash) {
        (Some(password), None) => {
            let password = Password::chosen(&password).map_err(|_| {
                Failure::bad_request(
                    "A password has 8 to 1,024 characters, without control characters.",
                )
            })?;
            app.authority.add_account(name, &password, new.roles).await
        }
        (None, Some(hash)) => {
            let hash = ImportedHash::new(&hash).map_err(|_| {
                Failure::bad_request(
                    "The hash is none of bcrypt, scrypt, PBKDF2-SHA256, PBKDF2-SHA512 or Argon2id in \
                     PHC form, or costs too much to verify.",
                )
            })?;
            app.authority.import_account(name, &hash, new.roles).await
        }
        _ => return Err(Failure::bad_request("Send either password or password_hash.")),
    };
    match account {
        Ok(account) => Ok(Json(user(&account))),
        Err(AddAccountError::Taken) => {
            Err(Failure::new(ProblemCode::Conflict, "An account of this name exists already."))
        }
        Err(AddAccountError::Store(error)) => Err(error.into()),
        Err(_) => Err(Failure::unavailable(1)),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewState {
    state: String,
}

async fn set_state(
    State(app): State<App>,
    Path(name): Path<String>,
    StrictJson(new): StrictJson<NewState>,
) -> Result<Json<Value>, Failure> {
    let name = Name::new(&name).map_err(|_| bad_name())?;
    let state = match new.state.as_str() {
        "active" => AccountState::Active,
        "suspended" => AccountState::Suspended,
        _ => return Err(Failure::bad_request("The state is active or suspended.")),
    };
    Ok(done(app.authority.set_account_state(name, state).await?))
}

impl From<RevokeError> for Failure {
    fn from(error: RevokeError) -> Self {
        match error {
            RevokeError::Store(error) => error.into(),
            _ => Failure::new(ProblemCode::NotFound, "No account of this name."),
        }
    }
}

fn done(head: Head) -> Json<Value> {
    Json(json!({ "epoch": head.epoch, "pos": head.pos }))
}

async fn list_clients(State(app): State<App>) -> Result<Json<Value>, Failure> {
    let clients = app.authority.store().clients().await?;
    let view = |c: &rescind_authority::clients::Client| {
        let permissions: Vec<_> = c.permissions.iter().map(|p| p.name()).collect();
        json!({ "client_id": c.client_id, "audiences": c.audiences, "permissions": permissions })
    };
    Ok(Json(clients.iter().map(view).collect()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewClient {
    client_id: String,
    audiences: Vec<String>,
    permissions: Vec<String>,
}

async fn add_client(
    State(app): State<App>,
    StrictJson(new): StrictJson<NewClient>,
) -> Result<Json<Value>, Failure> {
    let permissions = new.permissions.iter().map(|p| Permission::from_name(p));
    let permissions: Option<Vec<_>> = permissions.collect();
    let permissions = permissions.ok_or(Failure::bad_request("The permission is: feed."))?;
    match app.authority.add_client(&new.client_id, new.audiences, permissions).await {
        Ok(secret) => {
            Ok(Json(json!({ "client_id": new.client_id, "client_secret": secret.expose() })))
        }
        Err(AddClientError::Taken) => {
            Err(Failure::new(ProblemCode::Conflict, "A client of this id exists already."))
        }
        Err(AddClientError::Store(error)) => Err(error.into()),
        Err(_) => Err(Failure::bad_request(
            "Ids and audiences have 1 to 128 printable ASCII characters, no spaces or quotes.",
        )),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Revoke {
    User(String),
    Session(String),
    Token(String),
    Everything(bool),
}

async fn revoke(
    State(app): State<App>,
    StrictJson(revoke): StrictJson<Revoke>,
) -> Result<Json<Value>, Failure> {
    let bad_id = || Failure::bad_request("An id has 22 base64url characters.");
    let head = match revoke {
        Revoke::User(name) => {
            let name = Name::new(&name).map_err(|_| bad_name())?;
            app.authority.revoke_account(name).await?
        }
        Revoke::Session(sid) => {
            let target = Target::Session(sid.parse().map_err(|_| bad_id())?);
            app.authority.revoke(target).await?
        }
        Revoke::Token(jti) => {
            let target = Target::Token(jti.parse().map_err(|_| bad_id())?);
            app.authority.revoke(target).await?
        }
        Revoke::Everything(true) => app.authority.revoke(Target::Everything).await?,
        Revoke::Everything(false) => {
            return Err(Failure::bad_request("Say {\"everything\": true} if you mean it."));
        }
    };
    Ok(done(head))
}

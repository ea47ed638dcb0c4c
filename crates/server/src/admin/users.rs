//! Accounts: made, listed, closed, opened, deleted, given roles. No route sets or reads the password of an
//! account that exists.

use super::{Asked, NO_ACCOUNT, conflict, done, name, not_found};
use crate::app::App;
use crate::http::body::StrictJson;
use crate::http::problem::Failure;
use crate::http::wait::Wait;
use axum::Json;
use axum::extract::{Path, State};
use rescind_authority::account::{Account, AccountState};
use rescind_authority::foreign::ImportedHash;
use rescind_authority::password::Password;
use rescind_authority::revoke::{AddAccountError, RevokeError};
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

fn view(account: &Account) -> Value {
    json!({
        "sub": account.sub,
        "username": account.name.as_str(),
        "roles": account.roles,
        "state": account.state.name(),
    })
}

pub(super) async fn list(State(app): State<App>) -> Result<Json<Value>, Failure> {
    let accounts = app.authority.store().accounts().await?;
    Ok(Json(accounts.iter().map(view).collect()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    username: String,
    password: Option<Zeroizing<String>>,
    password_hash: Option<Zeroizing<String>>,
    #[serde(default)]
    roles: Vec<String>,
    reason: Option<String>,
}

/// Makes an account with a password, or with the password hash of another system.
pub(super) async fn add(
    State(app): State<App>,
    asked: Asked,
    StrictJson(new): StrictJson<New>,
) -> Result<Json<Value>, Failure> {
    let (name, by) = (name(&new.username)?, asked.because(new.reason)?);
    let account = match (new.password, new.password_hash) {
        (Some(password), None) => {
            let password = Password::chosen(&password).map_err(|_| {
                Failure::bad_request(
                    "A password has 8 to 1,024 characters, without control characters.",
                )
            })?;
            app.authority.add_account(name, &password, new.roles, &by).await
        }
        (None, Some(hash)) => {
            let hash = ImportedHash::new(&hash).map_err(|_| {
                Failure::bad_request(
                    "The hash is none of bcrypt, scrypt, PBKDF2-SHA256, PBKDF2-SHA512 or Argon2id in \
                     PHC form, or costs too much to verify.",
                )
            })?;
            app.authority.import_account(name, &hash, new.roles, &by).await
        }
        _ => return Err(Failure::bad_request("Send either password or password_hash.")),
    };
    match account {
        Ok(account) => Ok(Json(view(&account))),
        Err(AddAccountError::Taken) => {
            Err(conflict("An account of this name exists already: see `rescind user list`."))
        }
        Err(AddAccountError::BadRole) => Err(bad_role()),
        Err(AddAccountError::Guessable) => Err(Failure::guessable()),
        Err(AddAccountError::Store(error)) => Err(error.into()),
        Err(_) => Err(Failure::unavailable(1)),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewState {
    state: String,
    reason: Option<String>,
}

pub(super) async fn set_state(
    State(app): State<App>,
    Path(user): Path<String>,
    asked: Asked,
    wait: Wait,
    StrictJson(new): StrictJson<NewState>,
) -> Result<Json<Value>, Failure> {
    let state = AccountState::from_name(&new.state)
        .ok_or(Failure::bad_request("The state is active, suspended or banned."))?;
    let by = asked.because(new.reason)?;
    let head = app.authority.set_account_state(name(&user)?, state, by).await?;
    Ok(done(&app, wait, head).await)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRoles {
    roles: Vec<String>,
    reason: Option<String>,
}

/// Sets the roles. Access tokens of before are refused; clients refresh and go on.
pub(super) async fn set_roles(
    State(app): State<App>,
    Path(user): Path<String>,
    asked: Asked,
    wait: Wait,
    StrictJson(new): StrictJson<NewRoles>,
) -> Result<Json<Value>, Failure> {
    let by = asked.because(new.reason)?;
    let head = app.authority.set_roles(name(&user)?, new.roles, by).await?;
    Ok(done(&app, wait, head).await)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Why {
    reason: Option<String>,
}

pub(super) async fn remove(
    State(app): State<App>,
    Path(user): Path<String>,
    asked: Asked,
    wait: Wait,
    StrictJson(why): StrictJson<Why>,
) -> Result<Json<Value>, Failure> {
    let by = asked.because(why.reason)?;
    let head = app.authority.delete_account(name(&user)?, by).await?;
    Ok(done(&app, wait, head).await)
}

fn bad_role() -> Failure {
    Failure::bad_request("A role has 1 to 64 characters without spaces; at most 64 roles.")
}

impl From<RevokeError> for Failure {
    fn from(error: RevokeError) -> Self {
        match error {
            RevokeError::Store(error) => error.into(),
            RevokeError::BadRole => bad_role(),
            RevokeError::Banned => conflict(
                "The account is banned, and stays so: a suspension would be less. To weaken the ban all the \
                 same, open the account by `rescind user activate`, then suspend it.",
            ),
            _ => not_found(NO_ACCOUNT),
        }
    }
}

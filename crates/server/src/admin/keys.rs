//! Keys: listed without anything secret, rotated, retired; and secrets shared with one audience, shown
//! once.

use super::{Asked, NO_AUDIENCE, NO_KEY, conflict, done, not_found, remember};
use crate::app::App;
use crate::http::body::StrictJson;
use crate::http::problem::Failure;
use crate::http::wait::Wait;
use axum::Json;
use axum::extract::State;
use rescind_authority::keys::{Purpose, overlap};
use rescind_authority::rotate::RotateError;
use rescind_wire::problem::ProblemCode;
use serde::Deserialize;
use serde_json::{Value, json};

/// `usable_from` is when a next key may take over. Times are UTC seconds.
pub(super) async fn list(State(app): State<App>) -> Result<Json<Value>, Failure> {
    let stored = app.authority.stored_keys().await?;
    let ripe = overlap(app.settings()).as_micros() as u64;
    let view = |key: &rescind_authority::keys::StoredKey| {
        let audience = match &key.purpose {
            Purpose::Shared(audience) => Some(audience),
            _ => None,
        };
        json!({
            "kid": key.kid,
            "purpose": key.purpose.name(),
            "audience": audience,
            "alg": key.alg.map(|alg| alg.name()),
            "state": key.state.name(),
            "created_at": key.created_at / 1_000_000,
            "since": key.since / 1_000_000,
            "usable_from":
                key.created_at.saturating_add(ripe).max(key.usable_from).div_ceil(1_000_000),
        })
    };
    Ok(Json(stored.keys.iter().map(view).collect()))
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Token,
    Feed,
    Line,
    Csrf,
    Shared,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotate {
    purpose: Kind,
    audience: Option<String>,
    reason: Option<String>,
}

/// Lets the next key take over. 409 while it is not yet known everywhere.
pub(super) async fn rotate(
    State(app): State<App>,
    asked: Asked,
    wait: Wait,
    StrictJson(rotate): StrictJson<Rotate>,
) -> Result<Json<Value>, Failure> {
    let purpose = match (rotate.purpose, rotate.audience) {
        (Kind::Token, None) => Purpose::Token,
        (Kind::Feed, None) => Purpose::Feed(0),
        (Kind::Line, None) => Purpose::Line(0),
        (Kind::Csrf, None) => Purpose::Csrf(0),
        (Kind::Shared, Some(audience)) => Purpose::Shared(audience),
        _ => {
            return Err(Failure::bad_request(
                "Name an audience for a shared secret, and only then.",
            ));
        }
    };
    let head = app.authority.rotate_key(purpose, asked.because(rotate.reason)?).await?;
    Ok(done(&app, wait, head).await)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Retire {
    kid: String,
    #[serde(default)]
    compromised: bool,
    reason: Option<String>,
}

/// Retires a key; a compromised one with everything that it has signed.
pub(super) async fn retire(
    State(app): State<App>,
    asked: Asked,
    wait: Wait,
    StrictJson(retire): StrictJson<Retire>,
) -> Result<Json<Value>, Failure> {
    let by = asked.because(retire.reason)?;
    let retired = app.authority.retire_key(&retire.kid, retire.compromised, by).await;
    // Also if it was so before: perhaps the marker could not be written then.
    let over = matches!(retired, Ok(_) | Err(RotateError::Retired | RotateError::Late));
    if retire.compromised && over {
        remember(&app).await?;
    }
    Ok(done(&app, wait, retired?).await)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Share {
    audience: String,
    reason: Option<String>,
}

/// Draws a secret for one audience, shown this once.
pub(super) async fn share(
    State(app): State<App>,
    asked: Asked,
    StrictJson(share): StrictJson<Share>,
) -> Result<Json<Value>, Failure> {
    let by = asked.because(share.reason)?;
    let shared = app.authority.share_key(&share.audience, by).await?;
    Ok(Json(json!({
        "kid": shared.kid,
        "secret": shared.secret.expose(),
        "state": shared.state.name(),
    })))
}

impl From<RotateError> for Failure {
    fn from(error: RotateError) -> Self {
        match error {
            RotateError::Store(error) => error.into(),
            RotateError::Early { wait } => conflict(
                "The next key is not yet known everywhere: wait as long as Retry-After says.",
            )
            .retry_after(wait),
            RotateError::NotFound => not_found(NO_KEY),
            RotateError::Retired => conflict("The key is retired already."),
            RotateError::NoNext => conflict(
                "This audience has no next secret: draw one by `rescind keys share`, give it to the \
                 audience's server, then rotate.",
            ),
            RotateError::UsedUp => conflict(
                "No line keys are left for this: the last 16 of 255 are kept for stolen ones. Found a new \
                 realm.",
            ),
            RotateError::Audience => not_found(NO_AUDIENCE),
            RotateError::Late => Failure::new(
                ProblemCode::Unavailable,
                "It is done in the store, but the running authority goes on with the key of before for up \
                 to 30 seconds: see its log, and restart it if that does not help.",
            ),
            other => {
                tracing::error!(event = "key_failed", alarm = true, error = %other);
                Failure::unavailable(1)
            }
        }
    }
}

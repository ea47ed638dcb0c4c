//! `POST /revoke` (RFC 7009): a client takes a token back. Answered when the end is durable; what is no
//! token, or dead already, is answered alike.

use crate::app::App;
use crate::http::body::StrictForm;
use crate::http::client;
use crate::http::problem::{Failure, OAuthFailure};
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use rescind_authority::introspect::RevokeTokenError;
use rescind_authority::secret::Secret;

/// The hint is not looked at: what kind of token it is, it says itself.
pub(super) async fn revoke(
    State(app): State<App>,
    headers: HeaderMap,
    form: Result<StrictForm, Failure>,
) -> Result<StatusCode, OAuthFailure> {
    let form = form?;
    let caller = client::caller(&app, &headers, &form, None).await?;
    let Some(token) = form.get("token") else {
        return Err(OAuthFailure::invalid_request("token is missing"));
    };
    let token = Secret::new(token.to_owned());
    match app.authority.revoke_token(caller, &token).await {
        Ok(()) => Ok(StatusCode::OK),
        Err(RevokeTokenError::Store(error)) => Err(error.into()),
        Err(RevokeTokenError::Throttled { retry_after }) => Err(OAuthFailure::too_many(
            "too many tokens taken back one by one, wait as long as Retry-After says or take back the \
             refresh token",
            retry_after,
        )),
        Err(RevokeTokenError::Shared) => Err(OAuthFailure::new(
            "unsupported_token_type",
            "take back the refresh token, this access token only its own server can take back",
        )),
        Err(_) => Err(OAuthFailure::new(
            "invalid_grant",
            "the token was issued to another client, nothing was changed",
        )),
    }
}

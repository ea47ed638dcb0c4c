//! Which client calls an OAuth endpoint: a confidential one proves itself by HTTP Basic, the realm's own
//! apps name themselves.

use crate::app::App;
use crate::http::body::StrictForm;
use crate::http::problem::OAuthFailure;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use rescind_authority::clients::{Client, FIRST_PARTY};
use rescind_authority::introspect::Caller;
use rescind_authority::secret::Secret;
use rescind_wire::b64;

/// The client that calls: authenticated if it sends Basic, else public by its id alone. `unnamed` is who
/// calls without either.
pub(super) async fn caller(
    app: &App,
    headers: &HeaderMap,
    form: &StrictForm,
    unnamed: Option<&str>,
) -> Result<Caller, OAuthFailure> {
    if let Some(client) = confidential(app, headers, form).await? {
        return Ok(Caller::Confidential(client));
    }
    match form.get("client_id").or(unnamed) {
        Some(FIRST_PARTY) => Ok(Caller::FirstParty),
        _ => Err(OAuthFailure::invalid_client()),
    }
}

/// The client that proves itself by Basic; `None` if nothing of that kind is sent.
pub(super) async fn confidential(
    app: &App,
    headers: &HeaderMap,
    form: &StrictForm,
) -> Result<Option<Client>, OAuthFailure> {
    let Some((id, secret)) = basic(headers)? else { return Ok(None) };
    // RFC 6749 §2.3: one way to authenticate in one request.
    if form.get("client_secret").is_some() {
        let description = "send the client's secret once, as HTTP Basic";
        return Err(OAuthFailure::invalid_request(description));
    }
    if form.get("client_id").is_some_and(|named| named != id) {
        return Err(OAuthFailure::invalid_client());
    }
    let known = app.authority.authenticate_client(&id, secret.expose()).await?;
    known.map(Some).ok_or_else(OAuthFailure::invalid_client)
}

/// `client_secret_basic` (RFC 6749 §2.3.1): id and secret, each form-encoded, in one Basic header.
pub(crate) fn basic(headers: &HeaderMap) -> Result<Option<(String, Secret)>, OAuthFailure> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = all.next() else { return Ok(None) };
    if all.next().is_some() {
        return Err(OAuthFailure::invalid_request("send one Authorization header"));
    }
    let parse = || {
        let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let text = String::from_utf8(b64::decode_standard(encoded)?).ok()?;
        let (id, secret) = text.split_once(':')?;
        let decode = |part: &str| {
            let raw = format!("v={part}");
            form_urlencoded::parse(raw.as_bytes()).next().map(|(_, value)| value.into_owned())
        };
        Some((decode(id)?, Secret::new(decode(secret)?)))
    };
    parse().map(Some).ok_or_else(OAuthFailure::invalid_client)
}

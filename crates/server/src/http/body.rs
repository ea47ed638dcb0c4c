//! Request bodies: read whole, within a limit and a deadline, in exactly one form.

use crate::app::App;
use crate::http::problem::Failure;
use axum::body::{Body, HttpBody as _};
use axum::extract::{FromRequest, Request};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::BodyExt as _;
use rescind_wire::json;
use rescind_wire::problem::ProblemCode;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;
use zeroize::Zeroizing;

/// Largest body of the account routes, in bytes.
const LIMIT: usize = 16 * 1024;
/// Largest body that is an array, in bytes.
const ARRAY_LIMIT: usize = 1024 * 1024;
/// How much of a larger one is read and thrown away, in bytes: a client that is still sending when the
/// connection ends often sees a broken pipe and never the answer.
const DISCARD: usize = 4 * 1024 * 1024;

/// Most fields of a form.
const MOST_FIELDS: usize = 32;

/// A JSON object, strictly: content type `application/json`, no duplicate and no unknown member.
pub struct StrictJson<T>(pub T);

/// Form fields, strictly: content type `application/x-www-form-urlencoded`, no duplicate field.
pub struct StrictForm(Vec<(String, Zeroizing<String>)>);

impl StrictForm {
    /// One field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// One field that must be there.
    pub fn need(&self, name: &str) -> Result<&str, Failure> {
        self.get(name).ok_or(Failure::bad_request("A field is missing."))
    }
}

impl<T: DeserializeOwned> FromRequest<App> for StrictJson<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &App) -> Result<Self, Failure> {
        strict_json(request, app.limits.body).await.map(Self)
    }
}

/// A body that is a JSON object, strictly, there by the deadline.
pub(crate) async fn strict_json<T: DeserializeOwned>(
    request: Request,
    deadline: Duration,
) -> Result<T, Failure> {
    expect_type(request.headers(), "application/json")?;
    let bytes = read(request, deadline, LIMIT).await?;
    let malformed = Failure::bad_request("The body is not the JSON object this route takes.");
    let object = json::object(&bytes).map_err(|_| malformed.clone())?;
    serde_json::from_value(Value::Object(object)).map_err(|_| malformed)
}

/// A body that is a JSON array of at most `most` such objects.
pub(crate) async fn strict_array<T: DeserializeOwned>(
    request: Request,
    deadline: Duration,
    most: usize,
) -> Result<Vec<T>, Failure> {
    expect_type(request.headers(), "application/json")?;
    let bytes = read(request, deadline, ARRAY_LIMIT).await?;
    let malformed = || Failure::bad_request("The body is not the JSON array this route takes.");
    let array = json::array(&bytes).map_err(|_| malformed())?;
    if array.len() > most {
        return Err(Failure::bad_request("The array has too many elements."));
    }
    serde_json::from_value(Value::Array(array)).map_err(|_| malformed())
}

impl FromRequest<App> for StrictForm {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &App) -> Result<Self, Failure> {
        expect_type(request.headers(), "application/x-www-form-urlencoded")?;
        let bytes = read(request, app.limits.body, LIMIT).await?;
        let malformed = || Failure::bad_request("The form is malformed or has a field twice.");
        std::str::from_utf8(&bytes).map_err(|_| malformed())?;
        let mut fields: Vec<(String, Zeroizing<String>)> = Vec::new();
        for (name, value) in form_urlencoded::parse(&bytes) {
            if fields.len() == MOST_FIELDS
                || value.contains('\u{fffd}')
                || fields.iter().any(|(n, _)| *n == name)
            {
                return Err(malformed());
            }
            fields.push((name.into_owned(), Zeroizing::new(value.into_owned())));
        }
        // RFC 6750 §2.2 is not offered: a request has one credential, in one place.
        if fields.iter().any(|(n, _)| n == "access_token") {
            return Err(Failure::bad_request("Send credentials in headers, not in a form."));
        }
        Ok(Self(fields))
    }
}

fn expect_type(headers: &HeaderMap, expected: &'static str) -> Result<(), Failure> {
    let mut all = headers.get_all(CONTENT_TYPE).iter();
    let essence = all.next().and_then(|v| v.to_str().ok()).and_then(|v| v.split(';').next());
    if all.next().is_none() && essence.is_some_and(|e| e.trim().eq_ignore_ascii_case(expected)) {
        return Ok(());
    }
    let detail = match expected {
        "application/json" => "Send Content-Type: application/json.",
        _ => "Send Content-Type: application/x-www-form-urlencoded.",
    };
    Err(Failure::new(ProblemCode::UnsupportedMediaType, detail))
}

/// The whole body, if it is not larger than `limit` and there by the deadline.
async fn read(
    request: Request,
    deadline: Duration,
    limit: usize,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    match tokio::time::timeout(deadline, collect(request.into_body(), limit)).await {
        Ok(read) => read,
        Err(_) => Err(Failure::bad_request("The body came too slowly.")
            .status(http::StatusCode::REQUEST_TIMEOUT)),
    }
}

async fn collect(mut body: Body, limit: usize) -> Result<Zeroizing<Vec<u8>>, Failure> {
    // Never grows, so that no copy of a secret stays behind; and is no larger than what was announced, since
    // all of it is wiped.
    let mut bytes = Zeroizing::new(Vec::new());
    let announced = body.size_hint().upper().and_then(|most| usize::try_from(most).ok());
    let room = announced.map_or(limit, |most| most.min(limit));
    let mut size = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Failure::bad_request("The body ended early."))?;
        let Some(data) = frame.data_ref() else { continue };
        // Not before something has come: who only announces a body takes no memory for it.
        if bytes.capacity() == 0 {
            bytes.reserve_exact(room);
        }
        size += data.len();
        if size <= limit {
            bytes.extend_from_slice(data);
        } else if size > DISCARD {
            break;
        }
    }
    if size > limit {
        return Err(Failure::new(
            ProblemCode::TooLarge,
            "The body is larger than this route takes.",
        ));
    }
    Ok(bytes)
}

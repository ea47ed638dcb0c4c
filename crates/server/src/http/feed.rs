//! `/v1/snapshot`, `/v1/feed`, `/v1/head`: what verifiers live on. Confidential clients with the
//! permission `feed` only, judged before any byte of the log is sent.

use crate::app::App;
use crate::feed::fleet::Word;
use crate::http::body::StrictJson;
use crate::http::client::basic;
use crate::http::problem::Failure;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue};
use rescind_authority::clients::{Client, Permission};
use rescind_wire::b64;
use rescind_wire::id::{Epoch, Instance};
use rescind_wire::problem::ProblemCode;
use serde::Deserialize;
use std::convert::Infallible;

/// What nginx reads.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");
const FRAMES: &str = "application/vnd.rescind.frame";

async fn allow(app: &App, headers: &HeaderMap) -> Result<Client, Response> {
    let unknown = || {
        let failure = Failure::new(
            ProblemCode::Unauthenticated,
            "Authenticate with client id and secret (`rescind client add`).",
        );
        let mut response = failure.into_response();
        let challenge = HeaderValue::from_static("Basic realm=\"rescind\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        response
    };
    if headers.get_all(AUTHORIZATION).iter().count() > 1 {
        return Err(Failure::bad_request("Send one Authorization header.").into_response());
    }
    let Ok(Some((id, secret))) = basic(headers) else { return Err(unknown()) };
    let client = app.authority.authenticate_client(&id, secret.expose()).await;
    let client = client.map_err(|error| Failure::from(error).into_response())?;
    let client = client.ok_or_else(unknown)?;
    if client.may(Permission::Feed) {
        return Ok(client);
    }
    let detail = "This client may not read the feed (`rescind client add --permission feed`).";
    Err(Failure::new(ProblemCode::Forbidden, detail).into_response())
}

/// All live entries at a position, in one signed frame.
pub(super) async fn snapshot(State(app): State<App>, headers: HeaderMap) -> Response {
    let client = match allow(&app, &headers).await {
        Ok(client) => client,
        Err(refused) => return refused,
    };
    match app.feed.snapshot(&client).await {
        Ok(Some((frame, place))) => {
            let length = [(CONTENT_LENGTH, frame.len())];
            // The place is given back when the end is asked for: what comes before is then written.
            let once = stream::unfold((Some(frame), place), |(frame, place)| async move {
                frame.map(|frame| (Ok::<_, Infallible>(frame), (None, place)))
            });
            (length, [(CONTENT_TYPE, FRAMES)], Body::from_stream(once)).into_response()
        }
        Ok(None) => Failure::unavailable(1).into_response(),
        Err(error) => Failure::from(error).into_response(),
    }
}

#[derive(Deserialize)]
pub(super) struct From {
    epoch: Epoch,
    from: u64,
    instance: Instance,
}

/// Signed frames from a position on, without end.
pub(super) async fn feed(
    State(app): State<App>,
    headers: HeaderMap,
    query: Result<Query<From>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let client = match allow(&app, &headers).await {
        Ok(client) => client,
        Err(refused) => return refused,
    };
    let Ok(Query(from)) = query else {
        return Failure::bad_request("Send epoch, from and instance.").into_response();
    };
    match app.feed.follow(&client, from.epoch, from.from) {
        Some(frames) => {
            tracing::info!(event = "feed_opened", instance = %from.instance, from = from.from);
            // A proxy that knows this header passes on each frame as it comes.
            let unbuffered = [(UNBUFFERED, "no")];
            (unbuffered, [(CONTENT_TYPE, FRAMES)], Body::from_stream(frames)).into_response()
        }
        None => Failure::unavailable(5).into_response(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ask {
    nonce: String,
    instance: Instance,
    #[serde(default)]
    epoch: Option<Epoch>,
    applied: u64,
    #[serde(default)]
    seen: Option<String>,
    #[serde(default, rename = "max_age_ms")]
    _max_age_ms: u64,
}

impl Ask {
    fn word(&self) -> Word {
        Word { instance: self.instance, epoch: self.epoch, applied: self.applied }
    }
}

/// Where the log stands, read after the request came. A signed head of this realm that is ahead of the
/// store proves that the store was rolled back.
pub(super) async fn head(
    State(app): State<App>,
    headers: HeaderMap,
    body: Result<StrictJson<Ask>, Failure>,
) -> Response {
    let client = match allow(&app, &headers).await {
        Ok(client) => client,
        Err(refused) => return refused,
    };
    let ask = match body {
        Ok(StrictJson(ask)) => ask,
        Err(failure) => return failure.into_response(),
    };
    let Some(nonce) = b64::decode_array(&ask.nonce) else {
        return Failure::bad_request("Send a nonce of 16 bytes in base64url.").into_response();
    };
    let seen = ask.seen.as_deref().and_then(b64::decode);
    tracing::debug!(event = "head", instance = %ask.instance, applied = ask.applied, epoch = ?ask.epoch);
    app.feed.heard(&client, ask.word());
    match app.feed.head(nonce, seen.as_deref()).await {
        Ok(frame) => ([(CONTENT_TYPE, FRAMES)], frame).into_response(),
        Err(error) => Failure::from(error).into_response(),
    }
}

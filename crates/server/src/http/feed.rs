//! `/v1/snapshot`, `/v1/feed`, `/v1/head`, `/v1/heads`: what verifiers live on. Confidential clients with the
//! permission `feed` only, judged before any byte of the log is sent.

use crate::app::App;
use crate::feed::Question;
use crate::feed::fleet::Word;
use crate::feed::places::Place;
use crate::http::body::{StrictJson, strict_array};
use crate::http::client::basic;
use crate::http::problem::Failure;
use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue};
use rescind_authority::clients::{Client, Permission};
use rescind_wire::id::{Epoch, Instance};
use rescind_wire::problem::ProblemCode;
use rescind_wire::{b64, sha256};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;

/// What nginx reads.
pub(crate) const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");
/// The content type of frames.
pub(crate) const FRAMES: &str = "application/vnd.rescind.frame";

/// 401 to who is no client, with a challenge.
pub(crate) fn unknown() -> Response {
    let failure = Failure::new(
        ProblemCode::Unauthenticated,
        "Authenticate with client id and secret (`rescind client add`).",
    );
    let mut response = failure.into_response();
    let challenge = HeaderValue::from_static("Basic realm=\"rescind\"");
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    response
}

/// 403 to a client without the permission.
pub(crate) fn forbidden() -> Response {
    let detail = "This client may not read the feed (`rescind client add --permission feed`).";
    Failure::new(ProblemCode::Forbidden, detail).into_response()
}

async fn allow(app: &App, headers: &HeaderMap) -> Result<Client, Response> {
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
    Err(forbidden())
}

/// All live entries at a position, in one signed frame.
pub(super) async fn snapshot(State(app): State<App>, headers: HeaderMap) -> Response {
    let client = match allow(&app, &headers).await {
        Ok(client) => client,
        Err(refused) => return refused,
    };
    match app.feed.snapshot(&client).await {
        Ok(Some((frame, place))) => until_taken(frame, place),
        Ok(None) => Failure::unavailable(1).into_response(),
        Err(error) => Failure::from(error).into_response(),
    }
}

/// A frame, with a place that is given back when the end is asked for: what comes before is then written.
pub(crate) fn until_taken(frame: Bytes, place: Place) -> Response {
    let length = [(CONTENT_LENGTH, frame.len())];
    let once = stream::unfold((Some(frame), place), |(frame, place)| async move {
        frame.map(|frame| (Ok::<_, Infallible>(frame), (None, place)))
    });
    (length, [(CONTENT_TYPE, FRAMES)], Body::from_stream(once)).into_response()
}

/// Where a follower stands.
#[derive(Deserialize)]
pub(crate) struct From {
    pub(crate) epoch: Epoch,
    pub(crate) from: u64,
    pub(crate) instance: Instance,
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

/// One who asks where the log stands.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ask {
    nonce: String,
    instance: Instance,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    epoch: Option<Epoch>,
    applied: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seen: Option<String>,
    #[serde(default)]
    max_age_ms: u64,
    /// It accepts nothing any more, and only says so.
    #[serde(default)]
    leaving: bool,
}

/// Most questions that are answered at once.
pub(crate) const MOST_ASKED: usize = 512;
/// A sealed head in base64url is shorter.
const LONGEST_SEEN: usize = 1024;

impl Ask {
    /// What is to be answered.
    pub(crate) fn question(&self) -> Result<Question, Failure> {
        let Some(nonce) = b64::decode_array(&self.nonce) else {
            return Err(Failure::bad_request("Send a nonce of 16 bytes in base64url."));
        };
        // Nothing else is passed on by a relay: JSON may write a character with six.
        let decoded = |seen: &str| b64::decode(seen).filter(|_| seen.len() <= LONGEST_SEEN);
        let seen = self.seen.as_deref().map(|seen| {
            let refused = || Failure::bad_request("Send a sealed head as `seen`, or leave it out.");
            decoded(seen).ok_or_else(refused)
        });
        Ok(Question { nonce, seen: seen.transpose()? })
    }

    /// The same as a relay passes it on. To the authority all who are behind a relay are one client: the instance is
    /// bound to theirs, so that none can say anything in another's place.
    pub(crate) fn of(&self, client_id: &str) -> Self {
        let hash = sha256(&[client_id.as_bytes(), self.instance.as_bytes()]);
        let mut bound = [0; 16];
        bound.copy_from_slice(&hash[..16]);
        Self { instance: Instance::from_bytes(bound), ..self.clone() }
    }

    fn word(&self, relayed: bool) -> Word {
        let Self { instance, epoch, applied, leaving, .. } = *self;
        Word { instance, epoch, applied, relayed, leaving }
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
    match body {
        Ok(StrictJson(ask)) => answer(&app, &client, &[ask], false).await.into_response(),
        Err(failure) => failure.into_response(),
    }
}

/// The same for many who ask at once, through a relay: a frame for each, in the order of the questions. With
/// none, it only says whether the client may read the feed.
pub(super) async fn heads(State(app): State<App>, request: Request) -> Response {
    let client = match allow(&app, request.headers()).await {
        Ok(client) => client,
        Err(refused) => return refused,
    };
    let Some(_place) = app.feed.batch(&client) else {
        return Failure::unavailable(1).into_response();
    };
    match strict_array::<Ask>(request, app.limits.body, MOST_ASKED).await {
        Ok(asks) => answer(&app, &client, &asks, true).await.into_response(),
        Err(failure) => failure.into_response(),
    }
}

async fn answer(
    app: &App,
    client: &Client,
    asks: &[Ask],
    relayed: bool,
) -> Result<Response, Failure> {
    let questions = asks.iter().map(Ask::question).collect::<Result<Vec<_>, _>>()?;
    for ask in asks {
        tracing::debug!(event = "head", instance = %ask.instance, applied = ask.applied, epoch = ?ask.epoch);
        // Before the log is read: the lease that the answer gives counts from before.
        app.feed.heard(client, ask.word(relayed));
    }
    let heads = match questions.is_empty() {
        true => Vec::new(),
        false => app.feed.heads(&questions).await?,
    };
    Ok(([(CONTENT_TYPE, FRAMES)], heads.concat()).into_response())
}

//! What the small authority answers.

use super::{Authority, Fault, until};
use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use rescind_wire::b64;
use rescind_wire::frame::{Frame, Head};
use rescind_wire::id::Epoch;
use rescind_wire::jwk::jwks;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const FRAME: &str = "application/vnd.rescind.frame";

pub(super) async fn faulty(
    State(authority): State<Authority>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path().to_owned();
    let fault = {
        let mut world = authority.world();
        *world.asked.entry(path.clone()).or_default() += 1;
        world.faults.get(path.as_str()).cloned()
    };
    match fault {
        None => next.run(request).await,
        Some(Fault::Down) => StatusCode::BAD_GATEWAY.into_response(),
        Some(Fault::Redirect) => Redirect::temporary("/elsewhere").into_response(),
        Some(Fault::Html) => ([(header::CONTENT_TYPE, "text/html")], "<p>hello").into_response(),
        Some(Fault::Huge) => {
            let body = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(70_000));
            ([(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
        Some(Fault::Body(bytes)) => ([(header::CONTENT_TYPE, FRAME)], bytes).into_response(),
        Some(Fault::AfterHeads) => {
            let asked = authority.asked("/head");
            until("heads", || authority.asked("/head") > asked + 1).await;
            next.run(request).await
        }
    }
}

pub(super) async fn metadata(State(authority): State<Authority>) -> Response {
    let issuer = &authority.issuer;
    let feed_keys: Value =
        serde_json::from_str(&jwks(authority.world().feed_key.public())).unwrap();
    let document = json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/jwks"),
        "rescind_feed_keys": feed_keys,
        "rescind_snapshot_endpoint": format!("{issuer}/snapshot"),
        "rescind_feed_endpoint": format!("{issuer}/feed"),
        "rescind_head_endpoint": format!("{issuer}/head"),
    });
    ([(header::CONTENT_TYPE, "application/json")], document.to_string()).into_response()
}

pub(super) async fn keys(State(authority): State<Authority>) -> Response {
    ([(header::CONTENT_TYPE, "application/jwk-set+json")], authority.world().jwks.clone())
        .into_response()
}

/// `posts-api:s3cret`
fn denied(headers: &HeaderMap) -> bool {
    headers.get(header::AUTHORIZATION).is_none_or(|v| v != "Basic cG9zdHMtYXBpOnMzY3JldA==")
}

pub(super) async fn snapshot(State(authority): State<Authority>, headers: HeaderMap) -> Response {
    if denied(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let frame = {
        let world = authority.world();
        Frame::Snapshot { position: world.position(), entries: world.entries.clone() }
    };
    ([(header::CONTENT_TYPE, FRAME)], authority.sealed(&frame)).into_response()
}

pub(super) async fn head(
    State(authority): State<Authority>,
    headers: HeaderMap,
    body: String,
) -> Response {
    if denied(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let question: Value = serde_json::from_str(&body).unwrap();
    let nonce = b64::decode_array(question["nonce"].as_str().unwrap()).unwrap();
    let frame = {
        let mut world = authority.world();
        world.questions.push(question);
        Frame::Head(Head {
            nonce,
            position: world.position(),
            utc: world.wall_us,
            keys: world.mark(),
            age: 0,
            staleness_ms: 10_000,
        })
    };
    ([(header::CONTENT_TYPE, FRAME)], authority.sealed(&frame)).into_response()
}

struct Open(Arc<AtomicU32>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(super) async fn feed(
    State(authority): State<Authority>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    if denied(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let asked: Epoch = query["epoch"].parse().unwrap();
    let from: usize = query["from"].parse().unwrap();
    authority.feeds.fetch_add(1, Ordering::SeqCst);
    let open = Open(authority.feeds.clone());
    let changed = authority.changed.subscribe();
    let first = (authority, asked, from, changed, true, open);
    let stream = futures_util::stream::unfold(first, |state| async move {
        let (authority, epoch, cursor, mut changed, begins, open) = state;
        if !begins {
            changed.changed().await.ok()?;
        }
        let (frames, cursor) = news(&authority, epoch, cursor);
        let mut bytes = match begins {
            true => authority.world().first_of_all.clone(),
            false => vec![],
        };
        bytes.extend(frames.iter().flat_map(|f| authority.sealed(f)));
        Some((Ok::<_, std::io::Error>(bytes), (authority, epoch, cursor, changed, false, open)))
    });
    ([(header::CONTENT_TYPE, FRAME)], Body::from_stream(stream)).into_response()
}

/// What a feed that stands at `cursor` is sent.
fn news(authority: &Authority, epoch: Epoch, cursor: usize) -> (Vec<Frame>, usize) {
    let world = authority.world();
    let mut frames = vec![Frame::Keys(world.mark())];
    let end = world.entries.len();
    if epoch != world.epoch || cursor > end {
        frames.push(Frame::Resync);
    } else if cursor < end {
        frames.push(Frame::Delta {
            position: world.position(),
            entries: world.entries[cursor..].to_vec(),
        });
    } else {
        frames.push(Frame::Beat(world.position()));
    }
    (frames, end)
}

//! The smallest useful application server behind Rescind: everyone sees and writes his own posts.
//!
//! Start reading at [`app`]. It has no sign-in, no session store and no call to the authority per request:
//! the verifier's layer checks each token in memory, and a [`Principal`] says who asks.

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use rescind_verifier::{BuildError, ClientSecret, Principal, Status, Verifier};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;

/// What this server must be told.
pub struct Config {
    /// The authority's issuer URL, as in the tokens.
    pub issuer: String,
    /// The name by which tokens address this server.
    pub audience: String,
    /// The confidential client that this server is.
    pub client_id: String,
    /// Its secret.
    pub secret: ClientSecret,
    /// The one page origin that may call from a browser.
    pub origin: HeaderValue,
}

/// Serves until `shutdown` resolves, then lets the requests under way end.
pub async fn run(
    config: Config,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Box<dyn std::error::Error>> {
    let origin = config.origin.clone();
    let verifier = verifier(config)?;
    let app = app(verifier.clone(), origin);
    axum::serve(listener, app).with_graceful_shutdown(shutdown).await?;
    // So that nobody waits until a server that is gone would have been too stale to accept anything.
    verifier.leave().await;
    Ok(())
}

/// A verifier that answers 503 until the authority is there: this server may come up first.
fn verifier(config: Config) -> Result<Verifier, BuildError> {
    Verifier::builder(config.issuer, config.audience)
        .client(config.client_id, config.secret)
        .start()
}

/// All routes. CORS stands outside the verifier's layer, which lets nothing unauthenticated pass.
pub fn app(verifier: Verifier, origin: HeaderValue) -> Router {
    Router::new()
        .route("/posts", get(my_posts).post(add_post))
        // For the critical few: asks the authority at each request.
        .route("/posts/publish", post(publish).layer(verifier.require().online()))
        .layer(verifier.layer())
        .layer(DefaultBodyLimit::max(16 * 1024))
        .with_state(Posts::default())
        .layer(from_fn_with_state(origin, cors))
        .route("/readyz", get(move || readiness(verifier.status())))
}

/// One post.
#[derive(Debug, Clone, Serialize)]
pub struct Post {
    /// Counts from 1 for each author.
    pub id: usize,
    /// Headline.
    pub title: String,
    /// Text.
    pub body: String,
    /// Account of the author.
    pub author: String,
}

/// What is sent to write a post.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Draft {
    title: String,
    body: String,
}

const MAX_TITLE: usize = 200;
const MAX_BODY: usize = 10_000;
const MAX_POSTS: usize = 1000;

/// All posts, in memory, by author.
#[derive(Clone, Default)]
struct Posts(Arc<Mutex<HashMap<String, Vec<Post>>>>);

impl Posts {
    /// Works on the caller's own posts, and on nobody else's.
    fn of<T>(&self, user: &Principal, f: impl FnOnce(&mut Vec<Post>) -> T) -> T {
        let author = user.subject().to_string();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        f(all.entry(author.clone()).or_insert_with(|| samples(&author)))
    }
}

fn samples(author: &str) -> Vec<Post> {
    let texts = [
        ("Hello", "My first post."),
        ("On logging out", "It works everywhere, at once."),
        ("Draft", "Not finished yet."),
    ];
    let posts = (1..).zip(texts).map(|(id, (title, body))| Post {
        id,
        title: title.into(),
        body: body.into(),
        author: author.into(),
    });
    posts.collect()
}

async fn my_posts(user: Principal, State(posts): State<Posts>) -> Json<Vec<Post>> {
    Json(posts.of(&user, |mine| mine.clone()))
}

async fn add_post(
    user: Principal,
    State(posts): State<Posts>,
    Json(draft): Json<Draft>,
) -> Response {
    let title = draft.title.trim();
    if title.is_empty() || title.len() > MAX_TITLE || draft.body.len() > MAX_BODY {
        return StatusCode::UNPROCESSABLE_ENTITY.into_response();
    }
    posts.of(&user, |mine| {
        if mine.len() >= MAX_POSTS {
            return StatusCode::CONFLICT.into_response();
        }
        let post = Post {
            id: mine.len() + 1,
            title: title.into(),
            body: draft.body,
            author: user.subject().to_string(),
        };
        mine.push(post.clone());
        (StatusCode::CREATED, Json(post)).into_response()
    })
}

async fn publish(user: Principal, State(posts): State<Posts>) -> Json<usize> {
    Json(posts.of(&user, |mine| mine.len()))
}

async fn readiness(status: Status) -> (StatusCode, Json<Status>) {
    let code = if status.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(status))
}

/// Lets pages of one origin call with a token: they send no cookies, so none are allowed.
async fn cors(State(origin): State<HeaderValue>, request: Request, next: Next) -> Response {
    let allowed = request.headers().get(header::ORIGIN) == Some(&origin);
    let preflight = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response =
        if preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if preflight {
            let (methods, names) = ("GET, POST", "Authorization, Content-Type");
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(names));
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        } else {
            let exposed = HeaderValue::from_static("WWW-Authenticate, Retry-After");
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
    }
    response
}

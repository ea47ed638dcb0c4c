//! How the command line reaches an authority: through the socket of the one that runs, or, if none
//! does, by opening the store itself under its exclusive lock.

use crate::run::{Config, StartError, World, open, socket_path};
use crate::serve::Uid;
use crate::store::sqlite::{FILE_NAME, peek};
use crate::{http, marker};
use ::http::header::RETRY_AFTER;
use ::http::response::Parts;
use ::http::{Method, Request, Response, StatusCode};
use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use http_body_util::BodyExt as _;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rescind_authority::store::Store;
use serde_json::Value;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tower::ServiceExt as _;

/// How long a running authority may take over one answer.
const PATIENCE: Duration = Duration::from_secs(120);
/// And one that waits for the fleet: the longest bound of staleness, and a little.
const FLEET: Duration = Duration::from_secs(330);

/// A way to the administrator's routes.
pub enum Door {
    /// Of a running authority.
    Socket(Mutex<SendRequest<Body>>),
    /// Of our own, with what is needed to write the marker afterwards.
    Own {
        /// The routes.
        router: Box<Router>,
        /// The store behind them.
        store: Arc<dyn Store>,
        /// The key folder.
        keys: PathBuf,
    },
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// Neither the socket nor the store can be opened.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The socket is somebody else's.
    #[error("{} is another user's: run this as the user who runs the authority", .0.display())]
    NotOurs(PathBuf),
    /// The store is an older program's, and was only to be looked at.
    #[error(
        "the store is of version {found}, and this program's is {known}: to look does not raise it, since it \
         does not go back. Copy the data and the key folder and start `rescind serve`, which raises it; or \
         look with the program of before"
    )]
    Older {
        /// Version of the store.
        found: i64,
        /// Version that this program would raise it to.
        known: i64,
    },
    /// The authority refused.
    #[error("{0}")]
    Refused(String),
    /// It is too early.
    #[error("{said} ({wait} s)")]
    Early {
        /// Seconds until it may be tried again.
        wait: u64,
        /// What the authority said.
        said: String,
    },
    /// The connection broke over a question. Nothing was to be changed.
    #[error(
        "the running authority did not answer ({0}): run this again. If that does not help, see its log, and \
         restart it"
    )]
    Connection(String),
    /// The connection broke over something that was to be done.
    #[error(
        "the running authority did not answer ({0}): it may or may not be done. Look by the command that \
         lists it, or run this again"
    )]
    Unknown(String),
}

impl Door {
    /// Finds the way.
    pub async fn find(config: &Config) -> Result<Self, CallError> {
        if let Some(running) = Self::of_running(&config.data).await? {
            return Ok(running);
        }
        let app = open(config, &World::system()).await?;
        let store = Arc::clone(app.authority.store());
        let router = Box::new(http::admin_router(app));
        Ok(Self::Own { router, store, keys: config.keys.clone() })
    }

    /// The same, to look and to change nothing: a store of an older program is not raised on the way.
    pub async fn to_ask(config: &Config) -> Result<Self, CallError> {
        if let Some(running) = Self::of_running(&config.data).await? {
            return Ok(running);
        }
        match peek::version(&config.data.join(FILE_NAME)) {
            Ok((found, known)) if found < known => Err(CallError::Older { found, known }),
            // What else is wrong with it, opening tells.
            _ => Self::find(config).await,
        }
    }

    /// That of the authority that runs on this folder, if one does.
    pub async fn of_running(data: &Path) -> Result<Option<Self>, CallError> {
        let path = socket_path(data);
        match UnixStream::connect(&path).await {
            Ok(stream) => {
                let (sender, connection) = handshake(TokioIo::new(stream))
                    .await
                    .map_err(|error| CallError::Connection(error.to_string()))?;
                tokio::spawn(connection);
                Ok(Some(Self::Socket(Mutex::new(sender))))
            }
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                Err(CallError::NotOurs(path))
            }
            Err(_) => Ok(None),
        }
    }

    /// Calls one route; gives the answer's JSON.
    pub async fn call(&self, method: Method, path: &str, body: Value) -> Result<Value, CallError> {
        let (head, value) = self.answer(method, path, body).await?;
        match head.status.is_success() {
            true => Ok(value),
            false => Err(refused(&head, &value)),
        }
    }

    /// Calls one route; gives the answer, whatever it is.
    pub async fn answer(
        &self,
        method: Method,
        path: &str,
        body: Value,
    ) -> Result<(Parts, Value), CallError> {
        let asks = method == Method::GET;
        let lost = |error: &dyn std::fmt::Display| match asks {
            true => CallError::Connection(error.to_string()),
            false => CallError::Unknown(error.to_string()),
        };
        let patience = if path.ends_with("?wait=fleet") { FLEET } else { PATIENCE };
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", super::HOST)
            .header("content-type", "application/json")
            .body(Body::from(text))
            .map_err(|error| CallError::Refused(format!("this cannot be asked for: {error}")))?;
        let (head, bytes) = match self {
            Door::Own { router, store, keys } => {
                let answer = own(router, request).await.map_err(|error| lost(&error))?;
                if !asks {
                    // What must not be done without it, the route has refused; the rest is in the log.
                    let _ = marker::remember(keys, &**store).await;
                }
                answer
            }
            Door::Socket(sender) => {
                let answer = async {
                    let mut sender = sender.lock().await;
                    // The connection may not have come to rest after the call before.
                    sender.ready().await?;
                    read(sender.send_request(request).await?).await
                };
                match timeout(patience, answer).await {
                    Ok(answer) => answer.map_err(|error| lost(&error))?,
                    Err(late) => return Err(lost(&late)),
                }
            }
        };
        match serde_json::from_slice(&bytes) {
            Err(error) if head.status.is_success() => Err(lost(&error)),
            value => Ok((head, value.unwrap_or(Value::Null))),
        }
    }
}

/// Asks our own routes, as the user who runs this.
async fn own(router: &Router, mut request: Request<Body>) -> Result<(Parts, Bytes), axum::Error> {
    request.extensions_mut().insert(Uid::of_this_process());
    match router.clone().oneshot(request).await {
        Ok(response) => read(response).await,
        Err(never) => match never {},
    }
}

async fn read<B: HttpBody>(response: Response<B>) -> Result<(Parts, Bytes), B::Error> {
    let (head, body) = response.into_parts();
    Ok((head, body.collect().await?.to_bytes()))
}

fn refused(head: &Parts, problem: &Value) -> CallError {
    let said = problem["detail"].as_str().unwrap_or("the authority refused without a reason");
    let wait = head.headers.get(RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok());
    match wait {
        Some(wait) if head.status == StatusCode::CONFLICT => {
            CallError::Early { wait, said: said.to_owned() }
        }
        _ => CallError::Refused(said.to_owned()),
    }
}

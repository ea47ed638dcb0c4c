//! How the command line reaches an authority: through the socket of the one that runs, or, if none
//! does, by opening the store itself under its exclusive lock.

use crate::run::{Config, StartError, World, open, socket_path};
use crate::serve::Uid;
use crate::{http, marker};
use ::http::header::RETRY_AFTER;
use ::http::{Method, Request, StatusCode};
use axum::Router;
use axum::body::Body;
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use rescind_authority::store::Store;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::UnixStream;
use tower::ServiceExt as _;

/// A way to the administrator's routes.
pub enum Door {
    /// Of a running authority.
    Socket(UnixStream),
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
    /// The connection broke.
    #[error("the running authority did not answer: {0}")]
    Connection(String),
}

impl Door {
    /// Finds the way.
    pub async fn find(config: &Config) -> Result<Self, CallError> {
        match UnixStream::connect(socket_path(&config.data)).await {
            Ok(stream) => Ok(Self::Socket(stream)),
            Err(_) => {
                let app = open(config, &World::system()).await?;
                let store = Arc::clone(app.authority.store());
                let router = Box::new(http::admin_router(app));
                Ok(Self::Own { router, store, keys: config.keys.clone() })
            }
        }
    }

    /// Calls one route; gives the answer's JSON.
    pub async fn call(self, method: Method, path: &str, body: Value) -> Result<Value, CallError> {
        let broken = |error: &dyn std::fmt::Display| CallError::Connection(error.to_string());
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", super::HOST)
            .header("content-type", "application/json")
            .body(Body::from(text))
            .map_err(|error| broken(&error))?;
        let (head, bytes) = match self {
            Door::Own { router, store, keys } => {
                request.extensions_mut().insert(Uid::of_this_process());
                let response = match router.oneshot(request).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                };
                // What must not be done without it, the route has refused; the rest is in the log.
                let _ = marker::remember(&keys, &*store).await;
                let (head, body) = response.into_parts();
                let bytes = body.collect().await.map_err(|error| broken(&error))?.to_bytes();
                (head, bytes)
            }
            Door::Socket(stream) => {
                let io = TokioIo::new(stream);
                let (mut sender, connection) =
                    hyper::client::conn::http1::handshake(io).await.map_err(|e| broken(&e))?;
                tokio::spawn(connection);
                let response = sender.send_request(request).await.map_err(|e| broken(&e))?;
                let (head, body) = response.into_parts();
                let bytes = body.collect().await.map_err(|error| broken(&error))?.to_bytes();
                (head, bytes)
            }
        };
        let value: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        if head.status.is_success() {
            return Ok(value);
        }
        let said = value["detail"].as_str().unwrap_or("the authority refused without a reason");
        let wait = head.headers.get(RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok());
        match wait {
            Some(wait) if head.status == StatusCode::CONFLICT => {
                Err(CallError::Early { wait, said: said.to_owned() })
            }
            _ => Err(CallError::Refused(said.to_owned())),
        }
    }
}

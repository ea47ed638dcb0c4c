//! Speaking to the authority over HTTP.
//!
//! Owns the requests, their limits and time-outs, and the check of every signature on what comes back.
//! Nothing follows a redirect. [`crate::follow`] decides when to ask, [`crate::endpoint`] whom.

use crate::endpoint::{self, BadAddress};
use crate::metadata::Known;
use crate::secret::Login;
use crate::trouble::{Denied, FetchError};
use arc_swap::ArcSwapOption;
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rescind_wire::frame::{self, BadFrame, Frame, Head, MAX_FRAME};
use rescind_wire::id::{Epoch, Instance};
use rescind_wire::jwk::MAX_JWKS;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::timeout;

const FRAME_TYPE: &str = "application/vnd.rescind.frame";
/// Longest snapshot, unless told less.
pub(crate) const MAX_SNAPSHOT: usize = 512 * 1024 * 1024;
/// For an answer to begin, and for a small one to end.
const ANSWER: Duration = Duration::from_secs(5);
const SNAPSHOT: Duration = Duration::from_secs(60);
/// A feed that says nothing for so long is dead: beats come every few seconds.
const SILENCE: Duration = Duration::from_secs(15);
/// Two of these must fit into the shortest sensible bound of staleness.
const HEAD: Duration = Duration::from_secs(1);

/// The question of a head request.
#[derive(Serialize)]
pub(crate) struct HeadQuestion {
    pub(crate) nonce: String,
    pub(crate) instance: Instance,
    pub(crate) epoch: Option<Epoch>,
    pub(crate) applied: u64,
    pub(crate) seen: Option<String>,
    pub(crate) max_age_ms: u32,
    /// Nothing is accepted any more: nobody need wait for this verifier.
    pub(crate) leaving: bool,
}

/// A client of one authority.
pub(crate) struct Authority {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    issuer: String,
    metadata: Uri,
    login: Login,
    /// The relay from which snapshot, feed and heads are taken.
    relay: Option<String>,
    known: ArcSwapOption<Known>,
    /// Held while the metadata is read: an answer that comes late never replaces a newer one.
    discovering: Mutex<()>,
    max_snapshot: usize,
}

/// This machine has no trusted certificates.
#[derive(Debug, thiserror::Error)]
#[error(
    "no trusted root certificates were found ({0}); install them, or name a file in SSL_CERT_FILE"
)]
pub struct NoRoots(String);

impl Authority {
    pub(crate) fn new(issuer: String, metadata: Uri, login: Login) -> Result<Self, NoRoots> {
        let tls = tls(endpoint::is_local(&metadata))?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(ANSWER));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client =
            Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        let (known, discovering) = (ArcSwapOption::empty(), Mutex::default());
        let (relay, max_snapshot) = (None, MAX_SNAPSHOT);
        Ok(Self { client, issuer, metadata, login, relay, known, discovering, max_snapshot })
    }

    /// The same, with snapshots of so many bytes at most.
    pub(crate) fn with_snapshots_of(self, max_snapshot: usize) -> Self {
        Self { max_snapshot, ..self }
    }

    /// The same, with snapshot, feed and heads from a relay.
    pub(crate) fn behind(self, relay: Option<String>) -> Self {
        Self { relay, ..self }
    }

    /// Reads the metadata (RFC 8414), with the keys of the feed. Says whether these are others than before.
    pub(crate) async fn discover(&self) -> Result<bool, FetchError> {
        let _alone = self.discovering.lock().await;
        let document = self.document(&self.metadata, &["application/json"]).await?;
        let mut known = Known::read(&document, &self.issuer)?;
        if let Some(relay) = &self.relay {
            known = known.at_relay(relay)?;
        }
        let known = Arc::new(known);
        let before = self.known.swap(Some(Arc::clone(&known)));
        Ok(before.is_some_and(|before| !before.has_keys_of(&known)))
    }

    /// Verifies and decodes a frame of this realm.
    pub(crate) fn open(&self, sealed: &[u8]) -> Result<Frame, FetchError> {
        Ok(frame::open(sealed, &self.issuer, &self.known()?.feed_keys)?)
    }

    /// The JWKS document, as served.
    pub(crate) async fn jwks(&self) -> Result<Bytes, FetchError> {
        let types = ["application/json", "application/jwk-set+json"];
        self.document(&self.known()?.jwks, &types).await
    }

    /// A snapshot, and its bytes as signed.
    pub(crate) async fn snapshot(&self) -> Result<(Frame, Bytes), FetchError> {
        let known = self.known()?;
        let request = self.authorized(Method::GET, &known.snapshot, Bytes::new());
        let sealed = within(SNAPSHOT, async {
            let response = self.send(request, &[FRAME_TYPE]).await?;
            read_frame(response.into_body(), self.max_snapshot).await
        });
        let sealed = sealed.await?;
        match self.open(&sealed)? {
            snapshot @ Frame::Snapshot { .. } => Ok((snapshot, sealed)),
            _ => Err(FetchError::OtherFrame),
        }
    }

    /// A head, and its bytes as signed.
    pub(crate) async fn head(&self, question: &HeadQuestion) -> Result<(Head, Bytes), FetchError> {
        let known = self.known()?;
        // Ids, numbers and base64url always serialize.
        let body = serde_json::to_vec(question).unwrap_or_default();
        let request = self.authorized(Method::POST, &known.head, body.into());
        let sealed = within(HEAD, async {
            let response = self.send(request, &[FRAME_TYPE]).await?;
            read(response.into_body(), MAX_FRAME).await
        });
        let sealed = sealed.await?;
        match self.open(&sealed)? {
            Frame::Head(head) => Ok((head, sealed)),
            _ => Err(FetchError::OtherFrame),
        }
    }

    /// The heads that answer many questions, a JSON array, asked at once: as signed, in the same order.
    pub(crate) async fn heads(
        &self,
        questions: Bytes,
        nonces: &[[u8; 16]],
    ) -> Result<Vec<(Head, Bytes)>, FetchError> {
        let request = self.authorized(Method::POST, self.known()?.heads()?, questions);
        let answer = within(HEAD, async {
            let response = self.send(request, &[FRAME_TYPE]).await?;
            read(response.into_body(), MAX_FRAME).await
        });
        let mut answer = answer.await?;
        let mut heads = Vec::with_capacity(nonces.len());
        for nonce in nonces {
            let length = frame::next_frame(&answer, MAX_FRAME)?.ok_or(FetchError::Body)?;
            let sealed = answer.split_to(length);
            match self.open(&sealed)? {
                Frame::Head(head) if head.nonce == *nonce => heads.push((head, sealed)),
                _ => return Err(FetchError::OtherFrame),
            }
        }
        if answer.is_empty() { Ok(heads) } else { Err(FetchError::OtherFrame) }
    }

    /// What the authority answers who proves itself by this header and wants to read the feed: 200, 401 or 403.
    /// The question is an empty batch of heads.
    pub(crate) async fn admits(
        &self,
        authorization: &HeaderValue,
    ) -> Result<StatusCode, FetchError> {
        let body = Bytes::from_static(b"[]");
        let mut request = self.authorized(Method::POST, self.known()?.heads()?, body);
        request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        match within(HEAD, self.send(request, &[FRAME_TYPE])).await {
            Ok(_) => Ok(StatusCode::OK),
            Err(FetchError::Denied(denied)) => Ok(denied.status),
            Err(error) => Err(error),
        }
    }

    /// Opens the feed after the position that is applied.
    pub(crate) async fn feed(
        &self,
        epoch: Epoch,
        from: u64,
        instance: Instance,
    ) -> Result<Feed, FetchError> {
        let known = self.known()?;
        let joint = if known.feed.query().is_some() { '&' } else { '?' };
        let url = format!("{}{joint}epoch={epoch}&from={from}&instance={instance}", known.feed);
        let url: Uri = url.parse().map_err(|_| BadAddress)?;
        let request = self.authorized(Method::GET, &url, Bytes::new());
        let response = within(ANSWER, self.send(request, &[FRAME_TYPE])).await?;
        Ok(Feed { body: response.into_body(), buffer: BytesMut::new() })
    }

    fn known(&self) -> Result<Arc<Known>, FetchError> {
        self.known.load_full().ok_or(FetchError::NotDiscovered)
    }

    fn authorized(&self, method: Method, uri: &Uri, body: Bytes) -> Request<Full<Bytes>> {
        let json = (!body.is_empty()).then(|| HeaderValue::from_static("application/json"));
        let mut request = plain(method, uri, body);
        request.headers_mut().insert(AUTHORIZATION, self.login.basic.clone());
        if let Some(json) = json {
            request.headers_mut().insert(CONTENT_TYPE, json);
        }
        request
    }

    async fn document(&self, uri: &Uri, types: &[&'static str]) -> Result<Bytes, FetchError> {
        let request = plain(Method::GET, uri, Bytes::new());
        within(ANSWER, async { read(self.send(request, types).await?.into_body(), MAX_JWKS).await })
            .await
    }

    async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
        types: &[&'static str],
    ) -> Result<Response<Incoming>, FetchError> {
        if let Some(first) = types.first() {
            request.headers_mut().insert(ACCEPT, HeaderValue::from_static(first));
        }
        let response = self.client.request(request).await;
        let response = response.map_err(|e| FetchError::of(&e))?;
        match response.status() {
            StatusCode::OK => {}
            denied @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                let (client, from) = (self.login.client.clone(), self.login.from.clone());
                return Err(FetchError::Denied(Denied { status: denied, client, from }));
            }
            other => return Err(FetchError::Status(other)),
        }
        let kind = response.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
        let essence = kind.and_then(|k| k.split(';').next()).unwrap_or_default().trim();
        if types.iter().any(|t| essence.eq_ignore_ascii_case(t)) {
            Ok(response)
        } else {
            Err(FetchError::ContentType)
        }
    }
}

/// The feed, while it lasts.
pub(crate) struct Feed {
    body: Incoming,
    buffer: BytesMut,
}

impl Feed {
    /// The next frame, signed by one of the keys that the authority's metadata names now, and its bytes. May be
    /// dropped while it waits; nothing is lost.
    pub(crate) async fn next(
        &mut self,
        authority: &Authority,
    ) -> Result<(Frame, Bytes), FetchError> {
        loop {
            if let Some(length) = frame::next_frame(&self.buffer, MAX_FRAME)? {
                let sealed = self.buffer.split_to(length).freeze();
                match authority.open(&sealed) {
                    Err(FetchError::Frame(BadFrame::Skippable)) => continue,
                    frame => return Ok((frame?, sealed)),
                }
            }
            let part = timeout(SILENCE, self.body.frame()).await;
            let part = part.map_err(|_| FetchError::Timeout)?.ok_or(FetchError::Body)?;
            let part = part.map_err(|e| FetchError::of(&e))?;
            if let Ok(data) = part.into_data() {
                self.buffer.extend_from_slice(&data);
            }
        }
    }
}

fn plain(method: Method, uri: &Uri, body: Bytes) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = uri.clone();
    request
}

async fn within<T>(
    limit: Duration,
    exchange: impl Future<Output = Result<T, FetchError>>,
) -> Result<T, FetchError> {
    timeout(limit, exchange).await.unwrap_or(Err(FetchError::Timeout))
}

async fn read(body: Incoming, limit: usize) -> Result<Bytes, FetchError> {
    let body = Limited::new(body, limit).collect().await;
    body.map(|b| b.to_bytes()).map_err(|_| FetchError::Body)
}

/// One frame and nothing else, of `limit` bytes at most. How long it is stands in front of it, so that one that
/// is too long is given up at its first bytes: only the whole of it has a signature.
async fn read_frame(mut body: Incoming, limit: usize) -> Result<Bytes, FetchError> {
    let mut buffer = BytesMut::new();
    while let Some(part) = body.frame().await {
        let part = part.map_err(|_| FetchError::Body)?;
        if let Ok(data) = part.into_data() {
            buffer.extend_from_slice(&data);
        }
        let whole = frame::next_frame(&buffer, limit).map_err(|error| match error {
            BadFrame::TooLong => FetchError::Snapshot(limit),
            other => other.into(),
        })?;
        if whole.is_some_and(|length| length < buffer.len()) {
            return Err(FetchError::Body);
        }
    }
    match frame::next_frame(&buffer, limit)? {
        Some(_) => Ok(buffer.freeze()),
        None => Err(FetchError::Body),
    }
}

/// The roots of this machine; for an authority on this machine they may be missing.
fn tls(local: bool) -> Result<rustls::ClientConfig, NoRoots> {
    let builder = || {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| NoRoots(e.to_string()))
    };
    match builder()?.with_native_roots() {
        Ok(roots) => Ok(roots.with_no_client_auth()),
        Err(_) if local => Ok(builder()?
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth()),
        Err(error) => Err(NoRoots(error.to_string())),
    }
}

#[cfg(test)]
mod tests;

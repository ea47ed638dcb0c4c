//! Somebody in the middle, who sees and changes every frame between an authority and its verifiers.

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rescind_wire::frame::next_frame;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::net::TcpListener;
use tokio::sync::watch;

pub(crate) const FEED: &str = "/v1/feed";
pub(crate) const HEAD: &str = "/v1/head";
pub(crate) const SNAPSHOT: &str = "/v1/snapshot";

/// What becomes of a frame: nothing, itself, others.
type Change = Arc<dyn Fn(Vec<u8>) -> Vec<Vec<u8>> + Send + Sync>;

#[derive(Clone)]
enum Way {
    /// 502, and open streams break.
    Down,
    /// Answers are held until the sender says so.
    Held(watch::Receiver<bool>),
    /// Every frame is changed.
    Changed(Change),
}

#[derive(Default)]
struct Inside {
    upstream: String,
    ways: HashMap<&'static str, Way>,
    /// Requests so far.
    asked: HashMap<String, u64>,
    /// Frames as the authority sent them.
    frames: HashMap<String, Vec<Vec<u8>>>,
}

#[derive(Clone)]
pub(crate) struct Proxy {
    url: String,
    inside: Arc<Mutex<Inside>>,
    cut: watch::Sender<()>,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Proxy {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            inside: Arc::default(),
            cut: watch::Sender::new(()),
            client: Client::builder(TokioExecutor::new()).build_http(),
        };
        let router = Router::new().fallback(forward).with_state(proxy.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        proxy
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn forward_to(&self, upstream: &str) {
        self.inside().upstream = upstream.to_owned();
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap()
    }

    fn set(&self, path: &'static str, way: Way) {
        self.inside().ways.insert(path, way);
    }

    /// Lets frames through as they are.
    pub(crate) fn pass(&self, path: &'static str) {
        self.inside().ways.remove(path);
    }

    /// Answers 502; open streams break.
    pub(crate) fn down(&self, path: &'static str) {
        self.set(path, Way::Down);
        self.cut.send_replace(());
    }

    /// Holds answers back until the sender says true.
    pub(crate) fn hold(&self, path: &'static str) -> watch::Sender<bool> {
        let (open, held) = watch::channel(false);
        self.set(path, Way::Held(held));
        open
    }

    /// Changes every frame, also of open streams.
    pub(crate) fn change(
        &self,
        path: &'static str,
        change: impl Fn(Vec<u8>) -> Vec<Vec<u8>> + Send + Sync + 'static,
    ) {
        self.set(path, Way::Changed(Arc::new(change)));
    }

    /// How many requests came so far.
    pub(crate) fn asked(&self, path: &str) -> u64 {
        self.inside().asked.get(path).copied().unwrap_or(0)
    }

    /// The frames that the authority has sent there so far.
    pub(crate) fn frames(&self, path: &str) -> Vec<Vec<u8>> {
        self.inside().frames.get(path).cloned().unwrap_or_default()
    }

    fn way(&self, path: &str) -> Option<Way> {
        self.inside().ways.get(path).cloned()
    }

    /// Records a frame, and says what is sent in its place.
    fn frame(&self, path: &str, frame: Vec<u8>) -> Vec<Vec<u8>> {
        self.inside().frames.entry(path.to_owned()).or_default().push(frame.clone());
        match self.way(path) {
            Some(Way::Changed(change)) => change(frame),
            _ => vec![frame],
        }
    }
}

async fn forward(State(proxy): State<Proxy>, request: Request<Body>) -> Response {
    let path = request.uri().path().to_owned();
    *proxy.inside().asked.entry(path.clone()).or_default() += 1;
    if matches!(proxy.way(&path), Some(Way::Down)) {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let (mut head, body) = request.into_parts();
    let target = format!("{}{}", proxy.inside().upstream, head.uri.path_and_query().unwrap());
    head.uri = target.parse().unwrap();
    let Ok(body) = body.collect().await else { return StatusCode::BAD_REQUEST.into_response() };
    let request = Request::from_parts(head, Full::new(body.to_bytes()));
    let Ok(response) = proxy.client.request(request).await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let (head, body) = response.into_parts();
    let framed = head.status == 200 && path.starts_with("/v1/");
    if framed && path == FEED {
        return Response::from_parts(head, Body::from_stream(frames(proxy, body)));
    }
    let Ok(body) = body.collect().await else { return StatusCode::BAD_GATEWAY.into_response() };
    let mut body = body.to_bytes();
    if framed {
        body = proxy.frame(&path, body.to_vec()).concat().into();
    }
    if let Some(Way::Held(mut held)) = proxy.way(&path) {
        let _ = held.wait_for(|open| *open).await;
    }
    let mut response = Response::from_parts(head, Body::from(body));
    response.headers_mut().remove(http::header::CONTENT_LENGTH);
    response
}

struct Open {
    proxy: Proxy,
    body: Incoming,
    buffer: BytesMut,
    out: VecDeque<Vec<u8>>,
    cut: watch::Receiver<()>,
}

fn frames(proxy: Proxy, body: Incoming) -> impl stream::Stream<Item = std::io::Result<Bytes>> {
    let mut cut = proxy.cut.subscribe();
    cut.mark_unchanged();
    let open = Open { proxy, body, buffer: BytesMut::new(), out: VecDeque::new(), cut };
    stream::try_unfold(open, async |mut open: Open| {
        loop {
            if let Some(frame) = open.out.pop_front() {
                return Ok(Some((Bytes::from(frame), open)));
            }
            if let Some(length) = next_frame(&open.buffer, usize::MAX).unwrap() {
                let frame = open.buffer.split_to(length).to_vec();
                open.out.extend(open.proxy.frame(FEED, frame));
                continue;
            }
            let part = tokio::select! {
                part = open.body.frame() => part,
                _ = open.cut.changed() => {
                    if matches!(open.proxy.way(FEED), Some(Way::Down)) {
                        return Err(std::io::Error::other("cut"));
                    }
                    continue;
                }
            };
            match part {
                Some(Ok(part)) => {
                    if let Ok(data) = part.into_data() {
                        open.buffer.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => return Err(std::io::Error::other(error)),
                None => return Ok(None),
            }
        }
    })
}

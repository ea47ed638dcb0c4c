//! A small authority, true to the protocol, with faults on demand. It keeps no accounts and no store.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "part of the tests")]

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use rescind_verifier::{Builder, ClientSecret, Clock, ManualClock, Now, SystemClock, Verifier};
use rescind_wire::frame::{self, Frame, Head, KeysMark, Position, seal};
use rescind_wire::id::{Epoch, Jti, Sid, Sub};
use rescind_wire::jwk::{SigningKey, jwks};
use rescind_wire::jws::Alg;
use rescind_wire::revocation::{Digest, Entry, NEVER, Target};
use rescind_wire::token::Claims;
use rescind_wire::{b64, sha256, token};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

const FRAME: &str = "application/vnd.rescind.frame";

pub(crate) fn key(alg: Alg) -> SigningKey {
    SigningKey::from_secret(alg, &SigningKey::generate(alg).unwrap()).unwrap()
}

/// What the authority says, and where it misbehaves.
pub(crate) struct World {
    pub(crate) epoch: Epoch,
    pub(crate) entries: Vec<Entry>,
    pub(crate) digests: Vec<Digest>,
    pub(crate) feed_key: SigningKey,
    pub(crate) token_key: SigningKey,
    pub(crate) jwks: String,
    pub(crate) keys_version: u64,
    /// How often each path was asked for.
    pub(crate) asked: HashMap<String, u32>,
    /// Paths that answer so.
    pub(crate) faults: HashMap<&'static str, Fault>,
    /// The bodies of the head requests.
    pub(crate) questions: Vec<Value>,
    /// Bytes that each feed begins with.
    pub(crate) first_of_all: Vec<u8>,
    pub(crate) wall_us: u64,
}

#[derive(Clone)]
pub(crate) enum Fault {
    Down,
    Redirect,
    Html,
    Huge,
    Body(Vec<u8>),
    /// As ever, once two more heads have been asked for.
    AfterHeads,
}

#[derive(Clone)]
pub(crate) struct Authority {
    pub(crate) issuer: String,
    world: Arc<Mutex<World>>,
    changed: watch::Sender<u64>,
    pub(crate) feeds: Arc<AtomicU32>,
    pub(crate) clock: Arc<ManualClock>,
}

impl Authority {
    /// Serves on a free port until the test's runtime ends.
    pub(crate) async fn serve() -> Self {
        let (authority, listener) = Self::bind().await;
        authority.answer_on(listener);
        authority
    }

    pub(crate) async fn bind() -> (Self, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let token_key = key(Alg::Es256);
        let epoch = Epoch::from_bytes([1; 16]);
        let now = SystemClock.now();
        let world = World {
            epoch,
            entries: vec![],
            digests: vec![Digest::first(&issuer, epoch)],
            feed_key: key(Alg::Ed25519),
            jwks: jwks(token_key.public()),
            token_key,
            keys_version: 1,
            asked: HashMap::new(),
            faults: HashMap::new(),
            questions: vec![],
            first_of_all: vec![],
            wall_us: now.wall_us,
        };
        let authority = Self {
            issuer,
            world: Arc::new(Mutex::new(world)),
            changed: watch::Sender::new(0),
            feeds: Arc::default(),
            clock: Arc::new(ManualClock::at(Now { boot_us: 1_000_000_000, ..now })),
        };
        (authority, listener)
    }

    pub(crate) fn answer_on(&self, listener: TcpListener) {
        let app = Router::new()
            .route("/.well-known/oauth-authorization-server", get(metadata))
            .route("/jwks", get(keys))
            .route("/elsewhere", get(keys))
            .route("/snapshot", get(snapshot))
            .route("/feed", get(feed))
            .route("/head", post(head))
            .layer(from_fn_with_state(self.clone(), faulty))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    pub(crate) fn builder(&self) -> Builder {
        Verifier::builder(&self.issuer, "posts-api")
            .client("posts-api", ClientSecret::new("s3cret"))
            .clock(self.clock.clone())
    }

    pub(crate) async fn verifier(&self) -> Verifier {
        self.builder().build().await.unwrap()
    }

    /// Makes a path misbehave, or no longer.
    pub(crate) fn fault(&self, path: &'static str, fault: impl Into<Option<Fault>>) {
        match fault.into() {
            Some(fault) => self.world().faults.insert(path, fault),
            None => self.world().faults.remove(path),
        };
    }

    pub(crate) fn asked(&self, path: &str) -> u32 {
        self.world().asked.get(path).copied().unwrap_or(0)
    }

    /// Commits a revocation and publishes it.
    pub(crate) fn revoke(&self, target: &Target) {
        self.commit(target);
        self.changed.send_modify(|n| *n += 1);
    }

    /// Commits a revocation that the feed does not bring.
    pub(crate) fn commit(&self, target: &Target) {
        let mut world = self.world();
        let ts = world.ts() + 1;
        world.append(&self.issuer, target, ts);
    }

    /// Throws the log away and opens a new epoch with an entry that kills everything before it.
    pub(crate) fn restore(&self) {
        {
            let mut world = self.world();
            let ts = world.ts() + 60_000_000;
            world.epoch = Epoch::from_bytes([world.epoch.as_bytes()[0] + 1; 16]);
            world.entries.clear();
            world.digests = vec![Digest::first(&self.issuer, world.epoch)];
            world.append(&self.issuer, &Target::Everything, ts);
        }
        self.changed.send_modify(|n| *n += 1);
    }

    /// Changes the key that signs tokens, and says so on the feed.
    pub(crate) fn rotate(&self) {
        {
            let mut world = self.world();
            let next = key(Alg::Es256);
            world.jwks = jwks([&world.token_key, &next].into_iter().filter_map(SigningKey::public));
            world.token_key = next;
            world.keys_version += 1;
        }
        self.changed.send_modify(|n| *n += 1);
    }

    /// Claims of a token that is issued now, of account `n`.
    pub(crate) fn claims(&self, n: u8) -> Claims {
        let world = self.world();
        let now = world.wall_us / 1_000_000;
        Claims {
            iss: self.issuer.clone(),
            sub: Sub::from_bytes([n; 16]),
            aud: vec!["posts-api".into()],
            exp: now + 300,
            iat: now,
            nbf: None,
            jti: Jti::from_bytes([n; 16]),
            sid: Sid::from_bytes([n; 16]),
            client_id: "app".into(),
            scope: "read".into(),
            roles: vec!["reader".into()],
            auth_time: now - 60,
            amr: vec!["pwd".into()],
            rv: world.ts(),
        }
    }

    pub(crate) fn sign(&self, claims: &Claims) -> String {
        token::sign(claims, &self.world().token_key).unwrap()
    }

    pub(crate) fn token(&self, n: u8) -> String {
        self.sign(&self.claims(n))
    }

    /// Opens a frame of this authority that was written as base64url.
    pub(crate) fn open(&self, text: &str) -> Frame {
        let key = self.world().feed_key.public().unwrap().clone();
        frame::open(&b64::decode(text).unwrap(), &self.issuer, &[key]).unwrap()
    }

    pub(crate) fn sealed(&self, frame: &Frame) -> Vec<u8> {
        seal(frame, &self.issuer, &self.world().feed_key).unwrap()
    }

    /// A well-signed frame of this kind, with nothing in it.
    pub(crate) fn sealed_kind(&self, kind: u8) -> Vec<u8> {
        let mut content = vec![kind];
        content.extend_from_slice(&self.sealed(&Frame::Resync)[5..13]);
        let length = (self.issuer.len() as u32).to_be_bytes();
        let signed =
            [b"rescind frame v1\0", &length[..], self.issuer.as_bytes(), &content].concat();
        content.extend_from_slice(&self.world().feed_key.sign(&signed).unwrap());
        [&(content.len() as u32).to_be_bytes()[..], &content].concat()
    }
}

impl World {
    pub(crate) fn ts(&self) -> u64 {
        self.entries.last().map_or(1000, |e| e.ts)
    }

    pub(crate) fn append(&mut self, issuer: &str, target: &Target, ts: u64) {
        let pos = self.entries.len() as u64 + 1;
        let entry = Entry { pos, ts, scope: target.scope(), key: target.key(issuer), until: NEVER };
        let digest = self.digests[self.entries.len()].then(&entry);
        self.digests.push(digest);
        self.entries.push(entry);
    }

    pub(crate) fn position(&self) -> Position {
        let pos = self.entries.len();
        Position { epoch: self.epoch, pos: pos as u64, ts: self.ts(), digest: self.digests[pos] }
    }

    fn mark(&self) -> KeysMark {
        KeysMark { version: self.keys_version, hash: sha256(&[self.jwks.as_bytes()]) }
    }
}

/// Waits until something becomes true; the limit only ends a test that fails.
pub(crate) async fn until(what: &str, holds: impl FnMut() -> bool) {
    within(Duration::from_secs(20), what, holds).await;
}

/// The same, sooner than a silent feed is given up, which would bring it about as well.
pub(crate) async fn soon(what: &str, holds: impl FnMut() -> bool) {
    within(Duration::from_secs(10), what, holds).await;
}

/// The same, within a limit that is a part of the claim.
pub(crate) async fn within(limit: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let wait = async {
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        while !holds() {
            tick.tick().await;
        }
    };
    let in_time = tokio::time::timeout(limit, wait).await;
    assert!(in_time.is_ok(), "never came: {what}");
}

async fn faulty(State(authority): State<Authority>, request: Request, next: Next) -> Response {
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

async fn metadata(State(authority): State<Authority>) -> Response {
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

async fn keys(State(authority): State<Authority>) -> Response {
    ([(header::CONTENT_TYPE, "application/jwk-set+json")], authority.world().jwks.clone())
        .into_response()
}

/// `posts-api:s3cret`
fn denied(headers: &HeaderMap) -> bool {
    headers.get(header::AUTHORIZATION).is_none_or(|v| v != "Basic cG9zdHMtYXBpOnMzY3JldA==")
}

async fn snapshot(State(authority): State<Authority>, headers: HeaderMap) -> Response {
    if denied(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let frame = {
        let world = authority.world();
        Frame::Snapshot { position: world.position(), entries: world.entries.clone() }
    };
    ([(header::CONTENT_TYPE, FRAME)], authority.sealed(&frame)).into_response()
}

async fn head(State(authority): State<Authority>, headers: HeaderMap, body: String) -> Response {
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

async fn feed(
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

//! A small authority, true to the protocol, with faults on demand. It keeps no accounts and no store.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "part of the tests")]

mod routes;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use rescind_verifier::{Builder, ClientSecret, Clock, ManualClock, Now, SystemClock, Verifier};
use rescind_wire::frame::{self, Frame, KeysMark, Position, seal};
use rescind_wire::id::{Epoch, Jti, Sid, Sub};
use rescind_wire::jwk::{SigningKey, jwks};
use rescind_wire::jws::Alg;
use rescind_wire::revocation::{Digest, Entry, NEVER, Target};
use rescind_wire::token::Claims;
use rescind_wire::{b64, sha256, token};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

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
            .route("/.well-known/oauth-authorization-server", get(routes::metadata))
            .route("/jwks", get(routes::keys))
            .route("/elsewhere", get(routes::keys))
            .route("/snapshot", get(routes::snapshot))
            .route("/feed", get(routes::feed))
            .route("/head", post(routes::head))
            .layer(from_fn_with_state(self.clone(), routes::faulty))
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

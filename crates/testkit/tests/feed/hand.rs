//! A follower made by hand from the protocol: it checks signatures, order and the digest itself.

use bytes::{Bytes, BytesMut};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rescind_testkit::http::Answer;
use rescind_testkit::server::TestAuthority;
use rescind_wire::b64;
use rescind_wire::frame::{Frame, Head, MAX_FRAME, Position, next_frame, open};
use rescind_wire::id::Epoch;
use rescind_wire::jwk::PublicKey;
use rescind_wire::revocation::Digest;
use serde_json::{Value, json};

pub(crate) const INSTANCE: &str = "AAAAAAAAAAAAAAAAAAAAAA";

/// The credentials of the API server, as HTTP Basic.
pub(crate) fn basic(id: &str, secret: &str) -> String {
    use std::fmt::Write as _;
    // The standard alphabet with padding, from the URL one without.
    let mut text = b64::encode(format!("{id}:{secret}")).replace('-', "+").replace('_', "/");
    while text.len() % 4 != 0 {
        text.write_char('=').unwrap();
    }
    format!("Basic {text}")
}

/// The keys of the feed.
pub(crate) fn feed_keys(authority: &TestAuthority) -> Vec<PublicKey> {
    authority.app.authority.keyring().feed_public().to_vec()
}

/// Asks for a head; the answer as it came.
pub(crate) async fn ask_head(authority: &TestAuthority, seen: Option<&[u8]>) -> Answer {
    let mut body = json!({
        "nonce": b64::encode([7; 16]),
        "instance": INSTANCE,
        "applied": 0,
    });
    if let Some(seen) = seen {
        body["seen"] = Value::from(b64::encode(seen));
    }
    let credentials = basic("posts-api", &authority.secret);
    let headers = [("authorization", credentials.as_str()), ("content-type", "application/json")];
    let http = authority.http();
    let answer = http.send(http::Method::POST, "/v1/head", &headers, body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

/// Reads a sealed head.
pub(crate) fn read_head(authority: &TestAuthority, sealed: &[u8]) -> Head {
    match open(sealed, authority.issuer(), &feed_keys(authority)).unwrap() {
        Frame::Head(head) => head,
        other => panic!("no head: {other:?}"),
    }
}

/// Where the log stands, as the authority signs it.
pub(crate) async fn head(authority: &TestAuthority, seen: Option<&[u8]>) -> Head {
    let answer = ask_head(authority, seen).await;
    read_head(authority, &answer.body)
}

/// An open feed.
pub(crate) struct Follower {
    body: Incoming,
    buffer: BytesMut,
    issuer: String,
    keys: Vec<PublicKey>,
    /// Up to where everything came, in order and with the right digest.
    pub(crate) pos: u64,
    digest: Option<Digest>,
}

impl Follower {
    /// Opens the feed from the beginning of the present epoch.
    pub(crate) async fn from_the_beginning(authority: &TestAuthority) -> Self {
        let epoch = authority.app.authority.store().head().await.unwrap().epoch;
        let mut follower = Self::open(authority, epoch, 0).await;
        follower.digest = Some(Digest::first(authority.issuer(), epoch));
        follower
    }

    /// Opens the feed from a position.
    pub(crate) async fn open(authority: &TestAuthority, epoch: Epoch, from: u64) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let issuer = authority.issuer().to_owned();
        let url = format!("{issuer}/v1/feed?epoch={epoch}&from={from}&instance={INSTANCE}");
        let request = Request::get(url)
            .header("authorization", basic("posts-api", &authority.secret))
            .body(Full::default())
            .unwrap();
        let response = client.request(request).await.unwrap();
        assert_eq!(response.status(), 200);
        let keys = feed_keys(authority);
        let body = response.into_body();
        Self { body, buffer: BytesMut::new(), issuer, keys, pos: from, digest: None }
    }

    /// The next frame; none at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(length) = next_frame(&self.buffer, MAX_FRAME).unwrap() {
                let sealed = self.buffer.split_to(length);
                return Some(open(&sealed, &self.issuer, &self.keys).unwrap());
            }
            let part = self.body.frame().await?.ok()?;
            if let Ok(data) = part.into_data() {
                self.buffer.extend_from_slice(&data);
            }
        }
    }

    /// Takes entries until this position, each exactly once and in order; says in how many frames.
    pub(crate) async fn take_until(&mut self, pos: u64) -> usize {
        let mut frames = 0;
        while self.pos < pos {
            match self.next().await.expect("the feed goes on") {
                Frame::Delta { position, entries } => {
                    frames += 1;
                    self.take(position, &entries);
                }
                Frame::Beat(at) => assert!(at.pos <= self.pos, "a beat is ahead of its entries"),
                other => panic!("not asked for: {other:?}"),
            }
        }
        frames
    }

    fn take(&mut self, position: Position, entries: &[rescind_wire::revocation::Entry]) {
        for entry in entries {
            assert_eq!(entry.pos, self.pos + 1, "a gap or a repetition");
            self.pos = entry.pos;
            self.digest = self.digest.map(|digest| digest.then(entry));
        }
        assert_eq!(position.pos, self.pos);
        if let Some(digest) = self.digest {
            assert_eq!(position.digest, digest);
        }
    }
}

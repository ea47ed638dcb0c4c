//! Vectors for verifiers in other languages: what the code says to fixed input, as JSON.
//!
//! `docs/vectors/*.json` are these files; `cargo run -p rescind-testkit --bin vectors` writes them anew, a
//! test compares. Signatures are Ed25519 by keys made of a constant, so that every run gives the same bytes.
//! How to read each file stands in `docs/feed.md`.

mod follower;
mod frames;
mod freshness;
mod revocation;
mod tokens;

use rescind_wire::frame::Position;
use rescind_wire::id::Epoch;
use rescind_wire::jwk::SigningKey;
use rescind_wire::jws::Alg;
use rescind_wire::revocation::{Digest, Entry, NEVER, RevocationKey, Scope};
use serde_json::{Value, json};
use std::fmt::Write as _;

const ISSUER: &str = "https://auth.example.com";

/// Each file's name and text.
pub fn files() -> Vec<(&'static str, String)> {
    let files = [
        ("follower.json", follower::file()),
        ("frames.json", frames::file()),
        ("freshness.json", freshness::file()),
        ("revocation.json", revocation::file()),
        ("tokens.json", tokens::file()),
    ];
    files.into_iter().map(|(name, value)| (name, format!("{value:#}\n"))).collect()
}

/// A key made of one byte, 32 times (PKCS#8, RFC 8410).
fn key(seed: u8) -> SigningKey {
    const PREFIX: [u8; 16] =
        [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    let secret = [&PREFIX[..], &[seed; 32]].concat();
    SigningKey::from_secret(Alg::Ed25519, &secret).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A number that JSON's numbers may not hold exactly is a text.
fn number(n: u64) -> Value {
    if n < 1 << 53 { json!(n) } else { json!(n.to_string()) }
}

/// A small log of one epoch.
struct Log {
    epoch: Epoch,
    entries: Vec<Entry>,
    digests: Vec<Digest>,
}

impl Log {
    /// Entries against sessions, one a microsecond from `ts` on.
    fn new(epoch: u8, ts: u64, length: u64) -> Self {
        let epoch = Epoch::from_bytes([epoch; 16]);
        let mut digests = vec![Digest::first(ISSUER, epoch)];
        let mut entries = Vec::new();
        for pos in 1..=length {
            let key = RevocationKey::from_bytes([pos as u8; 16]);
            let entry = Entry { pos, ts: ts + pos, scope: Scope::Session, key, until: NEVER };
            digests.push(digests[pos as usize - 1].then(&entry));
            entries.push(entry);
        }
        Self { epoch, entries, digests }
    }

    fn position(&self, pos: u64) -> Position {
        let ts = self.entries[pos as usize - 1].ts;
        Position { epoch: self.epoch, pos, ts, digest: self.digests[pos as usize] }
    }

    fn part(&self, first: u64, last: u64) -> Vec<Entry> {
        self.entries[first as usize - 1..last as usize].to_vec()
    }
}

fn position_json(p: &Position) -> Value {
    json!({
        "epoch": hex(p.epoch.as_bytes()), "pos": number(p.pos), "ts": number(p.ts), "digest": hex(&p.digest.0),
    })
}

fn entry_json(e: &Entry) -> Value {
    json!({
        "pos": number(e.pos), "ts": number(e.ts), "scope": e.scope as u8, "key": hex(e.key.as_bytes()),
        "until": number(e.until),
    })
}

fn entries_json(entries: &[Entry]) -> Value {
    entries.iter().map(entry_json).collect()
}

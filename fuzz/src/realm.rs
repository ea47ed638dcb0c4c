//! A realm of fixed keys, so that an input means the same in every run. They are made of one repeated byte
//! and are nobody's.

use rescind_wire::b64;
use rescind_wire::frame::{Frame, Head, KeysMark, Position, seal};
use rescind_wire::id::{Epoch, Jti, Sid, Sub};
use rescind_wire::jwk::{PublicKey, SigningKey};
use rescind_wire::jws::Alg;
use rescind_wire::revocation::{Digest, Entry, RevocationKey, Scope};
use rescind_wire::token::Claims;

pub(crate) const ISSUER: &str = "https://auth.example.com";
pub(crate) const AUDIENCE: &str = "posts-api";
pub(crate) const NOW: u64 = 1_800_000_000;

/// What stands before the 32 bytes of an Ed25519 key in PKCS#8 (RFC 8410 §7).
const ED25519: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
/// What stands before the 32 bytes of a P-256 key in PKCS#8 (RFC 5915 §3, without the public key).
const P256: &[u8] =
    b"\x30\x41\x02\x01\x00\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\
                      \x48\xce\x3d\x03\x01\x07\x04\x27\x30\x25\x02\x01\x01\x04\x20";

/// The key of this byte.
pub(crate) fn key(alg: Alg, byte: u8) -> SigningKey {
    let before = if alg == Alg::Es256 { P256 } else { ED25519 };
    SigningKey::from_secret(alg, &[before, &[byte; 32]].concat()).unwrap()
}

/// Its public half.
pub(crate) fn public(key: &SigningKey) -> PublicKey {
    key.public().unwrap().clone()
}

pub(crate) fn claims() -> Claims {
    Claims {
        iss: ISSUER.into(),
        sub: Sub::from_bytes([1; 16]),
        aud: vec![AUDIENCE.into()],
        exp: NOW + 300,
        iat: NOW,
        nbf: None,
        jti: Jti::from_bytes([2; 16]),
        sid: Sid::from_bytes([3; 16]),
        client_id: "first-party".into(),
        scope: "read write".into(),
        roles: vec!["user".into()],
        auth_time: NOW - 60,
        amr: vec!["pwd".into()],
        rv: 42,
    }
}

/// A compact JWS of these bytes, truly signed.
pub(crate) fn signed(key: &SigningKey, header: &[u8], payload: &[u8]) -> String {
    let input = format!("{}.{}", b64::encode(header), b64::encode(payload));
    let signature = key.sign(input.as_bytes()).unwrap();
    format!("{input}.{}", b64::encode(signature))
}

pub(crate) const EPOCH: Epoch = Epoch::from_bytes([4; 16]);

/// The entry at a position, of a scope that depends on it.
pub(crate) fn entry(pos: u64) -> Entry {
    let scope = Scope::ALL[(pos % 9) as usize];
    Entry {
        pos,
        ts: pos * 1000,
        scope,
        key: RevocationKey::from_bytes([pos as u8; 16]),
        until: NOW + pos,
    }
}

/// Where the log stands after so many entries.
pub(crate) fn position(pos: u64) -> Position {
    let digest = (1..=pos).fold(Digest::first(ISSUER, EPOCH), |digest, n| digest.then(&entry(n)));
    Position { epoch: EPOCH, pos, ts: pos * 1000, digest }
}

/// A head at a position.
pub(crate) fn head(pos: u64, nonce: u8) -> Head {
    let keys = KeysMark { version: 3, hash: [5; 32] };
    Head {
        nonce: [nonce; 16],
        position: position(pos),
        utc: NOW * 1_000_000,
        keys,
        age: 10,
        staleness_ms: 5000,
    }
}

/// One frame of each kind.
pub(crate) fn frames() -> Vec<Frame> {
    let entries = |from, to| (from..=to).map(entry).collect();
    vec![
        Frame::Delta { position: position(7), entries: entries(6, 7) },
        Frame::Delta { position: position(8), entries: entries(8, 8) },
        Frame::Snapshot { position: position(5), entries: entries(1, 5) },
        Frame::Snapshot { position: position(9), entries: vec![entry(2), entry(9)] },
        Frame::Snapshot { position: position(0), entries: Vec::new() },
        Frame::Beat(position(7)),
        Frame::Keys(KeysMark { version: 3, hash: [5; 32] }),
        Frame::Resync,
        Frame::GoAway { spread_ms: 2000 },
        Frame::Head(head(7, 7)),
        Frame::Ask { pos: 8 },
    ]
}

/// The key of the feed.
pub(crate) fn feed_key() -> SigningKey {
    key(Alg::Ed25519, 9)
}

/// What the signature covers of a sealed frame, less the key's id: `kind | body`.
pub(crate) fn bare(frame: &Frame) -> Vec<u8> {
    let sealed = seal(frame, ISSUER, &feed_key()).unwrap();
    [&sealed[4..5], &sealed[13..sealed.len() - 64]].concat()
}

/// Seals `kind | body`, whatever it holds, as the authority would.
pub(crate) fn sealed(key: &SigningKey, bare: &[u8]) -> Vec<u8> {
    let (kind, body) = bare.split_at(bare.len().min(1));
    let id = rescind_wire::sha256(&[public(key).thumbprint().as_bytes()]);
    let content = [kind, &id[..8], body].concat();
    let issuer = (ISSUER.len() as u32).to_be_bytes();
    let covered = [b"rescind frame v1\0", &issuer[..], ISSUER.as_bytes(), &content].concat();
    let signature = key.sign(&covered).unwrap();
    let length = (content.len() + 64) as u32;
    [&length.to_be_bytes()[..], &content, &signature].concat()
}

//! The signed frames of the feed, the snapshot and the head: one binary form for all three.
//!
//! `length u32 | kind u8 | feed key id [8] | body | Ed25519 signature [64]`; the length counts all
//! that follows it; integers are big-endian. The signature covers a label, the issuer and everything
//! between length and signature, so that a frame of another realm or an access token never fits.

use crate::id::Epoch;
use crate::jwk::{BadKey, PublicKey, SigningKey};
use crate::revocation::{Digest, Entry, RevocationKey, Scope};
use crate::sha256;

const LABEL: &[u8] = b"rescind frame v1\0";
const OVERHEAD: usize = 1 + 8 + 64;
const ENTRY: usize = 8 + 1 + 16 + 8;

/// Most entries in one delta.
pub const MAX_DELTA: usize = 10_000;
/// Longest frame of the feed and of the head, in bytes; snapshots have their own limit.
pub const MAX_FRAME: usize = 1024 * 1024;

/// Kinds from here on say nothing of the log, so whoever does not know one passes it over. A lower one that is
/// not known may bring entries: no feed goes on behind it.
pub const SKIPPABLE: u8 = 128;

/// Where the log stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// The epoch in which `pos` counts.
    pub epoch: Epoch,
    /// Position of the last entry; 0 for an empty log.
    pub pos: u64,
    /// Log time of the head, in microseconds.
    pub ts: u64,
    /// Hash over the log up to `pos`.
    pub digest: Digest,
}

/// Which key set is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeysMark {
    /// Rises with each change.
    pub version: u64,
    /// SHA-256 of the JWKS document as served.
    pub hash: [u8; 32],
}

/// One message of the authority to its verifiers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Entries in order, without gaps; `position` is that after the last of them.
    Delta {
        /// After the last entry.
        position: Position,
        /// The entries, at least one.
        entries: Vec<Entry>,
    },
    /// All live entries at a position.
    Snapshot {
        /// The position.
        position: Position,
        /// Entries that have not expired, in order; positions may be missing.
        entries: Vec<Entry>,
    },
    /// The connection lives. Proves nothing about freshness.
    Beat(Position),
    /// The key set changed.
    Keys(KeysMark),
    /// The asked position cannot be served: fetch a snapshot.
    Resync,
    /// The authority is about to stop: reconnect within so many milliseconds, at random.
    GoAway {
        /// The spread.
        spread_ms: u32,
    },
    /// The answer to a head request.
    Head(Head),
    /// Whoever has applied this position asks for the head at once: that it has, somebody waits for.
    Ask {
        /// The position, of the epoch that the feed is in.
        pos: u64,
    },
}

/// "This position is complete", read after the request came.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Head {
    /// The nonce of the request.
    pub nonce: [u8; 16],
    /// Where the log stands.
    pub position: Position,
    /// The authority's wall clock, in microseconds since 1970 UTC.
    pub utc: u64,
    /// The key set in force.
    pub keys: KeysMark,
    /// How much older than the request the answer is, in microseconds.
    pub age: u64,
    /// The realm's staleness bound S, in milliseconds.
    pub staleness_ms: u32,
}

/// Bytes that are not a frame of this realm. Nothing of them may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadFrame {
    /// Longer than the limit.
    #[error("the frame is too long")]
    TooLong,
    /// Not of the form.
    #[error("the frame is malformed")]
    Malformed,
    /// Signed by none of the feed keys, or for another realm.
    #[error("the frame's signature is wrong")]
    Signature,
    /// Well signed, and of a kind that this version does not know and may pass over ([`SKIPPABLE`]).
    #[error("the frame is of a later kind, which may be passed over")]
    Skippable,
}

/// Encodes and signs a frame, with its length in front. `key` is the feed key; a shared secret is none.
pub fn seal(frame: &Frame, issuer: &str, key: &SigningKey) -> Result<Vec<u8>, BadKey> {
    let mut out = vec![0; 4];
    out.push(kind(frame));
    out.extend_from_slice(&key_id(key.public().ok_or(BadKey)?));
    put_body(&mut out, frame);
    let signature = key.sign(&signed_bytes(issuer, &out[4..]))?;
    out.extend_from_slice(&signature);
    let length = u32::try_from(out.len() - 4).map_err(|_| BadKey)?;
    out[..4].copy_from_slice(&length.to_be_bytes());
    Ok(out)
}

/// Takes the length of the next frame off the front of a buffer: `Ok(None)` if the frame is not
/// complete yet, else the frame's bytes, length included.
pub fn next_frame(buffer: &[u8], limit: usize) -> Result<Option<usize>, BadFrame> {
    let Some(head) = buffer.first_chunk::<4>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*head) as usize;
    if length > limit {
        return Err(BadFrame::TooLong);
    }
    if length < OVERHEAD {
        return Err(BadFrame::Malformed);
    }
    Ok((buffer.len() >= 4 + length).then_some(4 + length))
}

/// Verifies and decodes exactly one frame, length included.
pub fn open(frame: &[u8], issuer: &str, keys: &[PublicKey]) -> Result<Frame, BadFrame> {
    let (length, rest) = frame.split_first_chunk::<4>().ok_or(BadFrame::Malformed)?;
    if u32::from_be_bytes(*length) as usize != rest.len() || rest.len() < OVERHEAD {
        return Err(BadFrame::Malformed);
    }
    let (content, signature) = rest.split_at(rest.len() - 64);
    let key = keys.iter().find(|k| content[1..9] == key_id(k)).ok_or(BadFrame::Signature)?;
    if !key.verify(&signed_bytes(issuer, content), signature) {
        return Err(BadFrame::Signature);
    }
    let mut body = Body(&content[9..]);
    let kind = content[0];
    let unknown = if kind < SKIPPABLE { BadFrame::Malformed } else { BadFrame::Skippable };
    let frame = body.frame(kind).ok_or(unknown)?;
    if body.0.is_empty() { Ok(frame) } else { Err(BadFrame::Malformed) }
}

/// How frames name the key that signed them: the first 8 bytes of the hash of its thumbprint.
fn key_id(key: &PublicKey) -> [u8; 8] {
    let mut id = [0; 8];
    id.copy_from_slice(&sha256(&[key.thumbprint().as_bytes()])[..8]);
    id
}

fn signed_bytes(issuer: &str, content: &[u8]) -> Vec<u8> {
    let length = (issuer.len() as u32).to_be_bytes();
    [LABEL, &length, issuer.as_bytes(), content].concat()
}

fn kind(frame: &Frame) -> u8 {
    match frame {
        Frame::Delta { .. } => 1,
        Frame::Snapshot { .. } => 2,
        Frame::Beat(_) => 3,
        Frame::Keys(_) => 4,
        Frame::Resync => 5,
        Frame::GoAway { .. } => 6,
        Frame::Head(_) => 7,
        Frame::Ask { .. } => 8,
    }
}

fn put_body(out: &mut Vec<u8>, frame: &Frame) {
    match frame {
        Frame::Delta { position, entries } => {
            put_position(out, position);
            out.extend_from_slice(&(entries.len() as u32).to_be_bytes());
            entries.iter().for_each(|e| put_entry(out, e));
        }
        Frame::Snapshot { position, entries } => {
            put_position(out, position);
            out.extend_from_slice(&(entries.len() as u32).to_be_bytes());
            for e in entries {
                out.extend_from_slice(&e.pos.to_be_bytes());
                put_entry(out, e);
            }
        }
        Frame::Beat(position) => put_position(out, position),
        Frame::Keys(mark) => put_keys(out, mark),
        Frame::Resync => {}
        Frame::GoAway { spread_ms } => out.extend_from_slice(&spread_ms.to_be_bytes()),
        Frame::Head(head) => {
            out.extend_from_slice(&head.nonce);
            put_position(out, &head.position);
            out.extend_from_slice(&head.utc.to_be_bytes());
            put_keys(out, &head.keys);
            out.extend_from_slice(&head.age.to_be_bytes());
            out.extend_from_slice(&head.staleness_ms.to_be_bytes());
        }
        Frame::Ask { pos } => out.extend_from_slice(&pos.to_be_bytes()),
    }
}

fn put_position(out: &mut Vec<u8>, p: &Position) {
    out.extend_from_slice(p.epoch.as_bytes());
    out.extend_from_slice(&p.pos.to_be_bytes());
    out.extend_from_slice(&p.ts.to_be_bytes());
    out.extend_from_slice(&p.digest.0);
}

fn put_keys(out: &mut Vec<u8>, mark: &KeysMark) {
    out.extend_from_slice(&mark.version.to_be_bytes());
    out.extend_from_slice(&mark.hash);
}

fn put_entry(out: &mut Vec<u8>, e: &Entry) {
    out.extend_from_slice(&e.ts.to_be_bytes());
    out.push(e.scope as u8);
    out.extend_from_slice(e.key.as_bytes());
    out.extend_from_slice(&e.until.to_be_bytes());
}

struct Body<'a>(&'a [u8]);

impl Body<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*chunk)
    }
    fn u8(&mut self) -> Option<u8> {
        self.take::<1>().map(|[b]| b)
    }
    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }
    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    fn frame(&mut self, kind: u8) -> Option<Frame> {
        Some(match kind {
            1 => self.delta()?,
            2 => self.snapshot()?,
            3 => Frame::Beat(self.position()?),
            4 => Frame::Keys(self.keys()?),
            5 => Frame::Resync,
            6 => Frame::GoAway { spread_ms: self.u32()? },
            7 => Frame::Head(Head {
                nonce: self.take()?,
                position: self.position()?,
                utc: self.u64()?,
                keys: self.keys()?,
                age: self.u64()?,
                staleness_ms: self.u32()?,
            }),
            8 => Frame::Ask { pos: self.u64()? },
            _ => return None,
        })
    }

    fn delta(&mut self) -> Option<Frame> {
        let position = self.position()?;
        let count = self.u32()? as usize;
        if count == 0 || count > MAX_DELTA || self.0.len() != count * ENTRY {
            return None;
        }
        let first = position.pos.checked_sub(count as u64 - 1).filter(|pos| *pos > 0)?;
        let entries = (first..=position.pos).map(|pos| self.entry(pos)).collect::<Option<_>>()?;
        Some(Frame::Delta { position, entries })
    }

    fn snapshot(&mut self) -> Option<Frame> {
        let position = self.position()?;
        let count = self.u32()? as usize;
        if self.0.len() != count.checked_mul(8 + ENTRY)? {
            return None;
        }
        let mut entries = Vec::with_capacity(count);
        for _ in 0..count {
            let pos = self.u64()?;
            entries.push(self.entry(pos)?);
        }
        Some(Frame::Snapshot { position, entries })
    }

    fn entry(&mut self, pos: u64) -> Option<Entry> {
        Some(Entry {
            pos,
            ts: self.u64()?,
            scope: Scope::from_u8(self.u8()?)?,
            key: RevocationKey::from_bytes(self.take()?),
            until: self.u64()?,
        })
    }

    fn position(&mut self) -> Option<Position> {
        Some(Position {
            epoch: Epoch::from_bytes(self.take()?),
            pos: self.u64()?,
            ts: self.u64()?,
            digest: Digest(self.take()?),
        })
    }

    fn keys(&mut self) -> Option<KeysMark> {
        Some(KeysMark { version: self.u64()?, hash: self.take()? })
    }
}

#[cfg(test)]
mod tests;

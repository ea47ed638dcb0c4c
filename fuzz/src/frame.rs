//! Frames of the feed. The first byte chooses: the rest is a stream as it comes, of which only frames that
//! were truly sealed may be opened; or it is `kind | body`, sealed here.

use crate::Target;
use crate::realm::{ISSUER, bare, feed_key, frames, key, public, sealed};
use rescind_wire::frame::{BadFrame, MAX_FRAME, next_frame, open, seal};
use rescind_wire::jwk::{PublicKey, SigningKey};
use rescind_wire::jws::Alg;
use std::sync::OnceLock;

/// The target.
pub const TARGET: Target = Target { name: "frame", seeds, holds, short: 15_000 };

struct Feed {
    key: SigningKey,
    keys: [PublicKey; 2],
    sealed: Vec<Vec<u8>>,
}

fn feed() -> &'static Feed {
    static FEED: OnceLock<Feed> = OnceLock::new();
    FEED.get_or_init(|| {
        let key = feed_key();
        let keys = [public(&self::key(Alg::Ed25519, 8)), public(&key)];
        let sealed = frames().iter().map(|frame| seal(frame, ISSUER, &key).unwrap()).collect();
        Feed { key, keys, sealed }
    })
}

fn holds(input: &[u8]) {
    match input.split_first() {
        Some((b'R', rest)) => as_it_comes(rest),
        Some((b'S', rest)) => signed_here(rest),
        _ => {}
    }
}

/// Nothing is opened but what was sealed, byte for byte.
fn as_it_comes(mut stream: &[u8]) {
    while let Ok(Some(length)) = next_frame(stream, MAX_FRAME) {
        assert!(length > 4 && length <= stream.len());
        let (frame, rest) = stream.split_at(length);
        let opened = open(frame, ISSUER, &feed().keys);
        let ours = feed().sealed.iter().any(|sealed| sealed == frame);
        assert_eq!(opened.is_ok(), ours);
        stream = rest;
    }
}

/// A frame has one form: what is opened is written anew as the same bytes.
fn signed_here(bare: &[u8]) {
    let feed = feed();
    let sealed = sealed(&feed.key, bare);
    assert_ne!(open(&sealed, ISSUER, &feed.keys).err(), Some(BadFrame::Signature));
    let Ok(frame) = open(&sealed, ISSUER, &feed.keys) else { return };
    assert_eq!(seal(&frame, ISSUER, &feed.key).unwrap(), sealed);
    assert_eq!(next_frame(&sealed, sealed.len()), Ok(Some(sealed.len())));
    assert_eq!(open(&sealed, "https://auth.example.co", &feed.keys), Err(BadFrame::Signature));
    assert_eq!(open(&sealed, ISSUER, &feed.keys[..1]), Err(BadFrame::Signature));
    let longer = [&sealed[..], b"\0"].concat();
    assert_eq!(open(&longer, ISSUER, &feed.keys), Err(BadFrame::Malformed));
}

fn seeds() -> Vec<Vec<u8>> {
    let raw = feed().sealed.iter().map(|sealed| [b"R", &sealed[..]].concat());
    let signed = frames().into_iter().map(|frame| [b"S", &bare(&frame)[..]].concat());
    let mut seeds: Vec<Vec<u8>> = raw.chain(signed).collect();
    seeds.push([b"R", &feed().sealed.concat()[..]].concat());
    seeds.push(b"R\xff\xff\xff\xff".to_vec());
    seeds.push(b"R\0\0\0\0".to_vec());
    seeds
}

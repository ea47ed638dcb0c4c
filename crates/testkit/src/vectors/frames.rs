//! Frames as bytes, what they say, and bytes that are none.

use super::{ISSUER, Log, entries_json, hex, key, number, position_json};
use rescind_wire::frame::{
    BadFrame, Frame, Head, KeysMark, MAX_FRAME, SKIPPABLE, next_frame, open, seal,
};
use rescind_wire::jwk::{PublicKey, SigningKey};
use serde_json::{Value, json};

pub(super) fn file() -> Value {
    let feed = key(1);
    let keys: Vec<PublicKey> = feed.public().cloned().into_iter().collect();
    json!({
        "issuer": ISSUER,
        "feed_keys": { "keys": keys.iter().map(PublicKey::to_jwk).collect::<Vec<_>>() },
        "frames": frames().iter().map(|(name, frame)| good(name, frame, &feed, &keys)).collect::<Vec<_>>(),
        "passed_over": [passed_over(&feed, &keys)],
        "refused": refused(&feed, &keys),
    })
}

fn frames() -> Vec<(&'static str, Frame)> {
    let log = Log::new(9, 1_800_000_000_000_000, 4);
    let mark = KeysMark { version: 7, hash: [0xab; 32] };
    let head = Head {
        nonce: [0x11; 16],
        position: log.position(4),
        utc: 1_800_000_000_500_000,
        keys: mark,
        age: 1500,
        staleness_ms: 10_000,
    };
    // A snapshot may leave out what has expired.
    let live = [log.part(1, 1), log.part(4, 4)].concat();
    vec![
        ("delta", Frame::Delta { position: log.position(3), entries: log.part(2, 3) }),
        ("snapshot", Frame::Snapshot { position: log.position(4), entries: live }),
        ("beat", Frame::Beat(log.position(4))),
        ("keys", Frame::Keys(mark)),
        ("resync", Frame::Resync),
        ("ask", Frame::Ask { pos: 4 }),
        ("goaway", Frame::GoAway { spread_ms: 5000 }),
        ("head", Frame::Head(head)),
    ]
}

fn good(name: &str, frame: &Frame, feed: &SigningKey, keys: &[PublicKey]) -> Value {
    let bytes = seal(frame, ISSUER, feed).unwrap();
    assert_eq!(open(&bytes, ISSUER, keys).as_ref(), Ok(frame));
    json!({ "name": name, "bytes": hex(&bytes), "says": says(frame) })
}

fn says(frame: &Frame) -> Value {
    let mark = |m: &KeysMark| json!({ "version": number(m.version), "hash": hex(&m.hash) });
    match frame {
        Frame::Delta { position, entries } | Frame::Snapshot { position, entries } => {
            json!({ "position": position_json(position), "entries": entries_json(entries) })
        }
        Frame::Beat(position) => json!({ "position": position_json(position) }),
        Frame::Keys(m) => mark(m),
        Frame::Resync => json!({}),
        Frame::Ask { pos } => json!({ "pos": number(*pos) }),
        Frame::GoAway { spread_ms } => json!({ "spread_ms": spread_ms }),
        Frame::Head(head) => json!({
            "nonce": hex(&head.nonce), "position": position_json(&head.position), "utc": number(head.utc),
            "keys": mark(&head.keys), "age": number(head.age), "staleness_ms": head.staleness_ms,
        }),
    }
}

/// A frame with this content, truly signed.
fn by_hand(feed: &SigningKey, kind: u8, body: &[u8]) -> Vec<u8> {
    let beside = seal(&Frame::Resync, ISSUER, feed).unwrap();
    let mut content = vec![kind];
    content.extend_from_slice(&beside[5..13]);
    content.extend_from_slice(body);
    let length = (ISSUER.len() as u32).to_be_bytes();
    let signed = [b"rescind frame v1\0", &length[..], ISSUER.as_bytes(), &content].concat();
    content.extend_from_slice(&feed.sign(&signed).unwrap());
    [&(content.len() as u32).to_be_bytes()[..], &content].concat()
}

/// Of a kind that nobody knows, and whose number says that it may be passed over.
fn passed_over(feed: &SigningKey, keys: &[PublicKey]) -> Value {
    let bytes = by_hand(feed, SKIPPABLE, b"later");
    assert_eq!(open(&bytes, ISSUER, keys), Err(BadFrame::Skippable));
    json!({ "name": "a later kind that says nothing of the log", "bytes": hex(&bytes) })
}

/// Nothing of these may be used.
fn refused(feed: &SigningKey, keys: &[PublicKey]) -> Value {
    let log = Log::new(9, 1_800_000_000_000_000, 4);
    let beat = Frame::Beat(log.position(4));
    let sealed = |issuer, key| seal(&beat, issuer, key).unwrap();
    let good = sealed(ISSUER, feed);
    let changed = |at: usize, to: fn(u8) -> u8| {
        let mut bytes = good.clone();
        bytes[at] = to(bytes[at]);
        bytes
    };
    // Signed truly, but with bytes behind the body, or of an unknown kind.
    let by_hand = |kind, body: &[u8]| by_hand(feed, kind, body);
    let last = good.len() - 1;
    let cases = [
        ("a changed signature", changed(last, |b| b ^ 1)),
        ("a changed body", changed(20, |b| b ^ 1)),
        ("another kind under the same signature", changed(4, |_| 5)),
        ("signed for another issuer", sealed("https://other.example.com", feed)),
        ("signed by a key that is not the feed's", sealed(ISSUER, &key(2))),
        ("a byte less than its length says", good[..last].to_vec()),
        ("a byte more than its length says", [&good[..], &[0]].concat()),
        ("a body with a byte behind it", by_hand(5, &[0])),
        ("a kind that nobody knows", by_hand(99, &[])),
        ("a delta without entries", by_hand(1, &[&good[13..77], &[0; 4]].concat())),
        ("longer than a frame of the feed may be", (MAX_FRAME as u32 + 1).to_be_bytes().to_vec()),
    ];
    cases
        .into_iter()
        .map(|(name, bytes)| {
            let passed_over = Err(BadFrame::Skippable);
            let opened = open(&bytes, ISSUER, keys);
            assert!(opened.is_err() && opened != passed_over, "{name}");
            assert!(bytes.len() > 4 || next_frame(&bytes, MAX_FRAME).is_err(), "{name}");
            json!({ "name": name, "bytes": hex(&bytes) })
        })
        .collect()
}

//! What a verifier does with frames that the authority truly signed, but in any order and with any
//! contents: a program gone mad, or an old copy of the store.
//!
//! `head` is one head after a well-known beginning: it makes fresh exactly under the rule. `snapshot` is a
//! whole run, of which the invariants must hold after each step.

use crate::Target;
use crate::realm::{ISSUER, bare, entry, feed_key, frames, head, position, public, sealed};
use rescind_verifier::Now;
use rescind_verifier::state::{Effect, Event, Follower};
use rescind_wire::frame::{Frame, Head, Position, open};
use rescind_wire::id::Epoch;
use std::time::Duration;

/// One head.
pub const HEAD: Target = Target { name: "head", seeds: heads, holds: head_holds, short: 6000 };
/// A whole run, from its first snapshot on.
pub const SNAPSHOT: Target =
    Target { name: "snapshot", seeds: runs, holds: run_holds, short: 6000 };

/// The nonce of the one request that is under way.
const NONCE: u8 = 7;

fn now(micros: u64) -> Now {
    Now { boot_us: micros, wall_us: micros }
}

/// Opens `kind | body` as if the authority had sent it.
fn received(bare: &[u8]) -> Option<Frame> {
    let key = feed_key();
    open(&sealed(&key, bare), ISSUER, &[public(&key)]).ok()
}

/// A follower at position 7, to which every position from 5 on is known, and that has just asked.
fn asked() -> Follower {
    let mut follower = Follower::new();
    let snapshot = (1..=5).map(entry).collect();
    follower.step(Event::Snapshot { position: position(5), entries: snapshot });
    follower.step(Event::FeedAsked);
    follower.step(Event::Delta { position: position(7), entries: vec![entry(6), entry(7)] });
    follower.step(Event::HeadSent { nonce: [NONCE; 16], at: now(1000) });
    follower
}

fn head_holds(body: &[u8]) {
    let Some(Frame::Head(head)) = received(&[b"\x07", body].concat()) else { return };
    let mut follower = asked();
    let effects = follower.step(Event::Head { head: head.clone(), at: now(2000) });
    let lease = effects.iter().find_map(|effect| match effect {
        Effect::Fresh(lease) => Some(*lease),
        _ => None,
    });
    let answers = head.nonce == [NONCE; 16];
    let held = position(7);
    let agrees = (head.position.epoch, head.position.pos, head.position.digest)
        == (held.epoch, held.pos, held.digest);
    assert_eq!(lease.is_some(), answers && agrees, "{effects:?}");
    assert!(answers || effects.is_empty(), "a head that was not asked for did {effects:?}");
    assert_eq!(follower.applied(), Some(&held), "a head applies nothing");
    let went_back = head.position.epoch == held.epoch && head.position.pos < held.pos;
    let differs = head.position.epoch == held.epoch && head.position.pos == held.pos && !agrees;
    assert_eq!(follower.stopped(), answers && (went_back || differs));
    let Some(lease) = lease else { return };
    let bound = Duration::from_millis(head.staleness_ms.into());
    for at in [0, 1000, head.age, u64::MAX].map(now) {
        assert_eq!(lease.holds(at, None), lease.staleness(at) <= bound);
        assert!(lease.earlier_s(at) <= lease.later_s(at));
    }
    // No head vouches for a later time than that of its request.
    assert!(lease.anchor.boot_us <= 1000 && lease.anchor.wall_us <= 1000);
}

/// A run: records of `act u8 | length u8 | data`.
fn run_holds(mut input: &[u8]) {
    let mut run = Run { follower: Follower::new(), clock: 1_000_000, sent: Vec::new() };
    while let [act, length, rest @ ..] = input {
        let (data, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        if let Some(event) = run.event(*act, data) {
            run.step(event);
        }
        input = rest;
    }
}

struct Run {
    follower: Follower,
    clock: u64,
    /// The nonces that were sent, each with its time.
    sent: Vec<([u8; 16], u64)>,
}

impl Run {
    fn event(&mut self, act: u8, data: &[u8]) -> Option<Event> {
        let nonce = [data.first().copied().unwrap_or_default(); 16];
        let at = now(self.clock);
        Some(match act {
            b'a' => Event::FeedAsked,
            b'h' => {
                self.sent.push((nonce, self.clock));
                Event::HeadSent { nonce, at }
            }
            b'l' => Event::HeadLost(nonce),
            b't' => {
                self.clock += u64::from(nonce[0]) * 100_000;
                return None;
            }
            b'f' | b'm' => self.mended(act == b'm', received(data)?)?,
            _ => return None,
        })
    }

    /// The event of a frame; mended, it says of its position what would truly follow, which no mutation
    /// of a hash ever does.
    fn mended(&self, mend: bool, frame: Frame) -> Option<Event> {
        let held = self.follower.applied().copied().filter(|_| mend);
        let at = now(self.clock);
        Some(match frame {
            Frame::Snapshot { position, entries } => Event::Snapshot { position, entries },
            Frame::Delta { mut position, entries } => {
                if let Some(held) = held {
                    position.epoch = held.epoch;
                    let new = entries.iter().filter(|e| e.pos > held.pos);
                    position.digest = new.fold(held.digest, |digest, e| digest.then(e));
                }
                Event::Delta { position, entries }
            }
            Frame::Beat(position) => Event::Beat(held.unwrap_or(position)),
            Frame::Ask { pos } => Event::Asked(pos),
            Frame::Resync => Event::Resync,
            Frame::Head(head) => {
                let position = held.unwrap_or(head.position);
                Event::Head { head: Head { position, ..head }, at }
            }
            Frame::Keys(_) | Frame::GoAway { .. } => return None,
        })
    }

    fn step(&mut self, event: Event) {
        let before = self.follower.clone();
        let effects = self.follower.step(event.clone());
        let repeated = format!("{event:?} after {before:?} did {effects:?}");
        assert!(effects.len() <= 4, "{repeated}");
        forwards(before.applied(), self.follower.applied(), &repeated);
        let renewed = matches!(event, Event::Snapshot { .. });
        assert!(!before.stopped() || self.follower.stopped() || renewed, "{repeated}");
        let mut freshened = false;
        for effect in &effects {
            match effect {
                // Whoever reads the lease must find the entries that it vouches for.
                Effect::Insert(_) => assert!(!freshened, "{repeated}"),
                Effect::Fresh(lease) => {
                    freshened = true;
                    assert!(!self.follower.stopped(), "{repeated}");
                    let request = usize::try_from(lease.request).unwrap();
                    assert_eq!(self.sent[request - 1].1, lease.sent_boot_us, "{repeated}");
                    assert!(lease.anchor.boot_us <= i64::try_from(lease.sent_boot_us).unwrap());
                }
                _ => {}
            }
        }
    }
}

/// The position rises in its epoch; an epoch is followed only by one of a later log time.
fn forwards(before: Option<&Position>, after: Option<&Position>, repeated: &str) {
    let Some(before) = before else { return };
    let after = after.unwrap_or_else(|| panic!("{repeated}"));
    if before.epoch == after.epoch {
        assert!(after.pos >= before.pos, "{repeated}");
    } else {
        assert!(after.ts > before.ts, "{repeated}");
    }
}

fn heads() -> Vec<Vec<u8>> {
    let mut heads: Vec<Head> = [0, 5, 6, 7, 8].map(|pos| head(pos, NONCE)).into();
    heads.push(head(7, 8));
    heads.push(Head { age: u64::MAX, utc: u64::MAX, staleness_ms: u32::MAX, ..head(7, NONCE) });
    heads.push(Head { age: 0, utc: 0, staleness_ms: 0, ..head(7, NONCE) });
    let other = Epoch::from_bytes([8; 16]);
    for ts in [0, u64::MAX] {
        let position = Position { epoch: other, ts, ..position(7) };
        heads.push(Head { position, ..head(7, NONCE) });
    }
    heads.into_iter().map(|head| bare(&Frame::Head(head))[1..].to_vec()).collect()
}

fn runs() -> Vec<Vec<u8>> {
    let record = |act: u8, data: &[u8]| {
        // Longer frames than 255 bytes do not fit a record, and say nothing new.
        let data = data.get(..data.len().min(255)).unwrap_or_default();
        [&[act, data.len() as u8], data].concat()
    };
    let entries = |range: std::ops::RangeInclusive<u64>| range.map(entry).collect();
    let snapshot = |pos| bare(&Frame::Snapshot { position: position(pos), entries: Vec::new() });
    let delta =
        |from, to| bare(&Frame::Delta { position: position(to), entries: entries(from..=to) });
    let newer = Position { epoch: Epoch::from_bytes([8; 16]), ts: 1_000_000, ..position(1) };
    let renewed = bare(&Frame::Snapshot { position: newer, entries: vec![entry(1)] });
    let begin = [
        record(b'f', &snapshot(5)),
        record(b'a', b""),
        record(b'h', &[7]),
        record(b'f', &delta(6, 7)),
        record(b't', &[3]),
        record(b'f', &bare(&Frame::Head(head(7, 7)))),
    ]
    .concat();
    let mut runs = vec![begin.clone()];
    for frame in frames() {
        runs.push([&begin[..], &record(b'f', &bare(&frame))].concat());
        runs.push([&begin[..], &record(b'm', &bare(&frame))].concat());
    }
    let more =
        [record(b'h', &[8]), record(b'f', &renewed), record(b'm', &bare(&Frame::Head(head(1, 8))))];
    runs.push([&begin[..], &more.concat()].concat());
    runs.push(
        [&begin[..], &record(b'h', &[9]), &record(b'l', &[9]), &record(b'f', &snapshot(3))]
            .concat(),
    );
    runs
}

//! Stories of a follower: each event, and what is to be done about it, in order.

use super::{Log, entries_json, hex, number, position_json};
use rescind_verifier::Now;
use rescind_verifier::state::{Effect, Event, Follower};
use rescind_wire::frame::{Head, KeysMark, Position};
use serde_json::{Value, json};

/// Log time at which the first epoch of the stories begins.
const FIRST: u64 = 1_800_000_000_000_000;

pub(super) fn file() -> Value {
    let stories = [
        ("fresh once the snapshot and a head asked for afterwards are in", start()),
        ("freshness counts from the sending, and for one's own nonce, once", nonces()),
        ("an answered position counts once it is applied", later()),
        ("a gap asks for a snapshot, and nothing is fresh before it", gap()),
        ("what is known already is skipped", duplicates()),
        ("beats prove nothing", beats()),
        ("an entry that somebody waits for is acknowledged once it is applied", asked()),
        ("a head below what was applied when it was asked for stops all", went_back()),
        ("another digest at a known position stops all", other_digest()),
        ("who has gone is never fresh again", gone()),
        ("a new epoch is added to what is held, and one of the past is refused", epochs()),
    ];
    let told =
        stories.into_iter().map(|(name, events)| json!({ "name": name, "steps": tell(events) }));
    json!({ "issuer": super::ISSUER, "stories": told.collect::<Vec<_>>() })
}

fn tell(events: Vec<Event>) -> Value {
    let mut follower = Follower::new();
    let told = events.into_iter().map(|event| {
        let shown = event_json(&event);
        let effects: Value = follower.step(event).iter().map(effect_json).collect();
        let applied = follower.applied().map(|position| number(position.pos));
        json!({ "event": shown, "effects": effects, "applied": applied, "stopped": follower.stopped() })
    });
    told.collect()
}

fn log() -> Log {
    Log::new(1, FIRST, 9)
}

fn at(us: u64) -> Now {
    Now { boot_us: 1_000_000_000 + us, wall_us: FIRST + us }
}

fn snapshot(log: &Log, pos: u64) -> Event {
    Event::Snapshot { position: log.position(pos), entries: log.part(1, pos) }
}

fn delta(log: &Log, first: u64, last: u64) -> Event {
    Event::Delta { position: log.position(last), entries: log.part(first, last) }
}

fn sent(nonce: u8, us: u64) -> Event {
    Event::HeadSent { nonce: [nonce; 16], at: at(us) }
}

fn head(nonce: u8, position: Position, us: u64) -> Event {
    let keys = KeysMark { version: 1, hash: [0xab; 32] };
    let (utc, age, staleness_ms) = (FIRST + us, 0, 10_000);
    Event::Head {
        head: Head { nonce: [nonce; 16], position, utc, keys, age, staleness_ms },
        at: at(us + 500),
    }
}

fn start() -> Vec<Event> {
    let log = log();
    vec![snapshot(&log, 3), Event::FeedAsked, sent(1, 10), head(1, log.position(3), 10)]
}

fn nonces() -> Vec<Event> {
    let log = log();
    let there = log.position(3);
    let begun = [snapshot(&log, 3), head(1, there, 10), sent(1, 20), head(2, there, 20)];
    let ended = [
        head(1, there, 20),
        head(1, there, 20),
        sent(3, 30),
        Event::HeadLost([3; 16]),
        head(3, there, 30),
    ];
    begun.into_iter().chain(ended).collect()
}

fn later() -> Vec<Event> {
    let log = log();
    let asked = [snapshot(&log, 3), Event::FeedAsked, sent(1, 10), head(1, log.position(6), 10)];
    asked.into_iter().chain([delta(&log, 4, 5), delta(&log, 6, 7)]).collect()
}

fn gap() -> Vec<Event> {
    let log = log();
    let missed = [snapshot(&log, 3), Event::FeedAsked, sent(1, 10), delta(&log, 5, 6)];
    missed
        .into_iter()
        .chain([head(1, log.position(6), 10), Event::Resync, snapshot(&log, 6)])
        .collect()
}

fn duplicates() -> Vec<Event> {
    let log = log();
    vec![
        snapshot(&log, 3),
        Event::FeedAsked,
        delta(&log, 4, 6),
        delta(&log, 4, 6),
        delta(&log, 5, 8),
    ]
}

fn beats() -> Vec<Event> {
    let log = log();
    vec![
        snapshot(&log, 3),
        Event::FeedAsked,
        Event::Beat(log.position(3)),
        Event::Beat(log.position(4)),
    ]
}

fn asked() -> Vec<Event> {
    let log = log();
    let waiting = [snapshot(&log, 3), Event::FeedAsked, Event::Asked(3), Event::Asked(5)];
    waiting.into_iter().chain([delta(&log, 4, 4), delta(&log, 5, 5)]).collect()
}

fn went_back() -> Vec<Event> {
    let log = log();
    let fresh = [snapshot(&log, 5), Event::FeedAsked, sent(1, 10), head(1, log.position(5), 10)];
    let back =
        [sent(2, 20), head(2, log.position(4), 20), sent(3, 30), head(3, log.position(5), 30)];
    fresh.into_iter().chain(back).collect()
}

fn other_digest() -> Vec<Event> {
    let log = log();
    let mut other = log.position(5);
    other.digest.0[0] ^= 1;
    let fresh = [snapshot(&log, 5), Event::FeedAsked, sent(1, 10), head(1, log.position(5), 10)];
    fresh
        .into_iter()
        .chain([Event::Beat(other), sent(2, 20), head(2, log.position(5), 20)])
        .collect()
}

fn gone() -> Vec<Event> {
    let log = log();
    let fresh = [snapshot(&log, 5), sent(1, 10), head(1, log.position(5), 10), sent(2, 20)];
    let after =
        [Event::Left, head(2, log.position(5), 20), sent(3, 30), head(3, log.position(5), 30)];
    fresh.into_iter().chain(after).collect()
}

fn epochs() -> Vec<Event> {
    let (old, new) = (log(), Log::new(2, FIRST + 60_000_000, 2));
    let fresh = [snapshot(&old, 5), Event::FeedAsked, sent(1, 10), head(1, old.position(5), 10)];
    let changed = [sent(2, 20), head(2, new.position(1), 20), snapshot(&new, 1), Event::FeedAsked];
    let past = [sent(3, 30), head(3, old.position(9), 30), snapshot(&old, 9)];
    fresh.into_iter().chain(changed).chain(past).collect()
}

fn event_json(event: &Event) -> Value {
    match event {
        Event::Snapshot { position, entries } => {
            json!({ "snapshot": position_json(position), "entries": entries_json(entries) })
        }
        Event::FeedAsked => json!("feed_asked"),
        Event::Delta { position, entries } => {
            json!({ "delta": position_json(position), "entries": entries_json(entries) })
        }
        Event::Beat(position) => json!({ "beat": position_json(position) }),
        Event::Resync => json!("resync"),
        Event::Asked(pos) => json!({ "asked": number(*pos) }),
        Event::HeadSent { nonce, at } => json!({ "head_sent": hex(nonce), "at": now_json(*at) }),
        Event::Left => json!("left"),
        Event::HeadLost(nonce) => json!({ "head_lost": hex(nonce) }),
        Event::Head { head, at } => json!({
            "head": {
                "nonce": hex(&head.nonce), "position": position_json(&head.position), "utc": number(head.utc),
                "age": number(head.age), "staleness_ms": head.staleness_ms,
            },
            "at": now_json(*at),
        }),
    }
}

fn effect_json(effect: &Effect) -> Value {
    match effect {
        Effect::Insert(entries) => {
            let positions = entries.iter().map(|entry| number(entry.pos));
            json!({ "insert": positions.collect::<Vec<_>>() })
        }
        Effect::Fresh(lease) => json!({
            "fresh_as_of": { "boot_us": lease.anchor.boot_us, "wall_us": lease.anchor.wall_us },
        }),
        Effect::EndLease => json!("not_fresh"),
        Effect::Acknowledge => json!("acknowledge"),
        Effect::FetchSnapshot(why) => json!({ "fetch_snapshot": format!("{why:?}") }),
        Effect::Alarm(alarm) => json!({ "alarm": format!("{alarm:?}") }),
    }
}

fn now_json(now: Now) -> Value {
    json!({ "boot_us": now.boot_us, "wall_us": now.wall_us })
}

//! How entries name what they take back, what they kill, and the chain of digests.

use super::{ISSUER, Log, entries_json, hex, number};
use rescind_wire::id::{Jti, Sid, Sub};
use rescind_wire::revocation::{NEVER, Scope, Target, kills};
use serde_json::{Value, json};

pub(super) fn file() -> Value {
    json!({ "keys": keys(), "kills": kills_cases(), "digests": digests() })
}

fn keys() -> Value {
    let sub = Sub::from_bytes([1; 16]);
    let targets = [
        (Target::Token(Jti::from_bytes([2; 16])), json!([Jti::from_bytes([2; 16]).to_string()])),
        (Target::Session(Sid::from_bytes([3; 16])), json!([Sid::from_bytes([3; 16]).to_string()])),
        (Target::Key("key-1".into()), json!(["key-1"])),
        (Target::Subject(sub), json!([sub.to_string()])),
        (Target::Grant(sub, "app".into()), json!([sub.to_string(), "app"])),
        (Target::Client("app".into()), json!(["app"])),
        (
            Target::Audience("https://api.example.com/ä".into()),
            json!(["https://api.example.com/ä"]),
        ),
        (Target::Everything, json!([])),
        (Target::Claims(sub), json!([sub.to_string()])),
    ];
    let issuers = [ISSUER, "http://localhost:4000"];
    let all = issuers.iter().flat_map(|issuer| targets.iter().map(move |target| (issuer, target)));
    all.map(|(issuer, (target, ids))| {
        let scope = target.scope();
        json!({
            "issuer": issuer, "scope": scope as u8, "name": scope.name(), "ids": ids,
            "key": hex(target.key(issuer).as_bytes()),
        })
    })
    .collect()
}

/// Around the cut, to the microsecond.
fn kills_cases() -> Value {
    let ts = 1_800_000_000_000_000;
    let all = Scope::ALL.into_iter().flat_map(|scope| [ts - 1, ts, ts + 1].map(|rv| (scope, rv)));
    all.map(|(scope, rv)| {
        json!({ "scope": scope as u8, "ts": ts, "rv": rv, "killed": kills(scope, ts, rv) })
    })
    .collect()
}

fn digests() -> Value {
    let mut log = Log::new(9, 1_800_000_000_000_000, 3);
    log.entries[1].until = 1_800_000_340;
    let first = log.digests[0];
    let chain = log.entries.iter().scan(first, |digest, entry| {
        *digest = digest.then(entry);
        Some(hex(&digest.0))
    });
    json!({
        "issuer": ISSUER, "epoch": hex(log.epoch.as_bytes()), "never": number(NEVER), "first": hex(&first.0),
        "entries": entries_json(&log.entries), "after_each": chain.collect::<Vec<_>>(),
    })
}

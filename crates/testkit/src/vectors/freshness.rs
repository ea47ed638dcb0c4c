//! The arithmetic of freshness and of the two judging times.

use rescind_verifier::Now;
use rescind_verifier::lease::{Anchor, Lease};
use serde_json::{Value, json};

const BOUND_MS: u32 = 10_000;
const S: u64 = 1_000_000;
/// When the requests of all cases were sent: boot and wall.
const SENT: Now = Now { boot_us: 1_000 * S, wall_us: 1_800_000_000 * S };
/// The authority's clock was two seconds ahead of this one.
const UTC: u64 = 1_800_000_002 * S;
/// The answers came 100 ms later.
const TOOK: u64 = 100_000;

pub(super) fn file() -> Value {
    let (drift, s) = (400, S as i64);
    let cases = [
        ("at once", 0, TOOK, TOOK as i64),
        ("an answer that was old already", 2 * S, TOOK, TOOK as i64),
        ("just within the bound: two clocks that drift are counted", 0, 9_996_001, 9_996_001),
        ("just beyond it", 0, 9_996_002, 9_996_002),
        ("the boot clock says more", 0, 12 * S, 3 * s),
        ("the wall clock says more", 0, 3 * S, 12 * s),
        ("a wall clock that was set back says nothing", 0, 3 * S, -3600 * s),
        ("and gives nothing away", 0, 12 * S, -3600 * s),
    ];
    let cases: Vec<_> =
        cases.iter().map(|(name, age, boot, wall)| case(name, *age, *boot, *wall)).collect();
    json!({ "drift_ppm": drift, "cases": cases })
}

fn case(name: &str, age: u64, boot: u64, wall: i64) -> Value {
    let now =
        Now { boot_us: SENT.boot_us + boot, wall_us: SENT.wall_us.saturating_add_signed(wall) };
    let lease = Lease {
        anchor: Anchor::new(SENT, age),
        request: 1,
        bound_ms: BOUND_MS,
        utc_us: UTC,
        sent_boot_us: SENT.boot_us,
        received_boot_us: SENT.boot_us + TOOK,
    };
    let clock = |now: Now| json!({ "boot_us": now.boot_us, "wall_us": now.wall_us });
    json!({
        "name": name,
        "sent": clock(SENT), "received_boot_us": SENT.boot_us + TOOK,
        "head": { "age": age, "utc": UTC, "staleness_ms": BOUND_MS },
        "now": clock(now),
        "staleness_us": lease.anchor.staleness_us(now),
        "fresh": lease.holds(now, None),
        "judge_tokens_at": lease.later_s(now),
        "forget_entries_until": lease.earlier_s(now),
    })
}

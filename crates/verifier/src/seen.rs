//! How a verifier stands, as its application can see and export it.

use rescind_wire::b64;
use rescind_wire::id::Epoch;
use rescind_wire::revocation::Digest;
use serde::{Serialize, Serializer};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How a verifier stands, for the application's readiness check and its metrics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Status {
    /// The log's epoch; none before the first snapshot.
    pub epoch: Option<Epoch>,
    /// Position up to which every entry is applied.
    pub applied: u64,
    /// The log's digest at that position; of equal positions it is equal everywhere. Written in base64url.
    #[serde(serialize_with = "base64url")]
    pub digest: Option<Digest>,
    /// How many positions the authority has named that are not applied yet.
    pub lag: u64,
    /// How old the knowledge is; none if nothing vouches for it. Written as milliseconds.
    #[serde(rename = "staleness_ms", serialize_with = "milliseconds")]
    pub staleness: Option<Duration>,
    /// Whether tokens are judged now; otherwise all get 503.
    pub ready: bool,
    /// Whether the authority contradicted itself, so that only a new epoch helps.
    pub stopped: bool,
    /// How many revocations are held.
    pub entries: usize,
    /// How many keys may verify.
    pub keys: usize,
    /// Whether nothing is refused for staleness: no promise about revocations holds.
    pub monitor: bool,
    /// What was answered 503, or in monitor mode would have been, by its reason: `starting` (before the first
    /// head), `stopped` (the authority contradicted itself), `keys` (another key set is in force than is
    /// held), `online` (no answer of the authority in time), `busy` (too many new tokens at once), `stale` (all
    /// else).
    pub unavailable: [(&'static str, u64); 6],
}

fn milliseconds<S: Serializer>(span: &Option<Duration>, s: S) -> Result<S::Ok, S::Error> {
    match span {
        Some(span) => s.serialize_u64(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)),
        None => s.serialize_none(),
    }
}

fn base64url<S: Serializer>(digest: &Option<Digest>, s: S) -> Result<S::Ok, S::Error> {
    digest.map(|digest| b64::encode(digest.0)).serialize(s)
}

impl Status {
    /// In Prometheus's text format.
    pub(crate) fn metrics(&self) -> String {
        let mut text = String::new();
        let mut put = |name: &str, help: &str, value: f64| {
            let name = format!("rescind_verifier_{name}");
            // Writing to a string never fails.
            let _ = writeln!(text, "# HELP {name} {help}.\n# TYPE {name} gauge\n{name} {value}");
        };
        let flag = |yes: bool| f64::from(u8::from(yes));
        if let Some(staleness) = self.staleness {
            put(
                "staleness_seconds",
                "Age of what is known of revocations",
                staleness.as_secs_f64(),
            );
        }
        put("ready", "1 if tokens are judged", flag(self.ready));
        put("stopped", "1 if the authority contradicted itself", flag(self.stopped));
        put("monitor", "1 if nothing is refused for staleness", flag(self.monitor));
        put("applied", "Position up to which every entry is applied", self.applied as f64);
        put("lag", "Positions named by the authority and not applied", self.lag as f64);
        put("entries", "Revocations held", self.entries as f64);
        put("keys", "Keys that may verify", self.keys as f64);
        if let Some(Digest(digest)) = self.digest {
            let [a, b, c, d, e, f, ..] = digest;
            let short = u64::from_be_bytes([0, 0, a, b, c, d, e, f]) as f64;
            put("digest", "First 48 bits of the log's digest at the applied position", short);
        }
        if let Some(epoch) = self.epoch {
            let name = "rescind_verifier_log_info";
            let _ = writeln!(
                text,
                "# HELP {name} The epoch followed.\n# TYPE {name} gauge\n{name}{{epoch=\"{epoch}\"}} 1"
            );
        }
        let name = "rescind_verifier_unavailable_total";
        let _ = writeln!(
            text,
            "# HELP {name} Answers 503, or what would have been.\n# TYPE {name} counter"
        );
        for (why, count) in self.unavailable {
            let _ = writeln!(text, "{name}{{why=\"{why}\"}} {count}");
        }
        text
    }
}

/// Why too little is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why503 {
    Starting,
    Stopped,
    Keys,
    Online,
    Busy,
    Stale,
}

impl Why503 {
    const ALL: [Self; 6] =
        [Self::Starting, Self::Stopped, Self::Keys, Self::Online, Self::Busy, Self::Stale];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Stopped => "stopped",
            Self::Keys => "keys",
            Self::Online => "online",
            Self::Busy => "busy",
            Self::Stale => "stale",
        }
    }
}

/// How often too little was known.
#[derive(Debug, Default)]
pub(crate) struct Unavailable([AtomicU64; 6]);

impl Unavailable {
    pub(crate) fn count(&self, why: Why503) {
        if let Some(counter) = self.0.get(why as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn counted(&self) -> [(&'static str, u64); 6] {
        Why503::ALL.map(|why| {
            let counter = self.0.get(why as usize);
            (why.name(), counter.map_or(0, |counter| counter.load(Ordering::Relaxed)))
        })
    }
}

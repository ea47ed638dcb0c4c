//! Events as they are counted: a layer beside the log's, with a filter of its own, so that the same line
//! of code logs and counts, and a quiet log counts no less. Labels come from a fixed set of fields, whose
//! values the program chooses; nothing that somebody sent is one of them. The contract is
//! `docs/metrics.md`.

use super::requests::Requests;
use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};
use rescind_wire::revocation::Scope;
use std::fmt;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::Context;

/// The crates whose events are counted, from which level on. A request is counted where it is answered
/// ([`Events::answered`]), and its line, of which there may be none, like any other.
const COUNTED: [(&str, LevelFilter); 4] = [
    ("rescind_server", LevelFilter::DEBUG),
    ("rescind_server::http::edge", LevelFilter::INFO),
    ("rescind_server::relay::http", LevelFilter::INFO),
    ("rescind_authority", LevelFilter::DEBUG),
];

/// Events that are alarms.
pub const ALARMS: [&str; 14] = [
    "canary_late",
    "certificate_failed",
    "clock_early",
    "clock_stepped",
    "credential_reuse",
    "feed_ahead",
    "key_failed",
    "keys_not_tended",
    "marker_missing",
    "panicked",
    "part_ended",
    "store_restored",
    "store_rolled_back",
    "token_ahead",
];

/// How a sign-in ends.
pub const SIGN_INS: [&str; 7] =
    ["success", "credentials", "throttled", "busy", "client", "audience", "unavailable"];

/// How a refresh ends: what the token was worth, or why nothing was given.
pub const REFRESHES: [&str; 14] = [
    "move",
    "repeat",
    "unknown",
    "gone",
    "client",
    "over",
    "expired",
    "cut_off",
    "account",
    "reuse",
    "superseded",
    "idempotency_key",
    "audience",
    "unavailable",
];

/// What an attempt is throttled at.
pub const THROTTLED: [&str; 3] = ["sign_in", "reauthentication", "refusal"];

/// Names and values.
pub(crate) type Labels = Vec<(&'static str, String)>;
type Counters = Family<Labels, Counter>;

pub(super) fn seconds() -> Histogram {
    Histogram::new([
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    ])
}

/// All that is counted, from the start of the process.
pub struct Events {
    registry: Registry,
    events: Counters,
    alarms: Counters,
    requests: Requests,
    sign_ins: Counters,
    refreshes: Counters,
    throttled: Counters,
    revocations: Counters,
    epochs: Counter,
    delays: Histogram,
    commits: Histogram,
    jobs: Histogram,
}

impl Events {
    /// The layer that counts.
    pub fn layer<S: Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>>()
    -> impl Layer<S> {
        Self::new().with_filter(Targets::new().with_targets(COUNTED))
    }

    fn new() -> Self {
        let mut all = Registry::default();
        let r = &mut all;
        let scopes = Scope::ALL.map(Scope::name);
        let few = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];
        Self {
            events: family(r, "events", "Log events", "", &[]),
            alarms: family(r, "alarms", "Alarms", "kind", &ALARMS),
            requests: Requests::new(r),
            sign_ins: family(r, "sign_ins", "Sign-ins with a password", "outcome", &SIGN_INS),
            refreshes: family(r, "refreshes", "Refreshes", "outcome", &REFRESHES),
            throttled: family(r, "throttled", "Attempts answered 429", "at", &THROTTLED),
            revocations: family(r, "revocations", "Entries of the log", "scope", &scopes),
            delays: put(r, "revocation_delay_seconds", "Until all had applied a canary", seconds()),
            commits: put(r, "commit_duration_seconds", "Time that a commit took", seconds()),
            jobs: put(r, "commit_jobs", "Changes in one commit", Histogram::new(few)),
            epochs: put(r, "epochs_opened", "New epochs, after a rollback", Counter::default()),
            registry: all,
        }
    }

    /// Writes what this process has counted; nothing if nobody counts.
    pub(crate) fn write(text: &mut String) -> fmt::Result {
        tracing::dispatcher::get_default(|log| match log.downcast_ref::<Self>() {
            Some(events) => prometheus_text::encode(text, &events.registry),
            None => Ok(()),
        })
    }

    /// Counts an answer: the route by its pattern, and a method of ours.
    pub(crate) fn answered(method: &'static str, route: &str, status: u16, micros: u64) {
        tracing::dispatcher::get_default(|log| {
            if let Some(events) = log.downcast_ref::<Self>() {
                events.requests.count(method, route, status, micros);
            }
        });
    }

    fn count(&self, name: String, seen: Seen) {
        let micros = |n: Option<u64>| n.unwrap_or(0) as f64 / 1e6;
        let why = seen.why.unwrap_or_default();
        match name.as_str() {
            "signed_in" => add(&self.sign_ins, "outcome", "success"),
            "sign_in_failed" => {
                if why == "throttled" {
                    add(&self.throttled, "at", "sign_in");
                }
                add(&self.sign_ins, "outcome", why);
            }
            "reauthentication_failed" if why == "throttled" => {
                add(&self.throttled, "at", "reauthentication");
            }
            "refusal_throttled" => add(&self.throttled, "at", "refusal"),
            "refreshed" => add(&self.refreshes, "outcome", seen.worth.unwrap_or_default()),
            "refresh_refused" => add(&self.refreshes, "outcome", why),
            "entry" => add(&self.revocations, "scope", seen.scope.unwrap_or_default()),
            "epoch_opened" => {
                self.epochs.inc();
            }
            "canary" => self.delays.observe(micros(seen.micros)),
            "committed" => {
                self.commits.observe(micros(seen.micros));
                self.jobs.observe(seen.jobs.unwrap_or(0) as f64);
            }
            _ => {}
        }
        if seen.alarm {
            add(&self.alarms, "kind", name);
        }
    }
}

impl<S: Subscriber> Layer<S> for Events {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut seen = Seen::default();
        event.record(&mut seen);
        let Some(name) = seen.event.take() else { return };
        let level = event.metadata().level().as_str().to_ascii_lowercase();
        self.events.get_or_create(&vec![("event", name.clone()), ("level", level)]).inc();
        self.count(name, seen);
    }
}

/// The fields that count for something.
#[derive(Default)]
struct Seen {
    event: Option<String>,
    alarm: bool,
    why: Option<String>,
    worth: Option<String>,
    scope: Option<String>,
    micros: Option<u64>,
    jobs: Option<u64>,
}

impl Visit for Seen {
    fn record_str(&mut self, field: &Field, value: &str) {
        let place = match field.name() {
            "event" => &mut self.event,
            "why" => &mut self.why,
            "worth" => &mut self.worth,
            "scope" => &mut self.scope,
            _ => return,
        };
        *place = Some(value.to_owned());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        let place = match field.name() {
            "micros" => &mut self.micros,
            "jobs" => &mut self.jobs,
            _ => return,
        };
        *place = Some(value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.alarm |= value && field.name() == "alarm";
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

fn add(counters: &Counters, label: &'static str, value: impl Into<String>) {
    counters.get_or_create(&vec![(label, value.into())]).inc();
}

/// Registers a metric.
pub(super) fn put<M: Metric + Clone>(
    registry: &mut Registry,
    name: &str,
    help: &str,
    metric: M,
) -> M {
    registry.register(format!("rescind_{name}"), help, metric.clone());
    metric
}

/// Counters by label, those of known values from the start: what has never happened is 0, not absent.
fn family(
    registry: &mut Registry,
    name: &str,
    help: &str,
    label: &'static str,
    values: &[&str],
) -> Counters {
    let counters = Counters::default();
    for value in values {
        let _ = counters.get_or_create(&vec![(label, (*value).to_owned())]);
    }
    put(registry, name, help, counters)
}

//! `/metrics`: what is counted ([`Events`]), and how things stand at this moment, in Prometheus's text
//! format. The contract is `docs/metrics.md`.

use crate::app::App;
use crate::readiness::Verdict;
use crate::telemetry::events::{Events, Labels};
use prometheus_client::encoding::{EncodeGaugeValue, prometheus_text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use rescind_authority::keys::StoredKeys;
use rescind_authority::store::StoreError;
use std::fmt;
use std::fs;
use std::sync::atomic::AtomicU64;

/// The content type of [`text`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics. What the store does not tell is left out.
pub async fn text(app: &App) -> Result<String, fmt::Error> {
    let verdict = app.readiness.verdict(app).await;
    let mut standing = Standing::default();
    standing.process(app.readiness.started_at());
    standing.parts(app, &verdict);
    if let Err(error) = standing.stored(app).await {
        tracing::error!(event = "store_failed", %error);
    }
    encode(&[&standing.0])
}

/// What this process has counted, and these.
pub(crate) fn encode(registries: &[&Registry]) -> Result<String, fmt::Error> {
    let mut text = String::new();
    Events::write(&mut text)?;
    for registry in registries {
        prometheus_text::encode(&mut text, registry)?;
    }
    Ok(text)
}

/// How things stand, gathered anew for each answer.
#[derive(Default)]
pub(crate) struct Standing(Registry);

impl Standing {
    /// What was put in.
    pub(crate) fn registry(&self) -> &Registry {
        &self.0
    }

    pub(crate) fn gauge<N>(&mut self, name: &str, help: &str, value: N)
    where
        N: EncodeGaugeValue + fmt::Debug + Send + Sync + 'static + Copy,
    {
        self.0.register(name, help, ConstGauge::new(value));
    }

    pub(crate) fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.0.register(name, help, ConstCounter::new(value));
    }

    /// The process, which began then, in microseconds since 1970 UTC.
    pub(crate) fn process(&mut self, started_at: u64) {
        let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
        self.0.register("rescind_build", "The running program", Info::new(version));
        let started = started_at as f64 / 1e6;
        self.gauge("process_start_time_seconds", "Start of the process, UTC", started);
        if let Some(bytes) = resident_memory() {
            self.gauge("process_resident_memory_bytes", "Resident memory", bytes);
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            self.gauge("process_open_fds", "Open file descriptors", open.count());
        }
    }

    fn parts(&mut self, app: &App, verdict: &Verdict) {
        self.gauge("rescind_ready", "1 if ready", u64::from(verdict.is_ready()));
        let checks = Family::<Labels, Gauge>::default();
        for (name, outcome) in &verdict.checks {
            let check = vec![("check", (*name).to_owned())];
            checks.get_or_create(&check).set(i64::from(outcome.is_ok()));
        }
        self.0.register("rescind_check_ok", "1 if the check of readiness passes", checks);
        self.gauge("rescind_feed_followers", "Open feeds", app.feed.followers());
        let age = app.feed.beat_age().as_secs_f64();
        self.gauge("rescind_feed_beat_age_seconds", "Age of the last signed beat", age);
        self.fleet(app);
        let store = app.authority.store().health();
        self.gauge("rescind_store_waiting", "Changes that wait for a commit", store.waiting);
        self.gauge("rescind_sessions_held", "Sessions in memory", store.held);
        self.gauge("rescind_sessions_held_bytes", "What they take there", store.held_bytes);
        let hasher = app.authority.hasher();
        let pool = hasher.state();
        self.gauge("rescind_hash_threads", "Threads that hash passwords", pool.threads);
        self.gauge("rescind_hash_busy", "Those of them that hash now", pool.busy);
        self.gauge("rescind_hash_waiting", "Passwords that wait for a thread", pool.waiting);
        self.counter("rescind_hashes", "Hashes computed", hasher.computed());
        self.counter("rescind_hashes_refused", "Passwords turned away, queue full", pool.refused);
    }

    /// By client: its id is an administrator's word, and there are few.
    fn fleet(&mut self, app: &App) {
        let family = Family::<Labels, Gauge>::default;
        let (known, lagging, lag) = (family(), family(), family());
        let stale = Family::<Labels, Gauge<f64, AtomicU64>>::default();
        let fleet = app.feed.fleet();
        for seen in fleet.seen(app.feed.position()) {
            let client = vec![("client_id", seen.client_id.to_string())];
            known.get_or_create(&client).inc();
            lagging.get_or_create(&client).inc_by(i64::from(seen.lags()));
            let most = lag.get_or_create(&client);
            most.set(most.get().max(i64::try_from(seen.lag).unwrap_or(i64::MAX)));
            let most = stale.get_or_create(&client);
            most.set(most.get().max(seen.staleness.as_secs_f64()));
        }
        self.0.register("rescind_fleet_verifiers", "Verifiers that follow", known);
        self.0.register("rescind_fleet_laggards", "Those that are far behind", lagging);
        self.0.register("rescind_fleet_lag", "Most entries that one of them lacks", lag);
        let help = "Age of what the one with the oldest knowledge knows";
        self.0.register("rescind_fleet_staleness_seconds", help, stale);
        self.counter(
            "rescind_fleet_excess",
            "Verifiers not noted, for lack of room",
            fleet.excess(),
        );
    }

    async fn stored(&mut self, app: &App) -> Result<(), StoreError> {
        let store = app.authority.store();
        let head = store.head().await?;
        self.gauge("rescind_log_position", "Position of the log's last entry", head.pos);
        self.keys(&app.authority.stored_keys().await?, app.authority.clock().now().wall);
        if let Some(counts) = store.counts().await? {
            self.gauge("rescind_accounts", "Accounts", counts.accounts);
            self.gauge("rescind_sessions", "Sessions that nothing has ended", counts.sessions);
        }
        Ok(())
    }

    fn keys(&mut self, stored: &StoredKeys, now: u64) {
        let (number, ages) =
            (Family::<Labels, Gauge>::default(), Family::<Labels, Gauge>::default());
        for key in &stored.keys {
            let labels = vec![
                ("purpose", key.purpose.name().to_owned()),
                ("state", key.state.name().to_owned()),
            ];
            number.get_or_create(&labels).inc();
            let age = i64::try_from(now.saturating_sub(key.since) / 1_000_000).unwrap_or(i64::MAX);
            let oldest = ages.get_or_create(&labels);
            oldest.set(oldest.get().max(age));
        }
        self.0.register("rescind_keys", "Keys in the store", number);
        let help = "How long the key of this kind that has been so for longest is in this state";
        self.0.register("rescind_key_age_seconds", help, ages);
    }
}

/// From `/proc`; no crate is small enough for one line.
fn resident_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

//! From a configuration to a running authority, and down again.

use crate::app::{App, BadIssuer, canonical_host, parse_issuer};
use crate::clock::{SystemClock, SystemEntropy};
use crate::feed::FeedHub;
use crate::keys::{self, KeysError, MasterSource};
use crate::listen::{CannotListen, listen};
use crate::marker::{self, Marker, Stolen};
use crate::past;
use crate::serve::Front;
use crate::store::sqlite::{FILE_NAME, HELD_BYTES, OpenError, Realm, SqliteStore};
use crate::tls::{self, Certificates, TlsError};
use crate::{admin, http, serve};
use rescind_authority::clock::{Clock, Entropy};
use rescind_authority::keys::StoredKey;
use rescind_authority::rotate::RotateError;
use rescind_authority::store::{Head, Store, StoreError};
use rescind_authority::{Authority, Settings};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A wall clock further behind the log than this is an error. Each new epoch puts the log a minute ahead,
/// and there may be several one after another.
pub(crate) const CLOCK_SLACK: u64 = 600_000_000;
/// The largest bound of staleness that can be configured.
const LONGEST_STALENESS: Duration = Duration::from_secs(300);
/// How often it is written when sessions were last used.
const TOUCHES: Duration = Duration::from_secs(1);
/// How often what has passed is removed.
const SWEEP: Duration = Duration::from_secs(30);

/// What a process is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// The realm's settings.
    pub settings: Settings,
    /// Folder of the store.
    pub data: PathBuf,
    /// Folder of the master key and the marker.
    pub keys: PathBuf,
    /// Where the master key comes from.
    pub master: MasterSource,
    /// Hosts besides the issuer's that requests may be for.
    pub hosts: Vec<String>,
    /// Proxies whose X-Forwarded-For is believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// What one caller may take.
    pub limits: serve::Limits,
    /// Certificate and key, if TLS is done here.
    pub tls: Option<tls::Files>,
    /// Origin of the demo's API server, if the demo page is served.
    pub demo_api: Option<String>,
    /// Goes on although the wall clock is behind the log, or before what was forgotten.
    pub accept_clock: bool,
    /// Where metrics are served beside the administrator's socket, in plain HTTP to whoever asks: on this
    /// machine, or in a network of one's own.
    pub metrics_listen: Option<SocketAddr>,
    /// How long requests are still taken after `/readyz` says no, before the listener closes: longer than
    /// a balancer in front takes to notice.
    pub drain_delay: Duration,
    /// What sessions held in memory take together at most, in bytes.
    pub session_cache: u64,
    /// How often a token that nobody has is revoked, to measure until every verifier refuses it.
    pub canary: Option<Duration>,
}

impl Config {
    /// One with nothing in front of it and nothing special.
    pub fn new(settings: Settings, data: PathBuf, keys: PathBuf) -> Self {
        Self {
            settings,
            data,
            keys,
            master: MasterSource::default(),
            hosts: Vec::new(),
            trusted_proxies: Vec::new(),
            limits: serve::Limits::default(),
            tls: None,
            demo_api: None,
            accept_clock: false,
            metrics_listen: None,
            drain_delay: Duration::ZERO,
            session_cache: HELD_BYTES,
            canary: None,
        }
    }
}

/// Why an authority does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The issuer.
    #[error(transparent)]
    Issuer(#[from] BadIssuer),
    /// The store.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The keys in the store.
    #[error(transparent)]
    Rotate(#[from] RotateError),
    /// The marker.
    #[error("cannot read marker.json in the key folder: {0}")]
    Marker(std::io::Error),
    /// A first marker.
    #[error(
        "cannot write marker.json into the key folder: {0}. Without it the next start would take the store for \
         an older copy: name a folder by --keys that stays, and that this program may write to"
    )]
    Unmarked(std::io::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The clock.
    #[error(
        "the wall clock is {behind} s behind the store's log: set the clock, or start with \
         --accept-clock if it is right"
    )]
    Clock {
        /// Seconds.
        behind: u64,
    },
    /// The clock, and what was forgotten by a later one.
    #[error(
        "the wall clock is {early} s before the time up to which revocations were forgotten: tokens that were \
         taken back might be accepted again. If the clock is wrong, set it right. If it is right, it was ahead \
         before: start {early} s later, or now with --accept-clock, which refuses every access token of before \
         (sessions go on)"
    )]
    Early {
        /// Seconds.
        early: u64,
    },
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The administrator's socket.
    #[error(
        "cannot open the administrator's socket {path} ({error}): name a folder by --data that is your own, and \
         whose path has at most 96 bytes"
    )]
    Socket {
        /// Where.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The listener for metrics.
    #[error(transparent)]
    Metrics(#[from] CannotListen),
    /// A part of the running authority has ended by itself.
    #[error("a part of the authority has ended: see `panicked` in the log")]
    PartEnded,
}

/// Time and randomness of a process; tests bring their own.
#[derive(Clone)]
pub struct World {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The randomness.
    pub entropy: Arc<dyn Entropy>,
}

impl World {
    /// The operating system's.
    pub fn system() -> Self {
        Self { clock: Arc::new(SystemClock::default()), entropy: Arc::new(SystemEntropy) }
    }
}

/// Opens store and keys and puts the authority together, as its only user.
pub async fn open(config: &Config, world: &World) -> Result<App, StartError> {
    parse_issuer(&config.settings.issuer)?;
    let remembered = marker::read(&config.keys).map_err(StartError::Marker)?;
    let life = config.settings.access_life.as_secs();
    let path = config.data.join(FILE_NAME);
    let master = keys::master(&config.master, &config.keys, !path.exists())?;
    let found = keys::found(&config.keys)?;
    let realm = Realm {
        keys: master.name().map_err(KeysError::from)?,
        keys_before: found.name,
        issuer: config.settings.issuer.clone(),
        longest_life_s: remembered.as_ref().map_or(life, |m| m.longest_life.max(life)),
    };
    let store = SqliteStore::open(&path, realm, Arc::clone(&world.clock), &*world.entropy)?;
    store.hold(config.session_cache);
    let (staleness, past) = (config.settings.staleness, store.opened().past);
    let before = bound_before(remembered.as_ref(), past).unwrap_or(staleness);
    let head = past::judge(&store, remembered.as_ref(), world, config.accept_clock).await?;
    check_clock(&head, world.clock.now().wall, config.accept_clock)?;

    let store: Arc<dyn Store> = Arc::new(store);
    let sources = (Arc::clone(&world.clock), Arc::clone(&world.entropy));
    let opened = Authority::open(config.settings.clone(), store, sources, master, found.keys);
    let authority = Arc::new(opened.await?);
    // Before anybody can be given anything: from then on a store without a marker is an older copy.
    if remembered.is_none() {
        let written = marker::remember(&config.keys, &**authority.store()).await;
        written.map_err(StartError::Unmarked)?;
    }
    // The same: what a longer bound was told to is known to the next start, and a shorter one only later.
    let remembered_bound = marker::remember_bound(&config.keys, staleness.max(before)).await;
    remembered_bound.map_err(StartError::Unmarked)?;
    keys::forget_found(&config.keys, &authority.stored_keys().await?)?;
    let stolen = remembered.iter().flat_map(|marker| &marker.compromised);
    let stolen: Vec<StoredKey> = stolen.filter_map(Stolen::as_stored).collect();
    if !stolen.is_empty() {
        authority.condemn_again(&stolen).await?;
    }
    let feed = FeedHub::new(Arc::clone(&authority), before).await?;
    Ok(App::new(authority, feed)?.with(|app| {
        app.limits = config.limits;
        let secure = app.cookies.secure;
        let more = config.hosts.iter().filter_map(|host| canonical_host(host, secure));
        app.hosts = app.hosts.iter().cloned().chain(more).collect();
        app.trusted_proxies = config.trusted_proxies.clone().into();
        app.keys = config.keys.clone().into();
        app.demo_api = config.demo_api.as_deref().map(Into::into);
    }))
}

/// By which bound of staleness somebody may accept who asked before this start; `None` if nobody ever could.
fn bound_before(remembered: Option<&Marker>, past: bool) -> Option<Duration> {
    match remembered {
        None if !past => None,
        remembered => {
            let known = remembered.and_then(|marker| marker.staleness_ms);
            Some(known.map_or(LONGEST_STALENESS, Duration::from_millis))
        }
    }
}

fn check_clock(head: &Head, wall: u64, accept: bool) -> Result<(), StartError> {
    let behind = head.ts.saturating_sub(wall);
    if behind <= CLOCK_SLACK {
        return Ok(());
    }
    let behind = behind / 1_000_000;
    if !accept {
        return Err(StartError::Clock { behind });
    }
    tracing::warn!(event = "clock_behind", behind, "the wall clock is behind the log");
    Ok(())
}

/// Where the administrator's socket is.
pub fn socket_path(data: &Path) -> PathBuf {
    data.join("admin.sock")
}

/// Serves until `stop`, then drains.
pub async fn run(
    config: &Config,
    app: App,
    listener: TcpListener,
    stop: watch::Receiver<bool>,
) -> Result<(), StartError> {
    let clock = Arc::clone(app.authority.clock());
    let certificates = match &config.tls {
        Some(files) => Some(Certificates::open(files.clone(), &config.settings.issuer, clock)?),
        None => None,
    };
    let tls = certificates.as_ref().map(Certificates::config).transpose()?;
    let front = Front { tls, proxies: Arc::clone(&app.trusted_proxies) };
    let (close, closed) = watch::channel(false);
    let mut tasks = JoinSet::new();
    if let Some(address) = config.metrics_listen {
        let listener = listen(address, "metrics_listen").await?;
        let router = http::metrics_router(app.clone());
        tasks.spawn(serve::tcp(listener, router, app.limits, Front::default(), closed.clone()));
    }
    let path = socket_path(&config.data);
    let socket = admin::socket::bind(&path)
        .map_err(|error| StartError::Socket { path: path.clone(), error })?;
    tasks.spawn(Arc::clone(&app.feed).run());
    tasks.spawn(Arc::clone(&app.feed).ask());
    if let Some(every) = config.canary {
        tasks.spawn(Arc::clone(&app.feed).canary(every, closed.clone()));
    }
    let store = Arc::clone(app.authority.store());
    tasks.spawn(marker::keep(config.keys.clone(), Arc::clone(&store), closed.clone()));
    tasks.spawn(marker::settle(config.keys.clone(), app.clone(), closed.clone()));
    tasks.spawn(sweep(Arc::clone(&app.authority), closed.clone()));
    tasks.spawn(touches(Arc::clone(&app.authority), closed.clone()));
    tasks.spawn(serve::unix(socket, http::admin_router(app.clone()), app.limits, closed.clone()));
    if let Some(certificates) = certificates {
        tasks.spawn(certificates.keep(closed.clone()));
    }
    tasks.spawn(serve::tcp(listener, http::router(app.clone()), app.limits, front, closed));

    let ended = tokio::select! {
        () = stopped(stop) => Ok(()),
        _ = tasks.join_next() => {
            tracing::error!(event = "part_ended", alarm = true, "the authority stops, to be started again");
            Err(StartError::PartEnded)
        }
    };
    app.readiness.drain();
    tokio::time::sleep(config.drain_delay).await;
    app.feed.close();
    let _ = close.send(true);
    while tasks.join_next().await.is_some() {}
    // Once more, after the requests under way.
    record_touches(&app.authority).await;
    let remembered = marker::remember(&config.keys, &**app.authority.store()).await;
    let _ = std::fs::remove_file(path);
    tracing::info!(event = "stopped", marker = remembered.is_ok());
    ended
}

/// Resolves when the process is to stop, or nobody is left who could say so.
pub(crate) async fn stopped(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn touches(authority: Arc<Authority>, stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(TOUCHES) => record_touches(&authority).await,
            () = stopped(stop.clone()) => return,
        }
    }
}

/// What the store does not take is kept for the next time.
async fn record_touches(authority: &Authority) {
    if let Err(error) = authority.record_touches().await {
        tracing::error!(event = "touches_failed", %error);
    }
}

async fn sweep(authority: Arc<Authority>, stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(SWEEP) => {}
            () = stopped(stop.clone()) => return,
        }
        match authority.store().sweep(authority.clock().now().wall).await {
            Ok(swept) => tracing::debug!(event = "swept", ?swept),
            Err(error) => tracing::error!(event = "sweep_failed", %error),
        }
        if let Err(error) = authority.tend_keys().await {
            tracing::error!(event = "keys_not_tended", alarm = true, %error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rescind_wire::id::Epoch;
    use rescind_wire::revocation::Digest;

    #[test]
    fn a_clock_behind_the_log_stops_the_start_unless_accepted() {
        let epoch = Epoch::from_bytes([1; 16]);
        let digest = Digest([0; 32]);
        let ts = 10 * CLOCK_SLACK;
        let head = Head { epoch, pos: 1, ts, digest, longest_life: 300, iat_limit: 0 };
        assert!(check_clock(&head, ts - CLOCK_SLACK, false).is_ok());
        assert!(matches!(
            check_clock(&head, ts - 2 * CLOCK_SLACK, false),
            Err(StartError::Clock { behind: 1200 })
        ));
        assert!(check_clock(&head, 0, true).is_ok());
    }
}

//! `rescind relay`: stands between an authority and its verifiers, and is trusted only to be prompt.
//!
//! It holds no key and signs nothing: frames and heads go through as the authority signed them, and a head
//! answers the nonce of who asked. So it can keep verifiers waiting, which makes them stale; and say of them that
//! they have applied what they have not, on which only those rely who wait for the fleet.
//! It follows with the verifier's own code ([`rescind_verifier::upstream`]), and serves with the authority's
//! ([`crate::feed::hub`], [`crate::serve`]).
//!
//! - `frames`: what is kept and followed · `disk`: over a restart
//! - `heads`: questions, gathered · `gate`: who may read · `http`, `watch`: the routes

mod disk;
mod frames;
mod gate;
mod heads;
mod http;
mod watch;

use crate::app::canonical_host;
use crate::feed::places::Places;
use crate::run::{World, stopped};
use crate::serve::{self, Front, Limits};
use crate::tls::{self, Certificates, TlsError};
use disk::Folder;
use frames::Frames;
use gate::Gate;
use heads::Heads;
use prometheus_client::registry::Registry;
use rescind_verifier::upstream::Upstream;
use rescind_verifier::{BuildError, ClientSecret};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch as signal;
use tokio::task::JoinSet;

/// Most snapshots that are being taken at once, and by one client: they are one in memory, unless it was
/// renewed meanwhile.
const SNAPSHOTS: (usize, usize) = (256, 64);
/// How often all who follow are looked at.
const LOOK: Duration = Duration::from_millis(500);

/// What a relay is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// The authority.
    pub issuer: String,
    /// A relay that is nearer to it, if this one does not ask it itself.
    pub from: Option<String>,
    /// The relay's own client, with the permission `feed`.
    pub client: (String, ClientSecret),
    /// Folder of the last snapshot and the frames since.
    pub data: PathBuf,
    /// What one caller may take.
    pub limits: Limits,
    /// Certificate and key, and the relay's own URL, for which the certificate is.
    pub tls: Option<(tls::Files, String)>,
    /// Proxies whose X-Forwarded-For is believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// Names, besides addresses and that of its URL, under which it says how it stands.
    pub hosts: Vec<String>,
}

/// Why a relay does not start, or ends.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RelayError {
    /// The folder.
    #[error("cannot use the folder {path} ({error}): name one of your own by --data")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The authority's address, or the client.
    #[error("{0}")]
    Upstream(#[from] BuildError),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A part of it has ended by itself.
    #[error("a part of the relay has ended: see `panicked` in the log")]
    PartEnded,
}

/// What every handler can reach.
#[derive(Clone)]
struct Parts {
    upstream: Arc<Upstream>,
    frames: Arc<Frames>,
    heads: Arc<Heads>,
    gate: Arc<Gate>,
    /// For who fetches a snapshot.
    snapshots: Arc<Places>,
    /// By which it may be asked how it stands, besides addresses.
    hosts: Arc<[String]>,
    registry: Arc<Registry>,
    world: World,
    trusted_proxies: Arc<[IpAddr]>,
    limits: Limits,
    /// In microseconds since 1970 UTC.
    started_at: u64,
    closing: signal::Receiver<bool>,
}

impl Parts {
    fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }
}

/// A relay that is put together and not running yet.
pub struct Relay {
    parts: Parts,
    certificates: Option<Arc<Certificates>>,
    close: signal::Sender<bool>,
}

impl Relay {
    /// Opens the folder. Nothing is asked yet.
    pub fn open(config: &Config, world: World) -> Result<Self, RelayError> {
        let path = config.data.clone();
        let folder = Folder::open(&path).map_err(|error| RelayError::Folder { path, error })?;
        let frames = Frames::new(folder, Arc::clone(&world.clock));
        let (id, secret) = (&config.client.0, &config.client.1);
        let (from, down) = (config.from.as_deref(), Arc::clone(&frames));
        let upstream = Arc::new(Upstream::new(&config.issuer, from, (id, secret), down)?);
        let certificates = match &config.tls {
            Some((files, url)) => {
                Some(Certificates::open(files.clone(), url, Arc::clone(&world.clock))?)
            }
            None => None,
        };
        let mut registry = Registry::default();
        let (close, closing) = signal::channel(false);
        let parts = Parts {
            heads: Heads::new(Arc::clone(&upstream), &mut registry),
            gate: Gate::new(Arc::clone(&upstream), Arc::clone(&world.clock), &*world.entropy),
            snapshots: Arc::new(Places::new(SNAPSHOTS.0, SNAPSHOTS.1)),
            hosts: hosts(config),
            upstream,
            frames,
            registry: Arc::new(registry),
            started_at: world.clock.now().wall,
            world,
            trusted_proxies: config.trusted_proxies.clone().into(),
            limits: config.limits,
            closing,
        };
        Ok(Self { parts, certificates, close })
    }

    /// Serves until `stop`, then drains. `status` is where it says how it stands.
    pub async fn run(
        self,
        listener: TcpListener,
        status: Option<TcpListener>,
        stop: signal::Receiver<bool>,
    ) -> Result<(), RelayError> {
        let Self { parts, certificates, close } = self;
        let tls = certificates.as_ref().map(Certificates::config).transpose()?;
        let front = Front { tls, proxies: Arc::clone(&parts.trusted_proxies) };
        let closed = close.subscribe();
        // These end only by being dropped.
        let mut following = JoinSet::new();
        let upstream = Arc::clone(&parts.upstream);
        following.spawn(async move { upstream.run().await });
        following.spawn(Arc::clone(&parts.heads).run());
        following.spawn(look(parts.clone()));
        let mut serving = JoinSet::new();
        let frames = || Arc::clone(&parts.frames);
        serving.spawn(frames().keep_young(Arc::clone(&parts.upstream), closed.clone()));
        serving.spawn(frames().keep_on_disk(closed.clone()));
        if let Some(certificates) = certificates {
            serving.spawn(certificates.keep(closed.clone()));
        }
        if let Some(status) = status {
            let router = watch::router(parts.clone());
            serving.spawn(serve::tcp(
                status,
                router,
                parts.limits,
                Front::default(),
                closed.clone(),
            ));
        }
        let router = http::router(parts.clone());
        serving.spawn(serve::tcp(listener, router, parts.limits, front, closed));

        let ended = tokio::select! {
            () = stopped(stop) => Ok(()),
            _ = following.join_next() => Err(RelayError::PartEnded),
            _ = serving.join_next() => Err(RelayError::PartEnded),
        };
        if ended.is_err() {
            tracing::error!(
                event = "part_ended",
                alarm = true,
                "the relay stops, to be started again"
            );
        }
        let _ = close.send(true);
        // Who followed comes back at a random time, as after any broken stream.
        parts.frames.hub.close(None);
        while serving.join_next().await.is_some() {}
        parts.frames.folder.leave();
        tracing::info!(event = "relay_stopped");
        ended
    }
}

fn hosts(config: &Config) -> Arc<[String]> {
    let url = config.tls.iter().filter_map(|(_, url)| url.split_once("://").map(|(_, rest)| rest));
    let own = url.map(|rest| rest.split('/').next().unwrap_or(rest));
    own.chain(config.hosts.iter().map(String::as_str))
        .filter_map(|host| canonical_host(host, true))
        .collect()
}

/// Whoever follows is asked about again and again, also while nothing comes.
async fn look(parts: Parts) {
    loop {
        tokio::time::sleep(LOOK).await;
        parts.gate.tidy();
        parts.frames.hub.look();
    }
}

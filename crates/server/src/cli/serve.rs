//! `rescind serve`.

use super::{Place, asked_to_stop};
use crate::app::parse_issuer;
use crate::run::{Config, World, open, run as run_authority};
use clap::Args;
use rescind_wire::jws::Alg;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Run the authority until Ctrl-C.
#[derive(Args)]
#[command(after_help = "Examples:
  rescind serve --issuer http://localhost:4000 --listen 127.0.0.1:4000
  rescind serve --issuer https://auth.example.com --listen 10.0.0.5:4000 --trusted-proxy 10.0.0.2")]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    place: Place,
    /// Address to listen on. Beyond this machine only behind a proxy that does TLS.
    #[arg(long, env = "RESCIND_LISTEN", default_value = "127.0.0.1:4000", value_name = "ADDR")]
    listen: SocketAddr,
    /// A proxy in front, whose X-Forwarded-For is believed. May be given several times.
    #[arg(long, env = "RESCIND_TRUSTED_PROXY", value_delimiter = ',', value_name = "IP")]
    trusted_proxy: Vec<IpAddr>,
    /// Life of access tokens, in seconds.
    #[arg(long, env = "RESCIND_ACCESS_LIFE", default_value_t = 300, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(15..=86_400))]
    access_life: u64,
    /// What new token keys sign with; the key that is in use goes on until it is rotated. EdDSA is Ed25519
    /// by its older name, for libraries that know no other.
    #[arg(long, env = "RESCIND_TOKEN_ALG", default_value = "ES256", value_name = "ALG",
          value_parser = ["ES256", "Ed25519", "RS256", "EdDSA"])]
    token_alg: String,
    /// How long anybody may cache the keys, in seconds: a new one is published for longer before it signs.
    #[arg(long, env = "RESCIND_JWKS_MAX_AGE", default_value_t = 60, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    jwks_max_age: u64,
    /// How long an API server may go on without hearing from here, in seconds.
    #[arg(long, env = "RESCIND_STALENESS", default_value_t = 10, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(3..=300))]
    staleness: u64,
    /// What to log: error, warn, info, debug, or a filter like rescind_server=debug.
    #[arg(long, env = "RESCIND_LOG", default_value = "info", value_name = "FILTER")]
    pub(super) log: String,
    /// Start although the wall clock is behind the store's log.
    #[arg(long)]
    accept_clock: bool,
    /// Serve the demo's page, for the API server at this origin.
    #[arg(long, hide = true, value_name = "URL")]
    demo_api: Option<String>,
}

impl ServeArgs {
    fn config(&self) -> Result<Config, String> {
        let mut config = self.place.config()?;
        config.settings.access_life = Duration::from_secs(self.access_life);
        config.settings.token_alg = Alg::from_name(&self.token_alg)
            .ok_or("the token algorithm is ES256, Ed25519, RS256 or EdDSA")?;
        config.settings.jwks_max_age = Duration::from_secs(self.jwks_max_age);
        config.settings.staleness = Duration::from_secs(self.staleness);
        config.trusted_proxies = self.trusted_proxy.iter().map(IpAddr::to_canonical).collect();
        config.accept_clock = self.accept_clock;
        config.demo_api = self.demo_api.clone();
        Ok(config)
    }
}

pub(super) async fn run(args: ServeArgs) -> Result<(), String> {
    let config = args.config()?;
    if !args.listen.ip().is_loopback() && config.trusted_proxies.is_empty() {
        return Err(format!(
            "{} can be reached from other machines, and this server does no TLS: put a proxy in \
             front and name it by --trusted-proxy, or listen on 127.0.0.1",
            args.listen
        ));
    }
    let secure = parse_issuer(&config.settings.issuer).map_err(|error| error.to_string())?.1.secure;
    if secure && config.trusted_proxies.is_empty() {
        return Err(
            "an https issuer has a proxy in front that does TLS: name it by --trusted-proxy, \
             like --trusted-proxy 127.0.0.1, or everybody counts as one address"
                .into(),
        );
    }
    if !secure && !args.listen.ip().is_loopback() {
        return Err("a plain http issuer is for this machine alone: listen on 127.0.0.1".into());
    }
    // Bad configuration ends here, before a port opens.
    let app = open(&config, &World::system()).await.map_err(|error| error.to_string())?;
    if !app.cookies.secure {
        tracing::warn!(
            event = "development",
            "the issuer is plain HTTP on this machine: cookies are not bound to TLS"
        );
    }
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}", args.listen))?;
    tracing::info!(event = "serving", issuer = config.settings.issuer, listen = %args.listen);
    let (stop, stopped) = watch::channel(false);
    let serving = run_authority(&config, app, listener, stopped);
    tokio::pin!(serving);
    tokio::select! {
        done = &mut serving => return done.map_err(|error| error.to_string()),
        asked = asked_to_stop() => asked?,
    }
    let _ = stop.send(true);
    serving.await.map_err(|error| error.to_string())
}

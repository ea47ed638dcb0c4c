//! `rescind serve`.

use super::asked_to_stop;
use super::place::{Place, config, flag};
use crate::app::parse_issuer;
use crate::run::{Config, World, open, run as run_authority};
use crate::telemetry;
use clap::Args;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Run the authority until Ctrl-C.
#[derive(Args)]
#[command(after_help = "Examples:
  rescind serve --issuer http://localhost:4000 --listen 127.0.0.1:4000
  rescind serve --config /etc/rescind/rescind.toml
  rescind serve --issuer https://auth.example.com --listen 0.0.0.0:443 \\
      --set tls.certificate=fullchain.pem --set tls.key=privkey.pem
  rescind serve --issuer https://auth.example.com --listen 10.0.0.5:4000 --trusted-proxy 10.0.0.2

All settings: rescind config reference")]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    place: Place,
    /// Address to listen on; beyond this machine only with TLS, here or in a proxy in front
    /// [env: RESCIND_LISTEN] [default: 127.0.0.1:4000]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// A proxy in front, whose X-Forwarded-For is believed. May be given several times
    /// [env: RESCIND_TRUSTED_PROXIES]
    #[arg(long, value_name = "IP")]
    trusted_proxy: Vec<String>,
    /// What to log: error, warn, info, debug, or a filter like rescind_server=debug
    /// [env: RESCIND_LOG_FILTER] [default: info]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// Start although the wall clock is behind the store's log.
    #[arg(long)]
    accept_clock: bool,
    /// Serve the demo's page, for the API server at this origin.
    #[arg(long, hide = true, value_name = "URL")]
    demo_api: Option<String>,
}

/// What must be so between address, issuer, TLS and proxies.
pub(super) fn judge(config: &Config, listen: SocketAddr) -> Result<(), String> {
    let secure = parse_issuer(&config.settings.issuer).map_err(|error| error.to_string())?.1.secure;
    let (here, behind) = (config.tls.is_some(), !config.trusted_proxies.is_empty());
    if !secure && here {
        return Err("with TLS the issuer begins with https://: name it so by --issuer".into());
    }
    if !secure && !listen.ip().is_loopback() {
        return Err("a plain http issuer is for this machine alone: listen on 127.0.0.1".into());
    }
    if secure && !here && !behind {
        return Err(
            "an https issuer needs TLS: set tls.certificate and tls.key, or, with a proxy in front that \
             does TLS, name it by --trusted-proxy, like --trusted-proxy 127.0.0.1"
                .into(),
        );
    }
    Ok(())
}

pub(super) async fn run(args: ServeArgs) -> Result<(), String> {
    let proxies = (!args.trusted_proxy.is_empty()).then(|| args.trusted_proxy.join(","));
    let flags = [
        flag("listen", "--listen", args.listen.as_ref()),
        flag("trusted_proxies", "--trusted-proxy", proxies.as_ref()),
        flag("log.filter", "--log", args.log.as_ref()),
    ];
    let loaded = args.place.load(flags.into_iter().flatten().collect())?;
    telemetry::start(&loaded.tree.log.filter.0, loaded.tree.log.format)?;
    let mut config = config(&loaded)?;
    config.accept_clock = args.accept_clock;
    config.demo_api = args.demo_api;
    let listen = loaded.tree.main.listen;
    judge(&config, listen)?;
    // Bad configuration ends here, before a port opens.
    let app = open(&config, &World::system()).await.map_err(|error| error.to_string())?;
    if !app.cookies.secure {
        tracing::warn!(
            event = "development",
            "the issuer is plain HTTP on this machine: cookies are not bound to TLS"
        );
    }
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    tracing::info!(event = "serving", issuer = config.settings.issuer, listen = %listen);
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

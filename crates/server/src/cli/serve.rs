//! `rescind serve`.

use super::asked_to_stop;
use super::place::config;
use super::serving::{Serving, certificate, judge};
use crate::listen::listen;
use crate::run::{World, open, run as run_authority};
use crate::telemetry;
use clap::Args;
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
    serving: Serving,
    /// Serve the demo's page, for the API server at this origin.
    #[arg(long, hide = true, value_name = "URL")]
    demo_api: Option<String>,
}

pub(super) async fn run(args: ServeArgs) -> Result<(), String> {
    let loaded = args.serving.load()?;
    telemetry::start(&loaded.tree.log.filter.0, loaded.tree.log.format)?;
    let mut config = config(&loaded)?;
    config.accept_clock = args.serving.accept_clock;
    config.demo_api = args.demo_api;
    judge(&loaded, &config)?;
    certificate(&config)?;
    // Bad configuration ends here, before a port opens.
    let app = open(&config, &World::system()).await.map_err(|error| error.to_string())?;
    if !app.cookies.secure {
        tracing::warn!(
            event = "development",
            "the issuer is plain HTTP on this machine: cookies are not bound to TLS"
        );
    }
    let address = loaded.tree.main.listen;
    let listener = listen(address, "--listen").await.map_err(|error| error.to_string())?;
    tracing::info!(event = "serving", issuer = config.settings.issuer, listen = %address);
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

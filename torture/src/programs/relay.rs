//! The relay as `rescind relay` runs it, but for its wall clock.

use super::{Outcome, needed};
use crate::skew::{self, Skew};
use rescind_server::clock::SystemEntropy;
use rescind_server::relay::{Config, Relay};
use rescind_server::run::World;
use rescind_server::serve::Limits;
use rescind_server::telemetry;
use rescind_verifier::ClientSecret;
use std::sync::Arc;
use tokio::net::TcpListener;

pub(super) async fn run() -> Outcome {
    telemetry::start("info", rescind_server::config::Format::Json)?;
    let clock = skew::clock(Skew::told(0));
    let config = Config {
        issuer: needed("--issuer")?,
        from: None,
        client: (needed("--client")?, ClientSecret::from_env("RESCIND_CLIENT_SECRET")?),
        data: needed("--data")?.into(),
        limits: Limits::default(),
        tls: None,
        trusted_proxies: Vec::new(),
        hosts: Vec::new(),
    };
    let relay =
        Relay::open(&config, World { clock: Arc::new(clock), entropy: Arc::new(SystemEntropy) })?;
    let listener = TcpListener::bind(needed("--listen")?).await?;
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    Ok(relay.run(listener, None, stopped).await?)
}

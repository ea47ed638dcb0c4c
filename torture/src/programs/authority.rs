//! The authority as `rescind serve` runs it, but for four things: its wall clock is off by what the rig says,
//! hashes of passwords are cheap, one address may be refused as often as it likes, and what has passed is
//! removed every second, so that what must not depend on it is found to.

use super::{Outcome, needed};
use crate::argument;
use crate::skew::{self, Skew};
use rescind_authority::Settings;
use rescind_authority::settings::{Limit, Rate};
use rescind_server::clock::SystemEntropy;
use rescind_server::run::{self, Config, World, open};
use rescind_server::telemetry;
use rescind_testkit::accounts::CHEAP;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

fn seconds(name: &str) -> Outcome<Duration> {
    Ok(Duration::from_secs(needed(name)?.parse()?))
}

fn settings() -> Outcome<Settings> {
    let mut settings = Settings::new(needed("--issuer")?);
    settings.access_life = seconds("--life")?;
    settings.staleness = seconds("--staleness")?;
    settings.argon2 = CHEAP;
    settings.max_sessions = 100_000;
    settings.hash_queue = 10_000;
    let free = |limit: Limit| Limit { free: u32::MAX, ..limit };
    let often = |rate: Rate| Rate { at_once: u32::MAX, ..rate };
    let throttle = &mut settings.throttle;
    throttle.refusals = free(throttle.refusals);
    throttle.account_revocations = often(throttle.account_revocations);
    throttle.client_revocations = often(throttle.client_revocations);
    Ok(settings)
}

pub(super) async fn run() -> Outcome {
    telemetry::start("warn", rescind_server::config::Format::Json)?;
    let skew = Skew::told(argument("--wall").unwrap_or_default().parse().unwrap_or(0));
    let world = World { clock: Arc::new(skew::clock(skew)), entropy: Arc::new(SystemEntropy) };
    let mut config = Config::new(settings()?, needed("--data")?.into(), needed("--keys")?.into());
    config.accept_clock = argument("--accept-clock").is_some_and(|said| said == "yes");
    let app = open(&config, &world).await?;
    let authority = Arc::clone(&app.authority);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            // What fails here is tried again by the authority itself.
            let _ = authority.store().sweep(authority.clock().now().wall).await;
        }
    });
    let listener = TcpListener::bind(needed("--listen")?).await?;
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    Ok(run::run(&config, app, listener, stopped).await?)
}

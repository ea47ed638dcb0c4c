//! The authority as `rescind serve` runs it, but for four things: its wall clock is off by what the rig says,
//! hashes of passwords are cheap, one address may be refused as often as it likes, and what has passed is
//! removed every second, so that what must not depend on it is found to.

use rescind_authority::Settings;
use rescind_authority::settings::{Limit, Rate};
use rescind_server::clock::{SystemClock, SystemEntropy, machine};
use rescind_server::run::{Config, World, open, run};
use rescind_server::telemetry;
use rescind_testkit::accounts::CHEAP;
use rescind_torture::argument;
use rescind_torture::skew::Skew;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

fn needed(name: &str) -> Outcome<String> {
    argument(name).ok_or_else(|| format!("{name} is missing").into())
}

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

#[tokio::main]
async fn main() -> Outcome {
    #[cfg(feature = "defects")]
    let _planted = fail::FailScenario::setup();
    telemetry::start("warn", rescind_server::config::Format::Json)?;
    let skew = Skew::told(argument("--wall").unwrap_or_default().parse().unwrap_or(0));
    let clock = SystemClock::reading(move || {
        let now = machine();
        rescind_authority::clock::Now { wall: skew.wall(now.wall), ..now }
    });
    let world = World { clock: Arc::new(clock), entropy: Arc::new(SystemEntropy) };
    let config = Config::new(settings()?, needed("--data")?.into(), needed("--keys")?.into());
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
    Ok(run(&config, app, listener, stopped).await?)
}

//! What the log says: one event, one line of JSON, or text for a person at a terminal; and how often it
//! says so ([`events`]). What is logged is chosen where it happens; here nothing is added to it.

pub mod events;

use crate::config::Format;
use events::Events;
use std::io::IsTerminal as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

/// Begins to log on standard error. `filter` is like `info` or `rescind_server=debug`; what it leaves
/// out is counted all the same.
pub fn start(filter: &str, format: Format) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        format!("the log filter is not of the form `info` or `rescind_server=debug`: {error}")
    })?;
    let text = match format {
        Format::Auto => std::io::stderr().is_terminal(),
        Format::Json => false,
        Format::Text => true,
    };
    // No colours, whatever features another package of the build asks for.
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(std::io::stderr);
    let lines = match text {
        true => lines.compact().boxed(),
        false => lines.json().flatten_event(true).boxed(),
    };
    let started = tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .with(Events::layer())
        .try_init();
    started.map_err(|error| error.to_string())?;
    // The place of a panic is logged, its message never: that may hold what somebody sent.
    std::panic::set_hook(Box::new(|info| {
        let at = info.location().map(tracing::field::display);
        tracing::error!(event = "panicked", alarm = true, at);
    }));
    Ok(())
}

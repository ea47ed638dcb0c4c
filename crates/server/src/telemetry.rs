//! Log output: one event, one line of JSON, or text for a person at a terminal. What is logged is
//! chosen where it happens; here nothing is added to it.

use crate::config::Format;
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;

/// Begins to log on standard error. `filter` is like `info` or `rescind_server=debug`.
pub fn start(filter: &str, format: Format) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        format!("the log filter is not of the form `info` or `rescind_server=debug`: {error}")
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let text = match format {
        Format::Auto => std::io::stderr().is_terminal(),
        Format::Json => false,
        Format::Text => true,
    };
    let started = if text {
        builder.compact().try_init()
    } else {
        builder.json().flatten_event(true).try_init()
    };
    started.map_err(|error| error.to_string())?;
    // The place of a panic is logged, its message never: that may hold what somebody sent.
    std::panic::set_hook(Box::new(|info| {
        let at = info.location().map(tracing::field::display);
        tracing::error!(event = "panicked", at);
    }));
    Ok(())
}

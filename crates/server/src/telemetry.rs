//! What the log says: one event, one line of JSON, or text for a person at a terminal; and how often it
//! says so ([`events`]). What is logged is chosen where it happens; here nothing is added to it.

pub mod events;
mod requests;

use crate::config::Format;
use crate::correlation;
use events::Events;
use std::fmt;
use std::io::IsTerminal as _;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer};

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
    let lines = match text {
        true => text_lines(std::io::stderr).boxed(),
        false => json_lines(std::io::stderr).boxed(),
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

/// The log as lines of JSON.
pub fn json_lines<S, W>(writer: W) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).json().flatten_event(true);
    lines.map_event_format(JsonOfRequest)
}

/// The log for a person. No colours, whatever features another package of the build asks for.
fn text_lines<S, W>(writer: W) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(writer).compact();
    lines.map_event_format(TextOfRequest)
}

/// Adds the id of the request under way, as the span that each request would have: a span of its own would
/// cost a request more than all else does, though most of them log nothing.
struct JsonOfRequest<F>(F);

impl<S, N, F> FormatEvent<S, N> for JsonOfRequest<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        let Some(object) = line.strip_suffix("}\n") else { return writer.write_str(&line) };
        // An id is base64url.
        let told = correlation::with_current(|id| {
            writeln!(writer, r#"{object},"span":{{"id":"{id}","name":"request"}}}}"#)
        });
        told.unwrap_or_else(|| writer.write_str(&line))
    }
}

/// The same in text.
struct TextOfRequest<F>(F);

impl<S, N, F> FormatEvent<S, N> for TextOfRequest<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        correlation::with_current(|id| write!(writer, "request{{id={id}}} ")).unwrap_or(Ok(()))?;
        self.0.format_event(context, writer, event)
    }
}

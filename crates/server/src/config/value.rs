//! Kinds of values: how each is read from text, and written again.

use crate::app::{canonical_host, parse_issuer};
use rescind_wire::jws::Alg;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// A kind of value. What [`write`](Value::write) gives, [`parse`](Value::parse) takes.
pub(super) trait Value: Sized {
    /// What to write, in words.
    const IS: &'static str;
    /// Stands without quotes in the file.
    const BARE: bool = false;
    /// Stands as a list in the file, and with commas elsewhere.
    const LIST: bool = false;
    /// Reads it; `None` if it is none.
    fn parse(text: &str) -> Option<Self>;
    /// Writes it.
    fn write(&self) -> String;
}

impl<T: Value> Value for Option<T> {
    const IS: &'static str = T::IS;
    const BARE: bool = T::BARE;
    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() { Some(None) } else { T::parse(text).map(Some) }
    }
    fn write(&self) -> String {
        self.as_ref().map(T::write).unwrap_or_default()
    }
}

/// Addresses in their canonical form, between commas.
impl Value for Vec<IpAddr> {
    const IS: &'static str = "a list of IP addresses";
    const LIST: bool = true;
    fn parse(text: &str) -> Option<Self> {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        items.map(|item| Some(item.parse::<IpAddr>().ok()?.to_canonical())).collect()
    }
    fn write(&self) -> String {
        self.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ")
    }
}

/// A host, with a port or without.
#[derive(Debug, Clone)]
pub struct Host(pub String);

impl Value for Vec<Host> {
    const IS: &'static str = "a list of hosts, each with its port unless that is the usual one";
    const LIST: bool = true;
    fn parse(text: &str) -> Option<Self> {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        items.map(|item| canonical_host(item, true).map(|_| Host(item.to_owned()))).collect()
    }
    fn write(&self) -> String {
        self.iter().map(|host| host.0.as_str()).collect::<Vec<_>>().join(", ")
    }
}

impl Value for SocketAddr {
    const IS: &'static str = "an IP address with a port";
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
    fn write(&self) -> String {
        self.to_string()
    }
}

impl Value for PathBuf {
    const IS: &'static str = "a path";
    fn parse(text: &str) -> Option<Self> {
        (!text.is_empty() && !text.contains('\0')).then(|| PathBuf::from(text))
    }
    fn write(&self) -> String {
        self.display().to_string()
    }
}

impl Value for u32 {
    const IS: &'static str = "a whole number";
    const BARE: bool = true;
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
    fn write(&self) -> String {
        self.to_string()
    }
}

/// Whole seconds.
impl Value for Duration {
    const IS: &'static str = "a time with its unit";
    fn parse(text: &str) -> Option<Self> {
        humantime::parse_duration(text).ok().filter(|time| time.subsec_nanos() == 0)
    }
    fn write(&self) -> String {
        let seconds = self.as_secs();
        let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
        match units.iter().find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit)) {
            Some((unit, name)) => format!("{}{name}", seconds / unit),
            None => format!("{seconds}s"),
        }
    }
}

/// An algorithm that a key pair signs with.
impl Value for Alg {
    const IS: &'static str = "one of ES256, Ed25519, RS256, EdDSA";
    fn parse(text: &str) -> Option<Self> {
        Alg::from_name(text).filter(|alg| *alg != Alg::Hs256)
    }
    fn write(&self) -> String {
        self.name().to_owned()
    }
}

/// An issuer that was judged.
#[derive(Debug, Clone)]
pub struct Issuer(pub String);

impl Value for Issuer {
    const IS: &'static str =
        "an https:// URL without path and trailing slash (http:// on this machine only)";
    fn parse(text: &str) -> Option<Self> {
        parse_issuer(text).is_ok().then(|| Self(text.to_owned()))
    }
    fn write(&self) -> String {
        self.0.clone()
    }
}

/// A filter for log events.
#[derive(Debug, Clone)]
pub struct LogFilter(pub String);

impl Value for LogFilter {
    const IS: &'static str = "a level (error, warn, info, debug) or a filter";
    fn parse(text: &str) -> Option<Self> {
        // A lone word is a level, and not a target whose name was mistyped. Nothing would be `error`.
        let level = |part: &str| !part.is_empty() && part.parse::<LevelFilter>().is_ok();
        let known = |part: &str| part.contains('=') || level(part);
        let good = text.split(',').all(known) && EnvFilter::try_new(text).is_ok();
        good.then(|| Self(text.to_owned()))
    }
    fn write(&self) -> String {
        self.0.clone()
    }
}

/// How log events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Text at a terminal, else JSON.
    Auto,
    /// JSON.
    Json,
    /// Text.
    Text,
}

impl Value for Format {
    const IS: &'static str = "one of auto, json, text";
    fn parse(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Auto),
            "json" => Some(Self::Json),
            "text" => Some(Self::Text),
            _ => None,
        }
    }
    fn write(&self) -> String {
        match self {
            Self::Auto => "auto",
            Self::Json => "json",
            Self::Text => "text",
        }
        .to_owned()
    }
}

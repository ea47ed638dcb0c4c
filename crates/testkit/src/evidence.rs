//! What tests leave for the search after all of them: the secrets that were given to them, and what was said
//! meanwhile in logs, metrics and errors. `cargo xtask test` names a folder by `EVIDENCE` and searches it in
//! its step `secrets`; without that variable nothing is left.

use crate::http::Answer;
use http::header::SET_COOKIE;
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once};
use tracing_subscriber::EnvFilter;

/// Members of answers that open something.
const OPENING: [&str; 6] =
    ["access_token", "refresh_token", "csrf_token", "client_secret", "secret", "password"];

#[expect(clippy::disallowed_methods, reason = "who runs the tests says where")]
fn folder() -> Option<PathBuf> {
    std::env::var_os("EVIDENCE").map(PathBuf::from)
}

/// A file of this process.
fn file(folder: &Path, kind: &str) -> File {
    let path = folder.join(format!("{kind}.{}", std::process::id()));
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}

fn leave(kind: &str, text: &[u8]) {
    if let Some(folder) = folder() {
        let line = [text, b"\n"].concat();
        file(&folder, kind).write_all(&line).unwrap();
    }
}

/// Something that must not be met again.
pub fn secret(text: &str) {
    leave("secrets", text.as_bytes());
}

/// Keeps the log of this process; a test that keeps its own does so before.
pub fn log() {
    static BEGUN: Once = Once::new();
    let Some(folder) = folder() else { return };
    BEGUN.call_once(|| {
        let lines = tracing_subscriber::fmt().json().flatten_event(true);
        let lines = lines.with_env_filter(EnvFilter::new("info"));
        let _ = lines.with_writer(Mutex::new(file(&folder, "log"))).try_init();
    });
}

/// Keeps the log of another process.
pub fn log_of(path: &Path) {
    if folder().is_some() {
        leave("log", &std::fs::read(path).unwrap_or_default());
    }
}

/// Keeps what an answer gives, and what is said of errors and in metrics.
pub(crate) fn answer(path: &str, answer: &Answer) {
    if folder().is_none() {
        return;
    }
    for line in answer.headers.get_all(SET_COOKIE) {
        let pair = line.to_str().unwrap().split(';').next().unwrap();
        secret(pair.split_once('=').unwrap().1);
    }
    if answer.status.is_success() {
        if let Value::Object(members) = answer.json() {
            let given = members.iter().filter(|(name, _)| OPENING.contains(&name.as_str()));
            given.filter_map(|(_, value)| value.as_str()).for_each(secret);
        }
    } else {
        leave("error", &answer.body);
    }
    if path == "/metrics" {
        leave("metrics", &answer.body);
    }
}

//! The marker beside the master key: where the log stood within the last second before the end. A store
//! that is behind it was rolled back; a crash is not, since the marker is written after the commit.

use crate::app::App;
use crate::keys::write_private;
use crate::run::stopped;
use rescind_authority::keys::{KeyState, Purpose, StoredKey, StoredKeys};
use rescind_authority::rollback;
use rescind_authority::store::{Head, Load, Store};
use rescind_wire::id::Epoch;
use rescind_wire::jws::Alg;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, watch};

/// What is remembered outside the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// The epoch.
    pub epoch: Epoch,
    /// Position of the last entry.
    pub pos: u64,
    /// Its log time.
    pub ts: u64,
    /// Longest access-token life ever in force, in seconds.
    pub longest_life: u64,
    /// The longest bound of staleness by which a verifier may still accept, in milliseconds; absent in one
    /// that an earlier version wrote.
    #[serde(default)]
    pub staleness_ms: Option<u64>,
    /// Keys that are compromised: an older copy of the store would trust them again, or make them anew.
    /// Once here, a key stays.
    #[serde(default)]
    pub compromised: Vec<Stolen>,
}

/// A key that is compromised, as far as it must be known to be recognised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stolen {
    /// Its id.
    kid: String,
    /// What it was for.
    purpose: String,
    /// Its number, if it comes from the master key.
    #[serde(default)]
    number: Option<u32>,
    /// Its audience, if it is a shared secret.
    #[serde(default)]
    audience: Option<String>,
}

impl Stolen {
    fn of(key: &StoredKey) -> Self {
        let (number, audience) = match &key.purpose {
            Purpose::Token => (None, None),
            Purpose::Shared(audience) => (None, Some(audience.clone())),
            Purpose::Feed(n) | Purpose::Line(n) | Purpose::Csrf(n) => (Some(*n), None),
        };
        Self { kid: key.kid.clone(), purpose: key.purpose.name().to_owned(), number, audience }
    }

    /// As the store keeps it. `None` for what this program has never written.
    pub fn as_stored(&self) -> Option<StoredKey> {
        let (purpose, alg) = match (self.purpose.as_str(), self.number, &self.audience) {
            ("token", None, None) => (Purpose::Token, Some(Alg::Es256)),
            ("shared", None, Some(audience)) => {
                (Purpose::Shared(audience.clone()), Some(Alg::Hs256))
            }
            ("feed", Some(n), None) => (Purpose::Feed(n), Some(Alg::Ed25519)),
            ("line", Some(n), None) => (Purpose::Line(n), None),
            ("csrf", Some(n), None) => (Purpose::Csrf(n), None),
            _ => return None,
        };
        let (kid, state) = (self.kid.clone(), KeyState::Compromised);
        let (created_at, since, usable_from, wrapped) = (0, 0, 0, None);
        Some(StoredKey { kid, purpose, alg, state, created_at, since, usable_from, wrapped })
    }
}

impl Marker {
    /// What there is to remember of a store.
    pub fn of(head: &Head, keys: &StoredKeys) -> Self {
        let stolen = keys.keys.iter().filter(|k| k.state == KeyState::Compromised);
        Self {
            epoch: head.epoch,
            pos: head.pos,
            ts: head.ts,
            longest_life: head.longest_life,
            staleness_ms: None,
            compromised: stolen.map(Stolen::of).collect(),
        }
    }

    /// Keeps the bound and the compromised keys of another marker, too.
    fn with(mut self, before: Option<Marker>) -> Self {
        self.staleness_ms = self.staleness_ms.or(before.as_ref().and_then(|m| m.staleness_ms));
        for stolen in before.map(|m| m.compromised).unwrap_or_default() {
            if !self.compromised.contains(&stolen) {
                self.compromised.push(stolen);
            }
        }
        self
    }

    /// Whether a store that stands at `head` has lost what the marker has seen.
    pub fn is_ahead_of(&self, head: &Head) -> bool {
        rollback::is_behind(head, (self.epoch, self.pos, self.ts))
    }
}

fn path(keys: &Path) -> PathBuf {
    keys.join("marker.json")
}

/// The marker, if there is one. An unreadable one is an error: it may hide a rollback.
pub fn read(keys: &Path) -> std::io::Result<Option<Marker>> {
    let bytes = match std::fs::read(path(keys)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            let todo = "--keys names the key folder; run this as the user who runs the authority";
            return Err(io::Error::new(error.kind(), format!("{error}. {todo}")));
        }
        Ok(bytes) => bytes,
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        io::Error::other(format!(
            "it is damaged ({error}). It would tell that the store was put back by an older copy, and which \
             keys are compromised. Move it away and go on: everybody then signs in again, and keys that were \
             compromised are to be retired again. See docs/operations.md, \"What a rollback looks like\""
        ))
    })
}

fn write(keys: &Path, marker: Marker) -> io::Result<()> {
    let marker = marker.with(read(keys)?);
    let bytes = serde_json::to_vec(&marker).map_err(io::Error::other)?;
    // A test may stop the process while only the store knows of a compromised key.
    fail::fail_point!("marker::before", !marker.compromised.is_empty(), |_| std::process::abort());
    write_private(&path(keys), &bytes)
}

/// One writer at a time, from the store's state to the file: none puts an older state over a newer one.
static WRITING: Mutex<()> = Mutex::const_new(());

/// Writes the marker now. A failure is in the log, too.
pub async fn remember(keys: &Path, store: &dyn Store) -> io::Result<()> {
    let (dir, load) = (keys.to_owned(), Load { keys: true, ..Load::default() });
    let _alone = WRITING.lock().await;
    let written = match store.read(load).await {
        Ok(loaded) => {
            let marker = Marker::of(&loaded.head, &loaded.keys);
            let writing = tokio::task::spawn_blocking(move || write(&dir, marker)).await;
            writing.unwrap_or_else(|stopped| Err(io::Error::other(stopped)))
        }
        Err(error) => Err(io::Error::other(error)),
    };
    written.inspect_err(
        |error| tracing::error!(event = "marker_failed", %error, "a rollback might go unnoticed"),
    )
}

/// Writes into the marker that is there by which bound of staleness a verifier may still accept.
pub async fn remember_bound(keys: &Path, bound: Duration) -> io::Result<()> {
    let dir = keys.to_owned();
    let staleness_ms = Some(u64::try_from(bound.as_millis()).unwrap_or(u64::MAX));
    let _alone = WRITING.lock().await;
    let writing = move || match read(&dir)? {
        Some(marker) if marker.staleness_ms != staleness_ms => {
            write(&dir, Marker { staleness_ms, ..marker })
        }
        _ => Ok(()),
    };
    tokio::task::spawn_blocking(writing)
        .await
        .unwrap_or_else(|stopped| Err(io::Error::other(stopped)))
}

/// Writes the bound that is in force into the marker, once nobody can accept by a longer one of before.
pub async fn settle(keys: PathBuf, app: App, mut stop: watch::Receiver<bool>) {
    let mut settled = false;
    while !settled {
        let look = tokio::time::timeout(Duration::from_secs(1), stop.wait_for(|stop| *stop));
        if look.await.is_ok() {
            return;
        }
        settled = app.feed.fleet().is_settled()
            && match remember_bound(&keys, app.settings().staleness).await {
                Ok(()) => true,
                Err(error) => {
                    tracing::error!(event = "marker_failed", %error, "a restart waits longer than it must");
                    false
                }
            };
    }
    stopped(stop).await;
}

/// Writes the marker within a second after each commit, and again where that failed.
pub async fn keep(keys: PathBuf, store: Arc<dyn Store>, stop: watch::Receiver<bool>) {
    let mut committed = store.committed();
    committed.mark_changed();
    loop {
        tokio::select! {
            changed = committed.changed() => if changed.is_err() { return },
            () = stopped(stop.clone()) => return,
        }
        if remember(&keys, &*store).await.is_err() {
            committed.mark_changed();
        }
        let _ = tokio::time::timeout(Duration::from_millis(900), stopped(stop.clone())).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rescind_wire::revocation::Digest;

    fn head(epoch: u8, pos: u64, ts: u64) -> Head {
        let epoch = Epoch::from_bytes([epoch; 16]);
        Head { epoch, pos, ts, digest: Digest([0; 32]), longest_life: 300, iat_limit: 0 }
    }

    #[test]
    fn a_store_behind_the_marker_was_rolled_back_and_a_crash_was_not() {
        let marker = Marker::of(&head(1, 5, 500), &StoredKeys::default());
        assert!(marker.is_ahead_of(&head(1, 4, 400)), "an older copy");
        assert!(marker.is_ahead_of(&head(0, 9, 400)), "a copy of an earlier epoch");
        assert!(marker.is_ahead_of(&head(2, 0, 900)), "an empty store beside the old keys");
        assert!(!marker.is_ahead_of(&head(1, 5, 500)), "a clean stop");
        assert!(!marker.is_ahead_of(&head(1, 7, 700)), "killed before the marker was written");
        assert!(!marker.is_ahead_of(&head(2, 1, 900)), "killed right after a new epoch");
    }

    #[test]
    fn a_damaged_marker_is_an_error_that_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(path(dir.path()), "{\"epoch\":").unwrap();
        let said = read(dir.path()).unwrap_err().to_string();
        assert!(said.contains("damaged") && said.contains("Move it away"), "{said}");
    }

    #[test]
    fn a_compromised_key_stays_remembered_whatever_the_store_has_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let kid = |n: u32| format!("line-{n}");
        let stolen =
            |n| Stolen { kid: kid(n), purpose: "line".into(), number: Some(n), audience: None };
        let marker = |n| Marker {
            compromised: vec![stolen(n)],
            ..Marker::of(&head(1, u64::from(n), 500), &StoredKeys::default())
        };
        write(dir.path(), marker(1)).unwrap();
        write(dir.path(), marker(2)).unwrap();
        let kept = read(dir.path()).unwrap().unwrap();
        assert_eq!((kept.pos, kept.compromised), (2, vec![stolen(2), stolen(1)]));
        let stored = stolen(7).as_stored().unwrap();
        assert_eq!(stored.purpose, Purpose::Line(7));
        assert_eq!(Stolen::of(&stored), stolen(7));
        // One that version 1 wrote has neither list nor bound.
        let old = r#"{"epoch":"AQEBAQEBAQEBAQEBAQEBAQ","pos":1,"ts":2,"longest_life":3}"#;
        let old: Marker = serde_json::from_str(old).unwrap();
        assert_eq!((old.compromised, old.staleness_ms), (vec![], None));
    }

    // R-57
    #[tokio::test]
    async fn the_bound_stays_until_another_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let marker = |pos| Marker::of(&head(1, pos, 500), &StoredKeys::default());
        write(dir.path(), marker(1)).unwrap();
        remember_bound(dir.path(), Duration::from_secs(60)).await.unwrap();
        write(dir.path(), marker(2)).unwrap();
        let kept = read(dir.path()).unwrap().unwrap();
        assert_eq!((kept.pos, kept.staleness_ms), (2, Some(60_000)));
        remember_bound(dir.path(), Duration::from_secs(3)).await.unwrap();
        assert_eq!(read(dir.path()).unwrap().unwrap().staleness_ms, Some(3_000));
    }
}

//! Yesterday's file put back under verifiers that live on: it is noticed, reported, and no logout is undone,
//! neither at the authority nor at any verifier, at any moment.

use crate::realm::{Realm, is_dead, is_refused, sign_in};
use http::Method;
use rescind_testkit::process::Process;
use rescind_testkit::server::until;
use rescind_verifier::{Refusal, Verifier};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinHandle;

/// Presents one token to one verifier without a pause, from when it was refused.
struct Watch {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
    accepted: JoinHandle<u64>,
}

impl Watch {
    fn begin(verifier: &Verifier, token: &str) -> Self {
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (verifier, token) = (verifier.clone(), token.to_owned());
        let (ended, count) = (Arc::clone(&stop), Arc::clone(&asked));
        let accepted = tokio::spawn(async move {
            let mut accepted = 0;
            while !ended.load(Ordering::Relaxed) {
                accepted += u64::from(verifier.check(&token).is_ok());
                count.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            accepted
        });
        Self { stop, asked, accepted }
    }

    async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        assert_eq!(self.accepted.await.unwrap(), 0, "a logout was undone");
        assert!(self.asked.load(Ordering::Relaxed) > 100, "it was looked at");
    }
}

/// The metrics of whatever process runs.
async fn metrics(realm: &Realm) -> String {
    let mut socket =
        tokio::net::UnixStream::connect(realm.data().join("admin.sock")).await.unwrap();
    let ask = "GET /metrics HTTP/1.1\r\nhost: rescind\r\nconnection: close\r\n\r\n";
    socket.write_all(ask.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Waits until the marker knows the position.
async fn remembered(realm: &Realm, pos: u64) {
    until("the marker", || {
        let marker = std::fs::read(realm.keys().join("marker.json")).unwrap_or_default();
        let marker: Value = serde_json::from_slice(&marker).unwrap_or_default();
        marker["pos"].as_u64() >= Some(pos)
    })
    .await;
}

/// A day with a backup, a logout after it, and the backup put back by `put_back`, which says under which
/// event that is reported, and why the record says that an epoch was opened.
async fn yesterday(put_back: impl FnOnce(&Realm, &str) -> (&'static str, &'static str)) {
    let realm = Realm::new();
    let mut process = realm.start("").await;
    let mut verifiers = Vec::new();
    for _ in 0..3 {
        verifiers.push(realm.verifier().await);
    }
    let first = verifiers[0].status().epoch;
    let (kept, kept_line) = sign_in(&realm.http()).await;
    let (ended, ended_line) = sign_in(&realm.http()).await;
    let file = realm.at("yesterday.db");
    realm.json(&["backup", file.to_str().unwrap()]);

    let answer = realm.http().send_as(Method::POST, "/logout", &ended_line).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    let mut watches = Vec::new();
    for verifier in &verifiers {
        assert!(verifier.check(&kept).is_ok());
        is_refused(verifier, &ended).await;
        watches.push(Watch::begin(verifier, &ended));
    }
    remembered(&realm, 1).await;
    process.kill();
    let (event, reason) = put_back(&realm, file.to_str().unwrap());
    let _process: Process = realm.start("").await;

    // At once, before a verifier has said anything.
    is_dead(&realm.http(), &ended_line).await;
    is_dead(&realm.http(), &kept_line).await;
    for verifier in &verifiers {
        until("the new epoch", || verifier.status().epoch != first).await;
        until("freshness", || verifier.status().ready).await;
        for token in [&ended, &kept] {
            assert!(matches!(verifier.check(token), Err(Refusal::Revoked)));
        }
    }
    let (fresh, _) = sign_in(&realm.http()).await;
    for verifier in &verifiers {
        until("the new sign-in", || verifier.check(&fresh).is_ok()).await;
        assert!(!verifier.status().stopped);
    }
    for watch in watches {
        watch.end().await;
    }
    let log = realm.log();
    let line = log.lines().find(|line| line.contains(&format!("\"event\":\"{event}\"")));
    assert!(line.is_some_and(|line| line.contains("\"alarm\":true")), "{log}");
    assert_eq!(realm.epochs_opened(), [reason]);
    let metrics = metrics(&realm).await;
    for sample in [
        format!("rescind_alarms_total{{kind=\"{event}\"}} 1"),
        "rescind_epochs_opened_total 1".to_owned(),
    ] {
        assert!(metrics.contains(&sample), "{sample} is not in {metrics}");
    }
}

// P05 R-58
#[tokio::test(flavor = "multi_thread")]
async fn yesterdays_file_put_back_by_a_plain_copy_under_a_fleet_undoes_no_logout() {
    yesterday(|realm, file| {
        for part in ["rescind.db", "rescind.db-wal", "rescind.db-shm"] {
            let _ = std::fs::remove_file(realm.data().join(part));
        }
        std::fs::copy(file, realm.data().join("rescind.db")).unwrap();
        ("store_rolled_back", "the marker has seen more")
    })
    .await;
}

// P05 R-58
#[tokio::test(flavor = "multi_thread")]
async fn yesterdays_file_put_back_by_the_command_under_a_fleet_undoes_no_logout() {
    yesterday(|realm, file| {
        realm.json(&["restore", file, "--yes"]);
        ("store_restored", "put in place by rescind restore")
    })
    .await;
}

// P05 R-58
#[tokio::test(flavor = "multi_thread")]
async fn yesterdays_file_on_a_machine_without_a_marker_under_a_fleet_undoes_no_logout() {
    yesterday(|realm, file| {
        std::fs::remove_dir_all(realm.data()).unwrap();
        std::fs::remove_file(realm.keys().join("marker.json")).unwrap();
        realm.json(&["restore", file, "--yes"]);
        ("store_restored", "put in place by rescind restore")
    })
    .await;
}

//! What is told of a certificate out of its time. A program of its own, for it keeps the whole log.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test stops at the first thing that is not as it says"
)]

#[path = "../tls/realm.rs"]
#[allow(dead_code, reason = "this program needs a part of it")]
mod realm;

use realm::{Realm, until_shown};
use std::io::Write;
use std::sync::Mutex;
use std::time::Duration;

/// All that is logged by this process.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Waits until an alarm says this.
async fn until_alarm(words: &str) {
    let alarm = |line: &str| {
        line.contains("certificate_failed")
            && line.contains("\"alarm\":true")
            && line.contains(words)
    };
    let looked = async {
        while !String::from_utf8_lossy(&LOG.lock().unwrap()).lines().any(alarm) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), looked).await.expect("no alarm");
}

// H01
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_out_of_its_time_never_replaces_one_that_is_valid() {
    tracing_subscriber::fmt().json().with_writer(|| Log).init();
    let realm = Realm::start(|_| {}).await;
    let path = realm.files.certificate.display();
    // The clock begins on 2026-09-21, at 14:13.
    realm.signer.write_valid(&realm.files, "localhost", [(2020, 1, 1), (2026, 9, 21)]);
    until_alarm(&format!("{path} was valid until 2026-09-21T00:00:00Z")).await;
    assert_eq!(realm.shown().await, realm.first);

    let early = realm.signer.write_valid(&realm.files, "localhost", [(2026, 9, 22), (4096, 1, 1)]);
    until_alarm(&format!("{path} is valid from 2026-09-22T00:00:00Z on")).await;
    assert_eq!(realm.shown().await, realm.first);
    // Nobody touches it: it is taken once its time has come.
    realm.authority.clock.advance(Duration::from_secs(86_400));
    until_shown(&realm, &early).await;
}

//! Certificates whose time is over, or has not come.

use crate::certificates::until_shown;
use crate::realm::{Realm, Signer, files};
use rescind_server::tls::Certificates;
use rescind_testkit::clock::ManualClock;
use std::io::Write;
use std::process::Command;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

/// All that is logged by this process.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static LOGGING: Once = Once::new();

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
    LOGGING.call_once(|| tracing_subscriber::fmt().json().with_writer(|| Log).init());
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

#[test]
fn a_certificate_is_taken_from_its_first_second_to_its_last() {
    let (folder, signer) = (tempfile::tempdir().unwrap(), Signer::new());
    let files = files(&folder);
    signer.write_valid(&files, "localhost", [(2026, 9, 21), (2026, 9, 22)]);
    let (from, until) = (1_789_948_800, 1_790_035_200);
    let open = |second: u64| {
        let clock = Arc::new(ManualClock::new(second * 1_000_000));
        Certificates::open(files.clone(), "https://localhost", clock)
    };
    for inside in [from, until] {
        let validity = open(inside).unwrap().validity();
        assert_eq!((validity.from, validity.until), (from, until));
    }
    let said = open(from - 1).unwrap_err().to_string();
    assert!(said.contains("from 2026-09-21T00:00:00Z on, and not yet"), "{said}");
    let said = open(until + 1).unwrap_err().to_string();
    assert!(said.contains("until 2026-09-22T00:00:00Z: put a renewed one"), "{said}");
}

#[test]
fn serve_config_check_and_doctor_refuse_a_certificate_out_of_its_time() {
    let (folder, signer) = (tempfile::tempdir().unwrap(), Signer::new());
    let files = files(&folder);
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rescind-under-test"));
        let setting = |key: &str, path: &std::path::Path| format!("--set={key}={}", path.display());
        command.args(words).args(["--issuer", "https://localhost", "--listen", "127.0.0.1:0"]);
        command.arg(setting("tls.certificate", &files.certificate));
        command.arg(setting("tls.key", &files.key));
        command.current_dir(folder.path()).env_remove("RESCIND_CONFIG");
        let done = command.output().unwrap();
        let said = [done.stdout, done.stderr].concat();
        (done.status.code(), String::from_utf8(said).unwrap())
    };
    for (days, told) in [
        ([(2020, 1, 1), (2021, 1, 1)], "was valid until 2021-01-01T00:00:00Z: put a renewed one"),
        ([(4000, 1, 1), (4096, 1, 1)], "is valid from 4000-01-01T00:00:00Z on, and not yet"),
    ] {
        signer.write_valid(&files, "localhost", days);
        for words in [&["serve"][..], &["config", "check"], &["doctor"]] {
            let (code, said) = run(words);
            assert_eq!(code, Some(1), "{words:?}: {said}");
            assert!(said.contains(told), "{words:?}: {said}");
        }
    }
    assert!(!folder.path().join("rescind-data").exists(), "nothing is begun");
    signer.write(&files, "localhost");
    let (code, said) = run(&["config", "check"]);
    assert!(code == Some(0) && said.contains("is good"), "{said}");
    let (code, said) = run(&["doctor"]);
    assert!(code == Some(0) && said.contains("the certificate fits"), "{said}");
}

//! Certificates whose time is over, or has not come.

use crate::realm::{Signer, files};
use rescind_server::tls::Certificates;
use rescind_testkit::clock::ManualClock;
use std::process::Command;
use std::sync::Arc;

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

//! What `rescind serve` says to an issuer that does not fit its address.

use rescind_testkit::process::{Process, free_port, wait_for_port};
use rescind_testkit::server::until;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_rescind-under-test");

/// A process that is killed if its test fails before it has ended.
struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts `rescind serve` and waits for its refusal: the exit code and what it says.
async fn refused(folder: &Path, issuer: &str, listen: &str, more: &[&str]) -> (i32, String) {
    let said = folder.join("said");
    let child = Command::new(PROGRAM)
        .args(["serve", "--issuer", issuer, "--listen", listen])
        .args(more)
        .arg("--data")
        .arg(folder.join("data"))
        .arg("--keys")
        .arg(folder.join("keys"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&said).unwrap())
        .spawn()
        .unwrap();
    let mut child = Ending(child);
    let mut status = None;
    until("the refusal", || {
        status = child.0.try_wait().unwrap();
        status.is_some()
    })
    .await;
    let code = status.expect("it has ended").code().unwrap();
    (code, std::fs::read_to_string(said).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_does_not_fit_the_address_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let here = SocketAddr::from(([127, 0, 0, 1], port)).to_string();
    let everywhere = format!("0.0.0.0:{port}");
    let tls = "https://auth.example.com";
    let plain = format!("http://localhost:{port}");
    let proxy = ["--trusted-proxy", "127.0.0.1"];
    for (issuer, listen, more, what_to_do) in [
        (tls, &here, &[][..], "--trusted-proxy 127.0.0.1"),
        (tls, &everywhere, &[], "--trusted-proxy"),
        (&plain, &everywhere, &[], "listen on 127.0.0.1"),
        (&plain, &everywhere, &proxy, "listen on 127.0.0.1"),
    ] {
        let (code, said) = refused(folder.path(), issuer, listen, more).await;
        assert_eq!(code, 1, "{issuer} {listen}: {said}");
        assert!(said.contains(what_to_do), "{issuer} {listen}: {said}");
        assert!(!folder.path().join("data").exists() && !folder.path().join("keys").exists());
    }

    // With what the message asks for it starts.
    let (data, keys) = (folder.path().join("data"), folder.path().join("keys"));
    let args = [
        ["serve", "--issuer", tls, "--listen", &here].as_slice(),
        &proxy,
        &["--data", data.to_str().unwrap(), "--keys", keys.to_str().unwrap()],
    ]
    .concat();
    let _process = Process::start(PROGRAM, &args, &[], &folder.path().join("log"));
    wait_for_port(here.parse().unwrap()).await;
}

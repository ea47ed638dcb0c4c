//! A store and its keys in a temporary folder, and the commands that run on it.

use rescind_testkit::http::Http;
use rescind_testkit::process::{Process, free_port, wait_for_port};
use rescind_testkit::server::PASSWORD;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_rescind-under-test");

pub(crate) struct Realm {
    pub(crate) folder: TempDir,
    address: SocketAddr,
}

impl Realm {
    /// With the account `alice` and the client `posts-api`.
    pub(crate) fn new() -> Self {
        let realm = Self::bare();
        let issuer = realm.issuer();
        let hash = ["user", "add", "alice", "--issuer", &issuer, "--password-stdin"];
        let mut adding = realm.program(&hash).stdin(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut adding.stdin.take().unwrap(), PASSWORD.as_bytes()).unwrap();
        assert!(adding.wait().unwrap().success());
        realm.does(&["client", "add", "posts-api", "--audience", "posts-api"]);
        realm
    }

    /// Nothing is there yet.
    pub(crate) fn bare() -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        Self { folder: tempfile::tempdir().unwrap(), address }
    }

    fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command on this store, without a terminal.
    pub(crate) fn program(&self, args: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(args).arg("--data").arg(self.at("data")).arg("--keys").arg(self.at("keys"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.program(args).output().unwrap()
    }

    /// Runs it, and it must succeed; gives what it prints.
    pub(crate) fn does(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same with `--json`.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.does(&[args, &["--json"]].concat())).unwrap()
    }

    /// Runs it, and it must fail with this exit code and without output; gives what it says.
    pub(crate) fn fails(&self, args: &[&str], code: i32) -> String {
        let output = self.run(args);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(output.stdout.is_empty(), "{args:?}");
        said
    }

    /// Starts the authority and waits until it listens.
    pub(crate) async fn start(&self) -> Process {
        let (data, keys, log) = (self.at("data"), self.at("keys"), self.at("log"));
        let listen = self.address.to_string();
        let place = ["--data", data.to_str().unwrap(), "--keys", keys.to_str().unwrap()];
        let args = [&["serve", "--listen", &listen][..], &place].concat();
        let process = Process::start(PROGRAM, &args, &[], &log);
        wait_for_port(self.address).await;
        process
    }

    pub(crate) async fn sign_in(&self) {
        Http::new(&self.issuer()).sign_in("alice", PASSWORD).await;
    }
}

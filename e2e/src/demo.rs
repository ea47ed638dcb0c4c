//! `rescind demo` as a process of its own, with what it says about itself.

use crate::program;
use crate::wait::{Stopwatch, until};
use rescind_testkit::http::Http;
use rescind_testkit::process::free_port;
use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;
use tempfile::NamedTempFile;

/// How long the demo may take to end, its children included.
const END: Duration = Duration::from_secs(20);

/// A running demo, in a process group of its own as a shell gives it. Dropping it ends it.
pub struct Demo {
    child: Child,
    output: BufReader<ChildStdout>,
    errors: NamedTempFile,
    /// What it printed under `--json`; `null` without.
    pub said: Value,
    /// Port of the authority and the page.
    pub port: u16,
    /// Port of the posts API.
    pub api_port: u16,
}

/// The command `rescind` with these arguments. It finds posts-api beside itself, not by cargo.
pub fn rescind(arguments: &[&str]) -> Command {
    let mut command = Command::new(program("E2E_RESCIND"));
    command.args(arguments).env_remove("CARGO").stdin(Stdio::null());
    command
}

impl Demo {
    /// Starts one under `--json` and waits for its line.
    pub fn start() -> Self {
        let mut demo = Self::launch(&["--json"]);
        let mut line = String::new();
        demo.output.read_line(&mut line).unwrap();
        demo.said = serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("no line of JSON: {line:?} {}", demo.errors()));
        demo
    }

    /// Starts one for people; gives all that it printed up to its last line.
    pub fn start_for_people() -> (Self, String) {
        let mut demo = Self::launch(&[]);
        let mut text = String::new();
        while !text.contains("Ctrl-C ends everything") {
            assert_ne!(
                demo.output.read_line(&mut text).unwrap(),
                0,
                "it ended early: {}",
                demo.errors()
            );
        }
        (demo, text)
    }

    fn launch(more: &[&str]) -> Self {
        let (port, api_port) = (free_port(), free_port());
        let (p, a) = (port.to_string(), api_port.to_string());
        let mut command = rescind(&["demo", "--port", &p, "--api-port", &a]);
        let errors = NamedTempFile::new().unwrap();
        command.args(more).process_group(0).stdout(Stdio::piped()).stderr(errors.reopen().unwrap());
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output, errors, said: Value::Null, port, api_port }
    }

    /// A text of its JSON line.
    pub fn say(&self, pointer: &str) -> &str {
        self.said.pointer(pointer).and_then(Value::as_str).expect("it says this")
    }

    /// The issuer, which is the origin of the pages.
    pub fn issuer(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// A client of the authority.
    pub fn authority(&self) -> Http {
        Http::new(&format!("http://localhost:{}", self.port))
    }

    /// A client of the posts API.
    pub fn api(&self) -> Http {
        Http::new(&format!("http://127.0.0.1:{}", self.api_port))
    }

    /// What it has said on standard error so far.
    pub fn errors(&self) -> String {
        std::fs::read_to_string(self.errors.path()).unwrap()
    }

    /// Name and password of the first person.
    pub fn alice(&self) -> (&str, &str) {
        (self.say("/users/0/username"), self.say("/users/0/password"))
    }

    /// The id of one of its children: `authority` or `api`.
    pub fn pid(&self, of: &str) -> Pid {
        pid(self.said["pids"][of].as_i64().unwrap())
    }

    /// The parent's id.
    pub fn parent(&self) -> Pid {
        pid(self.child.id().into())
    }

    /// Where it keeps everything.
    pub fn folder(&self) -> PathBuf {
        self.say("/data").into()
    }

    /// Starts the authority again by the line that the demo printed, as a shell reads it.
    pub fn serve_again(&self) -> Served {
        let line = format!("exec {}", self.say("/serve"));
        let mut command = Command::new("sh");
        command.args(["-c", &line]).stdin(Stdio::null()).stdout(Stdio::null());
        Served(command.stderr(Stdio::null()).spawn().unwrap())
    }

    /// Waits until parent and children are gone; gives the parent's status and what it still printed.
    pub async fn ended(&mut self) -> (ExitStatus, String) {
        let watch = Stopwatch::new();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(watch.elapsed() < END, "the demo does not end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        (status, rest)
    }

    /// Waits until the API says that this position is applied.
    pub async fn applied(&self, pos: u64) {
        let api = self.api();
        until("the API applies the entry", async || {
            (api.get("/readyz", &[]).await.json()["applied"].as_u64()? >= pos).then_some(())
        })
        .await;
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        let _ = kill_process(self.parent(), Signal::TERM);
        for _ in 0..1000 {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = kill_process_group(self.parent(), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// An authority that was started by hand. Dropping it kills it.
pub struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A process id from its number.
pub fn pid(number: i64) -> Pid {
    Pid::from_raw(i32::try_from(number).unwrap()).expect("a process id")
}

/// Whether such a process exists.
pub fn exists(pid: Pid) -> bool {
    test_kill_process(pid).is_ok()
}

//! The authority as a process of its own, to be killed.

use crate::evidence;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

/// A running process; dropping it kills it (`SIGKILL`).
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program` with arguments and environment; its standard error goes to `log`.
    pub fn start(program: &str, arguments: &[&str], env: &[(&str, &str)], log: &Path) -> Self {
        let kept = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let child = Command::new(program)
            .args(arguments)
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(kept)
            .spawn()
            .unwrap();
        Self { child, log: log.to_owned() }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it (`SIGKILL`) and waits until it is gone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        evidence::log_of(&self.log);
    }
}

/// A port that was free a moment ago, and that no outgoing connection takes in between: it lies below the
/// range from which systems draw those, so that a server can also be started on it again.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test binaries run side by side: each begins elsewhere.
    let begin = u16::try_from(std::process::id() * 37 % 20_000).unwrap();
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 10_000 + (begin + step % 20_000) % 20_000;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Waits until something accepts connections there; panics after 30 s.
pub async fn wait_for_port(address: SocketAddr) {
    let accepted = async {
        while tokio::net::TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), accepted).await.expect("nothing listens there");
}

//! One process of the rig: started, frozen, killed, told the time.

use crate::boot;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

/// A running process. Dropping it kills it.
pub struct Running {
    child: Child,
    orders: ChildStdin,
    /// On the machine's boot clock, in microseconds.
    begun: u64,
}

/// How much memory a process had, and when.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sample {
    /// For how many seconds it had lived.
    pub age: u64,
    /// Resident; 0 if it was gone.
    pub bytes: u64,
}

impl Running {
    /// Starts what `command` says; standard error is added to `log`.
    pub fn start(command: &mut Command, log: &Path) -> Self {
        let log = OpenOptions::new().create(true).append(true).open(log).unwrap();
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log);
        let mut child = command.spawn().expect("the program starts");
        let orders = child.stdin.take().unwrap();
        Self { child, orders, begun: boot() }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Stops it where it is (`SIGSTOP`).
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on (`SIGCONT`).
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Its wall clock is off by this from now on, in microseconds.
    pub fn skew(&mut self, by: i64) {
        // One that has ended by itself is found by its owner.
        let _ = writeln!(self.orders, "{by}");
    }

    /// Each commit of an authority takes so many milliseconds longer.
    pub fn slow_disk(&mut self, by: u64) {
        let _ = writeln!(self.orders, "disk {by}");
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

    /// Its resident memory.
    pub fn memory(&self) -> Sample {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()));
        let status = status.unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        Sample { age: (boot() - self.begun) / 1_000_000, bytes: kib.unwrap_or(0) * 1024 }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

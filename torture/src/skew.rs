//! A wall clock that is off by what the rig says: a number of microseconds on a line of standard input. The boot
//! clock is the machine's. A process whose rig is gone ends. By the same way an authority is told how slow its disk
//! is.

use rescind_authority::clock::Now;
use rescind_server::clock::{SystemClock, machine};
use std::io::BufRead as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// How far off.
#[derive(Debug)]
pub struct Skew(AtomicI64);

impl Skew {
    /// Begins with this, and listens to the rig from now on.
    pub fn told(first: i64) -> Arc<Self> {
        let skew = Arc::new(Self(AtomicI64::new(first)));
        let told = Arc::clone(&skew);
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines() {
                let line = line.unwrap_or_default();
                match line.trim().strip_prefix("disk ") {
                    Some(slow) => slow_down(slow),
                    None => told.0.store(line.trim().parse().unwrap_or(0), Ordering::SeqCst),
                }
            }
            std::process::exit(0);
        });
        skew
    }

    /// The wall clock as this process is to see it.
    pub fn wall(&self, wall: u64) -> u64 {
        wall.saturating_add_signed(self.0.load(Ordering::SeqCst))
    }
}

/// Each commit takes so many milliseconds longer.
#[cfg(feature = "defects")]
fn slow_down(by: &str) {
    fail::cfg("store::before_commit", &format!("sleep({by})")).unwrap();
}

#[cfg(not(feature = "defects"))]
fn slow_down(_: &str) {}

/// The clock of an authority or a relay.
pub fn clock(skew: Arc<Skew>) -> SystemClock {
    SystemClock::reading(move || {
        let now = machine();
        Now { wall: skew.wall(now.wall), ..now }
    })
}

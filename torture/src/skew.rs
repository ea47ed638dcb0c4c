//! A wall clock that is off by what the rig says: a number of microseconds on a line of standard input. The boot
//! clock is the machine's. A process whose rig is gone ends.

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
                let Ok(by) = line.unwrap_or_default().trim().parse() else { continue };
                told.0.store(by, Ordering::SeqCst);
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

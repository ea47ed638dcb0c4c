//! Real time: how long something took, and waiting for it with a limit.

use std::io::Write as _;
use std::time::{Duration, Instant};

/// How long a page or process may take for what should be quick.
pub const LIMIT: Duration = Duration::from_secs(15);

/// Measures from its making.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts.
    #[expect(clippy::disallowed_methods, reason = "measures programs that run in real time")]
    #[expect(clippy::new_without_default, reason = "starting a clock is no default")]
    pub fn new() -> Self {
        Self(Instant::now())
    }

    /// The time since.
    #[expect(clippy::disallowed_methods, reason = "measures programs that run in real time")]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Asks again and again, until there is an answer.
///
/// # Panics
/// If there is none within [`LIMIT`].
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let watch = Stopwatch::new();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(watch.elapsed() < LIMIT, "waited too long for this: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Prints a figure that somebody wants to see although the test passes.
pub fn say(line: &str) {
    // Around the capture of the test harness, and on a line of its own.
    std::io::stdout().write_all(format!("\n{line}\n").as_bytes()).unwrap();
}

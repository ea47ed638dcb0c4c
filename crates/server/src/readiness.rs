//! Whether this process should be sent requests: asked at most once a second whoever asks how often, and
//! at once not any more when it is to stop.

use crate::app::App;
use rescind_authority::store::StoreError;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

/// How long a verdict holds, in microseconds.
const HOLDS: u64 = 1_000_000;
/// The store must answer by then.
const PATIENCE: Duration = Duration::from_secs(2);

/// The name of a check, and why it does not pass.
pub type Check = (&'static str, Result<(), &'static str>);

/// What was found.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// All checks.
    pub checks: Vec<Check>,
}

impl Verdict {
    /// Whether all checks pass.
    pub fn is_ready(&self) -> bool {
        self.checks.iter().all(|(_, outcome)| outcome.is_ok())
    }
}

/// The last verdict, and whether this process is to stop.
#[derive(Debug)]
pub struct Readiness {
    started_at: u64,
    draining: AtomicBool,
    last: Mutex<Option<(u64, Verdict)>>,
}

impl Readiness {
    /// Begins now, in microseconds since 1970 UTC.
    pub fn new(started_at: u64) -> Self {
        Self { started_at, draining: AtomicBool::new(false), last: Mutex::default() }
    }

    /// When the process began, in microseconds since 1970 UTC.
    pub fn started_at(&self) -> u64 {
        self.started_at
    }

    /// From now on it is not ready any more.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// How things stand, or stood within the last second.
    pub async fn verdict(&self, app: &App) -> Verdict {
        // Those who ask together wait for one answer.
        let mut last = self.last.lock().await;
        let now = app.authority.clock().now().boot;
        let mut verdict = match &*last {
            Some((at, verdict)) if now.saturating_sub(*at) < HOLDS => verdict.clone(),
            before => {
                let verdict = judge(app).await;
                let was_ready = before.as_ref().is_none_or(|(_, verdict)| verdict.is_ready());
                tell(was_ready, &verdict);
                // From when it was found: those who have waited for it take it, too.
                *last = Some((app.authority.clock().now().boot, verdict.clone()));
                verdict
            }
        };
        if self.draining.load(Ordering::Relaxed) {
            verdict.checks.push(("draining", Err("it is to stop")));
        }
        verdict
    }
}

/// Logs a change.
fn tell(was_ready: bool, verdict: &Verdict) {
    match (was_ready, verdict.is_ready()) {
        (true, false) => {
            let failed = verdict.checks.iter().filter(|(_, outcome)| outcome.is_err());
            let failed = failed.map(|(name, _)| *name).collect::<Vec<_>>().join(" ");
            tracing::warn!(event = "not_ready", failed);
        }
        (false, true) => tracing::info!(event = "ready"),
        _ => {}
    }
}

async fn judge(app: &App) -> Verdict {
    let authority = &app.authority;
    let store = authority.store();
    let answers = in_time(store.head(), "it does not answer a read: see store_failed");
    let takes = async {
        match store.health().failing {
            // Nobody else may try while nobody is sent here.
            true => in_time(authority.try_store(), "it takes no commit: see commit_failed").await,
            false => Ok(()),
        }
    };
    let (answers, takes) = tokio::join!(answers, takes);
    let holds = |fine: bool, why| if fine { Ok(()) } else { Err(why) };
    let checks = vec![
        ("store", answers),
        ("commits", takes),
        (
            "keys",
            holds(authority.keys_tended(), "they could not be looked after: see keys_not_tended"),
        ),
        ("feed", holds(app.feed.is_alive(), "it signs no heads: see feed_failed")),
        (
            "hashing",
            holds(authority.hasher().state().threads > 0, "all threads have ended: see panicked"),
        ),
        (
            "clock",
            holds(!authority.clock().stepped(), "the wall clock has jumped: see clock_stepped"),
        ),
    ];
    Verdict { checks }
}

/// The store's answer, or why there is none.
async fn in_time<T>(
    answer: impl Future<Output = Result<T, StoreError>>,
    why: &'static str,
) -> Result<(), &'static str> {
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => {
            tracing::error!(event = "store_failed", %error);
            Err(why)
        }
        Err(_) => {
            tracing::error!(event = "store_failed", error = "no answer in time");
            Err(why)
        }
    }
}

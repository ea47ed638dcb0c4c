//! An authority that starts with a wrong clock.

use super::Faults;
use crate::boot;
use crate::doors::Admin;
use crate::draw::Draw;
use crate::history::Route;
use crate::proxy::State;
use http::Method;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How wrong the clock is that the authority starts with: beyond the life of every entry, and short of what
/// keeps it from starting when the clock is right again.
const WRONG: i64 = 180_000_000;

impl Faults {
    /// The authority starts with a clock that is wrong, forgets by it what it need not tell any more, and starts
    /// again with the right one. A verifier that was cut off meanwhile fetches a snapshot of that time: what it
    /// held before must not go. Nothing is taken back meanwhile: that such an authority forgets what nobody else
    /// knows yet is no fault of the verifiers.
    pub(super) async fn wrong_start(&self, draw: Draw) {
        let _alone = self.authority.lock().await;
        let _quiet = self.stage.running.write().await;
        let (realm, quiet) = (&self.stage.realm, boot());
        for number in 0..realm.servers.len() {
            if !self.knows_all(number, quiet).await {
                return;
            }
        }
        let (kind, number) = ("authority started with a wrong clock", realm.any_server(&draw));
        let trouble = realm.observer.trouble(kind, None, true);
        let link = &realm.servers[number].link;
        link.set(State { deaf: true, mute: true, ..State::default() });
        realm.fill_log(&mut Admin::default(), &draw).await;
        realm.kill_authority();
        realm.start_authority(WRONG).await;
        let wrong = boot();
        sleep(Duration::from_millis(1_500)).await;
        link.set(State::default());
        link.cut();
        self.knows_all(number, wrong).await;
        realm.kill_authority();
        realm.start_authority(0).await;
        realm.observer.over(trouble);
        self.knows_all(number, boot()).await;
        let dead = self.stage.dead.lock().unwrap().clone();
        for token in &dead {
            realm.present(token, number, Route::Local).await;
        }
    }

    /// Waits until what a verifier knows is newer than this.
    async fn knows_all(&self, number: usize, since: u64) -> bool {
        let http = &self.stage.realm.servers[number].http;
        let known = async {
            loop {
                let asked = boot();
                let answer = http.attempt(Method::GET, "/status", &[], "").await;
                let stale = answer.and_then(|answer| answer.json()["staleness_ms"].as_u64());
                if stale.is_some_and(|stale| asked > since + (stale + 1) * 1_000) {
                    return;
                }
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(Duration::from_secs(15), known).await.is_ok()
    }
}

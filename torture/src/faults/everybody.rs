//! What meets every verifier at once, while nobody disturbs it: an authority that starts with a wrong clock, old frames,
//! and everything late.

use super::Faults;
use crate::boot;
use crate::doors::Admin;
use crate::draw::Draw;
use crate::history::Route;
use crate::proxy::{Link, State};
use crate::run::PROMISE;
use http::Method;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How wrong the clock is that the authority starts with: beyond the life of every entry, and short of what
/// keeps it from starting when the clock is right again.
const WRONG: i64 = 180_000_000;
/// How late everything is: later than S.
const LATE: Duration = Duration::from_secs(5);

impl Faults {
    /// The authority starts with a clock that is wrong, forgets by it what it need not tell any more, and starts
    /// again with the right one, which the administrator confirms: the log begins anew. Every verifier fetches a
    /// snapshot, while what is dead is shown to all of them: what they held before must not go. Nothing is taken
    /// back meanwhile: that such an authority forgets what nobody else knows yet is no fault of the verifiers.
    pub(super) async fn wrong_start(&self, draw: Draw) {
        let _alone = self.authority.lock().await;
        let _quiet = self.stage.running.write().await;
        let realm = &self.stage.realm;
        if !self.all_know(boot()).await {
            return;
        }
        let kind = "authority started with a wrong clock";
        let trouble = realm.observer.trouble(kind, self.everybody(), true);
        realm.fill_log(&mut Admin::default(), &draw).await;
        realm.kill_authority();
        realm.start_authority(WRONG, false).await;
        sleep(Duration::from_millis(1_500)).await;
        realm.kill_authority();
        let showing = self.show_the_dead();
        realm.start_authority(0, true).await;
        self.all_know(boot()).await;
        drop(showing);
        realm.observer.over(trouble);
    }

    /// Somebody says again to every verifier what was said when the round began, while what is dead is shown. Nothing is
    /// taken back meanwhile, neither is any key: so nothing but what a verifier holds keeps the dead out, and heads
    /// extend its lease all the time.
    pub(super) async fn old_frames(&self) {
        let _alone = self.authority.lock().await;
        let _quiet = self.stage.running.write().await;
        let Some(recorded) = self.recorded.lock().unwrap().clone() else { return };
        if !self.all_know(boot()).await {
            return;
        }
        let observer = &self.stage.realm.observer;
        let trouble = observer.trouble("old frames told to everybody", self.everybody(), false);
        let showing = self.show_the_dead();
        self.each_link(|link| link.replay(Some(Arc::clone(&recorded))));
        sleep(Duration::from_secs(5)).await;
        drop(showing);
        self.each_link(|link| link.replay(None));
        observer.over(trouble);
    }

    /// Whatever is said to the followers comes later than S, the feed's frames and beats in their order. Much is taken
    /// back meanwhile, and shown at once; but no key is, so that every verifier knows all keys: nothing but its lease,
    /// which no head extends, keeps it from accepting what it has not heard of yet.
    pub(super) async fn all_late(&self) {
        let _alone = self.authority.lock().await;
        let _keys = self.stage.keys.lock().await;
        sleep(Duration::from_micros(PROMISE.keys)).await;
        if self.is_over() || !self.all_know(boot()).await {
            return;
        }
        let observer = &self.stage.realm.observer;
        let trouble = observer.trouble("everything late for everybody", self.everybody(), false);
        let showing = self.show_the_dead();
        let links = || self.stage.realm.servers.iter().map(|server| &server.link);
        links().for_each(|link| link.set(State { delay: LATE, ..State::default() }));
        sleep(Duration::from_secs(16)).await;
        drop(showing);
        self.each_link(|link| link.set(State::default()));
        observer.over(trouble);
    }

    /// Changes the way of each follower, and breaks what is open there.
    fn each_link(&self, change: impl Fn(&Link)) {
        for server in self.stage.realm.servers.iter() {
            change(&server.link);
            server.link.cut();
        }
    }

    /// Shows what is dead to every verifier, the newest first, until it is dropped.
    fn show_the_dead(&self) -> JoinSet<()> {
        let mut showing = JoinSet::new();
        for number in 0..self.stage.realm.verifiers() {
            let stage = Arc::clone(&self.stage);
            showing.spawn(async move {
                loop {
                    let dead = stage.dead.lock().unwrap().clone();
                    for token in dead.iter().rev() {
                        stage.realm.present(token, number, Route::Local).await;
                        sleep(Duration::from_millis(5)).await;
                    }
                    sleep(Duration::from_millis(5)).await;
                }
            });
        }
        showing
    }

    /// Waits until what every verifier knows is newer than this.
    async fn all_know(&self, since: u64) -> bool {
        for number in 0..self.stage.realm.verifiers() {
            if !self.knows(number, since).await {
                return false;
            }
        }
        true
    }

    /// Waits until what a verifier knows is newer than this.
    async fn knows(&self, number: usize, since: u64) -> bool {
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
        timeout(Duration::from_secs(30), known).await.is_ok()
    }
}

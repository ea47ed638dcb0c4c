//! What breaks: a deck of faults, shuffled by the seed, played until the time is over. The plan repeats with its
//! seed; what the processes do meanwhile does not.

mod wrong_start;

use crate::acts::Stage;
use crate::draw::Draw;
use crate::proxy::State;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// What breaks at one verifier, or on its way.
#[derive(Debug, Clone, Copy)]
enum AtServer {
    Kill,
    Freeze,
    FreezeLong,
    Cut,
    Deaf,
    Mute,
    Silent,
    Lag,
    Slow,
    Clock,
}

/// What breaks for everybody.
#[derive(Debug, Clone, Copy)]
enum AtAuthority {
    Kill,
    Freeze,
    Clock,
    CrowdCut,
    CrowdMute,
    CrowdLag,
}

const AT_SERVER: [AtServer; 10] = [
    AtServer::Slow,
    AtServer::Kill,
    AtServer::Freeze,
    AtServer::FreezeLong,
    AtServer::Cut,
    AtServer::Deaf,
    AtServer::Mute,
    AtServer::Silent,
    AtServer::Lag,
    AtServer::Clock,
];
const AT_AUTHORITY: [AtAuthority; 8] = [
    AtAuthority::Kill,
    AtAuthority::Kill,
    AtAuthority::Freeze,
    AtAuthority::Clock,
    AtAuthority::CrowdCut,
    AtAuthority::CrowdCut,
    AtAuthority::CrowdMute,
    AtAuthority::CrowdLag,
];

const HOUR: i64 = 3_600_000_000;

/// Who breaks things.
pub struct Faults {
    stage: Arc<Stage>,
    seed: u64,
    busy: Vec<AtomicBool>,
    authority: Mutex<()>,
    over: watch::Receiver<bool>,
}

impl Faults {
    /// One that stops when `over` says so, and leaves nothing broken.
    pub fn new(stage: Arc<Stage>, seed: u64, over: watch::Receiver<bool>) -> Arc<Self> {
        let busy = stage.realm.servers.iter().map(|_| AtomicBool::new(false)).collect();
        Arc::new(Self { stage, seed, busy, authority: Mutex::new(()), over })
    }

    /// Breaks and mends until it is over. Each fault has chance of its own, so that the plan is the same however
    /// long each of them takes.
    pub async fn rage(self: Arc<Self>, calm: Duration) {
        self.rest(Duration::from_secs(8)).await;
        for round in 0.. {
            if self.is_over() {
                return;
            }
            let draw = |part: u64| Draw::new(self.seed, 1_000_000 + round * 100 + part);
            self.wrong_start(draw(0)).await;
            let mut running = JoinSet::new();
            for (fault, part) in draw(1).shuffled(AT_SERVER.to_vec()).into_iter().zip(10..) {
                let (me, own) = (Arc::clone(&self), draw(part));
                let pause = own.span(300, 1_500);
                running.spawn(async move { me.at_server(fault, own).await });
                self.rest(pause).await;
            }
            for (fault, part) in draw(2).shuffled(AT_AUTHORITY.to_vec()).into_iter().zip(50..) {
                let (me, own) = (Arc::clone(&self), draw(part));
                let pause = own.span(500, 2_500);
                running.spawn(async move { me.at_authority(fault, own).await });
                self.rest(pause).await;
            }
            while running.join_next().await.is_some() {}
            self.rest(calm).await;
        }
    }

    fn is_over(&self) -> bool {
        *self.over.borrow()
    }

    /// Waits so long, or until it is over.
    async fn rest(&self, span: Duration) {
        let mut over = self.over.clone();
        let _ = timeout(span, over.wait_for(|over| *over)).await;
    }

    /// A verifier at which nothing is broken.
    fn free(&self, draw: &Draw) -> Option<usize> {
        let first = draw.below(self.busy.len());
        let all = (0..self.busy.len()).map(|step| (first + step) % self.busy.len());
        all.into_iter().find(|number| !self.busy[*number].swap(true, Ordering::SeqCst))
    }

    async fn at_server(&self, fault: AtServer, draw: Draw) {
        if self.is_over() {
            return;
        }
        let Some(number) = self.free(&draw) else { return };
        let (kind, clock) = match fault {
            AtServer::Kill => ("verifier killed", false),
            AtServer::Freeze | AtServer::FreezeLong => ("verifier frozen", false),
            AtServer::Cut => ("verifier's connections cut", false),
            AtServer::Deaf => ("nothing from a verifier arrives", false),
            AtServer::Mute => ("nothing arrives at a verifier", false),
            AtServer::Silent => ("verifier partitioned", false),
            AtServer::Lag => ("verifier's connections slowed by under 0.4 s", false),
            AtServer::Slow => ("verifier's connections slowed by 4 to 8 s", false),
            AtServer::Clock => ("verifier's wall clock off by an hour", true),
        };
        let observer = &self.stage.realm.observer;
        let trouble = observer.trouble(kind, Some(number as u8), clock);
        self.break_server(fault, number, &draw).await;
        observer.over(trouble);
        self.busy[number].store(false, Ordering::SeqCst);
    }

    async fn break_server(&self, fault: AtServer, number: usize, draw: &Draw) {
        let realm = &self.stage.realm;
        let link = &realm.servers[number].link;
        let delay = Duration::ZERO;
        let held = |deaf, mute, least, most| (State { deaf, mute, delay }, draw.span(least, most));
        let slowed = |delay, span| (State { delay, ..State::default() }, span);
        let (state, span) = match fault {
            AtServer::Kill => {
                realm.kill_server(number);
                sleep(draw.span(0, 2_000)).await;
                return realm.start_server(number);
            }
            AtServer::Freeze | AtServer::FreezeLong => {
                realm.server(number, |process| process.freeze());
                let long = matches!(fault, AtServer::FreezeLong);
                sleep(if long { draw.span(3_500, 8_000) } else { draw.span(200, 2_500) }).await;
                return realm.server(number, |process| process.thaw());
            }
            AtServer::Clock => {
                let off = if draw.one_in(2) { HOUR } else { -HOUR };
                realm.server(number, |process| process.skew(off));
                sleep(draw.span(2_000, 6_000)).await;
                return realm.server(number, |process| process.skew(0));
            }
            AtServer::Cut => return link.cut(),
            AtServer::Deaf => held(true, false, 1_000, 8_000),
            AtServer::Mute => held(false, true, 1_000, 8_000),
            AtServer::Silent => held(true, true, 1_000, 12_000),
            AtServer::Lag => slowed(draw.span(50, 400), draw.span(2_000, 6_000)),
            AtServer::Slow => slowed(draw.span(4_000, 8_000), draw.span(16_000, 20_000)),
        };
        link.set(state);
        sleep(span).await;
        link.set(State::default());
        if draw.one_in(2) {
            link.cut();
        }
    }

    async fn at_authority(&self, fault: AtAuthority, draw: Draw) {
        let _alone = self.authority.lock().await;
        if self.is_over() {
            return;
        }
        let realm = &self.stage.realm;
        let observer = &realm.observer;
        match fault {
            AtAuthority::Kill => {
                let trouble = observer.trouble("authority killed", None, false);
                realm.kill_authority();
                sleep(draw.span(0, 1_500)).await;
                realm.start_authority(0).await;
                observer.over(trouble);
            }
            AtAuthority::Freeze => {
                let trouble = observer.trouble("authority frozen", None, false);
                realm.authority(|process| process.freeze());
                sleep(draw.span(200, 5_000)).await;
                realm.authority(|process| process.thaw());
                observer.over(trouble);
            }
            AtAuthority::Clock => {
                let trouble = observer.trouble("authority's wall clock off by an hour", None, true);
                let off = if draw.one_in(2) { HOUR } else { -HOUR };
                realm.authority(|process| process.skew(off));
                sleep(draw.span(2_000, 6_000)).await;
                realm.authority(|process| process.skew(0));
                observer.over(trouble);
            }
            AtAuthority::CrowdCut => realm.crowd.cut(),
            AtAuthority::CrowdMute => {
                realm.crowd.set(State { mute: true, ..State::default() });
                sleep(draw.span(500, 3_000)).await;
                realm.crowd.set(State::default());
                realm.crowd.cut();
            }
            AtAuthority::CrowdLag => {
                realm.crowd.set(State { delay: draw.span(20, 200), ..State::default() });
                sleep(draw.span(2_000, 4_000)).await;
                realm.crowd.set(State::default());
            }
        }
    }
}

//! What breaks: a deck of faults, shuffled by the seed, played until the time is over. The plan repeats with its
//! seed; what the processes do meanwhile does not.

mod everybody;

use crate::acts::Stage;
use crate::draw::Draw;
use crate::proxy::{Link, Recorded, State};
use crate::realm::Disk;
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
    Scatter,
    Twice,
    Replay,
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
    CrowdScatter,
    CrowdTwice,
    FullDisk,
    SlowDisk,
    LineDown,
}

const AT_SERVER: [AtServer; 16] = [
    AtServer::Slow,
    AtServer::Kill,
    AtServer::Freeze,
    AtServer::FreezeLong,
    AtServer::Cut,
    AtServer::Deaf,
    AtServer::Mute,
    AtServer::Silent,
    AtServer::Lag,
    AtServer::Scatter,
    AtServer::Twice,
    AtServer::Replay,
    AtServer::Clock,
    AtServer::Kill,
    AtServer::Silent,
    AtServer::FreezeLong,
];
const AT_AUTHORITY: [AtAuthority; 12] = [
    AtAuthority::Kill,
    AtAuthority::Kill,
    AtAuthority::Freeze,
    AtAuthority::Clock,
    AtAuthority::CrowdCut,
    AtAuthority::CrowdMute,
    AtAuthority::CrowdLag,
    AtAuthority::CrowdScatter,
    AtAuthority::CrowdTwice,
    AtAuthority::FullDisk,
    AtAuthority::SlowDisk,
    AtAuthority::LineDown,
];

const HOUR: i64 = 3_600_000_000;
/// Between a verifier's attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Who breaks things.
pub struct Faults {
    stage: Arc<Stage>,
    seed: u64,
    busy: Vec<AtomicBool>,
    authority: Mutex<()>,
    /// What the authority said when the round began.
    recorded: std::sync::Mutex<Option<Arc<Recorded>>>,
    over: watch::Receiver<bool>,
}

impl Faults {
    /// One that stops when `over` says so, and leaves nothing broken.
    pub fn new(stage: Arc<Stage>, seed: u64, over: watch::Receiver<bool>) -> Arc<Self> {
        let busy = stage.realm.servers.iter().map(|_| AtomicBool::new(false)).collect();
        let (authority, recorded) = (Mutex::new(()), std::sync::Mutex::new(None));
        Arc::new(Self { stage, seed, busy, authority, recorded, over })
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
            let recorded = self.stage.realm.record().await.map(Arc::new);
            *self.recorded.lock().unwrap() = recorded;
            self.old_frames().await;
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
            self.all_late().await;
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

    /// A server at which nothing is broken. The first one is never killed, so that what its memory does over the
    /// whole run is seen.
    fn free(&self, fault: AtServer, draw: &Draw) -> Option<usize> {
        let first = draw.below(self.busy.len());
        let mut all = (0..self.busy.len()).map(|step| (first + step) % self.busy.len());
        let spared = |number| number == 0 && matches!(fault, AtServer::Kill);
        all.find(|number| !spared(*number) && !self.busy[*number].swap(true, Ordering::SeqCst))
    }

    async fn at_server(&self, fault: AtServer, draw: Draw) {
        if self.is_over() {
            return;
        }
        let Some(number) = self.free(fault, &draw) else { return };
        let realm = &self.stage.realm;
        let kind = kind(fault, realm.is_relay(number));
        let clock = matches!(fault, AtServer::Clock);
        let trouble = realm.observer.trouble(kind, realm.meets(number), clock);
        self.break_server(fault, number, &draw).await;
        realm.observer.over(trouble);
        self.busy[number].store(false, Ordering::SeqCst);
    }

    async fn break_server(&self, fault: AtServer, number: usize, draw: &Draw) {
        let realm = &self.stage.realm;
        let link = &realm.servers[number].link;
        let held = |deaf, mute, least, most| {
            (State { deaf, mute, ..State::default() }, draw.span(least, most))
        };
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
            AtServer::Replay => return self.replay(link, draw).await,
            AtServer::Cut => return link.cut(),
            AtServer::Deaf => held(true, false, 1_000, 8_000),
            AtServer::Mute => held(false, true, 1_000, 8_000),
            AtServer::Silent => held(true, true, 1_000, 12_000),
            AtServer::Lag => slowed(draw.span(50, 400), draw.span(2_000, 6_000)),
            AtServer::Slow => slowed(draw.span(4_000, 8_000), draw.span(16_000, 20_000)),
            AtServer::Scatter => (scattered(300), draw.span(2_000, 6_000)),
            AtServer::Twice => (State { twice: true, ..State::default() }, draw.span(2_000, 6_000)),
        };
        link.set(state);
        if state.twice {
            link.cut();
        }
        sleep(span).await;
        link.set(State::default());
        if draw.one_in(2) {
            link.cut();
        }
    }

    /// Somebody on the way says again what the authority said a while ago: that the log is gone, and an old snapshot.
    async fn replay(&self, link: &Link, draw: &Draw) {
        let recorded = self.recorded.lock().unwrap().clone();
        link.replay(recorded);
        link.cut();
        sleep(draw.span(3_000, 6_000)).await;
        link.replay(None);
        link.cut();
        // Whoever was told that often to begin anew may pause before he asks again.
        sleep(LONGEST_PAUSE).await;
    }

    async fn at_authority(&self, fault: AtAuthority, draw: Draw) {
        let _alone = self.authority.lock().await;
        if self.is_over() {
            return;
        }
        let (realm, everybody) = (&self.stage.realm, self.everybody());
        let (kind, at, clock) = match fault {
            AtAuthority::Kill => ("authority killed", everybody, false),
            AtAuthority::Freeze => ("authority frozen", everybody, false),
            AtAuthority::Clock => ("authority's wall clock off by an hour", everybody, true),
            AtAuthority::CrowdCut => ("people's connections cut", vec![], false),
            AtAuthority::CrowdMute => ("nothing arrives at people", vec![], false),
            AtAuthority::CrowdLag => ("people's connections slowed", vec![], false),
            AtAuthority::CrowdScatter => ("people's requests out of order", vec![], false),
            AtAuthority::CrowdTwice => ("people's requests arrive twice", vec![], false),
            AtAuthority::FullDisk if realm.disk.is_none() => return,
            AtAuthority::FullDisk => ("authority's disk full", vec![], false),
            // Four read at a time: heads wait behind everybody else's reads.
            AtAuthority::SlowDisk => ("authority's disk slow", everybody, false),
            AtAuthority::LineDown if realm.network.is_none() => return,
            AtAuthority::LineDown => ("the line of a verifier's network down", vec![0], false),
        };
        let trouble = realm.observer.trouble(kind, at, clock);
        self.break_authority(fault, &draw).await;
        realm.observer.over(trouble);
    }

    fn everybody(&self) -> Vec<u8> {
        (0..self.stage.realm.verifiers() as u8).collect()
    }

    async fn break_authority(&self, fault: AtAuthority, draw: &Draw) {
        let realm = &self.stage.realm;
        let (state, span) = match fault {
            AtAuthority::Kill => {
                realm.kill_authority();
                sleep(draw.span(0, 1_500)).await;
                return realm.start_authority(0, false).await;
            }
            AtAuthority::Freeze => {
                realm.authority(|process| process.freeze());
                sleep(draw.span(200, 5_000)).await;
                return realm.authority(|process| process.thaw());
            }
            AtAuthority::Clock => {
                let off = if draw.one_in(2) { HOUR } else { -HOUR };
                realm.authority(|process| process.skew(off));
                sleep(draw.span(2_000, 6_000)).await;
                return realm.authority(|process| process.skew(0));
            }
            AtAuthority::FullDisk => {
                realm.disk.iter().for_each(Disk::fill);
                sleep(draw.span(1_000, 3_000)).await;
                return realm.disk.iter().for_each(Disk::free);
            }
            AtAuthority::SlowDisk => {
                realm.authority(|process| process.slow_disk(200));
                sleep(draw.span(2_000, 6_000)).await;
                return realm.authority(|process| process.slow_disk(0));
            }
            AtAuthority::LineDown => {
                realm.network.iter().for_each(|network| network.line(false));
                sleep(draw.span(1_000, 10_000)).await;
                return realm.network.iter().for_each(|network| network.line(true));
            }
            AtAuthority::CrowdCut => return realm.crowd.cut(),
            AtAuthority::CrowdMute => {
                (State { mute: true, ..State::default() }, draw.span(500, 3_000))
            }
            AtAuthority::CrowdLag => {
                let delay = draw.span(20, 200);
                (State { delay, ..State::default() }, draw.span(2_000, 4_000))
            }
            AtAuthority::CrowdScatter => (scattered(100), draw.span(2_000, 4_000)),
            AtAuthority::CrowdTwice => {
                (State { twice: true, ..State::default() }, draw.span(2_000, 4_000))
            }
        };
        realm.crowd.set(state);
        if state.twice {
            realm.crowd.cut();
        }
        sleep(span).await;
        realm.crowd.set(State::default());
        if state.mute || state.twice {
            realm.crowd.cut();
        }
    }
}

fn scattered(most_ms: u64) -> State {
    State { scatter: Duration::from_millis(most_ms), ..State::default() }
}

/// What a fault at a verifier or the relay is called.
fn kind(fault: AtServer, relay: bool) -> &'static str {
    let (at_verifier, at_relay) = match fault {
        AtServer::Kill => ("verifier killed", "relay killed"),
        AtServer::Freeze | AtServer::FreezeLong => ("verifier frozen", "relay frozen"),
        AtServer::Cut => ("verifier's connections cut", "relay's connections cut"),
        AtServer::Deaf => ("nothing from a verifier arrives", "nothing from the relay arrives"),
        AtServer::Mute => ("nothing arrives at a verifier", "nothing arrives at the relay"),
        AtServer::Silent => ("verifier partitioned", "relay partitioned"),
        AtServer::Lag => {
            ("verifier's connections slowed by under 0.4 s", "relay's slowed by under 0.4 s")
        }
        AtServer::Slow => {
            ("verifier's connections slowed by 4 to 8 s", "relay's slowed by 4 to 8 s")
        }
        AtServer::Scatter => ("verifier's requests out of order", "relay's requests out of order"),
        AtServer::Twice => ("verifier's requests arrive twice", "relay's requests arrive twice"),
        AtServer::Replay => ("old frames told to a verifier", "old frames told to the relay"),
        AtServer::Clock => {
            ("verifier's wall clock off by an hour", "relay's wall clock off by an hour")
        }
    };
    if relay { at_relay } else { at_verifier }
}

//! All of it together, for so many minutes.

use crate::acts::{Actor, Stage};
use crate::draw::Draw;
use crate::faults::Faults;
use crate::history::Trouble;
use crate::judge::{Broken, Promise, Verdict, judge};
use crate::process::Sample;
use crate::realm::{Plan, Realm};
use crate::{boot, ghosts, people};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// S of the realm, in seconds: the least that may be set.
pub const STALENESS: u64 = 3;
/// Life of access tokens, in seconds: longer than any one fault, so that what is dead can be shown for a while.
pub const LIFE: u64 = 60;
/// How soon after trouble a verifier is fresh again at the latest, in seconds: it asks once a second, and asks again if
/// there is no answer for another one. How soon it mostly is, is measured.
pub const HEALED: u64 = 3;
/// Nothing is broken any more for so long before the end, in seconds.
const CALM: u64 = 10;

/// How many of whom.
const VERIFIERS: usize = 4;
const BEHIND: usize = 2;
const PEOPLE: usize = 240;
const ACTORS: usize = 8;
const KEYS: usize = ACTORS + 1;
const ACCOUNTS_EACH: usize = 6;
const GHOSTS: u64 = 4;

/// What is judged, in microseconds.
pub const PROMISE: Promise = Promise {
    staleness: STALENESS * 1_000_000,
    within: 1_000_000,
    healed: HEALED * 1_000_000,
    keys: 1_500_000,
    seen: 20_000,
};

/// A mistake that is planted, to see that it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// A beat extends a verifier's lease.
    Beat,
    /// A resync replaces what a verifier holds: it is thrown away, then a snapshot is fetched.
    Resync,
    /// Sessions are judged by the log's entries.
    Entries,
}

impl Defect {
    /// All of them by name.
    pub const ALL: [(&'static str, Self); 3] =
        [("beat", Self::Beat), ("resync", Self::Resync), ("entries", Self::Entries)];

    fn point(self) -> &'static str {
        match self {
            Self::Beat => "verifier::beat_extends_lease",
            Self::Resync => "verifier::resync_replaces",
            Self::Entries => "store::sessions_by_entries",
        }
    }

    /// Whether this is how it shows.
    pub fn shows_as(self, broken: &Broken) -> bool {
        match self {
            Self::Beat | Self::Resync => matches!(broken, Broken::AcceptedLate { .. }),
            Self::Entries => matches!(broken, Broken::Forgotten { .. }),
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Orders {
    /// How long.
    pub minutes: u64,
    /// Whence the chance.
    pub seed: u64,
    /// What is planted.
    pub defect: Option<Defect>,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// What was asked for.
    pub orders: Orders,
    /// What the history says.
    pub verdict: Verdict,
    /// Processes that ended, panics.
    pub failures: Vec<String>,
    /// Faults by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// All of them.
    pub troubles: Vec<Trouble>,
    /// Resident memory of each process, sampled every second.
    pub memory: BTreeMap<String, Vec<Sample>>,
    /// The machine's load, sampled every second.
    pub loads: Vec<f64>,
    /// How long the rig itself was kept waiting for a processor, at most, in microseconds.
    pub waited: u64,
    /// How many tokens were given.
    pub tokens: usize,
    /// What the machine did not let it do.
    pub lacking: Vec<&'static str>,
    /// How long it took, in seconds.
    pub seconds: u64,
    /// The folder of the processes; it is kept until somebody removes it.
    pub logs: PathBuf,
}

/// Runs it.
pub async fn run(orders: Orders) -> Outcome {
    let begun = boot();
    let defect = orders.defect.map(|defect| defect.point().to_owned());
    let plan = Plan {
        verifiers: VERIFIERS,
        behind: BEHIND,
        apart: true,
        staleness: STALENESS,
        life: LIFE,
        defect,
        keep: true,
    };
    let realm = Realm::start(plan).await;
    let stage = Stage::new(Arc::clone(&realm));
    let mut tasks = crowd(&stage, orders.seed).await;
    let (stop, over) = watch::channel(false);
    let faults = Faults::new(Arc::clone(&stage), orders.seed, over);
    let mut faults = tokio::spawn(faults.rage(Duration::from_secs(HEALED + 6)));
    let end = begun + orders.minutes * 60_000_000;
    let storm = end - CALM * 1_000_000;
    let (mut loads, mut waited, mut calm) = (Vec::new(), 0, None);
    for second in 0_u64.. {
        let due = boot() + 1_000_000;
        sleep(Duration::from_secs(1)).await;
        waited = boot().saturating_sub(due).max(waited);
        loads.extend(load());
        realm.sample_memory();
        if boot() >= storm && !*stop.borrow() {
            let _ = stop.send(true);
        }
        if second % 10 == 9 {
            progress(&realm, begun);
            if found(&realm, orders.defect).await {
                break;
            }
        }
        if calm.is_none() && faults.is_finished() {
            calm = Some(boot() + CALM * 1_000_000);
        }
        if boot() >= end && calm.is_some_and(|over| boot() >= over) {
            break;
        }
    }
    if orders.defect.is_none() {
        (&mut faults).await.expect("the faults end well");
    }
    faults.abort();
    tasks.shutdown().await;
    Outcome { loads, waited, ..outcome(orders, &realm, begun) }
}

/// How many processes of this machine ran or wanted to, in the last minute.
fn load() -> Option<f64> {
    let said = std::fs::read_to_string("/proc/loadavg").ok()?;
    said.split(' ').next()?.parse().ok()
}

/// Everybody who asks for something.
async fn crowd(stage: &Arc<Stage>, seed: u64) -> JoinSet<()> {
    let names = |of: &str, many: usize| (0..many).map(|n| format!("{of}{n}")).collect::<Vec<_>>();
    let people = names("person", PEOPLE / 4);
    let actors: Vec<Vec<String>> =
        (0..ACTORS + 2).map(|actor| names(&format!("actor{actor}-"), ACCOUNTS_EACH)).collect();
    stage.realm.accounts(&people).await;
    stage.realm.accounts(&actors.concat()).await;
    for number in 0..stage.realm.verifiers() {
        while !stage.realm.is_ready(number).await {
            sleep(Duration::from_millis(20)).await;
        }
    }
    let mut tasks = JoinSet::new();
    let draw = |part: u64| Draw::new(seed, 1_000 + part);
    for person in 0..PEOPLE {
        let (account, pause) = (people[person % people.len()].clone(), Duration::from_millis(200));
        tasks.spawn(people::live(Arc::clone(stage), account, draw(person as u64), pause));
    }
    for (number, accounts) in actors.into_iter().enumerate() {
        let actor = Actor::new(Arc::clone(stage), number, accounts, draw(10_000 + number as u64));
        match number {
            ACTORS => tasks.spawn(actor.for_everybody(48, Duration::from_secs(12))),
            KEYS => tasks.spawn(actor.keys()),
            _ => tasks.spawn(actor.one_by_one(Duration::from_millis(150))),
        };
    }
    for ghost in 0..GHOSTS {
        let pause = Duration::from_millis(35);
        tasks.spawn(ghosts::tokens(Arc::clone(stage), draw(20_000 + ghost), pause));
    }
    tasks.spawn(ghosts::sessions(Arc::clone(stage), draw(30_000), Duration::from_millis(100)));
    tasks
}

/// Says how far it is.
fn progress(realm: &Realm, begun: u64) {
    let seconds = (boot() - begun) / 1_000_000;
    let history = realm.observer.history();
    let (shown, revoked) = (history.presentations.len(), history.revocations.len());
    let troubles = history.troubles.len();
    eprintln!("{seconds:>5} s: {shown} presentations, {revoked} revocations, {troubles} faults");
}

/// Whether a planted defect has shown by now. Judged aside, so that nobody waits for it.
async fn found(realm: &Realm, defect: Option<Defect>) -> bool {
    let Some(defect) = defect else { return false };
    let history = realm.observer.history().clone();
    let judged = move || judge(&history, &PROMISE).broken.iter().any(|b| defect.shows_as(b));
    tokio::task::spawn_blocking(judged).await.expect("the judge ends well")
}

fn outcome(orders: Orders, realm: &Realm, begun: u64) -> Outcome {
    let failures = realm.failures();
    let logs = realm.folder().to_owned();
    let history = realm.observer.history();
    let mut faults = BTreeMap::new();
    for trouble in &history.troubles {
        *faults.entry(trouble.kind).or_default() += 1;
    }
    Outcome {
        orders,
        verdict: judge(&history, &PROMISE),
        failures,
        faults,
        troubles: history.troubles.clone(),
        memory: realm.memory.lock().map(|memory| memory.clone()).unwrap_or_default(),
        loads: Vec::new(),
        waited: 0,
        tokens: history.tokens.len(),
        lacking: realm.lacking(),
        seconds: (boot() - begun) / 1_000_000,
        logs,
    }
}

//! What all measurements share: two cores, kept apart, and how long everything takes.
//!
//! Servers run on one core and whoever asks them on another, so that neither takes time from the other. New
//! threads and programs stay on the core of the thread that starts them.

use crate::Outcome;
use rescind_server::telemetry::events::Events;
use rescind_server::telemetry::json_lines;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::convert::Infallible;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// How long one side of a round of requests lasts. Short and often, because machines change their pace.
pub(crate) const SPAN: Duration = Duration::from_secs(1);

/// The two sides, and how much is done.
pub(crate) struct Bench {
    /// The side of the servers.
    pub(crate) servers: Runtime,
    /// The side of those who ask: this thread.
    pub(crate) clients: Runtime,
    /// Only look whether everything works.
    pub(crate) quick: bool,
    /// Floor and figure are measured in turns so often.
    pub(crate) rounds: usize,
    folder: TempDir,
    /// Where pictures stay.
    pub(crate) pictures: Option<PathBuf>,
}

impl Bench {
    /// Divides the cores. Stores lie beside this program, on a disk and not in memory; there lies the log, too,
    /// which is written as an authority writes it, and counted.
    pub(crate) fn new(quick: bool) -> Outcome<Self> {
        let program = std::env::current_exe()?;
        let folder = tempfile::tempdir_in(program.parent().ok_or("the program has no folder")?)?;
        let log = Arc::new(File::create(folder.path().join("log"))?);
        let lines = json_lines(log).with_filter(LevelFilter::INFO);
        tracing_subscriber::registry().with(lines).with(Events::layer()).try_init()?;
        let allowed = sched_getaffinity(None)?;
        let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect();
        let [first, .., last] = cores[..] else {
            return Err("two cores are needed: one for the servers, one for who asks them".into());
        };
        pin(first)?;
        let servers = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        pin(last)?;
        let clients = Builder::new_current_thread().enable_all().build()?;
        Ok(Self {
            servers,
            clients,
            quick,
            rounds: if quick { 1 } else { 11 },
            folder,
            pictures: None,
        })
    }

    /// Does something on the servers' side and waits for it.
    pub(crate) fn on_servers<T: Send + 'static>(
        &self,
        work: impl Future<Output = Outcome<T>> + Send + 'static,
    ) -> Outcome<T> {
        self.clients.block_on(self.servers.spawn(work))?
    }

    /// `full`, or `quick`.
    pub(crate) fn choose<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// The file of a picture. Unless all is measured, it goes with the other files.
    pub(crate) fn picture(&self, name: &str) -> PathBuf {
        self.pictures.as_deref().unwrap_or(self.folder()).join(name)
    }

    /// Where files go that are removed at the end.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Does something on the side of those who ask, which never sleeps meanwhile: to wake a core that sleeps is a cost of the
/// server's that an answer over a network does not have, and that a load which keeps its core busy does not cause.
pub(crate) async fn awake<T>(work: impl Future<Output = T>) -> T {
    tokio::select! {
        done = work => done,
        never = busy() => match never {},
    }
}

async fn busy() -> Infallible {
    loop {
        tokio::task::yield_now().await;
    }
}

/// Tells the person at the terminal what is going on.
pub(crate) fn say(what: &str) {
    eprintln!("bench: {what}");
}

fn pin(core: usize) -> Outcome {
    let mut set = CpuSet::new();
    set.set(core);
    Ok(sched_setaffinity(None, &set)?)
}

//! The one thread that writes. It takes all waiting jobs at once and makes them durable together: each
//! in a savepoint of its own, so that a refused one is undone alone, then one commit for all. Members of
//! a batch behave as if committed one after another, and nobody is answered before the commit: a job
//! that only looked may have seen what a batch-mate wrote. At each step a test may stop the process.

use super::apply::Pen;
use super::held::{Change, Sessions};
use super::reader;
use super::rows::{Answer, run};
use super::sweep::{Part, Slice, sweep};
use super::tail::Tail;
use rescind_authority::audit::Record;
use rescind_authority::clients::Client;
use rescind_authority::clock::Clock;
use rescind_authority::store::{Decide, Head, Load, StoreError};
use rescind_wire::id::Epoch;
use rescind_wire::revocation::Entry;
use rusqlite::Connection;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{mpsc, oneshot, watch};

/// Most jobs in one commit.
const BATCH: usize = 256;

/// What is to be done.
pub(super) enum Work {
    /// Load, decide, write.
    Transact(Load, Decide),
    /// Begin an epoch.
    OpenEpoch {
        /// Its id.
        epoch: Epoch,
        /// Its earliest log time.
        ts: u64,
        /// Whether sessions die with it.
        end_sessions: bool,
        /// For whom asks later.
        record: Record,
    },
    /// Remove what has passed.
    Sweep(Slice),
}

/// What was done, durably.
#[derive(Clone)]
pub(super) struct Done {
    /// The head right after it.
    pub(super) head: Head,
    /// What a sweep removed.
    pub(super) part: Part,
}

/// Work, and who waits for it.
pub(super) struct Job {
    /// The work.
    pub(super) work: Work,
    /// Gets the outcome after the commit. If nobody waits any more, the work is done nevertheless.
    pub(super) answer: oneshot::Sender<Answer<Done>>,
}

/// The writer. Its connection is closed before the lock is given up.
pub(super) struct Writer {
    /// The only connection that writes.
    pub(super) conn: Connection,
    /// The realm.
    pub(super) issuer: String,
    /// Asked once per job.
    pub(super) clock: Arc<dyn Clock>,
    /// The newest log time that was ever given out: one of an undone job is never used again.
    pub(super) ratchet: u64,
    /// Entries of the transaction under way.
    pub(super) appended: Vec<Entry>,
    /// All clients as the transaction under way sees them, if they were asked for since they last changed:
    /// nobody else changes them.
    pub(super) clients: Option<Arc<[Client]>>,
    /// What of the sessions in memory it changes.
    pub(super) changes: Vec<Change>,
    /// Gets the entries after the commit.
    pub(super) tail: Arc<Tail>,
    /// Gets the changes after the commit.
    pub(super) held: Arc<Sessions>,
    /// Told after each commit that moved the head.
    pub(super) committed: Arc<watch::Sender<Head>>,
    /// Whether the last commit of a change failed.
    pub(super) failing: Arc<AtomicBool>,
    /// Keeps other processes out.
    pub(super) lock: File,
}

impl Writer {
    /// Works until the last sender of jobs is gone and all its jobs are done.
    pub(super) fn work(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut waiting = Vec::with_capacity(BATCH);
        while jobs.blocking_recv_many(&mut waiting, BATCH) > 0 {
            // Where threads share a processor, whoever is about to ask comes before this goes on, and shares the commit.
            std::thread::yield_now();
            while waiting.len() < BATCH
                && let Ok(job) = jobs.try_recv()
            {
                waiting.push(job);
            }
            let (works, answers): (Vec<Work>, Vec<_>) =
                waiting.drain(..).map(|job| (job.work, job.answer)).unzip();
            let outcomes = self.commit_together(works);
            for (answer, outcome) in answers.into_iter().zip(outcomes) {
                // Whoever has stopped waiting misses nothing.
                let _ = answer.send(outcome);
            }
        }
        let Writer { conn, lock, .. } = self;
        drop(conn);
        drop(lock);
    }

    /// One outcome per work, in order. If the commit fails, so does every one of them.
    fn commit_together(&mut self, works: Vec<Work>) -> Vec<Answer<Done>> {
        let asked = works.len();
        let (began, changes) = (self.clock.now().boot, self.conn.total_changes());
        match self.attempt(works) {
            Ok(outcomes) => {
                let micros = self.clock.now().boot.saturating_sub(began);
                tracing::debug!(event = "committed", jobs = asked, micros);
                // One that changed nothing does not show that the disk takes anything.
                if self.conn.total_changes() != changes {
                    self.failing.store(false, Ordering::Relaxed);
                }
                outcomes
            }
            Err(error) => {
                self.clients = None;
                self.failing.store(true, Ordering::Relaxed);
                tracing::error!(event = "commit_failed", %error, jobs = asked);
                self.roll_back();
                // What a disk has made of a commit that it did not confirm, only the database knows.
                self.held.apply(&[Change::All]);
                vec![Err(error); asked]
            }
        }
    }

    fn attempt(&mut self, works: Vec<Work>) -> Answer<Vec<Answer<Done>>> {
        run(&self.conn, "BEGIN IMMEDIATE", [])?;
        self.appended.clear();
        self.changes.clear();
        let mut outcomes = Vec::with_capacity(works.len());
        for work in works {
            outcomes.push(self.in_savepoint(work)?);
        }
        commit(&self.conn)?;
        fail::fail_point!("store::after_commit", |_| std::process::abort());
        self.held.apply(&self.changes);
        if let Some(done) = outcomes.iter().rev().find_map(|outcome| outcome.as_ref().ok()) {
            let (head, appended) = (done.head, std::mem::take(&mut self.appended));
            self.tail.committed(head, appended);
            if outcomes.iter().flatten().any(|done| done.part.removed > 0) {
                self.tail.swept();
            }
            self.publish(head);
        }
        fail::fail_point!("store::after_publication", |_| std::process::abort());
        Ok(outcomes)
    }

    /// The outer error is for the whole batch: its transaction is lost.
    fn in_savepoint(&mut self, work: Work) -> Answer<Answer<Done>> {
        run(&self.conn, "SAVEPOINT job", [])?;
        let (entries, changes) = (self.appended.len(), self.changes.len());
        let outcome = self.perform(work);
        if let Err(error) = &outcome {
            self.appended.truncate(entries);
            self.changes.truncate(changes);
            self.clients = None;
            // SQLite undoes the whole transaction after some errors, and says so here.
            run(&self.conn, "ROLLBACK TO job", []).map_err(|_| error.clone())?;
        }
        run(&self.conn, "RELEASE job", [])?;
        Ok(outcome)
    }

    fn perform(&mut self, work: Work) -> Answer<Done> {
        let Self { conn, issuer, clock, ratchet, appended, clients, changes, .. } = self;
        let wall = clock.now().wall;
        let head = reader::head(conn)?;
        match work {
            Work::Transact(load, decide) => {
                let loaded = reader::load(conn, issuer, &load, head, clients)?;
                fail::fail_point!("store::before_rule", |_| std::process::abort());
                let writes = catch_unwind(AssertUnwindSafe(|| decide(&loaded)))
                    .map_err(|_| StoreError::Failed("a rule panicked".into()))?;
                fail::fail_point!("store::after_rule", |_| std::process::abort());
                changes.extend(writes.iter().filter_map(Change::of));
                let pen = Pen { conn, issuer, wall, ratchet, appended, clients, head };
                Ok(Done { head: pen.write_all(writes)?, part: Part::default() })
            }
            Work::OpenEpoch { epoch, ts, end_sessions, record } => {
                changes.push(Change::All);
                let pen = Pen { conn, issuer, wall, ratchet, appended, clients, head };
                let head = pen.open_epoch(epoch, ts, end_sessions, record)?;
                Ok(Done { head, part: Part::default() })
            }
            Work::Sweep(slice) => Ok(Done { head, part: sweep(conn, slice, changes)? }),
        }
    }

    fn publish(&self, newest: Head) {
        self.committed.send_if_modified(|head| {
            let moved = *head != newest;
            *head = newest;
            moved
        });
    }

    fn roll_back(&self) {
        if self.conn.is_autocommit() {
            return;
        }
        if let Err(error) = run(&self.conn, "ROLLBACK", []) {
            tracing::error!(event = "rollback_failed", %error);
        }
    }
}

/// A test may make it fail (`return`) or stop the process (`return(abort)`).
fn commit(conn: &Connection) -> Answer<()> {
    fail::fail_point!("store::before_commit", |how: Option<String>| match how.as_deref() {
        Some("abort") => std::process::abort(),
        _ => Err(StoreError::Failed("a test stopped the commit".into())),
    });
    run(conn, "COMMIT", []).map(drop)
}

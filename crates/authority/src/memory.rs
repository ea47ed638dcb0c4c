//! The in-memory reference store: what every other store must do, in the fewest words. Durable until
//! the process ends.

mod realm;

pub use realm::Realm;

use crate::account::Account;
use crate::audit::{Order, Record, Search};
use crate::clients::Client;
use crate::clock::Clock;
use crate::session::{Session, SessionState};
use crate::store::{Decide, Head, Judged, Load, Loaded, LogPart, Store, StoreError, Swept};
use async_trait::async_trait;
use rescind_wire::id::{Epoch, Sid, Sub};
use rescind_wire::revocation::Entry;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::watch;

/// A store in memory: a [`Realm`] behind a lock.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    realm: Mutex<Realm>,
    committed: watch::Sender<Head>,
}

impl MemoryStore {
    /// An empty realm. `longest_life` is in seconds.
    pub fn new(issuer: &str, epoch: Epoch, longest_life: u64, clock: Arc<dyn Clock>) -> Self {
        let realm = Realm::new(issuer, epoch, longest_life, clock.now().wall);
        let committed = watch::Sender::new(realm.head);
        Self { clock, realm: Mutex::new(realm), committed }
    }

    fn lock(&self) -> MutexGuard<'_, Realm> {
        self.realm.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn head(&self) -> Result<Head, StoreError> {
        Ok(self.lock().head)
    }

    async fn read(&self, load: Load) -> Result<Loaded, StoreError> {
        Ok(self.lock().load(&load))
    }

    async fn transact(&self, load: Load, decide: Decide) -> Result<Head, StoreError> {
        let mut realm = self.lock();
        let head = realm.transact(&load, decide, self.clock.now().wall)?;
        drop(realm);
        self.committed.send_replace(head);
        Ok(head)
    }

    async fn log(&self, after: u64, most: usize) -> Result<LogPart, StoreError> {
        let realm = self.lock();
        let whole = after >= realm.floor && after <= realm.head.pos;
        let entries = || realm.log.range(after + 1..).take(most).map(|(_, e)| *e).collect();
        Ok(LogPart { head: realm.head, entries: whole.then(entries) })
    }

    async fn snapshot(&self) -> Result<(Head, Vec<Entry>), StoreError> {
        let realm = self.lock();
        Ok((realm.head, realm.snapshot()))
    }

    async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        let mut all: Vec<Account> = self.lock().accounts.values().cloned().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    async fn records(&self, sub: Option<Sub>, most: usize) -> Result<Vec<Record>, StoreError> {
        let realm = self.lock();
        let asked = |r: &&Record| sub.is_none() || r.sub == sub;
        Ok(realm.records.iter().rev().filter(asked).take(most).cloned().collect())
    }

    async fn search(&self, asked: Search, most: usize) -> Result<Vec<(u64, Record)>, StoreError> {
        let realm = self.lock();
        let numbered = (1..).zip(realm.records.iter().cloned());
        let mut found: Vec<(u64, Record)> =
            numbered.filter(|(number, record)| asked.fits(*number, record)).collect();
        if asked.order == Order::NewestFirst {
            found.reverse();
        }
        found.truncate(most);
        Ok(found)
    }

    async fn sessions(&self, after: Option<Sid>, most: usize) -> Result<Vec<Judged>, StoreError> {
        let realm = self.lock();
        let next = |s: &&Session| s.state == SessionState::Live && Some(s.sid) > after;
        let mut live: Vec<&Session> = realm.sessions.values().filter(next).collect();
        live.sort_by_key(|session| session.sid);
        Ok(live.into_iter().take(most).map(|session| realm.judged(session)).collect())
    }

    async fn clients(&self) -> Result<Vec<Client>, StoreError> {
        Ok(self.lock().clients.values().cloned().collect())
    }

    async fn sweep(&self, now: u64) -> Result<Swept, StoreError> {
        Ok(self.lock().sweep(now))
    }

    async fn open_epoch(
        &self,
        epoch: Epoch,
        ts: u64,
        end_sessions: bool,
        record: Record,
    ) -> Result<Head, StoreError> {
        let mut state = self.lock();
        let head = state.open_epoch(epoch, ts, end_sessions);
        state.records.push(record);
        drop(state);
        self.committed.send_replace(head);
        Ok(head)
    }

    fn committed(&self) -> watch::Receiver<Head> {
        self.committed.subscribe()
    }
}

//! The in-memory reference store: what every other store must do, in the fewest words. Durable until
//! the process ends.

use crate::account::Account;
use crate::audit::{Order, Record, Search};
use crate::clients::Client;
use crate::clock::Clock;
use crate::keys::{KeyState, StoredKey, StoredKeys};
use crate::session::{Cutoff, Session, SessionState};
use crate::store::{
    AccountRef, Decide, Head, Judged, Load, Loaded, LogPart, MOST_SIBLINGS, Store, StoreError,
    Swept, Write,
};
use async_trait::async_trait;
use rescind_wire::id::{Epoch, Sid, Sub};
use rescind_wire::revocation::{Digest, Entry, RevocationKey, Scope, kills};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::watch;

/// A store in memory.
pub struct MemoryStore {
    issuer: String,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    committed: watch::Sender<Head>,
}

#[derive(Clone)]
struct State {
    head: Head,
    accounts: BTreeMap<Sub, Account>,
    /// Ids of deleted accounts.
    gone: HashSet<Sub>,
    sessions: HashMap<Sid, Session>,
    cutoffs: HashMap<RevocationKey, Cutoff>,
    clients: BTreeMap<String, Client>,
    keys: StoredKeys,
    records: Vec<Record>,
    log: BTreeMap<u64, Entry>,
    /// Entries up to here have been pruned.
    floor: u64,
}

impl MemoryStore {
    /// An empty realm. `longest_life` is in seconds.
    pub fn new(issuer: &str, epoch: Epoch, longest_life: u64, clock: Arc<dyn Clock>) -> Self {
        let head = Head {
            epoch,
            pos: 0,
            ts: clock.now().wall,
            digest: Digest::first(issuer, epoch),
            longest_life,
            iat_limit: 0,
        };
        let state = State {
            head,
            accounts: BTreeMap::new(),
            gone: HashSet::new(),
            sessions: HashMap::new(),
            cutoffs: HashMap::new(),
            clients: BTreeMap::new(),
            keys: StoredKeys::default(),
            records: Vec::new(),
            log: BTreeMap::new(),
            floor: 0,
        };
        let committed = watch::Sender::new(head);
        Self { issuer: issuer.to_owned(), clock, state: Mutex::new(state), committed }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl State {
    fn judged(&self, session: &Session, issuer: &str) -> Judged {
        let keys = session.cutoff_keys(issuer);
        let cutoffs = keys.iter().filter_map(|key| self.cutoffs.get(key).copied()).collect();
        Judged { session: session.clone(), cutoffs }
    }

    fn load(&self, load: &Load, issuer: &str) -> Loaded {
        let session = load.session.and_then(|sid| self.sessions.get(&sid));
        let account = match (&load.account, session) {
            (Some(AccountRef::Sub(sub)), _) => self.accounts.get(sub),
            (Some(AccountRef::Name(name)), _) => self.accounts.values().find(|a| a.name == *name),
            (None, Some(session)) => self.accounts.get(&session.sub),
            (None, None) => None,
        };
        let mut siblings: Vec<&Session> = match (load.siblings, account) {
            (true, Some(a)) => {
                let live = |s: &&Session| s.sub == a.sub && s.state == SessionState::Live;
                self.sessions.values().filter(live).collect()
            }
            _ => Vec::new(),
        };
        siblings.sort_by_key(|s| (std::cmp::Reverse(s.created_at), s.sid));
        siblings.truncate(MOST_SIBLINGS);
        let found = |e: &&Entry| load.revocations.contains(&e.key);
        let revocations = self.log.values().filter(found);
        Loaded {
            keys: if load.keys { self.keys.clone() } else { StoredKeys::default() },
            clients: match load.clients {
                true => self.clients.values().cloned().collect(),
                false => Vec::new(),
            },
            revocations: revocations.map(|e| Cutoff { scope: e.scope, ts: e.ts }).collect(),
            head: self.head,
            account: account.cloned(),
            session: session.map(|s| self.judged(s, issuer)),
            siblings: siblings.into_iter().map(|s| self.judged(s, issuer)).collect(),
        }
    }

    fn live(&mut self, sid: Sid) -> Result<&mut Session, StoreError> {
        let live = |s: &&mut Session| s.state == SessionState::Live;
        self.sessions.get_mut(&sid).filter(live).ok_or(StoreError::Conflict)
    }

    fn apply(&mut self, write: Write, issuer: &str, wall: u64) -> Result<(), StoreError> {
        match write {
            Write::InsertAccount(account) => {
                let taken = self.accounts.values().any(|a| a.name == account.name);
                let used = self.accounts.contains_key(&account.sub);
                if taken || used || self.gone.contains(&account.sub) {
                    return Err(StoreError::Conflict);
                }
                self.accounts.insert(account.sub, *account);
            }
            Write::Rehash { sub, if_version, password_hash } => {
                if let Some(a) = self.accounts.get_mut(&sub)
                    && a.password_version == if_version
                {
                    a.password_hash = password_hash;
                }
            }
            Write::SetPassword { sub, if_version, password_hash } => {
                let unchanged = |a: &&mut Account| a.password_version == if_version;
                let account = self.accounts.get_mut(&sub).filter(unchanged);
                let account = account.ok_or(StoreError::Conflict)?;
                account.password_hash = password_hash;
                account.password_version += 1;
            }
            Write::SetAccountState { sub, state } => {
                self.accounts.get_mut(&sub).ok_or(StoreError::Conflict)?.state = state;
            }
            Write::SetRoles { sub, roles } => {
                self.accounts.get_mut(&sub).ok_or(StoreError::Conflict)?.roles = roles;
            }
            Write::DeleteAccount(sub) => {
                self.accounts.remove(&sub).ok_or(StoreError::Conflict)?;
                self.sessions.retain(|_, s| s.sub != sub);
                self.gone.insert(sub);
            }
            Write::InsertSession(session) => {
                if self.sessions.contains_key(&session.sid) {
                    return Err(StoreError::Conflict);
                }
                self.sessions.insert(session.sid, *session);
            }
            Write::ReplaceSession { old, at, mut new } => {
                self.live(old)?.state = SessionState::Replaced { by: new.sid, at };
                new.rv = self.head.ts;
                return self.apply(Write::InsertSession(new), issuer, wall);
            }
            Write::MoveLine { sid, from, at, move_key } => {
                let session = self.live(sid)?;
                if session.generation != from {
                    return Err(StoreError::Conflict);
                }
                session.generation = from.checked_add(1).ok_or(StoreError::Conflict)?;
                session.reached_at = at;
                session.last_seen_at = session.last_seen_at.max(at);
                session.seen_at = None;
                session.move_key = move_key;
            }
            Write::Seen { sid, generation, at } => {
                let session = self.live(sid)?;
                if session.generation == generation && session.seen_at.is_none() {
                    session.seen_at = Some(at);
                }
            }
            Write::Touch { sid, at } => {
                let session = self.live(sid)?;
                session.last_seen_at = session.last_seen_at.max(at);
            }
            Write::EndSession { sid, at, why } => {
                if let Ok(session) = self.live(sid) {
                    session.state = SessionState::Ended { at, why };
                }
            }
            Write::NameSession { sid, device } => self.live(sid)?.device = device,
            Write::Revoke(target) => {
                let entry = self.head.append(issuer, &target, wall);
                self.keep(entry, true);
            }
            Write::RaiseIatLimit(limit) => {
                self.head.iat_limit = self.head.iat_limit.max(limit);
            }
            Write::InsertClient(client) => {
                if self.clients.contains_key(&client.client_id) {
                    return Err(StoreError::Conflict);
                }
                self.clients.insert(client.client_id.clone(), *client);
            }
            Write::SetClientSecret { client_id, secret_hash } => {
                let client = self.clients.get_mut(&client_id).ok_or(StoreError::Conflict)?;
                client.secret_hash = secret_hash;
            }
            Write::DeleteClient(client_id) => {
                self.clients.remove(&client_id).ok_or(StoreError::Conflict)?;
            }
            Write::PutKey(key) => self.put_key(*key)?,
            Write::MoveKey { kid, from, to, at } => self.move_key(&kid, from, to, at)?,
            Write::DropKey(kid) => {
                let passing = |k: &StoredKey| {
                    k.kid == kid && matches!(k.state, KeyState::Next | KeyState::Retired)
                };
                let at = self.keys.keys.iter().position(passing).ok_or(StoreError::Conflict)?;
                self.keys.keys.remove(at);
                self.keys.version += 1;
            }
            Write::Audit(record) => self.records.push(*record),
        }
        Ok(())
    }

    fn put_key(&mut self, key: StoredKey) -> Result<(), StoreError> {
        let rival = |k: &StoredKey| {
            let both_active = k.state == KeyState::Active && key.state == KeyState::Active;
            k.kid == key.kid || (both_active && k.purpose.same_kind(&key.purpose))
        };
        if self.keys.keys.iter().any(rival) {
            return Err(StoreError::Conflict);
        }
        self.keys.keys.push(key);
        self.keys.keys.sort_by(|a, b| (a.created_at, &a.kid).cmp(&(b.created_at, &b.kid)));
        self.keys.version += 1;
        Ok(())
    }

    fn move_key(
        &mut self,
        kid: &str,
        from: KeyState,
        to: KeyState,
        at: u64,
    ) -> Result<(), StoreError> {
        let there = |k: &&mut StoredKey| k.kid == kid && k.state == from && from < to;
        let key = self.keys.keys.iter_mut().find(there).ok_or(StoreError::Conflict)?;
        (key.state, key.since) = (to, at);
        if to == KeyState::Compromised {
            key.wrapped = None;
        }
        self.keys.version += 1;
        Ok(())
    }

    fn keep(&mut self, entry: Entry, judges_sessions: bool) {
        self.log.insert(entry.pos, entry);
        if judges_sessions && entry.scope.judges_sessions() {
            self.cutoffs.insert(entry.key, Cutoff { scope: entry.scope, ts: entry.ts });
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn head(&self) -> Result<Head, StoreError> {
        Ok(self.lock().head)
    }

    async fn read(&self, load: Load) -> Result<Loaded, StoreError> {
        Ok(self.lock().load(&load, &self.issuer))
    }

    async fn transact(&self, load: Load, decide: Decide) -> Result<Head, StoreError> {
        let mut state = self.lock();
        let wall = self.clock.now().wall;
        let writes = decide(&state.load(&load, &self.issuer));
        let mut next = state.clone();
        for write in writes {
            if let Err(error) = next.apply(write, &self.issuer, wall) {
                // A log time that was given out is never used again.
                state.head.ts = state.head.ts.max(next.head.ts);
                return Err(error);
            }
        }
        *state = next;
        let head = state.head;
        drop(state);
        self.committed.send_replace(head);
        Ok(head)
    }

    async fn log(&self, after: u64, most: usize) -> Result<LogPart, StoreError> {
        let state = self.lock();
        let whole = after >= state.floor && after <= state.head.pos;
        let entries = || state.log.range(after + 1..).take(most).map(|(_, e)| *e).collect();
        Ok(LogPart { head: state.head, entries: whole.then(entries) })
    }

    async fn snapshot(&self, now: u64) -> Result<(Head, Vec<Entry>), StoreError> {
        let state = self.lock();
        let live = state.log.values().filter(|e| e.until > now).copied().collect();
        Ok((state.head, live))
    }

    async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        let mut all: Vec<Account> = self.lock().accounts.values().cloned().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    async fn records(&self, sub: Option<Sub>, most: usize) -> Result<Vec<Record>, StoreError> {
        let state = self.lock();
        let asked = |r: &&Record| sub.is_none() || r.sub == sub;
        Ok(state.records.iter().rev().filter(asked).take(most).cloned().collect())
    }

    async fn search(&self, asked: Search, most: usize) -> Result<Vec<(u64, Record)>, StoreError> {
        let state = self.lock();
        let numbered = (1..).zip(state.records.iter().cloned());
        let mut found: Vec<(u64, Record)> =
            numbered.filter(|(number, record)| asked.fits(*number, record)).collect();
        if asked.order == Order::NewestFirst {
            found.reverse();
        }
        found.truncate(most);
        Ok(found)
    }

    async fn sessions(&self, after: Option<Sid>, most: usize) -> Result<Vec<Judged>, StoreError> {
        let state = self.lock();
        let next = |s: &&Session| s.state == SessionState::Live && Some(s.sid) > after;
        let mut live: Vec<&Session> = state.sessions.values().filter(next).collect();
        live.sort_by_key(|session| session.sid);
        let judge = |session: &Session| state.judged(session, &self.issuer);
        Ok(live.into_iter().take(most).map(judge).collect())
    }

    async fn clients(&self) -> Result<Vec<Client>, StoreError> {
        Ok(self.lock().clients.values().cloned().collect())
    }

    async fn sweep(&self, now: u64) -> Result<Swept, StoreError> {
        let mut state = self.lock();
        let (log, sessions, cutoffs) = (state.log.len(), state.sessions.len(), state.cutoffs.len());
        let mut floor = state.floor;
        state.log.retain(|pos, e| {
            let kept = e.until > now / 1_000_000;
            // An entry that stays may stand below one that goes: the log is whole only above that one.
            floor = if kept { floor } else { floor.max(*pos) };
            kept
        });
        state.floor = floor;
        state.sessions.retain(|_, s| s.expires_at > now && !s.is_long_over(now));
        let State { sessions: left, cutoffs: rows, .. } = &mut *state;
        rows.retain(|key, c| {
            left.values()
                .any(|s| kills(c.scope, c.ts, s.rv) && s.cutoff_keys(&self.issuer).contains(key))
        });
        Ok(Swept {
            entries: (log - state.log.len()) as u64,
            sessions: (sessions - state.sessions.len()) as u64,
            cutoffs: (cutoffs - state.cutoffs.len()) as u64,
        })
    }

    async fn open_epoch(
        &self,
        epoch: Epoch,
        ts: u64,
        end_sessions: bool,
        record: Record,
    ) -> Result<Head, StoreError> {
        let mut state = self.lock();
        let against_keys: Vec<Entry> =
            state.log.values().filter(|e| e.scope == Scope::Key).copied().collect();
        state.log.clear();
        state.floor = 0;
        let entry = state.head.open_epoch(&self.issuer, epoch, ts);
        state.keep(entry, end_sessions);
        state.records.push(record);
        for old in against_keys {
            let entry = state.head.append_again(old.scope, old.key, ts);
            state.keep(entry, false);
        }
        let head = state.head;
        drop(state);
        self.committed.send_replace(head);
        Ok(head)
    }

    fn committed(&self) -> watch::Receiver<Head> {
        self.committed.subscribe()
    }
}

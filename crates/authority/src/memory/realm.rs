//! A realm as plain data, with every operation on it as a plain function: what a store must do, without
//! locks, time or waiting.

use crate::account::Account;
use crate::audit::Record;
use crate::clients::Client;
use crate::keys::{KeyState, StoredKey, StoredKeys};
use crate::session::{Cutoff, Session, SessionState};
use crate::store::{
    AccountRef, Head, Judged, Load, Loaded, MOST_SIBLINGS, StoreError, Swept, Write,
};
use rescind_wire::id::{Epoch, Sid, Sub};
use rescind_wire::revocation::{Digest, Entry, RevocationKey, Scope, kills};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Everything that a store keeps of one realm.
#[derive(Debug, Clone)]
pub struct Realm {
    /// Where the log stands.
    pub head: Head,
    issuer: Arc<str>,
    pub(super) accounts: BTreeMap<Sub, Account>,
    /// Ids of deleted accounts.
    gone: HashSet<Sub>,
    pub(super) sessions: HashMap<Sid, Session>,
    cutoffs: HashMap<RevocationKey, Cutoff>,
    pub(super) clients: BTreeMap<String, Client>,
    keys: StoredKeys,
    pub(super) records: Vec<Record>,
    pub(super) log: BTreeMap<u64, Entry>,
    /// Entries up to here have been pruned.
    pub(super) floor: u64,
}

impl Realm {
    /// An empty realm, whose log begins at `wall` (microseconds). `longest_life` is in seconds.
    pub fn new(issuer: &str, epoch: Epoch, longest_life: u64, wall: u64) -> Self {
        let head = Head {
            epoch,
            pos: 0,
            ts: wall,
            digest: Digest::first(issuer, epoch),
            longest_life,
            iat_limit: 0,
        };
        Self {
            head,
            issuer: issuer.into(),
            accounts: BTreeMap::new(),
            gone: HashSet::new(),
            sessions: HashMap::new(),
            cutoffs: HashMap::new(),
            clients: BTreeMap::new(),
            keys: StoredKeys::default(),
            records: Vec::new(),
            log: BTreeMap::new(),
            floor: 0,
        }
    }

    /// The entries that have not been pruned, in order.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.log.values()
    }

    /// Loads, decides and writes, all or nothing.
    pub fn transact(
        &mut self,
        load: &Load,
        decide: impl FnOnce(&Loaded) -> Vec<Write>,
        wall: u64,
    ) -> Result<Head, StoreError> {
        let writes = decide(&self.load(load));
        let mut next = self.clone();
        for write in writes {
            if let Err(error) = next.apply(write, wall) {
                // A log time that was given out is never used again.
                self.head.ts = self.head.ts.max(next.head.ts);
                return Err(error);
            }
        }
        *self = next;
        Ok(self.head)
    }

    /// The entries that have not been pruned, as they are told.
    pub fn snapshot(&self) -> Vec<Entry> {
        self.entries().copied().collect()
    }

    /// Removes what has passed at `now` (wall microseconds): see [`crate::store::Store::sweep`].
    pub fn sweep(&mut self, now: u64) -> Swept {
        let (log, sessions, cutoffs) = (self.log.len(), self.sessions.len(), self.cutoffs.len());
        let mut floor = self.floor;
        self.log.retain(|pos, e| {
            let kept = e.until > now / 1_000_000;
            // An entry that stays may stand below one that goes: the log is whole only above that one.
            floor = if kept { floor } else { floor.max(*pos) };
            kept
        });
        self.floor = floor;
        self.sessions.retain(|_, s| s.expires_at > now && !s.is_long_over(now));
        let (left, issuer) = (&self.sessions, &self.issuer);
        self.cutoffs.retain(|key, c| {
            left.values().any(|s| kills(c.scope, c.ts, s.rv) && s.cutoff_keys(issuer).contains(key))
        });
        Swept {
            entries: (log - self.log.len()) as u64,
            sessions: (sessions - self.sessions.len()) as u64,
            cutoffs: (cutoffs - self.cutoffs.len()) as u64,
        }
    }

    /// Begins a new epoch: see [`crate::store::Store::open_epoch`].
    pub fn open_epoch(&mut self, epoch: Epoch, ts: u64, end_sessions: bool) -> Head {
        let against_keys: Vec<Entry> =
            self.log.values().filter(|e| e.scope == Scope::Key).copied().collect();
        self.log.clear();
        self.floor = 0;
        let entry = self.head.open_epoch(&self.issuer, epoch, ts);
        self.keep(entry, end_sessions);
        for old in against_keys {
            let entry = self.head.append_again(old.scope, old.key, ts);
            self.keep(entry, false);
        }
        self.head
    }

    pub(super) fn judged(&self, session: &Session) -> Judged {
        let keys = session.cutoff_keys(&self.issuer);
        let cutoffs = keys.iter().filter_map(|key| self.cutoffs.get(key).copied()).collect();
        Judged { session: session.clone(), cutoffs }
    }

    /// One consistent view.
    pub fn load(&self, load: &Load) -> Loaded {
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
                let born_since = |s: &&Session| !s.is_cut_off(&self.judged(s).cutoffs);
                self.sessions.values().filter(live).filter(born_since).collect()
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
                false => Arc::default(),
            },
            revocations: revocations.map(|e| Cutoff { scope: e.scope, ts: e.ts }).collect(),
            head: self.head,
            account: account.cloned(),
            session: session.map(|s| self.judged(s)),
            siblings: siblings.into_iter().map(|s| self.judged(s)).collect(),
        }
    }

    fn live(&mut self, sid: Sid) -> Result<&mut Session, StoreError> {
        let live = |s: &&mut Session| s.state == SessionState::Live;
        self.sessions.get_mut(&sid).filter(live).ok_or(StoreError::Conflict)
    }

    fn apply(&mut self, write: Write, wall: u64) -> Result<(), StoreError> {
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
                return self.apply(Write::InsertSession(new), wall);
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
                if let Ok(session) = self.live(sid) {
                    session.last_seen_at = session.last_seen_at.max(at);
                }
            }
            Write::EndSession { sid, at, why } => {
                if let Ok(session) = self.live(sid) {
                    session.state = SessionState::Ended { at, why };
                }
            }
            Write::NameSession { sid, device } => self.live(sid)?.device = device,
            Write::Revoke(target) => {
                let entry = self.head.append(&self.issuer, &target, wall);
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

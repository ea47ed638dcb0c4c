//! The port to the store. It alone decides order.
//!
//! A verb is one whole atomic operation. [`Store::transact`] loads what a rule asks for, lets the rule
//! decide, and makes its writes durable with the entries they append: all or nothing, one after
//! another, in the order of the log. What a rule answered may leave only after the commit.

use crate::account::{Account, AccountState};
use crate::audit::{Record, Search};
use crate::clients::Client;
use crate::held::Held;
use crate::keys::{KeyState, StoredKey, StoredKeys};
use crate::name::Name;
use crate::session::{Cutoff, Session, Why};
use async_trait::async_trait;
use rescind_wire::id::{Epoch, Sid, Sub};
use rescind_wire::revocation::{Entry, RevocationKey, Target};
use std::sync::Arc;
use tokio::sync::watch;

mod head;
pub use head::Head;

/// Most sessions of an account in one view. Far above what an account may have alive: the rest have
/// expired, and are older than any that lives.
pub const MOST_SIBLINGS: usize = 1_000;

/// What a rule wants to look at. The head is always loaded, and first.
#[derive(Debug, Clone, Default)]
pub struct Load {
    /// This account. If absent and a session is asked for: the session's account.
    pub account: Option<AccountRef>,
    /// This session, with the cut-offs that judge it.
    pub session: Option<Sid>,
    /// The newest sessions of the loaded account that nothing has ended or cut off, at most [`MOST_SIBLINGS`].
    pub siblings: bool,
    /// The realm's keys.
    pub keys: bool,
    /// All registered clients.
    pub clients: bool,
    /// Entries of the log with these keys.
    pub revocations: Vec<RevocationKey>,
}

/// How an account is asked for.
#[derive(Debug, Clone)]
pub enum AccountRef {
    /// By its id.
    Sub(Sub),
    /// By its canonical name.
    Name(Name),
}

impl Load {
    /// A session, its cut-offs and its account.
    pub fn session(sid: Sid) -> Self {
        Self { session: Some(sid), ..Self::default() }
    }
}

/// A session with the cut-offs that judge it.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The session.
    pub session: Session,
    /// Rows of its session, account, grant, client, and of everything.
    pub cutoffs: Vec<Cutoff>,
}

/// One consistent view: the head was read first, everything else after it or in the same snapshot.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The head.
    pub head: Head,
    /// The account asked for.
    pub account: Option<Account>,
    /// The session asked for.
    pub session: Option<Judged>,
    /// The account's sessions that nothing has ended or cut off, newest first, if asked for.
    pub siblings: Vec<Judged>,
    /// The realm's keys, if asked for.
    pub keys: StoredKeys,
    /// All registered clients by id, if asked for.
    pub clients: Arc<[Client]>,
    /// What the log holds under the keys asked for.
    pub revocations: Vec<Cutoff>,
}

impl Loaded {
    /// The session asked for with its account, if it lives at `now` (wall microseconds).
    pub fn alive(&self, now: u64) -> Option<(&Session, &Account)> {
        let (judged, account) = (self.session.as_ref()?, self.account.as_ref()?);
        judged.session.check(Some(account), &judged.cutoffs, now).ok()?;
        Some((&judged.session, account))
    }
}

/// One change. Each has its guard: if what it presumes is not so, the whole transaction is undone and
/// [`StoreError::Conflict`] returned.
#[derive(Debug, Clone)]
pub enum Write {
    /// A new account; its name and id must be free, and were never used.
    InsertAccount(Box<Account>),
    /// Another hash of the *same* password, if the version is still this one.
    Rehash {
        /// The account.
        sub: Sub,
        /// The version it was hashed from.
        if_version: u32,
        /// The new PHC string.
        password_hash: String,
    },
    /// The hash of a *new* password, if the version is still this one; the version rises.
    SetPassword {
        /// The account.
        sub: Sub,
        /// The version that was checked.
        if_version: u32,
        /// The new PHC string.
        password_hash: String,
    },
    /// Opens or closes an account.
    SetAccountState {
        /// The account.
        sub: Sub,
        /// The new state.
        state: AccountState,
    },
    /// Sets the roles of an account.
    SetRoles {
        /// The account.
        sub: Sub,
        /// The roles.
        roles: Vec<String>,
    },
    /// Deletes an account with its sessions; its id is never taken again.
    DeleteAccount(Sub),
    /// A new session; its id must be free.
    InsertSession(Box<Session>),
    /// Ends a live session and puts a new one in its place, which is born at the head as this write
    /// finds it: entries that the new one shall survive are appended before.
    ReplaceSession {
        /// The old one.
        old: Sid,
        /// When.
        at: u64,
        /// The new one; its `rv` is set here, its id must be free.
        new: Box<Session>,
    },
    /// Moves a live line from one generation to the next.
    MoveLine {
        /// The session.
        sid: Sid,
        /// The generation it is at.
        from: u32,
        /// When.
        at: u64,
        /// Keyed hash of the Idempotency-Key.
        move_key: Option<[u8; 32]>,
    },
    /// The current generation of a live session was first presented.
    Seen {
        /// The session.
        sid: Sid,
        /// The generation.
        generation: u32,
        /// When.
        at: u64,
    },
    /// A request of a session; nothing if it is over.
    Touch {
        /// The session.
        sid: Sid,
        /// When.
        at: u64,
    },
    /// Ends a session; nothing if it is over already.
    EndSession {
        /// The session.
        sid: Sid,
        /// When.
        at: u64,
        /// Why.
        why: Why,
    },
    /// Names a session.
    NameSession {
        /// The session.
        sid: Sid,
        /// The name; `None` takes it away.
        device: Option<String>,
    },
    /// Appends an entry, with its durable cut-off where sessions are judged by its scope.
    Revoke(Target),
    /// Raises [`Head::iat_limit`].
    RaiseIatLimit(u64),
    /// Registers a client; its id must be free.
    InsertClient(Box<Client>),
    /// Gives a client another secret.
    SetClientSecret {
        /// The client.
        client_id: String,
        /// The hash of the new one.
        secret_hash: [u8; 32],
    },
    /// Removes a client.
    DeleteClient(String),
    /// Keeps a new key; its id must be free, and no other of its kind active if it is. Each write of a
    /// key raises the version of the key set.
    PutKey(Box<StoredKey>),
    /// Moves a key forward in its life. The private half of a compromised one is wiped.
    MoveKey {
        /// The key.
        kid: String,
        /// Where it is.
        from: KeyState,
        /// Where it goes.
        to: KeyState,
        /// When.
        at: u64,
    },
    /// Forgets a key that is next or retired.
    DropKey(String),
    /// Appends to the record of who did what.
    Audit(Box<Record>),
}

/// What a rule does with what was loaded. Runs inside the transaction; an empty list changes nothing.
pub type Decide = Box<dyn FnOnce(&Loaded) -> Vec<Write> + Send>;

/// Why the store did not do it. Nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A guard did not hold: a name or id is taken, or the state has moved.
    #[error("the store refused a write: its guard did not hold")]
    Conflict,
    /// The store cannot be reached or failed. The text is for the log.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// Part of the log.
#[derive(Debug, Clone)]
pub struct LogPart {
    /// The head when it was read.
    pub head: Head,
    /// Entries in order, without gaps, beginning right after the position asked for; `None` if some of
    /// them have been pruned.
    pub entries: Option<Vec<Entry>>,
}

/// What a sweep removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Entries past their `until`.
    pub entries: u64,
    /// Sessions past their absolute end.
    pub sessions: u64,
    /// Cut-offs with no session left that was born before them.
    pub cutoffs: u64,
}

/// How a store is doing, as far as it knows without asking anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreHealth {
    /// Changes that wait for their turn.
    pub waiting: usize,
    /// The last time that something was to be made durable, nothing was.
    pub failing: bool,
    /// Sessions that are held in memory.
    pub held: usize,
    /// About how many bytes they take.
    pub held_bytes: u64,
}

/// How much a store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Accounts.
    pub accounts: u64,
    /// Sessions that nothing has ended; some of them may have expired since.
    pub sessions: u64,
}

/// The store of one realm.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The head, from a read begun after the call.
    async fn head(&self) -> Result<Head, StoreError>;

    /// One consistent view, from a read begun after the call.
    async fn read(&self, load: Load) -> Result<Loaded, StoreError>;

    /// This session with its account, from memory and at once, if it is held there and nothing but time can have
    /// ended it: it shows whatever had been committed and published before the call. `None` says nothing.
    fn held(&self, _sid: Sid) -> Option<Arc<Held>> {
        None
    }

    /// Loads, decides and writes in one durable transaction. Returns the head after it, once it has
    /// been committed; on an error nothing was changed.
    async fn transact(&self, load: Load, decide: Decide) -> Result<Head, StoreError>;

    /// At most `most` entries after position `after` of the current epoch.
    async fn log(&self, after: u64, most: usize) -> Result<LogPart, StoreError>;

    /// All entries that no [`Store::sweep`] has removed, in order, with the head. The time of asking leaves
    /// none out: a clock that is wrong would forget them for whoever is told.
    async fn snapshot(&self) -> Result<(Head, Vec<Entry>), StoreError>;

    /// All accounts, by name.
    async fn accounts(&self) -> Result<Vec<Account>, StoreError>;

    /// The newest `most` records, of this account if one is named.
    async fn records(&self, sub: Option<Sub>, most: usize) -> Result<Vec<Record>, StoreError>;

    /// At most `most` of the records that fit, with their numbers, which rise with each record.
    async fn search(&self, asked: Search, most: usize) -> Result<Vec<(u64, Record)>, StoreError>;

    /// At most `most` sessions that nothing has ended, with the cut-offs that judge them, by id, from the
    /// first one after `after`.
    async fn sessions(&self, after: Option<Sid>, most: usize) -> Result<Vec<Judged>, StoreError>;

    /// All registered clients, by id.
    async fn clients(&self) -> Result<Vec<Client>, StoreError>;

    /// Removes what has passed: entries, sessions past their absolute end or over for a day, and then cut-offs that judge no session any more.
    /// `now` is the wall clock in microseconds. A store that outlives its process keeps the latest `until` of
    /// the entries that it has removed, from the same transaction on: no clock before that second may judge
    /// tokens, or one whose entry is gone would be accepted ([`crate::rollback::early_by`]). A new epoch
    /// begins anew.
    async fn sweep(&self, now: u64) -> Result<Swept, StoreError>;

    /// Begins a new epoch, whose first log time is at least `ts`, with an entry against everything that
    /// never expires; with `end_sessions` also as a durable cut-off; and with its record. Used when the
    /// store may have been rolled back.
    async fn open_epoch(
        &self,
        epoch: Epoch,
        ts: u64,
        end_sessions: bool,
        record: Record,
    ) -> Result<Head, StoreError>;

    /// The head as of the last commit; changes wake the feed.
    fn committed(&self) -> watch::Receiver<Head>;

    /// How it is doing. A store that never fails has nothing to say.
    fn health(&self) -> StoreHealth {
        StoreHealth::default()
    }

    /// How much it holds; `None` if that is not cheap to say.
    async fn counts(&self) -> Result<Option<Counts>, StoreError> {
        Ok(None)
    }
}

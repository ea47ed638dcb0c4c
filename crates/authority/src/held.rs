//! A live session with its account, as a store may hold it in memory: what a request of it is judged by and
//! answered with, and no more, since there may be a million of them. What many of them have in common they
//! share; their own texts are one.

use crate::account::Account;
use crate::line::Carrier;
use crate::session::{Session, Standing};
use crate::store::Judged;
use rescind_wire::id::{Sid, Sub};
use std::collections::HashSet;
use std::hash::Hash;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// One session. It was alive when it was read, but for the clock: not over, cut off by nothing, its account
/// active.
#[derive(Debug)]
pub struct Held {
    /// Its id.
    pub sid: Sid,
    /// Whose it is.
    pub sub: Sub,
    /// What it has in common with others.
    pub kind: Arc<Kind>,
    /// When it was opened.
    pub created_at: u64,
    /// When the person last proved who they are.
    pub auth_time: u64,
    /// For the store that holds it: as of which change of its account.
    pub stamp: u32,
    /// Absolute end. Never moves.
    pub expires_at: u64,
    last_seen_at: AtomicU64,
    generation: u32,
    reached_at: u64,
    seen_at: Option<NonZeroU64>,
    user_agent: Option<Arc<str>>,
    /// Name of the account, then of the device, then address.
    texts: Box<str>,
    username_len: u16,
    device_len: Option<u16>,
    has_address: bool,
}

/// What many sessions have in common.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Kind {
    /// What carries the line.
    pub carrier: Carrier,
    /// The client it was opened by.
    pub client_id: String,
    /// How the person proved who they are (RFC 8176).
    pub amr: Vec<String>,
    /// Roles of the account.
    pub roles: Vec<String>,
    /// Whether "remember me" was asked for.
    pub remembered: bool,
    /// Idle life, in microseconds.
    pub idle: u64,
}

impl Kind {
    /// Of this session.
    pub fn of(session: &Session, account: &Account) -> Self {
        Self {
            carrier: session.carrier,
            client_id: session.client_id.clone(),
            amr: session.amr.clone(),
            roles: account.roles.clone(),
            remembered: session.remembered,
            idle: session.idle,
        }
    }
}

impl Held {
    /// Of this session, whatever has ended it. `kind` and `user_agent` are its own or what it shares with others.
    fn of(
        session: &Session,
        account: &Account,
        stamp: u32,
        (kind, user_agent): (Arc<Kind>, Option<Arc<str>>),
    ) -> Self {
        let device = session.device.as_deref();
        let address = session.address.as_deref();
        let username = account.name.as_str();
        let texts = [username, device.unwrap_or(""), address.unwrap_or("")].concat();
        Self {
            sid: session.sid,
            sub: session.sub,
            kind,
            created_at: session.created_at,
            auth_time: session.auth_time,
            stamp,
            expires_at: session.expires_at,
            last_seen_at: session.last_seen_at.into(),
            generation: session.generation,
            reached_at: session.reached_at,
            seen_at: session.seen_at.map(nonzero),
            user_agent,
            texts: texts.into(),
            username_len: username.len() as u16,
            device_len: device.map(|device| device.len() as u16),
            has_address: address.is_some(),
        }
    }

    /// The session of a view, if nothing but time can end it.
    pub fn new(judged: &Judged, account: &Account, stamp: u32, pool: &Pool) -> Option<Self> {
        let Judged { session, cutoffs } = judged;
        session.check(Some(account), cutoffs, 0).ok()?;
        Some(Self::of(session, account, stamp, pool.share(session, account)))
    }

    /// One that shares nothing.
    pub(crate) fn alone(session: &Session, account: &Account) -> Arc<Self> {
        let user_agent = session.user_agent.as_deref().map(Into::into);
        let own = (Arc::new(Kind::of(session, account)), user_agent);
        Arc::new(Self::of(session, account, 0, own))
    }

    /// The same after the line has moved.
    pub fn moved(&self, at: u64) -> Option<Self> {
        let generation = self.generation.checked_add(1)?;
        let moved = Self { generation, reached_at: at, seen_at: None, ..self.copy() };
        moved.seen(at);
        Some(moved)
    }

    /// The same after its current credential was first seen.
    pub fn first_seen(&self, at: u64) -> Self {
        Self { seen_at: Some(self.seen_at.unwrap_or(nonzero(at))), ..self.copy() }
    }

    fn copy(&self) -> Self {
        let (kind, user_agent) = (Arc::clone(&self.kind), self.user_agent.clone());
        let (last_seen_at, texts) = (self.last_seen_at().into(), self.texts.clone());
        Self { kind, user_agent, last_seen_at, texts, ..*self }
    }

    /// A request of it came.
    pub fn seen(&self, at: u64) {
        self.last_seen_at.fetch_max(at, Ordering::Relaxed);
    }

    /// Where its line stands, and until when it lives.
    pub fn standing(&self) -> Standing {
        Standing {
            generation: self.generation,
            reached_at: self.reached_at,
            seen_at: self.seen_at.map(NonZeroU64::get),
            last_seen_at: self.last_seen_at(),
            idle: self.kind.idle,
            expires_at: self.expires_at,
        }
    }

    /// The name of its account.
    pub fn username(&self) -> &str {
        &self.texts[..self.username_len.into()]
    }

    /// The name its owner or device gave it.
    pub fn device(&self) -> Option<&str> {
        self.device_len.map(|_| &self.texts[self.username_len.into()..self.device_ends()])
    }

    /// Network address at sign-in.
    pub fn address(&self) -> Option<&str> {
        self.has_address.then(|| &self.texts[self.device_ends()..])
    }

    fn device_ends(&self) -> usize {
        usize::from(self.username_len) + usize::from(self.device_len.unwrap_or(0))
    }

    /// Browser or program, as it called itself.
    pub fn user_agent(&self) -> Option<&str> {
        self.user_agent.as_deref()
    }

    /// The last request of it.
    pub fn last_seen_at(&self) -> u64 {
        self.last_seen_at.load(Ordering::Relaxed)
    }

    /// What it takes in memory at most, in bytes: its user agent may be nobody else's.
    pub fn size(&self) -> usize {
        let agent = self.user_agent.as_ref().map_or(0, |agent| agent.len());
        // With the two counts of an `Arc` and what an allocator adds to each piece.
        size_of::<Self>() + self.texts.len() + agent + 64
    }
}

/// What sessions have in common, kept once as long as one of them is held.
#[derive(Default)]
pub struct Pool(Mutex<Shared>);

#[derive(Default)]
struct Shared {
    kinds: HashSet<Arc<Kind>>,
    agents: HashSet<Arc<str>>,
    /// How many there may be before those that nobody has any more are looked for.
    most: usize,
}

impl Pool {
    fn share(&self, session: &Session, account: &Account) -> (Arc<Kind>, Option<Arc<str>>) {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shared.tidy();
        let kind = Arc::new(Kind::of(session, account));
        let kind = common(&mut shared.kinds, kind);
        let agent = session.user_agent.as_deref().map(Arc::from);
        (kind, agent.map(|agent| common(&mut shared.agents, agent)))
    }
}

impl Shared {
    fn tidy(&mut self) {
        if self.kinds.len() + self.agents.len() > self.most {
            self.kinds.retain(|kind| Arc::strong_count(kind) > 1);
            self.agents.retain(|agent| Arc::strong_count(agent) > 1);
            self.most = 2 * (self.kinds.len() + self.agents.len()) + 1_000;
        }
    }
}

/// The one that is equal to this, or this.
fn common<T: ?Sized + Eq + Hash>(all: &mut HashSet<Arc<T>>, this: Arc<T>) -> Arc<T> {
    if let Some(same) = all.get(&this) {
        return Arc::clone(same);
    }
    all.insert(Arc::clone(&this));
    this
}

/// Times are after 1970.
fn nonzero(at: u64) -> NonZeroU64 {
    NonZeroU64::new(at).unwrap_or(NonZeroU64::MIN)
}

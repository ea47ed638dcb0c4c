//! The end of a caller's right to be here, for sockets, streams and long jobs.
//!
//! Owns who waits for which revocation. The order is the safety: a waiter is registered under all keys of its
//! token **first**, then judges, then waits; the follower wakes by key **after** the entries are in the set.
//! So either the judgement sees an entry or the entry finds the waiter. A check of a token knows nothing of
//! this and takes no lock.

use crate::check::{self, Facts, Refusal, Terms};
use crate::known::Known;
use crate::shared::Core;
use rescind_wire::revocation::{Entry, RevocationKey};
use rescind_wire::token::InvalidToken;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How often a waiter judges anew, for what no entry announces: expiry, and knowledge that ran out.
const AGAIN: Duration = Duration::from_secs(1);
/// For how many entries at a time the waiters are held still.
const ENTRIES: usize = 1024;

/// Why a principal is no longer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// The token or what it stands on (session, account, client, …) was revoked.
    Revoked,
    /// The token has expired.
    Expired,
    /// It is not known any more whether the token was taken back: cut off from the authority for longer than
    /// the realm's bound, stopped, or its key is gone.
    Unknown,
}

/// Who waits, by the keys of their tokens.
#[derive(Debug, Default)]
pub(crate) struct Waiters(Mutex<Registry>);

#[derive(Debug, Default)]
struct Registry {
    by_key: HashMap<RevocationKey, HashMap<u64, Arc<Notify>>>,
    drawn: u64,
    closed: bool,
}

impl Waiters {
    /// Wakes who waits for one of these entries. To be called when they are in the set.
    pub(crate) fn wake(&self, entries: &[Entry]) {
        for entries in entries.chunks(ENTRIES) {
            let registry = self.lock();
            if registry.by_key.is_empty() {
                return;
            }
            for entry in entries {
                let waiting = registry.by_key.get(&entry.key).into_iter().flat_map(HashMap::values);
                waiting.for_each(|waiter| waiter.notify_one());
            }
        }
    }

    /// The verifier ends: nobody vouches for anybody any more.
    pub(crate) fn close(&self) {
        let mut registry = self.lock();
        registry.closed = true;
        registry.by_key.values().flat_map(HashMap::values).for_each(|w| w.notify_one());
    }

    fn closed(&self) -> bool {
        self.lock().closed
    }

    fn register(&self, facts: &Facts) -> (u64, Arc<Notify>) {
        let (wake, keys) = (Arc::new(Notify::new()), keys(facts));
        let mut registry = self.lock();
        registry.drawn += 1;
        let number = registry.drawn;
        for key in keys {
            registry.by_key.entry(key).or_default().insert(number, Arc::clone(&wake));
        }
        (number, wake)
    }

    fn leave(&self, facts: &Facts, number: u64) {
        let keys = keys(facts);
        let mut registry = self.lock();
        for key in keys {
            let Some(waiting) = registry.by_key.get_mut(&key) else { continue };
            waiting.remove(&number);
            if waiting.is_empty() {
                registry.by_key.remove(&key);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All of them, before the lock: they may still have to be computed, and who applies entries waits for it.
fn keys(facts: &Facts) -> Vec<RevocationKey> {
    facts.keys().map(|(_, key)| key.into()).collect()
}

/// One waiter, registered while it lives.
struct Waiter<'a> {
    core: &'a Core,
    facts: &'a Facts,
    number: u64,
    wake: Arc<Notify>,
}

impl<'a> Waiter<'a> {
    fn new(core: &'a Core, facts: &'a Facts) -> Self {
        let (number, wake) = core.waiters.register(facts);
        Self { core, facts, number, wake }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.core.waiters.leave(self.facts, self.number);
    }
}

/// Resolves when the token of these facts is no longer good, or no longer known to be. May be dropped at any
/// time.
pub(crate) async fn ended(core: Arc<Core>, known: Arc<Known>) -> Ended {
    let waiter = Waiter::new(&core, &known.facts);
    loop {
        if let Some(ended) = judge(&core, &known.facts) {
            return ended;
        }
        // A wake-up that came since the registration is kept for us.
        let _ = tokio::time::timeout(AGAIN, waiter.wake.notified()).await;
    }
}

fn judge(core: &Core, facts: &Facts) -> Option<Ended> {
    let settings = &core.settings;
    let terms = Terms {
        leeway: settings.leeway,
        staleness: settings.staleness,
        monitor: core.monitors(),
        ..Terms::default()
    };
    match check::judge(facts, core, terms) {
        Err(Refusal::Revoked) => Some(Ended::Revoked),
        Err(Refusal::InvalidToken(InvalidToken::Expired)) => Some(Ended::Expired),
        Err(_) => Some(Ended::Unknown),
        Ok(_) if core.waiters.closed() || !core.keys.holds(facts) => Some(Ended::Unknown),
        Ok(_) if !terms.monitor && core.keys.expired(|| core.clock.now().boot_us) => {
            Some(Ended::Unknown)
        }
        Ok(_) => None,
    }
}

#[cfg(test)]
mod tests;

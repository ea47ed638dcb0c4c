//! What is remembered of failures, in bounded memory: counters that forget, and maps whose longest
//! untouched entries go when there are too many.

use crate::settings::{Limit, Rate, micros};
use rescind_wire::sha256;
use std::collections::HashMap;
use std::time::Duration;

/// Most entries of one map.
pub(super) const MOST: usize = 100_000;
/// Most sources that are remembered of one account. So nobody can make others' be forgotten by signing
/// in to an account of his own from everywhere.
const MOST_SOURCES: usize = 16;

/// What a counter is kept under: 128 bits, whatever the length of a name.
pub(super) type Key = u128;

/// The key of these bytes.
pub(super) fn key(parts: &[&[u8]]) -> Key {
    let mut first = [0; 16];
    first.copy_from_slice(&sha256(parts)[..16]);
    Key::from_be_bytes(first)
}

/// A map of at most [`MOST`] entries in two halves: what is touched is in the younger one. When that is
/// full, it becomes the older one, and what nobody has touched since is gone, without a search.
pub(super) struct Recent<V> {
    young: HashMap<Key, V>,
    old: HashMap<Key, V>,
}

impl<V> Default for Recent<V> {
    fn default() -> Self {
        Self { young: HashMap::new(), old: HashMap::new() }
    }
}

impl<V: Default> Recent<V> {
    pub(super) fn get(&self, key: &Key) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    pub(super) fn get_mut(&mut self, key: &Key) -> Option<&mut V> {
        self.young.get_mut(key).or_else(|| self.old.get_mut(key))
    }

    /// The entry of this key, made if it is not there; it is the youngest now.
    pub(super) fn touch(&mut self, key: Key) -> &mut V {
        if self.young.len() >= MOST / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.entry(key).or_insert_with(|| self.old.remove(&key).unwrap_or_default())
    }

    pub(super) fn remove(&mut self, key: &Key) {
        if self.young.remove(key).is_none() {
            self.old.remove(key);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

/// Failures in a row. Times are boot times in microseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counter {
    pub(super) failures: u32,
    /// When the first of them was charged.
    pub(super) began_at: u64,
    /// When the last of them was charged.
    last_at: u64,
}

impl Counter {
    /// The counter as it is now: empty, if it was forgotten.
    pub(super) fn at(self, now: u64, forget_after: Duration) -> Self {
        match now.saturating_sub(self.last_at) > micros(forget_after) {
            true => Self::default(),
            false => self,
        }
    }

    /// How long the next failure has to wait.
    pub(super) fn wait(&self, limit: Limit, now: u64) -> Option<Duration> {
        let over = self.failures.checked_sub(limit.free)?;
        let delay = Duration::from_secs(1 << over.min(20)).min(limit.longest_wait);
        self.wait_for(delay, now)
    }

    /// How much of this delay since the last failure is left.
    pub(super) fn wait_for(&self, delay: Duration, now: u64) -> Option<Duration> {
        let ready_at = self.last_at.saturating_add(micros(delay));
        (now < ready_at).then(|| Duration::from_micros(ready_at - now))
    }
}

pub(super) type Counters = Recent<Counter>;

/// One failure on one counter, and what it takes to give it back.
#[derive(Debug)]
pub(super) struct Taken {
    key: Key,
    at: u64,
    before: u64,
}

/// Counts a failure.
pub(super) fn take(counters: &mut Counters, key: Key, now: u64, forget_after: Duration) -> Taken {
    let counter = counters.touch(key);
    *counter = counter.at(now, forget_after);
    if counter.failures == 0 {
        counter.began_at = now;
    }
    let before = std::mem::replace(&mut counter.last_at, now);
    counter.failures = counter.failures.saturating_add(1);
    Taken { key, at: now, before }
}

/// Takes that failure back and no other one, with the wait that it began.
pub(super) fn give_back(counters: &mut Counters, taken: &Taken) {
    let Some(counter) = counters.get_mut(&taken.key) else { return };
    counter.failures = counter.failures.saturating_sub(1);
    if counter.last_at == taken.at {
        counter.last_at = taken.before;
    }
    if counter.failures == 0 {
        counters.remove(&taken.key);
    }
}

/// Acts that are let through at a rate. Of each key is kept when the last one would have been, had they
/// come evenly (the generic cell rate algorithm, ITU-T I.371).
#[derive(Default)]
pub(super) struct Paces(Recent<u64>);

impl Paces {
    /// Counts an act, or says how long to wait.
    pub(super) fn take(&mut self, key: Key, rate: Rate, now: u64) -> Result<(), Duration> {
        let due = self.0.get(&key).copied().unwrap_or(0).max(now);
        let ahead = micros(rate.every.saturating_mul(rate.at_once.saturating_sub(1)));
        match (due - now).checked_sub(ahead) {
            Some(wait) if wait > 0 => Err(Duration::from_micros(wait)),
            _ => {
                *self.0.touch(key) = due.saturating_add(micros(rate.every));
                Ok(())
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Where each account has signed in from, and when: in microseconds of boot time, before it if negative.
#[derive(Default)]
pub(super) struct Familiar(Recent<Vec<(Key, i64)>>);

impl Familiar {
    /// Whether anything is remembered of the account, be it that there is nothing.
    pub(super) fn knows(&self, account: &Key) -> bool {
        self.0.get(account).is_some()
    }

    /// Whether the account has signed in from this source within the time.
    pub(super) fn holds(&self, account: &Key, source: &Key, now: u64, within: Duration) -> bool {
        let oldest = now.cast_signed().saturating_sub_unsigned(micros(within));
        let sources = self.0.get(account);
        sources.is_some_and(|all| all.iter().any(|(seen, at)| seen == source && *at >= oldest))
    }

    /// Remembers sign-ins: of each source the last one, of all sources the latest.
    pub(super) fn remember(
        &mut self,
        account: Key,
        signed_in: impl IntoIterator<Item = (Key, i64)>,
    ) {
        let sources = self.0.touch(account);
        for (source, at) in signed_in {
            match sources.iter_mut().find(|(seen, _)| *seen == source) {
                Some((_, seen_at)) => *seen_at = at.max(*seen_at),
                None => sources.push((source, at)),
            }
        }
        sources.sort_by_key(|(_, at)| *at);
        sources.drain(..sources.len().saturating_sub(MOST_SOURCES));
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

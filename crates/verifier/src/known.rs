//! Tokens that were verified before, by the whole token, bounded in bytes.
//!
//! Owns what is kept of them: facts, never a verdict. Only what was verified comes in, so nobody displaces good
//! tokens by tokens that he made up. Never waits: a part that is being written is a miss.

use crate::check::Facts;
use crate::shared::Core;
use foldhash::fast::RandomState;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{Equivalent, Weighter};
use rescind_wire::jws::MAX_TOKEN;
use rescind_wire::token::Claims;
use std::hash::{BuildHasher as _, Hash, Hasher};
use std::sync::{Arc, Weak};

/// What is true for ever of a token that was verified.
pub(crate) struct Known {
    pub(crate) facts: Facts,
    /// The verifier. It holds what it knows, so what it knows does not hold it.
    pub(crate) core: Weak<Core>,
}

impl Known {
    pub(crate) fn new(facts: Facts, core: Weak<Core>) -> Self {
        Self { facts, core }
    }

    /// The memory that it takes.
    fn memory(&self) -> usize {
        let texts = |list: &Vec<String>| {
            block(size_of::<String>() * list.capacity())
                + list.iter().map(|text| block(text.capacity())).sum::<usize>()
        };
        let Facts { claims, kid, .. } = &self.facts;
        let Claims { iss, client_id, scope, aud, roles, amr, .. } = claims;
        let texts = texts(aud) + texts(roles) + texts(amr);
        let single = [iss.capacity(), client_id.capacity(), scope.capacity(), kid.capacity()];
        block(size_of::<Self>() + COUNTS)
            + block(self.facts.memory_of_keys())
            + texts
            + single.map(block).into_iter().sum::<usize>()
    }
}

/// The two counts before what an [`Arc`] holds.
const COUNTS: usize = 2 * size_of::<usize>();
/// What the cache itself takes for each token at the most: its tables have free places, and places of tokens
/// that have left.
const PLACE: usize = 224;
/// Bytes of a token that are hashed.
const END: usize = 40;

/// What an allocator takes for a block of so many bytes: with a word of its own, in steps of two.
fn block(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { (bytes + 8).next_multiple_of(16).max(32) }
}

/// The cache.
pub(crate) struct FactCache {
    cache: Cache<Key, Arc<Known>, Weight, RandomState>,
    hashes: RandomState,
}

/// A token that is held, with its hash. It lies beside what is known of it, so that the processor can fetch both at
/// once.
struct Key {
    hash: u64,
    token: Box<[u8]>,
}

/// A token that is asked for, with its hash.
struct Asked<'a> {
    hash: u64,
    token: &'a [u8],
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Hash for Asked<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.token == other.token
    }
}

impl Eq for Key {}

impl Equivalent<Key> for Asked<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.hash == key.hash && *self.token == *key.token
    }
}

#[derive(Clone)]
struct Weight;

impl Weighter<Key, Arc<Known>> for Weight {
    fn weight(&self, key: &Key, known: &Arc<Known>) -> u64 {
        (PLACE + block(key.token.len()) + known.memory()) as u64
    }
}

impl FactCache {
    /// One that takes at most so many bytes.
    pub(crate) fn new(bytes: u64) -> Self {
        let items = usize::try_from(bytes / 2048).unwrap_or(usize::MAX).max(1);
        let hashes = RandomState::default();
        let cache =
            Cache::with(items, bytes, Weight, RandomState::default(), DefaultLifecycle::default());
        Self { cache, hashes }
    }

    /// What is known of a token that was verified under this key set.
    pub(crate) fn get(&self, token: &[u8], key_set: u64) -> Option<Arc<Known>> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        let asked = Asked { hash: self.hash(token), token };
        let known = self.cache.try_get(&asked).ok().flatten()?;
        (known.facts.key_set == key_set).then_some(known)
    }

    /// Keeps a token that was verified.
    pub(crate) fn keep(&self, token: &[u8], known: Known) -> Arc<Known> {
        let (hash, known) = (self.hash(token), Arc::new(known));
        // A cache under contention is not worth waiting for.
        let _ = self.cache.try_insert(Key { hash, token: token.into() }, Arc::clone(&known));
        known
    }

    /// By the end of the signature, which tells verified tokens apart as well as all of it does. Any other token of the
    /// same end is told apart when the whole is compared.
    fn hash(&self, token: &[u8]) -> u64 {
        self.hashes.hash_one(&token[token.len().saturating_sub(END)..])
    }
}

#[cfg(test)]
mod tests;

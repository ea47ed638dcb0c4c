//! What is true of a token for ever, once it was verified.
//!
//! Owns the keys that it can be taken back by. Of most scopes nothing is ever taken back, so a key is computed when
//! a look-up first asks for it, and kept: whatever is taken back later is found like what was before.

use rescind_wire::revocation::{Name, ONE_EACH, RevocationKey, Scope};
use rescind_wire::token::{Claims, Verified};
use std::sync::atomic::{AtomicU64, Ordering};

/// What is true of a token for ever, under one key set.
#[derive(Debug)]
pub struct Facts {
    /// What it says.
    pub claims: Claims,
    /// The key that signed.
    pub kid: String,
    /// The key set that it was verified with.
    pub key_set: u64,
    keys: [Kept; Scope::ALL.len()],
    /// Those of further audiences.
    more: Box<[Kept]>,
}

impl Facts {
    /// The facts of a token that was verified with this key set.
    pub fn of(verified: Verified, key_set: u64) -> Self {
        let Verified { claims, kid } = verified;
        let more = claims.aud.iter().skip(1).map(|_| Kept::default()).collect();
        Self { claims, kid, key_set, keys: Default::default(), more }
    }

    /// What it can be taken back by: each scope with its key.
    #[inline]
    pub fn keys(&self) -> impl Iterator<Item = (Scope, Key<'_>)> {
        (0..ONE_EACH.len() + self.claims.aud.len()).map(|place| {
            let scope = ONE_EACH.get(place).copied().unwrap_or(Scope::Audience);
            (scope, Key { facts: self, scope, place })
        })
    }

    fn kept(&self, place: usize) -> Option<&Kept> {
        self.keys.get(place).or_else(|| self.more.get(place - self.keys.len()))
    }

    #[cold]
    fn computed(&self, scope: Scope, place: usize) -> RevocationKey {
        let audience = self.claims.aud.get(place.saturating_sub(ONE_EACH.len()));
        let id = match scope {
            Scope::Audience => audience.map_or("", String::as_str),
            _ => &self.kid,
        };
        let key = Name::new(scope, &self.claims, id).key();
        if let Some(kept) = self.kept(place) {
            kept.keep(key);
        }
        key
    }

    /// Bytes that the keys take beside it.
    pub(crate) fn memory_of_keys(&self) -> usize {
        size_of_val(&*self.more)
    }
}

/// A key that is computed when it is asked for, if it was not before.
#[derive(Debug)]
pub struct Key<'a> {
    facts: &'a Facts,
    scope: Scope,
    place: usize,
}

impl From<Key<'_>> for RevocationKey {
    fn from(Key { facts, scope, place }: Key<'_>) -> Self {
        let kept = facts.kept(place).and_then(Kept::key);
        kept.unwrap_or_else(|| facts.computed(scope, place))
    }
}

/// The halves of a key, 0 until they are known. Whoever writes one writes the same, so neither order nor a lock is
/// needed. A key with a half that is 0 is computed each time.
#[derive(Debug, Default)]
struct Kept([AtomicU64; 2]);

impl Kept {
    fn key(&self) -> Option<RevocationKey> {
        let [high, low] = self.0.each_ref().map(|half| half.load(Ordering::Relaxed));
        let key = u128::from(high) << 64 | u128::from(low);
        (high != 0 && low != 0).then(|| RevocationKey::from_bytes(key.to_ne_bytes()))
    }

    fn keep(&self, key: RevocationKey) {
        let halves = u128::from_ne_bytes(*key.as_bytes());
        self.0[0].store((halves >> 64) as u64, Ordering::Relaxed);
        self.0[1].store(halves as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::claims;
    use rescind_wire::revocation::TokenKeys;

    fn all(facts: &Facts) -> Vec<(Scope, RevocationKey)> {
        facts.keys().map(|(scope, key)| (scope, key.into())).collect()
    }

    #[test]
    fn the_keys_are_those_of_the_token_whenever_they_are_asked_for() {
        for audiences in [0, 1, 2, 40] {
            let aud = (0..audiences).map(|n| format!("api-{n}")).collect();
            let claims = Claims { aud, ..claims("https://auth.example") };
            let expected: Vec<_> = TokenKeys::of(&claims, "k1").iter().collect();
            let mut facts = Facts::of(Verified { claims, kid: "k1".into() }, 1);
            assert_eq!(all(&facts), expected, "computed");
            assert_eq!(all(&facts), expected, "kept");
            facts.more = Box::default();
            assert_eq!(all(&facts), expected, "without a place to be kept in");
        }
    }

    #[test]
    fn a_key_is_kept_once_it_was_asked_for() {
        let facts =
            Facts::of(Verified { claims: claims("https://auth.example"), kid: "k1".into() }, 1);
        let held = || facts.keys.iter().filter(|kept| kept.key().is_some()).count();
        assert_eq!(held(), 0);
        let asked = facts.keys().nth(3).unwrap().1;
        let _ = RevocationKey::from(asked);
        assert_eq!(held(), 1);
    }

    #[test]
    fn half_a_key_is_none() {
        let (whole, kept) = (RevocationKey::from_bytes([7; 16]), Kept::default());
        kept.0[1].store(u64::from_be_bytes([7; 8]), Ordering::Relaxed);
        assert_eq!(kept.key(), None);
        kept.keep(whole);
        assert_eq!(kept.key(), Some(whole));
    }
}

//! The live revocations in memory.
//!
//! Owns the map from a revocation's key to its cut-off. It only grows and expires: nothing takes a
//! revocation back, a merge is the larger of both times, so duplicates and disorder do no harm.
//! Readers never wait. When something may be forgotten is decided by [`crate::lease`].

use rescind_wire::revocation::{Entry, RevocationKey, TokenKeys, kills};
use std::sync::atomic::{AtomicU64, Ordering};

/// The newest cut-off of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cut {
    ts: u64,
    until: u64,
}

impl Cut {
    fn merged(self, other: Self) -> Self {
        Self { ts: self.ts.max(other.ts), until: self.until.max(other.until) }
    }
}

/// All revocations that may still matter.
#[derive(Debug)]
pub struct RevocationSet {
    cuts: papaya::HashMap<RevocationKey, Cut, foldhash::quality::RandomState>,
    pruned_to: AtomicU64,
}

impl Default for RevocationSet {
    fn default() -> Self {
        // The one writer grows it at once. Bit by bit, with the writes that follow, readers would look into
        // both tables until then: after a large snapshot that may be long.
        let cuts = papaya::HashMap::builder().resize_mode(papaya::ResizeMode::Blocking);
        Self { cuts: cuts.hasher(Default::default()).build(), pruned_to: AtomicU64::new(0) }
    }
}

impl RevocationSet {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entry. Adding it again, or an older one of the same key, changes nothing.
    pub fn insert(&self, entry: &Entry) {
        let new = Cut { ts: entry.ts, until: entry.until };
        self.cuts.pin().update_or_insert(entry.key, |old| old.merged(new), new);
    }

    /// Whether a token with these keys, born at log time `rv`, is revoked.
    pub fn killed(&self, keys: &TokenKeys, rv: u64) -> bool {
        let cuts = self.cuts.pin();
        keys.iter().any(|(scope, key)| cuts.get(&key).is_some_and(|cut| kills(scope, cut.ts, rv)))
    }

    /// Forgets what expired at or before this UTC second. The second is published first, so that who
    /// misses an entry also sees that its tokens have expired.
    pub fn prune(&self, before: u64) {
        self.pruned_to.fetch_max(before, Ordering::SeqCst);
        self.cuts.pin().retain(|_, cut| cut.until > before);
    }

    /// What must never happen.
    #[cfg(feature = "failpoints")]
    pub(crate) fn forget_all(&self) {
        self.cuts.pin().clear();
    }

    /// The UTC second up to which entries were forgotten. Read it after [`RevocationSet::killed`]: a token
    /// is judged at no earlier time, whatever the clocks say by then.
    pub fn pruned_to(&self) -> u64 {
        self.pruned_to.load(Ordering::SeqCst)
    }

    /// How many entries are held.
    pub fn len(&self) -> usize {
        self.cuts.len()
    }

    /// Whether none are held.
    pub fn is_empty(&self) -> bool {
        self.cuts.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::claims;
    use proptest::prelude::*;
    use rescind_wire::revocation::{NEVER, Scope, Target};
    use std::collections::HashMap;

    const ISSUER: &str = "https://auth.example";

    fn entry(target: &Target, ts: u64, until: u64) -> Entry {
        Entry { pos: 1, ts, scope: target.scope(), key: target.key(ISSUER), until }
    }

    #[test]
    fn each_scope_kills_its_tokens_and_no_others() {
        let claims = claims(ISSUER);
        let keys = TokenKeys::of(&claims, "k1");
        let other = rescind_wire::id::Sub::from_bytes([99; 16]);
        let hits = [
            Target::Token(claims.jti),
            Target::Session(claims.sid),
            Target::Key("k1".into()),
            Target::Subject(claims.sub),
            Target::Grant(claims.sub, claims.client_id.clone()),
            Target::Client(claims.client_id.clone()),
            Target::Audience(claims.aud[0].clone()),
            Target::Everything,
            Target::Claims(claims.sub),
        ];
        assert_eq!(hits.len(), Scope::ALL.len());
        for target in hits {
            let set = RevocationSet::new();
            set.insert(&entry(&target, claims.rv + 1, NEVER));
            assert!(set.killed(&keys, claims.rv), "{target:?}");
        }
        let set = RevocationSet::new();
        set.insert(&entry(&Target::Subject(other), claims.rv + 1, NEVER));
        set.insert(&entry(&Target::Key("k2".into()), claims.rv + 1, NEVER));
        set.insert(&entry(&Target::Subject(claims.sub), claims.rv, NEVER));
        assert!(!set.killed(&keys, claims.rv));
    }

    #[test]
    fn pruning_leaves_what_may_still_matter_and_says_how_far_it_went() {
        let set = RevocationSet::new();
        set.insert(&entry(&Target::Client("a".into()), 1, 100));
        set.insert(&entry(&Target::Client("b".into()), 1, 101));
        set.insert(&entry(&Target::Everything, 1, NEVER));
        set.prune(100);
        assert_eq!((set.len(), set.pruned_to()), (2, 100));
        set.prune(50);
        assert_eq!(set.pruned_to(), 100);
    }

    proptest! {
        /// Order and repetition do not matter, and nothing is lost: the set equals a plain map of maxima.
        #[test]
        fn merging_is_idempotent_and_commutative(
            entries in prop::collection::vec((0u8..4, 0u64..50, 0u64..50), 0..40),
            again in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        ) {
            let make = |&(key, ts, until): &(u8, u64, u64)| Entry {
                pos: 1, ts, until, scope: Scope::Subject, key: RevocationKey::from_bytes([key; 16]),
            };
            let (forth, back) = (RevocationSet::new(), RevocationSet::new());
            entries.iter().for_each(|e| forth.insert(&make(e)));
            entries.iter().rev().for_each(|e| back.insert(&make(e)));
            if !entries.is_empty() {
                again.iter().for_each(|i| back.insert(&make(i.get(&entries))));
            }
            let mut model: HashMap<u8, (u64, u64)> = HashMap::new();
            for (key, ts, until) in &entries {
                let cut = model.entry(*key).or_default();
                *cut = (cut.0.max(*ts), cut.1.max(*until));
            }
            for set in [&forth, &back] {
                prop_assert_eq!(set.len(), model.len());
                for (key, (ts, until)) in &model {
                    let cut = *set.cuts.pin().get(&RevocationKey::from_bytes([*key; 16])).unwrap();
                    prop_assert_eq!(cut, Cut { ts: *ts, until: *until });
                }
            }
        }
    }
}

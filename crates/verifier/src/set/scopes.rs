//! Which scopes may have revocations that still matter: of most there are none, and nothing is looked up.

use super::segment::Word;
use rescind_wire::revocation::Scope;
use std::array;
use std::sync::atomic::AtomicU64;

/// Until when the entries of each scope matter: one second more than the latest `until`, 0 if there never was one.
/// It only rises. An entry counts here before it can be found, so before anything vouches for it; it ceases to count
/// once the set has forgotten beyond its end, when all tokens that it kills are judged to be expired.
#[derive(Debug)]
pub(super) struct Scopes<W = AtomicU64>([W; Scope::ALL.len()]);

impl<W: Word> Scopes<W> {
    pub(super) fn new() -> Self {
        Self(array::from_fn(|_| W::new(0)))
    }

    /// For the writer, before it adds an entry.
    pub(super) fn note(&self, scope: Scope, until: u64) {
        let ends = self.ends(scope);
        ends.set(ends.get().max(until.saturating_add(1)));
    }

    /// Whether an entry of this scope may matter to who will be judged at this second or later.
    #[inline]
    pub(super) fn may_matter(&self, scope: Scope, second: u64) -> bool {
        self.ends(scope).get() > second
    }

    fn ends(&self, scope: Scope) -> &W {
        // Scopes are numbered from 1, without gaps.
        &self.0[scope as usize - 1]
    }
}

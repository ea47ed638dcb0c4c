//! The newest entries of the log, as they were committed. The feed asks for them right after each commit:
//! they are given from here, without a way through the database. What is older is read there.

use rescind_authority::store::{Head, LogPart};
use rescind_wire::revocation::Entry;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most entries: some hundred kilobytes.
const MOST: usize = 10_000;

/// The end of the log.
pub(super) struct Tail(Mutex<End>);

struct End {
    head: Head,
    /// Without gaps, up to the head.
    entries: VecDeque<Entry>,
}

impl Tail {
    /// Begins at the head, without entries.
    pub(super) fn new(head: Head) -> Self {
        Self(Mutex::new(End { head, entries: VecDeque::new() }))
    }

    /// Takes what was committed: the new head, and the entries that led to it.
    pub(super) fn committed(&self, head: Head, appended: Vec<Entry>) {
        let mut end = self.end();
        let follows = match (appended.first(), appended.last()) {
            (Some(first), Some(last)) => first.pos == end.head.pos + 1 && last.pos == head.pos,
            _ => head.pos == end.head.pos,
        };
        if end.head.epoch == head.epoch && follows {
            end.entries.extend(appended);
        } else {
            // Another log, whose beginning is in the database; or more than was told here.
            end.entries.clear();
        }
        end.head = head;
        let surplus = end.entries.len().saturating_sub(MOST);
        end.entries.drain(..surplus);
    }

    /// A sweep may have removed some of them: what is left stands in the database.
    pub(super) fn swept(&self) {
        self.end().entries.clear();
    }

    /// At most `most` entries after `after`; `None` if they do not stand here.
    pub(super) fn after(&self, after: u64, most: usize) -> Option<LogPart> {
        let end = self.end();
        let lacking = usize::try_from(end.head.pos.checked_sub(after)?).ok()?;
        let skipped = end.entries.len().checked_sub(lacking)?;
        let entries = end.entries.iter().skip(skipped).take(most).copied().collect();
        Some(LogPart { head: end.head, entries: Some(entries) })
    }

    fn end(&self) -> MutexGuard<'_, End> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rescind_wire::id::Epoch;
    use rescind_wire::revocation::{Digest, RevocationKey, Scope};

    fn head(epoch: u8, pos: u64) -> Head {
        let epoch = Epoch::from_bytes([epoch; 16]);
        let digest = Digest::first("https://auth.example", epoch);
        Head { epoch, pos, ts: pos, digest, longest_life: 300, iat_limit: 0 }
    }

    fn entries(first: u64, last: u64) -> Vec<Entry> {
        let key = RevocationKey::from_bytes([7; 16]);
        let entry = |pos| Entry { pos, ts: pos, scope: Scope::Session, key, until: 99 };
        (first..=last).map(entry).collect()
    }

    fn positions(tail: &Tail, after: u64, most: usize) -> Option<Vec<u64>> {
        let part = tail.after(after, most)?;
        Some(part.entries?.iter().map(|entry| entry.pos).collect())
    }

    #[test]
    fn it_gives_what_it_holds_and_nothing_that_it_lacks() {
        let tail = Tail::new(head(1, 5));
        assert_eq!(positions(&tail, 5, 10), Some(vec![]));
        assert_eq!(positions(&tail, 4, 10), None, "from before the start");
        assert_eq!(positions(&tail, 6, 10), None, "from beyond the end");
        tail.committed(head(1, 8), entries(6, 8));
        tail.committed(head(1, 8), vec![]);
        assert_eq!(positions(&tail, 5, 10), Some(vec![6, 7, 8]));
        assert_eq!(positions(&tail, 5, 2), Some(vec![6, 7]));
        assert_eq!(positions(&tail, 7, 10), Some(vec![8]));
        assert_eq!(positions(&tail, 4, 10), None);
    }

    #[test]
    fn of_another_epoch_it_gives_only_what_comes_after_its_opening() {
        let tail = Tail::new(head(1, 5));
        tail.committed(head(1, 6), entries(6, 6));
        tail.committed(head(2, 2), entries(1, 2));
        assert_eq!(positions(&tail, 0, 10), None);
        tail.committed(head(2, 3), entries(3, 3));
        assert_eq!(positions(&tail, 2, 10), Some(vec![3]));
        assert_eq!(positions(&tail, 1, 10), None);
    }

    #[test]
    fn it_is_bounded() {
        let tail = Tail::new(head(1, 0));
        tail.committed(head(1, 10_001), entries(1, 10_001));
        assert_eq!(positions(&tail, 0, 1), None);
        assert_eq!(positions(&tail, 1, 1), Some(vec![2]));
    }
}

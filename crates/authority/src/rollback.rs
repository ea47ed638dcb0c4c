//! Whether a store has lost what was given out, or has forgotten it too early, and where the epoch after
//! that begins.
//!
//! Two things outlive a store: the marker beside the master key, and what verifiers were told, signed. A
//! store that stands behind either was put back by an older copy; one that was only killed does not.

use crate::store::Head;
use rescind_wire::frame::Position;
use rescind_wire::id::Epoch;
use rescind_wire::revocation::Entry;

/// How far ahead a new epoch begins, in microseconds.
pub const EPOCH_MARGIN: u64 = 60_000_000;

/// Whether a store that stands at `head` has lost what a marker of this epoch, position and log time has
/// seen.
pub fn is_behind(head: &Head, (epoch, pos, ts): (Epoch, u64, u64)) -> bool {
    let same_epoch = epoch == head.epoch;
    // A realm that was just founded stands at 0, one whose epoch was opened never does: an empty
    // store beside keys that have served a realm is a lost one.
    ts > head.ts || (same_epoch && pos > head.pos) || (!same_epoch && head.pos == 0)
}

/// How many entries after a signed position are compared with it by digest, at most: so many may have
/// been committed since the head that names it.
pub const COMPARED: usize = 100;

/// Whether the log's own entries decide on a signed position: it lies inside the log of this epoch.
pub fn is_inside(head: &Head, seen: &Position) -> bool {
    seen.epoch == head.epoch && (1..head.pos).contains(&seen.pos)
}

/// Whether a position that was signed once is not in the store's log any more: of a later epoch, beyond
/// the log's end, or with another entry in its place, because the log has grown anew. `since` is the
/// log from a position that [`is_inside`] on, that one and [`COMPARED`] more; one that was pruned since
/// cannot be compared, and one that is further back only by its time.
pub fn has_lost(head: &Head, seen: &Position, since: Option<&[Entry]>) -> bool {
    if seen.epoch != head.epoch {
        // Log time rises over all epochs: a later one than ours was lost with its epoch.
        return seen.ts > head.ts;
    }
    if is_inside(head, seen) {
        let Some((there, later)) = since.and_then(<[Entry]>::split_first) else { return false };
        let reaches = later.last().is_some_and(|last| last.pos >= head.pos);
        let later = later.iter().filter(|entry| entry.pos <= head.pos);
        let digest = later.fold(seen.digest, |digest, entry| digest.then(entry));
        return there.ts != seen.ts || reaches && digest != head.digest;
    }
    seen.pos > 0 && (seen.pos > head.pos || seen.digest != head.digest)
}

/// By how many seconds a clock (`wall`, microseconds) is before the second up to which entries were
/// forgotten. Zero is sound: a token whose entry is gone has then expired by the authority's own time, which
/// verifiers judge by if it is later than theirs. Anything else would bring it back to life.
pub const fn early_by(swept_to: u64, wall: u64) -> u64 {
    swept_to.saturating_sub(wall / 1_000_000)
}

/// The first log time of an epoch that begins at `wall` (microseconds) because of what was lost: later than
/// `lost`, the last log time that is known to have been given out, by a margin that covers those that
/// are not known.
pub fn first_ts(head: &Head, lost: u64, wall: u64) -> u64 {
    lost.max(head.ts).max(wall) + EPOCH_MARGIN
}

#[cfg(test)]
mod tests {
    use super::*;
    use rescind_wire::revocation::Target;

    const ISSUER: &str = "https://auth.example";

    fn log(targets: &[&str]) -> (Head, Vec<(Entry, Position)>) {
        let epoch = Epoch::from_bytes([1; 16]);
        let digest = rescind_wire::revocation::Digest::first(ISSUER, epoch);
        let mut head = Head { epoch, pos: 0, ts: 100, digest, longest_life: 300, iat_limit: 0 };
        let mut append = |target: &&str| {
            let entry = head.append(ISSUER, &Target::Client((*target).to_owned()), 100);
            (entry, head.position())
        };
        let entries = targets.iter().map(&mut append).collect();
        (head, entries)
    }

    fn lost(head: &Head, log: &[(Entry, Position)], seen: &Position) -> bool {
        let since: Vec<_> = log.iter().map(|(e, _)| *e).filter(|e| e.pos >= seen.pos).collect();
        has_lost(head, seen, Some(&since))
    }

    #[test]
    fn what_the_log_holds_is_not_lost() {
        let (head, log) = log(&["a", "b", "c"]);
        for (_, seen) in &log {
            assert!(!lost(&head, &log, seen), "{}", seen.pos);
        }
        let founded = Position { pos: 0, ..log[0].1 };
        assert!(!lost(&head, &log, &founded));
    }

    #[test]
    fn what_lies_beyond_the_log_or_in_a_later_epoch_is_lost() {
        let (_, whole) = log(&["a", "b", "c"]);
        let (head, shorter) = log(&["a", "b"]);
        assert!(lost(&head, &shorter, &whole[2].1));
        let other = Position { epoch: Epoch::from_bytes([2; 16]), ..whole[2].1 };
        assert!(lost(&head, &shorter, &other), "later by log time");
        assert!(!lost(&head, &shorter, &Position { ts: 50, ..other }), "an epoch that was left");
    }

    // in the minute in which log time runs ahead of the clock, it says nothing of what was lost.
    #[test]
    fn a_log_that_grew_anew_at_the_same_times_is_lost() {
        let (_, before) = log(&["a", "b", "c"]);
        let (head, anew) = log(&["a", "x", "c", "d"]);
        let times = |log: &[(Entry, Position)]| log.iter().map(|(e, _)| e.ts).collect::<Vec<_>>();
        assert!(times(&anew).starts_with(&times(&before)));
        assert!(!lost(&head, &anew, &before[0].1));
        assert!(lost(&head, &anew, &before[1].1));
        assert!(lost(&head, &anew, &before[2].1));
        // Entries that came after the head was read are not its.
        let (longer, since) = log(&["a", "b", "c", "d"]);
        assert!(!lost(&at(&longer, &since[2].1), &since, &before[1].1));
    }

    fn at(head: &Head, position: &Position) -> Head {
        Head { pos: position.pos, ts: position.ts, digest: position.digest, ..*head }
    }

    // S15 V08
    #[test]
    fn a_clock_is_early_as_long_as_a_token_could_live_whose_entry_is_gone() {
        let swept_to = 1_000;
        for (wall, early) in [(0, 1_000), (999_999_999, 1), (1_000_000_000, 0), (u64::MAX, 0)] {
            assert_eq!(early_by(swept_to, wall), early, "{wall}");
        }
        assert_eq!(early_by(0, 0), 0, "nothing was forgotten");
    }

    #[test]
    fn an_epoch_begins_after_store_marker_and_clock() {
        let (head, _) = log(&["a"]);
        for (lost, wall) in [(0, 0), (500, 0), (0, 500), (700, 500)] {
            let latest = lost.max(wall).max(head.ts);
            assert_eq!(first_ts(&head, lost, wall), latest + EPOCH_MARGIN);
        }
    }
}

//! What the follower is told, and what it wants done.

use crate::clock::Now;
use crate::lease::Lease;
use rescind_wire::frame::{Head, Position};
use rescind_wire::revocation::Entry;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A snapshot came.
    Snapshot {
        /// Where it was taken.
        position: Position,
        /// All live entries.
        entries: Vec<Entry>,
    },
    /// The feed was asked for, from the position that is applied.
    FeedAsked,
    /// Entries came by the feed.
    Delta {
        /// After the last entry.
        position: Position,
        /// At least one, without gaps.
        entries: Vec<Entry>,
    },
    /// A sign of life came by the feed.
    Beat(Position),
    /// The feed asks to be told once this position is applied.
    Asked(u64),
    /// The authority cannot serve the position that was asked for.
    Resync,
    /// A head request is about to be sent.
    HeadSent {
        /// Drawn at random for this request.
        nonce: [u8; 16],
        /// Read before the request leaves.
        at: Now,
    },
    /// The request with this nonce failed or timed out.
    HeadLost([u8; 16]),
    /// The verifier is about to say that it goes: it accepts nothing from here on.
    Left,
    /// A signed head came.
    Head {
        /// The head.
        head: Head,
        /// Read after it came.
        at: Now,
    },
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Put these into the set, before anything that follows.
    Insert(Vec<Entry>),
    /// Publish this lease.
    Fresh(Lease),
    /// Withdraw the lease: nothing is accepted until the next one.
    EndLease,
    /// Ask for the head at once: the question says what is applied, and somebody waits to hear it.
    Acknowledge,
    /// Fetch a snapshot, then ask for the feed anew.
    FetchSnapshot(Why),
    /// Tell the operator.
    Alarm(Alarm),
}

/// Whether a signed head is to be shown to the authority, as evidence of what it has said, in the place of
/// the one that is shown now: one that went back never replaces the proof against it.
pub fn replaces_evidence(shown: Option<&Position>, new: &Position) -> bool {
    shown.is_none_or(|shown| shown.ts <= new.ts)
}

/// Why a snapshot is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Entries are missing.
    Gap,
    /// The authority said so.
    Asked,
    /// The authority opened a new epoch.
    NewEpoch,
}

/// What an operator must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alarm {
    /// The authority's log lies below what it had said before: it was rolled back. The verifier stops.
    WentBack,
    /// The authority's log is another one under the same epoch. The verifier stops.
    DigestDiffers,
    /// A snapshot or head of the past came, and was refused.
    OldRefused,
}

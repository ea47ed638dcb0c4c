//! Following the log: a pure state machine, without input, output or a clock.
//!
//! [`Follower::step`] takes what came from the authority and gives back what is to be done, in order. It
//! owns the position that is applied, what freshness rests on, and the refusal to go backwards:
//!
//! - Fresh is only who sent a request, was answered with that request's nonce, and has applied the
//!   position that was answered; counted from the sending. Beats prove nothing.
//! - A head or beat of the held epoch below what was applied when it was asked for, or any frame whose
//!   digest differs at its position, stops the verifier until a new epoch comes.
//! - A new epoch is known by its log time, which always rises. What was held stays held.
//! - Who has said that it goes is never fresh again: nobody waits for it from then on.
//!
//! `follow` feeds it; a model checker can, too.

use crate::clock::Now;
use crate::lease::{Anchor, Lease};
use rescind_wire::frame::{Head, Position};
use rescind_wire::id::Epoch;
use rescind_wire::revocation::{Digest, Entry};
use std::collections::VecDeque;

mod events;
pub use events::{Alarm, Effect, Event, Why, replaces_evidence};

/// How many past positions can still be compared by digest.
const HISTORY: usize = 8192;
/// Most heads that wait for their position to be applied, and most requests under way.
const WAITING: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Request {
    nonce: [u8; 16],
    number: u64,
    sent: Now,
    applied: Option<(Epoch, u64)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Waiting {
    number: u64,
    sent: Now,
    received: Now,
    head: Head,
}

/// What a verifier knows of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Follower {
    applied: Option<Position>,
    history: VecDeque<(u64, Digest)>,
    feed_from: Option<(Epoch, u64)>,
    requests: VecDeque<Request>,
    waiting: VecDeque<Waiting>,
    sent: u64,
    fresh: Option<Lease>,
    /// What the feed wants to be told of once it is applied.
    asked: Option<u64>,
    stopped: bool,
    left: bool,
}

impl Follower {
    /// Knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The position up to which everything is in the set.
    pub fn applied(&self) -> Option<&Position> {
        self.applied.as_ref()
    }

    /// Whether the authority contradicted itself and no new epoch has come since.
    pub fn stopped(&self) -> bool {
        self.stopped
    }

    /// Whether it has gone, for good.
    pub fn left(&self) -> bool {
        self.left
    }

    /// How many head requests were sent.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// How many positions the authority has named that are not applied yet.
    pub fn behind(&self) -> u64 {
        let named = self.waiting.iter().map(|w| w.head.position.pos).max();
        let held = self.applied.map_or(0, |p| p.pos);
        named.map_or(0, |named| named.saturating_sub(held))
    }

    /// Boot time at which the oldest head came whose position is not applied yet.
    pub fn behind_since(&self) -> Option<u64> {
        self.waiting.front().map(|w| w.received.boot_us)
    }

    /// Takes one event.
    pub fn step(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Snapshot { position, entries } => {
                self.snapshot(position, entries, &mut effects);
            }
            Event::FeedAsked => self.feed_from = self.held(),
            Event::Delta { position, entries } => self.delta(position, entries, &mut effects),
            Event::Beat(position) => self.beat(&position, &mut effects),
            Event::Asked(pos) => {
                self.asked = self.asked.max(Some(pos));
                self.acknowledge(&mut effects);
            }
            Event::Resync => effects.push(Effect::FetchSnapshot(Why::Asked)),
            Event::HeadSent { nonce, at } => {
                if self.requests.len() == WAITING {
                    self.requests.pop_front();
                }
                self.sent += 1;
                self.requests.push_back(Request {
                    nonce,
                    number: self.sent,
                    sent: at,
                    applied: self.held(),
                });
            }
            Event::HeadLost(nonce) => self.requests.retain(|r| r.nonce != nonce),
            Event::Head { head, at } => self.head(head, at, &mut effects),
            Event::Left => {
                self.left = true;
                self.end_lease(&mut effects);
            }
        }
        effects
    }

    fn held(&self) -> Option<(Epoch, u64)> {
        self.applied.map(|p| (p.epoch, p.pos))
    }

    fn snapshot(&mut self, position: Position, entries: Vec<Entry>, effects: &mut Vec<Effect>) {
        if let Some(held) = self.applied {
            if held.epoch == position.epoch {
                if self.contradicts(&position) {
                    return self.stop(Alarm::DigestDiffers, effects);
                }
                if position.pos < held.pos {
                    return effects.push(Effect::Alarm(Alarm::OldRefused));
                }
            } else if position.ts <= held.ts {
                return effects.push(Effect::Alarm(Alarm::OldRefused));
            } else {
                self.stopped = false;
                self.end_lease(effects);
            }
        }
        if self.applied.is_some_and(|held| held.epoch != position.epoch) {
            // What was asked for counted in the epoch before.
            self.asked = None;
        }
        effects.push(Effect::Insert(entries));
        self.history.clear();
        self.advance(position);
        self.settle(effects);
        self.acknowledge(effects);
    }

    fn delta(&mut self, position: Position, entries: Vec<Entry>, effects: &mut Vec<Effect>) {
        let Some(held) = self.applied else {
            return effects.push(Effect::FetchSnapshot(Why::Gap));
        };
        if held.epoch != position.epoch {
            return self.other_epoch(&position, effects);
        }
        if position.pos <= held.pos {
            if self.contradicts(&position) {
                self.stop(Alarm::DigestDiffers, effects);
            }
            return;
        }
        let tail: Vec<Entry> = entries.into_iter().filter(|e| e.pos > held.pos).collect();
        let dense = (held.pos + 1..=position.pos).eq(tail.iter().map(|e| e.pos));
        if !dense {
            return effects.push(Effect::FetchSnapshot(Why::Gap));
        }
        let mut digest = held.digest;
        let chain: Vec<(u64, Digest)> = tail
            .iter()
            .map(|e| {
                digest = digest.then(e);
                (e.pos, digest)
            })
            .collect();
        // They are signed: more entries only make the verifier stricter, even if it stops.
        effects.push(Effect::Insert(tail));
        if digest != position.digest {
            return self.stop(Alarm::DigestDiffers, effects);
        }
        self.history.extend(chain);
        self.advance(position);
        self.settle(effects);
        self.acknowledge(effects);
    }

    fn beat(&mut self, position: &Position, effects: &mut Vec<Effect>) {
        let Some(held) = self.applied else { return };
        if held.epoch != position.epoch {
            return self.other_epoch(position, effects);
        }
        let went_back = self
            .feed_from
            .is_some_and(|(epoch, pos)| epoch == position.epoch && position.pos < pos);
        if went_back {
            self.stop(Alarm::WentBack, effects);
        } else if self.contradicts(position) {
            self.stop(Alarm::DigestDiffers, effects);
        }
    }

    fn head(&mut self, head: Head, at: Now, effects: &mut Vec<Effect>) {
        let Some(place) = self.requests.iter().position(|r| r.nonce == head.nonce) else {
            return;
        };
        let Some(request) = self.requests.remove(place) else {
            return;
        };
        if let Some(held) = self.applied {
            if held.epoch != head.position.epoch {
                self.other_epoch(&head.position, effects);
                if head.position.ts <= held.ts {
                    return;
                }
                self.end_lease(effects);
            } else if request
                .applied
                .is_some_and(|(epoch, pos)| epoch == held.epoch && head.position.pos < pos)
            {
                return self.stop(Alarm::WentBack, effects);
            }
        }
        if self.waiting.len() == WAITING {
            // The oldest are settled first; replacing the newest keeps a laggard from starving.
            self.waiting.pop_back();
        }
        self.waiting.push_back(Waiting {
            number: request.number,
            sent: request.sent,
            received: at,
            head,
        });
        self.settle(effects);
    }

    /// A frame of an epoch that is not held: newer by log time, or of the past.
    fn other_epoch(&mut self, position: &Position, effects: &mut Vec<Effect>) {
        effects.push(match self.applied {
            Some(held) if position.ts <= held.ts => Effect::Alarm(Alarm::OldRefused),
            _ => Effect::FetchSnapshot(Why::NewEpoch),
        });
    }

    /// Whether this position of the held epoch is known under another digest.
    fn contradicts(&self, position: &Position) -> bool {
        self.digest_at(position.pos).is_some_and(|digest| digest != position.digest)
    }

    fn digest_at(&self, pos: u64) -> Option<Digest> {
        let at = self.history.binary_search_by_key(&pos, |(pos, _)| *pos);
        at.ok().and_then(|at| self.history.get(at)).map(|(_, d)| *d)
    }

    fn advance(&mut self, position: Position) {
        if self.history.back().map(|(pos, _)| *pos) != Some(position.pos) {
            self.history.push_back((position.pos, position.digest));
        }
        let surplus = self.history.len().saturating_sub(HISTORY);
        self.history.drain(..surplus);
        self.applied = Some(position);
    }

    /// What was asked for is applied: the entries are in the set before this effect.
    fn acknowledge(&mut self, effects: &mut Vec<Effect>) {
        if self.asked.is_some_and(|asked| self.applied.is_some_and(|held| held.pos >= asked)) {
            self.asked = None;
            effects.push(Effect::Acknowledge);
        }
    }

    /// Turns waiting heads whose position is applied into freshness.
    fn settle(&mut self, effects: &mut Vec<Effect>) {
        let Some(held) = self.applied else { return };
        let mut best: Option<Lease> = None;
        let mut still_waiting = VecDeque::new();
        for waiting in std::mem::take(&mut self.waiting) {
            let position = &waiting.head.position;
            if position.epoch != held.epoch {
                // Of a newer epoch, whose snapshot is on its way; or of one that was left.
                if position.ts > held.ts {
                    still_waiting.push_back(waiting);
                }
            } else if position.pos > held.pos {
                still_waiting.push_back(waiting);
            } else if self.contradicts(position) {
                return self.stop(Alarm::DigestDiffers, effects);
            } else if self.digest_at(position.pos).is_some() {
                let lease = waiting.lease();
                best = Some(best.map_or(lease, |best| best.newer(lease)));
            }
        }
        self.waiting = still_waiting;
        let Some(best) = best.filter(|_| !self.stopped && !self.left) else {
            return;
        };
        let newest = self.fresh.map_or(best, |fresh| fresh.newer(best));
        if self.fresh != Some(newest) {
            self.fresh = Some(newest);
            effects.push(Effect::Fresh(newest));
        }
    }

    fn stop(&mut self, alarm: Alarm, effects: &mut Vec<Effect>) {
        self.waiting.clear();
        if !self.stopped {
            self.stopped = true;
            self.end_lease(effects);
            effects.push(Effect::Alarm(alarm));
        }
    }

    fn end_lease(&mut self, effects: &mut Vec<Effect>) {
        self.fresh = None;
        effects.push(Effect::EndLease);
    }
}

impl Waiting {
    fn lease(&self) -> Lease {
        Lease {
            anchor: Anchor::new(self.sent, self.head.age),
            request: self.number,
            bound_ms: self.head.staleness_ms,
            utc_us: self.head.utc,
            sent_boot_us: self.sent.boot_us,
            received_boot_us: self.received.boot_us,
        }
    }
}

//! The state machine that follows the log: what it takes for true, and what it refuses.

mod walk;

use rescind_verifier::Now;
use rescind_verifier::state::{Alarm, Effect, Event, Follower, Why};
use rescind_wire::frame::{Head, KeysMark, Position};
use rescind_wire::id::Epoch;
use rescind_wire::revocation::{Digest, Entry, NEVER, RevocationKey, Scope};

/// The authority's log.
#[derive(Clone)]
struct Log {
    epoch: Epoch,
    entries: Vec<Entry>,
    digests: Vec<Digest>,
}

impl Log {
    fn of_epoch(n: u8, first_ts: u64) -> Self {
        let epoch = Epoch::from_bytes([n; 16]);
        let mut log = Self { epoch, entries: vec![], digests: vec![Digest::first("i", epoch)] };
        log.append_at(first_ts);
        log
    }
    fn append(&mut self) {
        self.append_at(self.entries[self.entries.len() - 1].ts + 1);
    }
    fn append_at(&mut self, ts: u64) {
        let pos = self.entries.len() as u64 + 1;
        let mut key = [self.epoch.as_bytes()[0]; 16];
        key[..8].copy_from_slice(&pos.to_be_bytes());
        let entry = Entry {
            pos,
            ts,
            scope: Scope::Session,
            key: RevocationKey::from_bytes(key),
            until: NEVER,
        };
        self.digests.push(self.digests[self.entries.len()].then(&entry));
        self.entries.push(entry);
    }
    fn upto(n: u8, len: usize) -> Self {
        let mut log = Self::of_epoch(n, 1000);
        (1..len).for_each(|_| log.append());
        log
    }
    fn end(&self) -> u64 {
        self.entries.len() as u64
    }
    fn position(&self, pos: u64) -> Position {
        let ts = self.entries[pos as usize - 1].ts;
        Position { epoch: self.epoch, pos, ts, digest: self.digests[pos as usize] }
    }
    fn snapshot(&self, pos: u64) -> Event {
        Event::Snapshot {
            position: self.position(pos),
            entries: self.entries[..pos as usize].to_vec(),
        }
    }
    fn delta(&self, first: u64, last: u64) -> Event {
        let entries = self.entries[first as usize - 1..last as usize].to_vec();
        Event::Delta { position: self.position(last), entries }
    }
    fn head(&self, nonce: u8, pos: u64) -> Event {
        Event::Head { head: self.head_frame(nonce, pos), at: at(99) }
    }
    fn head_frame(&self, nonce: u8, pos: u64) -> Head {
        Head {
            nonce: [nonce; 16],
            position: self.position(pos),
            utc: 0,
            keys: KeysMark { version: 1, hash: [0; 32] },
            age: 0,
            staleness_ms: 10_000,
        }
    }
}

fn at(us: u64) -> Now {
    Now { boot_us: us, wall_us: us }
}

fn sent(nonce: u8, us: u64) -> Event {
    Event::HeadSent { nonce: [nonce; 16], at: at(us) }
}

fn following(log: &Log, pos: u64) -> Follower {
    let mut follower = Follower::new();
    follower.step(log.snapshot(pos));
    follower.step(Event::FeedAsked);
    follower
}

fn fresh_as_of(effects: &[Effect]) -> Option<i64> {
    effects.iter().find_map(|e| match e {
        Effect::Fresh(lease) => Some(lease.anchor.boot_us),
        _ => None,
    })
}

fn inserted(effects: &[Effect]) -> Vec<u64> {
    effects
        .iter()
        .flat_map(|e| match e {
            Effect::Insert(entries) => entries.iter().map(|e| e.pos).collect(),
            _ => vec![],
        })
        .collect()
}

fn stops(effects: &[Effect], alarm: Alarm) -> bool {
    effects.contains(&Effect::EndLease) && effects.contains(&Effect::Alarm(alarm))
}

// P04
#[test]
fn a_gap_asks_for_a_snapshot_and_inserts_nothing() {
    let log = Log::upto(1, 9);
    let mut follower = following(&log, 3);
    assert_eq!(follower.step(log.delta(5, 6)), [Effect::FetchSnapshot(Why::Gap)]);
    assert_eq!(follower.applied().unwrap().pos, 3);
    assert_eq!(Follower::new().step(log.delta(1, 1)), [Effect::FetchSnapshot(Why::Gap)]);
    assert_eq!(follower.step(Event::Resync), [Effect::FetchSnapshot(Why::Asked)]);
}

// P04
#[test]
fn a_duplicate_is_ignored_and_of_an_overlap_only_the_new_part_is_applied() {
    let log = Log::upto(1, 9);
    let mut follower = following(&log, 3);
    assert_eq!(inserted(&follower.step(log.delta(4, 6))), [4, 5, 6]);
    assert_eq!(follower.step(log.delta(4, 6)), []);
    assert_eq!(follower.step(log.delta(2, 3)), []);
    assert_eq!(inserted(&follower.step(log.delta(5, 8))), [7, 8]);
    assert_eq!(follower.applied(), Some(&log.position(8)));
}

// P04
#[test]
fn nothing_is_fresh_between_a_gap_and_the_snapshot() {
    let log = Log::upto(1, 9);
    let mut follower = following(&log, 3);
    follower.step(sent(1, 10));
    follower.step(log.delta(5, 6));
    assert_eq!(fresh_as_of(&follower.step(log.head(1, 6))), None);
    assert_eq!(fresh_as_of(&follower.step(log.snapshot(6))), Some(10));
}

// P05
#[test]
fn a_replayed_old_snapshot_is_refused() {
    let (old, log) = (Log::upto(1, 5), Log::of_epoch(2, 5000));
    let mut follower = following(&old, 5);
    assert_eq!(follower.step(old.snapshot(2)), [Effect::Alarm(Alarm::OldRefused)]);
    assert_eq!(follower.applied().unwrap().pos, 5);
    follower.step(log.snapshot(1));
    assert_eq!(
        follower.step(old.snapshot(5)),
        [Effect::Alarm(Alarm::OldRefused)],
        "an epoch of the past"
    );
    assert_eq!(follower.applied(), Some(&log.position(1)));
}

#[test]
fn freshness_counts_from_the_sending_and_only_for_ones_own_nonce() {
    let log = Log::upto(1, 5);
    let mut follower = following(&log, 5);
    assert_eq!(follower.step(log.head(1, 5)), [], "never asked");
    follower.step(sent(1, 10));
    assert_eq!(follower.step(log.head(2, 5)), [], "another's nonce");
    assert_eq!(fresh_as_of(&follower.step(log.head(1, 5))), Some(10));
    assert_eq!(follower.step(log.head(1, 5)), [], "an answer counts once");
    follower.step(sent(3, 20));
    follower.step(Event::HeadLost([3; 16]));
    assert_eq!(follower.step(log.head(3, 5)), [], "given up");
}

#[test]
fn an_age_moves_freshness_back() {
    let log = Log::upto(1, 5);
    let mut follower = following(&log, 5);
    follower.step(sent(1, 1000));
    let head = Head { age: 400, ..log.head_frame(1, 5) };
    let anchor = fresh_as_of(&follower.step(Event::Head { head, at: at(1001) })).unwrap();
    assert!((598..=600).contains(&anchor), "drift counts against it: {anchor}");
}

#[test]
fn an_answered_position_counts_once_it_is_applied_and_entries_come_first() {
    let log = Log::upto(1, 9);
    let mut follower = following(&log, 3);
    follower.step(sent(1, 10));
    assert_eq!(follower.step(log.head(1, 6)), []);
    assert_eq!(fresh_as_of(&follower.step(log.delta(4, 5))), None);
    let effects = follower.step(log.delta(6, 7));
    assert!(
        matches!(effects[..], [Effect::Insert(_), Effect::Fresh(lease)] if lease.anchor.boot_us == 10)
    );
}

#[test]
fn a_laggard_is_not_starved_by_heads_that_run_ahead() {
    let mut log = Log::upto(1, 3);
    let mut follower = following(&log, 3);
    for n in 0..200u8 {
        log.append();
        follower.step(sent(n, u64::from(n)));
        follower.step(log.head(n, log.end()));
    }
    assert!(fresh_as_of(&follower.step(log.delta(4, 10))).is_some());
    assert_eq!(fresh_as_of(&follower.step(log.delta(11, 203))), Some(199));
}

// P07
#[test]
fn beats_prove_nothing() {
    let log = Log::upto(1, 5);
    let mut follower = following(&log, 5);
    follower.step(sent(1, 10));
    assert_eq!(follower.step(Event::Beat(log.position(5))), []);
}

#[test]
fn an_older_lease_never_replaces_a_newer_one() {
    let log = Log::upto(1, 5);
    let mut follower = following(&log, 5);
    follower.step(sent(1, 10));
    follower.step(sent(2, 20));
    assert_eq!(fresh_as_of(&follower.step(log.head(2, 5))), Some(20));
    assert_eq!(follower.step(log.head(1, 5)), []);
}

#[test]
fn a_head_below_what_was_applied_at_its_sending_stops_the_verifier() {
    let log = Log::upto(1, 9);
    let mut follower = following(&log, 5);
    follower.step(sent(1, 10));
    follower.step(log.delta(6, 7));
    assert_eq!(
        fresh_as_of(&follower.step(log.head(1, 5))),
        Some(10),
        "answered before 6 was there"
    );
    follower.step(sent(2, 20));
    assert!(stops(&follower.step(log.head(2, 6)), Alarm::WentBack));
    follower.step(sent(3, 30));
    assert_eq!(follower.step(log.head(3, 7)), [], "stopped: no freshness any more");
}

#[test]
fn a_beat_below_where_the_feed_began_stops_the_verifier() {
    let log = Log::upto(1, 9);
    let mut follower = following(&log, 5);
    follower.step(log.delta(6, 7));
    assert_eq!(follower.step(Event::Beat(log.position(5))), []);
    assert!(stops(&follower.step(Event::Beat(log.position(4))), Alarm::WentBack));
}

#[test]
fn another_log_under_the_same_epoch_stops_the_verifier() {
    let log = Log::upto(1, 5);
    let mut fork = Log::upto(1, 4);
    fork.append_at(7777);
    fork.append();
    let fresh = || following(&log, 5);
    let stopped = |mut follower: Follower, event: Event| {
        stops(&follower.step(event), Alarm::DigestDiffers) && follower.stopped()
    };
    assert!(stopped(fresh(), fork.delta(6, 6)));
    assert!(stopped(fresh(), fork.delta(5, 5)));
    assert!(stopped(fresh(), fork.snapshot(5)));
    assert!(stopped(fresh(), Event::Beat(fork.position(5))));
    let mut asked = fresh();
    asked.step(sent(1, 10));
    assert!(stopped(asked, fork.head(1, 5)));
    let mut waits = fresh();
    waits.step(sent(1, 10));
    waits.step(fork.head(1, 6));
    let mut longer = log.clone();
    longer.append();
    assert!(stopped(waits, longer.delta(6, 6)), "seen once the position is applied");
}

#[test]
fn a_new_epoch_ends_the_lease_is_fetched_and_joins_what_was_held() {
    let (old, new) = (Log::upto(1, 5), Log::of_epoch(2, 5000));
    let mut follower = following(&old, 5);
    assert_eq!(follower.step(Event::Beat(new.position(1))), [Effect::FetchSnapshot(Why::NewEpoch)]);
    follower.step(sent(1, 10));
    let effects = follower.step(new.head(1, 1));
    assert_eq!(effects, [Effect::FetchSnapshot(Why::NewEpoch), Effect::EndLease]);
    let effects = follower.step(new.snapshot(1));
    assert_eq!((inserted(&effects), fresh_as_of(&effects)), (vec![1], Some(10)));
}

#[test]
fn a_new_epoch_lets_a_stopped_verifier_go_on() {
    let (old, new) = (Log::upto(1, 5), Log::of_epoch(2, 5000));
    let mut follower = following(&old, 5);
    follower.step(sent(1, 10));
    follower.step(old.head(1, 4));
    assert!(follower.stopped());
    follower.step(new.snapshot(1));
    assert!(!follower.stopped());
    follower.step(sent(2, 20));
    assert_eq!(fresh_as_of(&follower.step(new.head(2, 1))), Some(20));
}

//
#[test]
fn who_has_gone_is_never_fresh_again_whatever_was_under_way_or_comes() {
    let (log, next) = (Log::upto(1, 6), Log::of_epoch(2, 5000));
    let mut follower = following(&log, 5);
    follower.step(sent(1, 10));
    assert!(fresh_as_of(&follower.step(log.head(1, 5))).is_some());
    // One is answered and waits for its position, one is on its way.
    follower.step(sent(2, 20));
    assert_eq!(follower.step(log.head(2, 6)), []);
    follower.step(sent(3, 30));
    assert_eq!(follower.step(Event::Left), [Effect::EndLease]);
    assert!(follower.left());
    let later = [log.delta(6, 6), log.head(3, 6), next.snapshot(1), sent(4, 40), next.head(4, 1)];
    for event in later {
        assert_eq!(fresh_as_of(&follower.step(event)), None);
    }
    assert_eq!(follower.applied(), Some(&next.position(1)));
}

#[test]
fn a_head_of_a_past_epoch_gives_nothing() {
    let (old, new) = (Log::upto(1, 5), Log::of_epoch(2, 5000));
    let mut follower = following(&new, 1);
    follower.step(sent(1, 10));
    assert_eq!(follower.step(old.head(1, 5)), [Effect::Alarm(Alarm::OldRefused)]);
}

//
#[test]
fn what_is_asked_for_is_acknowledged_once_when_it_is_applied_and_not_before() {
    let log = Log::upto(1, 9);
    let mut follower = following(&log, 3);
    assert_eq!(follower.step(Event::Asked(3)), [Effect::Acknowledge], "at once");
    assert_eq!(follower.step(Event::Asked(6)), []);
    assert_eq!(follower.step(Event::Asked(5)), [], "one question answers both");
    let acknowledged = |effects: &[Effect]| effects.contains(&Effect::Acknowledge);
    assert!(!acknowledged(&follower.step(log.delta(4, 5))));
    let effects = follower.step(log.delta(6, 7));
    assert_eq!(effects.last(), Some(&Effect::Acknowledge), "after the entries are in the set");
    assert_eq!(inserted(&effects), [6, 7]);
    assert!(!acknowledged(&follower.step(log.delta(8, 8))), "once");
    follower.step(Event::Asked(9));
    assert!(acknowledged(&follower.step(log.snapshot(9))), "a snapshot brings it, too");
}

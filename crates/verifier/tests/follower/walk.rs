//! Any order of what may happen, at random.

use super::*;
use proptest::prelude::*;
use std::collections::HashSet;

/// What may happen in a world whose network loses, repeats, delays and reorders.
#[derive(Debug, Clone)]
enum Act {
    Commit,
    Restore,
    Ask,
    Answer(prop::sample::Index),
    MakeDelta(prop::sample::Index),
    MakeSnapshot,
    MakeBeat,
    Deliver(prop::sample::Index),
    AskFeed,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let index = any::<prop::sample::Index>;
    let act = prop_oneof![
        4 => Just(Act::Commit),
        1 => Just(Act::Restore),
        4 => Just(Act::Ask),
        4 => index().prop_map(Act::Answer),
        4 => index().prop_map(Act::MakeDelta),
        2 => Just(Act::MakeSnapshot),
        1 => Just(Act::MakeBeat),
        12 => index().prop_map(Act::Deliver),
        1 => Just(Act::AskFeed),
    ];
    prop::collection::vec(act, 1..200)
}

/// An authority that never contradicts itself, and a network that does what it likes.
struct Run {
    log: Log,
    epochs: u8,
    now: u64,
    /// Entries of all epochs with the time of their commit; those of an epoch that was left were lost with
    /// it, and its successor's first entry stands for them.
    committed: Vec<(u64, RevocationKey)>,
    asked: Vec<u8>,
    network: Vec<Event>,
    follower: Follower,
    held: HashSet<RevocationKey>,
}

impl Run {
    fn new() -> Self {
        let log = Log::of_epoch(1, 1000);
        Self {
            committed: vec![(0, log.entries[0].key)],
            log,
            epochs: 1,
            now: 1,
            asked: vec![],
            network: vec![],
            follower: Follower::new(),
            held: HashSet::new(),
        }
    }

    fn act(&mut self, act: &Act) {
        self.now += 1;
        match act {
            Act::Commit => {
                self.log.append();
                self.committed.push((self.now, self.log.entries[self.log.entries.len() - 1].key));
            }
            Act::Restore => {
                self.epochs += 1;
                let ts = self.log.entries[self.log.entries.len() - 1].ts + 60;
                self.log = Log::of_epoch(self.epochs, ts);
                self.committed = vec![(self.now, self.log.entries[0].key)];
            }
            Act::Ask if self.asked.len() < 250 => {
                let nonce = self.asked.len() as u8;
                self.asked.push(nonce);
                self.step(sent(nonce, self.now));
            }
            Act::Ask => {}
            Act::Answer(i) if !self.asked.is_empty() => {
                self.network.push(self.log.head(*i.get(&self.asked), self.log.end()));
            }
            Act::Answer(_) => {}
            Act::MakeDelta(i) => {
                let first = 1 + i.index(self.log.entries.len()) as u64;
                self.network.push(self.log.delta(first, self.log.end()));
            }
            Act::MakeSnapshot => self.network.push(self.log.snapshot(self.log.end())),
            Act::MakeBeat => self.network.push(Event::Beat(self.log.position(self.log.end()))),
            Act::Deliver(i) if !self.network.is_empty() => {
                let event = i.get(&self.network).clone();
                self.step(event);
            }
            Act::Deliver(_) => {}
            Act::AskFeed => self.step(Event::FeedAsked),
        }
    }

    fn step(&mut self, event: Event) {
        let before = self.follower.applied().copied();
        for effect in self.follower.step(event) {
            match effect {
                Effect::Insert(entries) => self.held.extend(entries.iter().map(|e| e.key)),
                Effect::Fresh(lease) => self.judge(lease.anchor.boot_us as u64),
                _ => {}
            }
        }
        if let (Some(before), Some(after)) = (before, self.follower.applied()) {
            assert!(after.epoch != before.epoch || after.pos >= before.pos, "went backwards");
            assert!(after.ts >= before.ts, "log time went backwards");
        }
    }

    /// Who claims to be complete as of an instant holds all that was committed before it.
    fn judge(&self, as_of: u64) {
        for (commit, key) in &self.committed {
            assert!(
                *commit >= as_of || self.held.contains(key),
                "committed at {commit}, fresh as of {as_of}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn freshness_is_honest_and_nothing_goes_backwards(acts in acts()) {
        let mut run = Run::new();
        acts.iter().for_each(|act| run.act(act));
    }
}

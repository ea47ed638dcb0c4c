use super::*;
use crate::fixture::claims;
use proptest::prelude::*;
use rescind_wire::revocation::{Scope, Target, TokenKeys};
use std::collections::HashMap;

const ISSUER: &str = "https://auth.example";
const MINUTE: u64 = 60_000_000;

fn entry(target: &Target, ts: u64, until: u64) -> Entry {
    Entry { pos: 1, ts, scope: target.scope(), key: target.key(ISSUER), until }
}

/// An entry whose key no two numbers share.
fn numbered(n: u64, ts: u64, until: u64) -> Entry {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&n.to_be_bytes());
    Entry { pos: 1, ts, scope: Scope::Subject, key: RevocationKey::from_bytes(key), until }
}

/// Whether the set kills what was born at `rv` and has this number.
fn kills_number(set: &RevocationSet, n: u64, rv: u64) -> bool {
    let entry = numbered(n, 0, 0);
    set.killed([(entry.scope, entry.key)], rv)
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
        assert!(set.killed(keys.iter(), claims.rv), "{target:?}");
    }
    let set = RevocationSet::new();
    set.insert(&entry(&Target::Subject(other), claims.rv + 1, NEVER));
    set.insert(&entry(&Target::Key("k2".into()), claims.rv + 1, NEVER));
    set.insert(&entry(&Target::Subject(claims.sub), claims.rv, NEVER));
    assert!(!set.killed(keys.iter(), claims.rv));
}

#[test]
fn pruning_leaves_what_may_still_matter_and_says_how_far_it_went() {
    let set = RevocationSet::new();
    set.insert(&numbered(1, 1, 100));
    set.insert(&numbered(2, MINUTE, 101));
    set.insert(&numbered(3, 1, NEVER));
    set.prune(100);
    assert_eq!((set.len(), set.pruned_to()), (2, 100));
    assert!(kills_number(&set, 2, 0) && kills_number(&set, 3, 0));
    set.prune(50);
    assert_eq!(set.pruned_to(), 100);
}

#[test]
fn a_minute_is_forgotten_when_the_last_of_it_has_expired() {
    let set = RevocationSet::new();
    set.insert(&numbered(1, 1, 100));
    set.insert(&numbered(2, 2, 101));
    set.prune(100);
    assert_eq!(set.len(), 2);
    set.prune(101);
    assert_eq!(set.len(), 0);
}

#[test]
fn a_cut_off_is_kept_as_long_as_the_latest_that_was_told_of_its_key() {
    let set = RevocationSet::new();
    set.insert(&numbered(1, 1, 100));
    set.insert(&numbered(1, MINUTE, 50));
    set.prune(99);
    assert!(kills_number(&set, 1, MINUTE - 1));
    set.insert(&numbered(3, 2 * MINUTE, 50));
    set.insert(&numbered(3, 1, 101));
    set.prune(100);
    assert!(kills_number(&set, 3, 2 * MINUTE - 1));
    set.insert(&numbered(2, 1, NEVER));
    set.insert(&numbered(2, MINUTE, 50));
    set.prune(1_000_000);
    assert!(kills_number(&set, 2, MINUTE - 1));
    assert_eq!(set.len(), 1);
}

#[test]
fn a_log_time_beyond_all_dates_is_not_cut_short() {
    let set = RevocationSet::new();
    set.insert(&numbered(1, u64::MAX, 100));
    assert!(kills_number(&set, 1, u64::MAX - 1));
    set.prune(99);
    assert!(kills_number(&set, 1, u64::MAX - 1));
    set.prune(100);
    assert!(set.is_empty());
}

#[test]
fn nothing_is_lost_while_the_set_grows_and_shrinks() {
    let most = 3 * ONE as u64;
    let set = RevocationSet::new();
    for n in 0..most {
        set.insert(&numbered(n, n * 1000 + 1, n * 1000 / MINUTE + 1));
        // One that came long before, and one that did not come.
        assert!(kills_number(&set, n / 2, n / 2 * 1000));
        assert!(!kills_number(&set, n + 1, 0));
    }
    assert_eq!(set.len() as u64, most);
    assert_eq!(set.directory.load().len(), MANY);
    assert!(
        (0..most).all(|n| kills_number(&set, n, n * 1000) && !kills_number(&set, n, n * 1000 + 1))
    );
    // All but the last minute.
    let last = (most - 1) * 1000 / MINUTE;
    set.prune(last);
    let first_held = (0..most).find(|n| (n * 1000 + 1) / MINUTE == last).unwrap();
    assert_eq!(set.len() as u64, most - first_held);
    assert!((first_held..most).all(|n| kills_number(&set, n, n * 1000)));
    assert!((0..first_held).all(|n| !kills_number(&set, n, 0)));
    let buckets: usize = set.directory.load().iter().map(Segment::buckets).sum();
    assert!(buckets * SLOTS < 4 * set.len().max(MANY * SLOTS), "{buckets}");
}

#[test]
fn readers_find_at_any_moment_what_was_inserted_before() {
    let (set, told) = (RevocationSet::new(), AtomicU64::new(0));
    let most = 2 * ONE as u64;
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while told.load(Ordering::Acquire) < most {
                    let told = told.load(Ordering::Acquire);
                    let some = [0, told / 2, told.saturating_sub(1)];
                    assert!(told == 0 || some.iter().all(|n| kills_number(&set, *n, 0)));
                }
            });
        }
        for n in 0..most {
            set.insert(&numbered(n, 1, NEVER));
            set.insert(&numbered(n + most, 1, 1));
            told.store(n + 1, Ordering::Release);
            if n % 5000 == 0 {
                set.prune(1);
            }
        }
    });
}

/// A set that may be asked in any way, and what it must say.
#[derive(Debug, Clone)]
enum Step {
    Insert(Entry),
    Prune(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let until = prop_oneof![9 => 0u64..200, 1 => Just(NEVER)];
    let insert = (0u64..300, 0u64..50, until)
        .prop_map(|(n, minute, until)| Step::Insert(numbered(n, minute * MINUTE / 10 + n, until)));
    let step = prop_oneof![30 => insert, 1 => (0u64..200).prop_map(Step::Prune)];
    prop::collection::vec(step, 0..600)
}

proptest! {
    /// What may still matter is never forgotten, and no cut-off is later than one that was told.
    #[test]
    fn a_set_holds_what_a_plain_map_holds(steps in steps()) {
        let set = RevocationSet::new();
        let mut live: HashMap<RevocationKey, Entry> = HashMap::new();
        let mut latest: HashMap<RevocationKey, u64> = HashMap::new();
        let mut pruned_to = 0;
        for step in steps {
            match step {
                Step::Insert(new) => {
                    set.insert(&new);
                    let held = live.entry(new.key).or_insert(new);
                    (held.ts, held.until) = (held.ts.max(new.ts), held.until.max(new.until));
                    let ts = latest.entry(new.key).or_default();
                    *ts = new.ts.max(*ts);
                }
                Step::Prune(before) => {
                    set.prune(before);
                    live.retain(|_, held| held.until > before);
                    pruned_to = before.max(pruned_to);
                }
            }
            prop_assert!(set.len() >= live.len());
            prop_assert_eq!(set.pruned_to(), pruned_to);
        }
        let killed = |key: RevocationKey, rv| set.killed([(Scope::Subject, key)], rv);
        // What had expired by then need not be found.
        for held in live.values().filter(|held| held.ts > 0 && held.until >= pruned_to) {
            prop_assert!(killed(held.key, held.ts - 1));
        }
        for (key, ts) in latest {
            prop_assert!(!killed(key, ts));
        }
        set.prune(NEVER - 1);
        prop_assert_eq!(set.len(), live.values().filter(|held| held.until == NEVER).count());
    }

    /// Whatever else is held or forgotten, what may still matter is found under its scope.
    #[test]
    fn an_entry_of_any_scope_is_found_until_it_has_expired(steps in steps()) {
        let set = RevocationSet::new();
        let (mut live, mut pruned_to) = (Vec::new(), 0);
        for step in steps {
            match step {
                Step::Insert(mut new) => {
                    new.scope = Scope::ALL[usize::from(new.key.as_bytes()[7]) % Scope::ALL.len()];
                    set.insert(&new);
                    live.push(new);
                }
                Step::Prune(before) => {
                    set.prune(before);
                    pruned_to = before.max(pruned_to);
                }
            }
            live.retain(|entry| entry.until > pruned_to);
        }
        for entry in live.iter().filter(|entry| entry.ts > 0) {
            let keys = [(entry.scope, entry.key)];
            prop_assert!(set.killed(keys, entry.ts - 1), "{:?}", entry);
        }
    }

    /// Order and repetition do not matter: the set equals a plain map of maxima.
    #[test]
    fn merging_is_idempotent_and_commutative(
        entries in prop::collection::vec((0u64..4, 1u64..50, 0u64..50), 1..40),
        again in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let make = |&(n, ts, until): &(u64, u64, u64)| numbered(n, ts, until);
        let (forth, back) = (RevocationSet::new(), RevocationSet::new());
        entries.iter().for_each(|e| forth.insert(&make(e)));
        entries.iter().rev().for_each(|e| back.insert(&make(e)));
        again.iter().for_each(|i| back.insert(&make(i.get(&entries))));
        let mut model: HashMap<u64, u64> = HashMap::new();
        for (n, ts, _) in &entries {
            let cut = model.entry(*n).or_default();
            *cut = (*cut).max(*ts);
        }
        for set in [&forth, &back] {
            prop_assert_eq!(set.len(), model.len());
            for (n, ts) in &model {
                prop_assert!(kills_number(set, *n, ts - 1) && !kills_number(set, *n, *ts));
            }
        }
    }
}

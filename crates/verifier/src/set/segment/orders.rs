//! Every order in which a reader can see what the writer stores, searched by loom.
//!
//! A lease is stood for by a word that the writer stores after an entry and the reader loads before its look-up; the
//! directory, by another that says which segment is in force.

use super::*;
use crate::set::scopes::Scopes;
use loom::sync::atomic::AtomicU64 as Searched;
use loom::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use loom::thread;
use rescind_wire::revocation::Scope;

impl Word for Searched {
    fn new(value: u64) -> Self {
        Self::new(value)
    }

    fn get(&self) -> u64 {
        self.load(Acquire)
    }

    fn set(&self, value: u64) {
        self.store(value, Release);
    }
}

/// A word whose orders are too weak: the search must find that.
struct Weak(Searched);

impl Word for Weak {
    fn new(value: u64) -> Self {
        Self(Searched::new(value))
    }

    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }
}

fn name(n: u64) -> Name {
    Name::new(n, n << (64 - BITS) | n)
}

fn cut(ts: u64) -> Cut {
    Cut::new(ts, false)
}

/// Runs the writer and the reader in every order. The reader is the second thread, for loom begins with the first
/// one: it sees what a load depends on if the store came before, but not if the writer itself has loaded the word since.
fn every_order<T: Send + Sync + 'static>(world: fn() -> T, writer: fn(&T), reader: fn(&T)) {
    loom::model(move || {
        let world = loom::sync::Arc::new(world());
        let read = loom::sync::Arc::clone(&world);
        let thread = thread::spawn(move || reader(&read));
        writer(&world);
        thread.join().unwrap();
    });
}

/// A segment and the lease.
struct World<W> {
    segments: [Segment<W>; 2],
    in_force: Searched,
    lease: Searched,
    pruned_to: Searched,
}

impl<W: Word> World<W> {
    fn new(buckets: usize) -> Self {
        Self {
            segments: [Segment::new(buckets), Segment::new(1)],
            in_force: Searched::new(0),
            lease: Searched::new(0),
            pruned_to: Searched::new(0),
        }
    }

    /// One whose entry 1 is there.
    fn with_one() -> Self {
        let world = Self::new(1);
        world.segments[0].add(name(1), 0, cut(10));
        world
    }

    fn vouch(&self) {
        self.lease.store(1, Release);
    }

    fn vouched(&self) -> bool {
        self.lease.load(Acquire) == 1
    }

    fn look_up(&self, n: u64) -> Option<Cut> {
        let in_force = self.in_force.load(Acquire) as usize;
        self.segments[in_force].cut(name(n), 0)
    }
}

fn add_one(world: &World<impl Word>) {
    world.segments[0].add(name(1), 0, cut(10));
    world.vouch();
}

fn one_is_seen(world: &World<impl Word>) {
    let vouched = world.vouched();
    let seen = world.look_up(1);
    assert!(seen == Some(cut(10)) || !vouched && seen.is_none(), "{seen:?}");
}

fn forget_one_and_add_two(world: &World<impl Word>) {
    world.pruned_to.fetch_max(1, SeqCst);
    assert_eq!(world.segments[0].forget(|_| true), 1);
    world.segments[0].add(name(2), 0, cut(20));
    world.vouch();
}

fn one_is_seen_or_known_to_be_forgotten(world: &World<impl Word>) {
    let seen = world.look_up(1);
    let pruned_to = world.pruned_to.load(SeqCst);
    assert!(seen == Some(cut(10)) || pruned_to == 1, "forgotten unseen: {seen:?}");
}

#[test]
fn an_entry_is_seen_whole_and_by_who_was_told_of_it() {
    every_order(|| World::<Searched>::new(1), add_one, one_is_seen);
}

#[test]
fn so_is_one_that_went_on_to_the_next_bucket() {
    let full = || {
        let world = World::<Searched>::new(2);
        let others = (0..LANES).map(|lane| 2 << (lane * BITS)).sum();
        world.segments[0].tags[0].0.iter().for_each(|word| word.set(others));
        world
    };
    every_order(full, add_one, one_is_seen);
}

#[test]
fn a_raised_cut_off_is_seen_by_who_was_told_of_it() {
    let raise = |world: &World<Searched>| {
        world.segments[0].raise(name(1), 0, cut(11));
        world.vouch();
    };
    every_order(World::with_one, raise, |world| {
        let vouched = world.vouched();
        let seen = world.look_up(1);
        assert!(seen == Some(cut(11)) || !vouched && seen == Some(cut(10)), "{seen:?}");
    });
}

#[test]
fn who_misses_what_was_forgotten_knows_that_it_was() {
    let world = World::<Searched>::with_one;
    every_order(world, forget_one_and_add_two, one_is_seen_or_known_to_be_forgotten);
}

#[test]
fn an_entry_in_a_slot_that_was_used_before_is_seen() {
    every_order(World::<Searched>::with_one, forget_one_and_add_two, |world| {
        let vouched = world.vouched();
        let seen = world.look_up(2);
        assert!(seen == Some(cut(20)) || !vouched && seen.is_none(), "{seen:?}");
    });
}

#[test]
fn what_is_copied_into_another_segment_and_raised_there_is_seen() {
    let copy = |world: &World<Searched>| {
        for (name, cut) in world.segments[0].entries() {
            world.segments[1].add(name, 0, cut);
        }
        world.in_force.store(1, Release);
        world.segments[1].raise(name(1), 0, cut(11));
        world.vouch();
    };
    every_order(World::with_one, copy, |world| {
        let vouched = world.vouched();
        let seen = world.look_up(1);
        assert!(seen == Some(cut(11)) || !vouched && seen == Some(cut(10)), "{seen:?}");
    });
}

/// A segment with one entry of one scope to come.
struct Scoped {
    world: World<Searched>,
    scopes: Scopes<Searched>,
}

impl Scoped {
    fn new() -> Self {
        Self { world: World::new(1), scopes: Scopes::new() }
    }

    fn note(&self) {
        self.scopes.note(Scope::Subject, 5);
    }
}

fn one_is_seen_in_its_scope(scoped: &Scoped) {
    let vouched = scoped.world.vouched();
    let pruned_to = scoped.world.pruned_to.load(SeqCst);
    let seen = scoped.scopes.may_matter(Scope::Subject, pruned_to)
        && scoped.world.look_up(1) == Some(cut(10));
    let forgotten = scoped.world.pruned_to.load(SeqCst) > 5;
    assert!(seen || forgotten || !vouched, "passed over");
}

#[test]
fn a_scope_is_passed_over_by_nobody_who_was_told_of_an_entry() {
    let tell = |scoped: &Scoped| {
        scoped.note();
        add_one(&scoped.world);
    };
    every_order(Scoped::new, tell, one_is_seen_in_its_scope);
}

#[test]
fn or_by_who_knows_that_it_was_forgotten() {
    let forget = |scoped: &Scoped| {
        scoped.note();
        add_one(&scoped.world);
        scoped.world.pruned_to.fetch_max(6, SeqCst);
        scoped.world.segments[0].forget(|_| true);
    };
    every_order(Scoped::new, forget, one_is_seen_in_its_scope);
}

#[test]
#[should_panic = "passed over"]
fn the_search_finds_a_scope_that_is_noted_too_late() {
    let late = |scoped: &Scoped| {
        add_one(&scoped.world);
        scoped.note();
    };
    every_order(Scoped::new, late, one_is_seen_in_its_scope);
}

#[test]
#[should_panic = "a tag without its slot"]
fn the_search_finds_orders_that_are_too_weak_for_a_new_entry() {
    every_order(
        || World::<Weak>::new(1),
        add_one,
        |world| {
            let shown = world.segments[0].tags[0].may_hold(name(1).tag);
            assert!(!shown || world.look_up(1).is_some(), "a tag without its slot");
        },
    );
}

#[test]
#[should_panic = "forgotten unseen"]
fn the_search_finds_orders_that_are_too_weak_for_what_is_forgotten() {
    let world = World::<Weak>::with_one;
    every_order(world, forget_one_and_add_two, one_is_seen_or_known_to_be_forgotten);
}

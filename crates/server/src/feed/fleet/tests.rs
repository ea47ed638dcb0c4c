//! Who is waited for and for how long, and what is seen of whom.

use super::waiting::{Doubt, MOST, OPEN, PLACES};
use super::*;
use rescind_wire::revocation::Digest;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

const S: Duration = Duration::from_secs(10);
const EPOCH: Epoch = Epoch::from_bytes([1; 16]);

/// A clock that stands still until it is told to go on.
#[derive(Default)]
struct Still(AtomicU64);

impl Still {
    fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for Still {
    fn now(&self) -> Now {
        let now = self.0.load(Ordering::SeqCst);
        Now { wall: now, boot: now }
    }
}

fn at(pos: u64) -> Position {
    Position { epoch: EPOCH, pos, ts: pos, digest: Digest([0; 32]) }
}

fn word(instance: u32, applied: u64) -> Word {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&instance.to_be_bytes());
    Word {
        instance: Instance::from_bytes(id),
        epoch: Some(EPOCH),
        applied,
        relayed: false,
        leaving: false,
    }
}

/// Whether a call is not over yet.
async fn waits_on(call: &mut (impl Future + Unpin)) -> bool {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *call).poll(cx).is_pending())).await
}

/// A fleet that has run for longer than S.
fn fleet() -> (Fleet, Arc<Still>) {
    let clock = Arc::new(Still::default());
    let fleet = Fleet::new(clock.clone(), S, S);
    clock.advance(60);
    (fleet, clock)
}

//
#[tokio::test]
async fn only_the_position_in_its_epoch_acknowledges_and_each_verifier_for_itself() {
    let (fleet, clock) = fleet();
    fleet.heard("a", word(1, 4), at(4));
    fleet.heard("b", word(2, 4), at(4));
    let waits = fleet.enforced(EPOCH, 5, None);
    tokio::pin!(waits);
    assert!(waits_on(&mut waits).await);
    clock.advance(1);
    fleet.heard("a", word(1, 4), at(5));
    fleet.heard("a", word(1, 5), at(5));
    fleet.heard("a", word(2, 5), at(5));
    fleet.heard("b", Word { epoch: Some(Epoch::from_bytes([2; 16])), ..word(2, 9) }, at(5));
    fleet.heard("b", Word { epoch: None, ..word(2, 5) }, at(5));
    assert!(waits_on(&mut waits).await, "b/2 has not acknowledged");
    clock.advance(1);
    fleet.heard("b", word(2, 6), at(6));
    let enforced = waits.await;
    assert_eq!((enforced.on, enforced.of, enforced.doubt), (2, 2, None));
    assert_eq!(enforced.slowest, Some(Duration::from_secs(2)));
    assert!(enforced.laggards.is_empty() && enforced.complete);
    assert_eq!(fleet.waiting(), 0);
}

//
#[tokio::test]
async fn a_lease_counts_from_the_last_question_before_the_commit() {
    let (fleet, clock) = fleet();
    fleet.heard("a", word(1, 4), at(4));
    clock.advance(8);
    let waits = fleet.enforced(EPOCH, 5, None);
    tokio::pin!(waits);
    assert!(waits_on(&mut waits).await);
    // What it asks from now on is answered with the entry.
    clock.advance(1);
    fleet.heard("a", word(1, 4), at(5));
    assert!(waits_on(&mut waits).await, "9 s after its question");
    clock.advance(2);
    let enforced = waits.await;
    assert_eq!((enforced.on, enforced.of), (0, 1));
    assert!(enforced.complete && !enforced.laggards[0].silent);
}

//
#[tokio::test]
async fn who_has_said_goodbye_is_neither_waited_for_nor_seen_and_nobody_else_is() {
    let (fleet, _clock) = fleet();
    let goodbye = |instance| Word { leaving: true, ..word(instance, 4) };
    for (client, instance) in [("a", 1), ("a", 2), ("b", 1), ("b", 3)] {
        fleet.heard(client, word(instance, 4), at(4));
    }
    fleet.heard("a", goodbye(2), at(4));
    fleet.heard("a", goodbye(3), at(4));
    fleet.heard("c", goodbye(1), at(4));
    let seen = |fleet: &Fleet| fleet.seen(at(4)).iter().map(|v| v.instance).collect::<Vec<_>>();
    assert_eq!(seen(&fleet), [1, 1, 3].map(|n| word(n, 0).instance), "of another client none is");
    let waits = fleet.enforced(EPOCH, 5, None);
    tokio::pin!(waits);
    assert!(waits_on(&mut waits).await);
    fleet.heard("a", goodbye(1), at(5));
    fleet.heard("b", word(1, 5), at(5));
    assert!(waits_on(&mut waits).await, "b/3 is there still");
    fleet.heard("b", goodbye(3), at(5));
    let enforced = waits.await;
    assert_eq!((enforced.on, enforced.of, enforced.complete), (1, 1, true));
    assert!(enforced.laggards.is_empty() && enforced.doubt.is_none());
    // A question of before that comes late only makes others wait.
    fleet.heard("a", word(1, 5), at(5));
    assert_eq!(fleet.seen(at(5)).len(), 2);
}

// a relay could say it of anybody.
#[tokio::test]
async fn a_goodbye_by_the_word_of_a_relay_counts_as_such_before_and_during_the_wait() {
    let (fleet, _clock) = fleet();
    let relayed = |instance, leaving| Word { relayed: true, leaving, ..word(instance, 4) };
    for instance in [1, 2] {
        fleet.heard("relay", relayed(instance, false), at(4));
    }
    fleet.heard("relay", relayed(1, true), at(4));
    assert_eq!(fleet.seen(at(4)).len(), 1);
    let waits = fleet.enforced(EPOCH, 5, None);
    tokio::pin!(waits);
    assert!(waits_on(&mut waits).await);
    fleet.heard("relay", relayed(2, true), at(5));
    let enforced = waits.await;
    assert_eq!((enforced.on, enforced.of, enforced.relayed), (2, 2, 2));
    assert!(fleet.seen(at(5)).is_empty());
}

//
#[tokio::test]
async fn whoever_is_not_noted_for_lack_of_room_makes_the_answer_doubtful() {
    let (fleet, clock) = fleet();
    let most = u32::try_from(NOTED.1).unwrap();
    for instance in 0..most {
        fleet.heard("a", word(instance, 5), at(5));
    }
    assert_eq!(fleet.excess(), 0);
    fleet.heard("a", word(most, 5), at(5));
    fleet.heard("b", word(0, 5), at(5));
    assert_eq!(
        (fleet.excess(), fleet.seen(at(5)).len()),
        (1, NOTED.1 + 1),
        "another client has room"
    );
    let waits = fleet.enforced(EPOCH, 5, None);
    tokio::pin!(waits);
    assert!(waits_on(&mut waits).await);
    clock.advance(11);
    let enforced = waits.await;
    assert_eq!((enforced.on, enforced.doubt), (NOTED.1 + 1, Some(Doubt::Excess)));
    // Those that went have made room.
    fleet.heard("a", word(most, 5), at(5));
    assert_eq!((fleet.excess(), fleet.seen(at(5)).len()), (1, 1));
}

//
#[tokio::test]
async fn too_many_calls_wait_the_bound_out_without_counting() {
    let (fleet, clock) = fleet();
    fleet.heard("a", word(1, 4), at(4));
    let mut many: Vec<_> = (0..=MOST).map(|_| Box::pin(fleet.enforced(EPOCH, 5, None))).collect();
    for call in &mut many {
        assert!(waits_on(call).await);
    }
    assert_eq!(fleet.waiting(), MOST);
    fleet.heard("a", word(1, 5), at(5));
    let last = many.pop().unwrap();
    for call in many {
        assert_eq!(call.await.on, 1);
    }
    clock.advance(11);
    assert_eq!(last.await.doubt, Some(Doubt::Busy));
}

#[tokio::test]
async fn a_wait_with_a_limit_says_that_it_is_not_over() {
    let (fleet, _clock) = fleet();
    fleet.heard("a", word(1, 5), at(5));
    fleet.heard("b", word(2, 4), at(5));
    let enforced = fleet.enforced(EPOCH, 5, Some(Duration::from_millis(20))).await;
    assert_eq!((enforced.on, enforced.of, enforced.complete), (1, 2, false));
}

#[test]
fn what_is_seen_of_a_verifier_is_no_younger_than_what_it_has_applied() {
    let (fleet, clock) = fleet();
    fleet.heard("a", word(1, 5), at(5));
    clock.advance(1);
    fleet.heard("a", word(1, 5), at(6));
    clock.advance(4);
    let seen = fleet.seen(at(6)).remove(0);
    assert_eq!((seen.lag, seen.staleness, seen.lags()), (1, Duration::from_secs(5), true));
    fleet.heard("a", word(1, 6), at(6));
    let seen = fleet.seen(at(6)).remove(0);
    assert_eq!((seen.lag, seen.staleness, seen.lags()), (0, Duration::ZERO, false));
}

// R-57 H08
#[test]
fn nobody_takes_the_places_of_all_who_wait() {
    let (fleet, _) = fleet();
    let (all, each) = PLACES;
    let own: Vec<_> = (0..all).filter_map(|_| fleet.place("alice")).collect();
    assert_eq!(own.len(), each);
    let others: Vec<_> = (0..2 * all).filter_map(|n| fleet.place(&n.to_string())).collect();
    assert_eq!(others.len(), all - each);
    drop(own);
    assert!(fleet.place("alice").is_some());
}

//
#[tokio::test]
async fn an_answer_says_for_how_many_only_a_relay_speaks() {
    let (fleet, _) = fleet();
    let relayed = |instance, applied| Word { relayed: true, ..word(instance, applied) };
    fleet.heard("a", word(1, 5), at(5));
    fleet.heard("relay", relayed(2, 5), at(5));
    fleet.heard("relay", relayed(3, 4), at(5));
    let waits = fleet.enforced(EPOCH, 5, None);
    tokio::pin!(waits);
    assert!(waits_on(&mut waits).await);
    fleet.heard("relay", relayed(3, 5), at(5));
    let enforced = waits.await;
    assert_eq!((enforced.on, enforced.relayed, enforced.doubt), (3, 2, None));
    assert_eq!(enforced.to_json()["relayed"], 2);
    let seen = fleet.seen(at(5));
    assert_eq!(seen.iter().filter(|seen| seen.relayed).count(), 2);
}

//
#[tokio::test]
async fn a_client_with_ten_thousand_verifiers_is_counted_and_many_such_calls_are_not() {
    let (fleet, clock) = fleet();
    let many = u32::try_from(NOTED.1).unwrap();
    (0..many).for_each(|instance| fleet.heard("relay", word(instance, 4), at(4)));
    assert_eq!((fleet.seen(at(4)).len(), fleet.excess()), (10_000, 0));
    let most = OPEN / NOTED.1;
    let mut calls: Vec<_> = (0..=most).map(|_| Box::pin(fleet.enforced(EPOCH, 5, None))).collect();
    for call in &mut calls {
        assert!(waits_on(call).await);
    }
    assert_eq!(fleet.waiting(), most);
    (0..many).for_each(|instance| fleet.heard("relay", word(instance, 5), at(5)));
    let last = calls.pop().unwrap();
    for call in calls {
        let enforced = call.await;
        assert_eq!((enforced.on, enforced.doubt), (10_000, None));
    }
    clock.advance(11);
    assert_eq!(last.await.doubt, Some(Doubt::Busy));
}

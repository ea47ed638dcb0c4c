//! Who is verified when, who waits, and for how long.

use super::*;
use rescind_wire::token::InvalidToken;
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

fn one() -> Arc<Turns> {
    Arc::new(Turns::new(1))
}

async fn turn(turns: &Turns) -> Result<(), Refusal> {
    turns.take(|| Ok(()), || Ok(())).await
}

/// Waits until so many wait.
async fn wait_until(turns: &Turns, many: usize) {
    while turns.waiting.load(Ordering::Relaxed) != many {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn between_two_turns_whoever_else_is_there_is_served() {
    let (turns, told) = (one(), Arc::new(Mutex::new(Vec::new())));
    let mut tasks = Vec::new();
    for n in 0..20 {
        let (turns, told) = (Arc::clone(&turns), Arc::clone(&told));
        tasks.push(tokio::spawn(async move {
            let work = || {
                told.lock().unwrap().push(Some(n));
                Ok(())
            };
            turns.take(|| Ok(()), work).await.unwrap();
        }));
    }
    // Somebody who always has something to do at once.
    let (ping, pong) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    ping.notify_one();
    for (mine, other) in [(ping.clone(), pong.clone()), (pong, ping)] {
        let told = Arc::clone(&told);
        tokio::spawn(async move {
            loop {
                mine.notified().await;
                told.lock().unwrap().push(None);
                other.notify_one();
            }
        });
    }
    for task in tasks {
        task.await.unwrap();
    }
    let told = told.lock().unwrap();
    let turns: Vec<_> = told.iter().flatten().collect();
    assert!(turns.is_sorted() && turns.len() == 20, "in the order in which they came: {turns:?}");
    let adjacent = told.windows(2).filter(|two| two.iter().all(Option::is_some)).count();
    assert_eq!(adjacent, 0, "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn who_has_waited_for_a_second_is_told_to_come_back() {
    let turns = one();
    let held = turns.free.try_acquire().unwrap();
    let waits = tokio::time::timeout(Duration::from_millis(1001), turn(&turns));
    assert_eq!(waits.await, Ok(Err(Refusal::BUSY)));
    drop(held);
    assert_eq!(turn(&turns).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn beyond_so_many_nobody_waits_and_who_leaves_makes_room() {
    let turns = one();
    let held = turns.free.try_acquire().unwrap();
    let waiting: Vec<_> = (0..WAITING)
        .map(|_| {
            let turns = Arc::clone(&turns);
            tokio::spawn(async move { turn(&turns).await })
        })
        .collect();
    wait_until(&turns, WAITING).await;
    let soon = |waits| tokio::time::timeout(Duration::from_millis(1), waits);
    assert_eq!(soon(turn(&turns)).await, Ok(Err(Refusal::BUSY)));
    waiting[7].abort();
    wait_until(&turns, WAITING - 1).await;
    assert!(soon(turn(&turns)).await.is_err(), "there is a place to wait in");
    drop(held);
    for (n, task) in waiting.into_iter().enumerate().filter(|(n, _)| *n != 7) {
        assert_eq!(task.await.unwrap(), Ok(()), "{n}");
    }
    assert_eq!(turns.waiting.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn who_can_be_refused_without_a_turn_does_not_wait() {
    let turns = one();
    let _held = turns.free.try_acquire().unwrap();
    let cause = Refusal::InvalidToken(InvalidToken::UnknownKey);
    let refused = turns.take(|| Err(cause), || Ok(())).await;
    assert_eq!(refused, Err(cause));
}

#[tokio::test]
async fn a_turn_that_refuses_ends_as_any_other() {
    let turns = one();
    for _ in 0..3 {
        let refused = turns.take(|| Ok(()), || Err::<(), _>(Refusal::Revoked)).await;
        assert_eq!(refused, Err(Refusal::Revoked));
    }
}

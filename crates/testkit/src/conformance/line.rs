//! The moving credential of a session, and its end.

use super::{
    Made, START, add_accounts, add_session, is_conflict, session, sid, sign_in, stored, write,
};
use rescind_authority::session::{Session, SessionState, Why};
use rescind_authority::store::Write;
use std::sync::Arc;

fn step(from: u32, at: u64) -> Write {
    Write::MoveLine { sid: sid(1), from, at, move_key: Some([from as u8; 32]) }
}

/// Two holders of one credential: there is never a second live line.
pub async fn of_concurrent_moves_from_one_generation_exactly_one_wins(made: Made) {
    let (store, _clock) = made;
    add_accounts(&*store, &[1]).await;
    sign_in(&*store, 1, 1).await;
    for from in 0..5 {
        let mut racers = Vec::new();
        for _ in 0..16 {
            let store = Arc::clone(&store);
            racers.push(tokio::spawn(async move {
                let outcome = write(&*store, vec![step(from, START)]).await;
                assert!(outcome.is_ok() || is_conflict(&outcome));
                outcome.is_ok()
            }));
        }
        let mut winners = 0;
        for racer in racers {
            winners += u32::from(racer.await.unwrap());
        }
        assert_eq!(winners, 1);
        assert_eq!(stored(&*store, 1).await.generation, from + 1);
    }
}

/// What belongs to a generation moves with it; the last generation has no successor.
pub async fn a_move_needs_the_generation_it_starts_from(made: Made) {
    let (store, _clock) = made;
    add_accounts(&*store, &[1]).await;
    let begun = session(1, 1, START);
    add_session(&*store, Session { seen_at: Some(START), ..begun.clone() }).await;
    for wrong in [1, u32::MAX] {
        assert!(is_conflict(&write(&*store, vec![step(wrong, START + 9)]).await));
    }
    write(&*store, vec![step(0, START + 5)]).await.unwrap();
    let moved = Session {
        generation: 1,
        reached_at: START + 5,
        last_seen_at: START + 5,
        seen_at: None,
        move_key: Some([0; 32]),
        ..begun
    };
    assert_eq!(stored(&*store, 1).await, moved);
    assert!(is_conflict(&write(&*store, vec![step(0, START + 6)]).await));
    assert_eq!(stored(&*store, 1).await, moved);
    let last = Session { sid: sid(2), generation: u32::MAX, ..moved };
    add_session(&*store, last.clone()).await;
    let beyond = Write::MoveLine { sid: sid(2), from: u32::MAX, at: START + 6, move_key: None };
    assert!(is_conflict(&write(&*store, vec![beyond]).await));
    assert_eq!(stored(&*store, 2).await, last);
}

fn changes() -> [Write; 4] {
    [
        step(0, START + 9),
        Write::Seen { sid: sid(1), generation: 0, at: START + 9 },
        Write::Seen { sid: sid(1), generation: 7, at: START + 9 },
        Write::NameSession { sid: sid(1), device: Some("phone".into()) },
    ]
}

// S04
/// A request in flight while its session is ended cannot write it back to life.
pub async fn a_session_that_is_over_takes_no_change(made: Made) {
    let (store, _clock) = made;
    add_accounts(&*store, &[1]).await;
    for change in changes() {
        assert!(is_conflict(&write(&*store, vec![change]).await), "of an unknown session");
    }
    add_session(&*store, session(1, 1, START)).await;
    let end = Write::EndSession { sid: sid(1), at: START + 1, why: Why::SignedOut };
    write(&*store, vec![end]).await.unwrap();
    let over = stored(&*store, 1).await;
    for change in changes() {
        assert!(is_conflict(&write(&*store, vec![change.clone()]).await), "{change:?}");
        assert_eq!(stored(&*store, 1).await, over);
    }
    let replaced = SessionState::Replaced { by: sid(1), at: START };
    let replaced = Session { sid: sid(2), state: replaced, ..session(1, 1, START) };
    add_session(&*store, replaced.clone()).await;
    for n in [1, 2, 3] {
        // Requests are recorded together, some time after: one that is over is no reason to refuse them all.
        write(&*store, vec![Write::Touch { sid: sid(n), at: START + 9 }]).await.unwrap();
    }
    assert_eq!(stored(&*store, 1).await, over);
    assert_eq!(stored(&*store, 2).await, replaced);
    let end = Write::EndSession { sid: sid(2), at: START + 9, why: Why::Reuse };
    write(&*store, vec![end]).await.unwrap();
    assert_eq!(stored(&*store, 2).await, replaced);
}

/// Ending what is over, or was never there, is no failure and no change.
pub async fn ending_twice_keeps_the_first_reason(made: Made) {
    let (store, _clock) = made;
    add_accounts(&*store, &[1]).await;
    sign_in(&*store, 1, 1).await;
    for (at, why) in [(START + 1, Why::Reuse), (START + 2, Why::SignedOut)] {
        for n in [1, 2] {
            write(&*store, vec![Write::EndSession { sid: sid(n), at, why }]).await.unwrap();
        }
    }
    let first = SessionState::Ended { at: START + 1, why: Why::Reuse };
    assert_eq!(stored(&*store, 1).await.state, first);
}

/// Of the current generation; another one's is no failure and no change.
pub async fn only_the_first_sight_of_a_generation_is_kept(made: Made) {
    let (store, _clock) = made;
    add_accounts(&*store, &[1]).await;
    sign_in(&*store, 1, 1).await;
    let mut expected = None;
    for (generation, at, kept) in [(1, 1, None), (0, 2, Some(2)), (0, 3, Some(2)), (0, 1, Some(2))]
    {
        let seen = Write::Seen { sid: sid(1), generation, at: START + at };
        write(&*store, vec![seen]).await.unwrap();
        expected = kept.map(|at| START + at).or(expected);
        assert_eq!(stored(&*store, 1).await.seen_at, expected);
    }
    write(&*store, vec![step(0, START + 4)]).await.unwrap();
    assert_eq!(stored(&*store, 1).await.seen_at, None);
}

/// Requests overtake each other.
pub async fn the_last_request_never_moves_back(made: Made) {
    let (store, _clock) = made;
    add_accounts(&*store, &[1]).await;
    sign_in(&*store, 1, 1).await;
    for (at, expected) in [(5, 5), (3, 5), (6, 6)] {
        write(&*store, vec![Write::Touch { sid: sid(1), at: START + at }]).await.unwrap();
        assert_eq!(stored(&*store, 1).await.last_seen_at, START + expected);
    }
    write(&*store, vec![step(0, START + 2)]).await.unwrap();
    assert_eq!(stored(&*store, 1).await.last_seen_at, START + 6);
}

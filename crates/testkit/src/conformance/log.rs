//! Order, time, digest and epochs of the log.

use super::{
    ISSUER, LONGEST_LIFE, Made, SECOND, START, add_accounts, epoch_record, lives, revoke, sid,
    sign_in, sub, whole_log, write,
};
use rescind_authority::store::{Load, Write};
use rescind_wire::id::{Epoch, Jti};
use rescind_wire::revocation::{Digest, NEVER, Scope, Target, kills};
use std::sync::Arc;
use std::time::Duration;

/// Sixteen writers at once: each entry has the next position, and each answer names its own.
pub async fn positions_are_dense_and_in_commit_order_under_concurrent_writers(made: Made) {
    let (store, _clock) = made;
    let mut writers = Vec::new();
    for n in 0..16_u8 {
        let store = Arc::clone(&store);
        writers.push(tokio::spawn(async move {
            let mut answers = Vec::new();
            for m in 0..20_u8 {
                let mut bytes = [n; 16];
                bytes[0] = m;
                let target = Target::Token(Jti::from_bytes(bytes));
                answers.push((target.key(ISSUER), revoke(&*store, target).await));
            }
            answers
        }));
    }
    let mut answers = Vec::new();
    for writer in writers {
        let own = writer.await.unwrap();
        assert!(own.is_sorted_by(|(_, a), (_, b)| a.pos < b.pos && a.ts < b.ts));
        answers.extend(own);
    }
    answers.sort_by_key(|(_, head)| head.pos);
    let log = whole_log(&*store).await;
    assert_eq!(log.len(), 320);
    assert_eq!(answers.len(), 320);
    for (n, (entry, (key, head))) in (1..).zip(log.iter().zip(&answers)) {
        assert_eq!((entry.pos, entry.ts, entry.key), (n, head.ts, *key));
        assert_eq!(head.pos, n);
    }
    assert!(log.is_sorted_by(|a, b| a.ts < b.ts));
    assert_eq!(Some(store.head().await.unwrap()), answers.last().map(|(_, head)| *head));
}

/// The log time is the wall clock's while it runs ahead, and rises by itself while it stands or steps back.
pub async fn log_times_rise_strictly_though_the_wall_clock_steps_back(made: Made) {
    let (store, clock) = made;
    clock.advance(Duration::from_secs(1));
    let ahead = revoke(&*store, Target::Everything).await.ts;
    assert_eq!(ahead, START + SECOND);
    let stands = revoke(&*store, Target::Everything).await.ts;
    assert_eq!(stands, ahead + 1);
    clock.set_wall(START - 3_600 * SECOND);
    let back = revoke(&*store, Target::Everything).await.ts;
    assert_eq!(back, stands + 1);
    clock.set_wall(START + 2 * SECOND);
    assert_eq!(revoke(&*store, Target::Everything).await.ts, START + 2 * SECOND);
}

/// Also where several entries are appended at once, each is later than the one before.
pub async fn entries_of_one_transaction_have_a_log_time_each(made: Made) {
    let (store, _clock) = made;
    let before = store.head().await.unwrap();
    let writes = (1..=5).map(|n| Write::Revoke(Target::Subject(sub(n)))).collect();
    let head = write(&*store, writes).await.unwrap();
    let log = whole_log(&*store).await;
    let times: Vec<u64> = log.iter().map(|e| e.ts).collect();
    assert_eq!(times, (1..=5).map(|n| before.ts + n).collect::<Vec<_>>());
    assert_eq!((head.pos, head.ts), (5, before.ts + 5));
}

/// Whoever has the log from the beginning computes the same digest.
pub async fn the_digest_is_that_of_the_whole_log(made: Made) {
    let (store, clock) = made;
    let epoch = store.head().await.unwrap().epoch;
    let targets = [
        Target::Session(sid(1)),
        Target::Key("kid".into()),
        Target::Grant(sub(1), "posts-api".into()),
        Target::Everything,
        Target::Claims(sub(1)),
        Target::Audience("posts-api".into()),
    ];
    for target in targets {
        clock.advance(Duration::from_millis(3));
        let head = revoke(&*store, target).await;
        let log = whole_log(&*store).await;
        let digest = log.iter().fold(Digest::first(ISSUER, epoch), |d, entry| d.then(entry));
        assert_eq!(head.digest, digest);
        assert_eq!(store.head().await.unwrap(), head);
    }
}

/// What was swept is not in it, what never expires is.
pub async fn a_snapshot_is_the_part_of_the_log_that_lives(made: Made) {
    let (store, clock) = made;
    revoke(&*store, Target::Subject(sub(1))).await;
    revoke(&*store, Target::Key("kid".into())).await;
    clock.advance(Duration::from_secs(100));
    let head = revoke(&*store, Target::Subject(sub(2))).await;
    let log = whole_log(&*store).await;
    let ends = [log[0].until - 1, log[0].until, log[2].until - 1, log[2].until, NEVER - 1];
    for now in std::iter::once(0).chain(ends) {
        store.sweep(now.saturating_mul(SECOND)).await.unwrap();
        let (at, entries) = store.snapshot().await.unwrap();
        let alive: Vec<_> = log.iter().filter(|e| now < e.until).copied().collect();
        assert_eq!((at, entries), (head, alive), "at {now}");
    }
}

/// An entry that stays while a younger one goes leaves a hole: whoever stands before it needs a snapshot.
pub async fn the_log_is_told_without_gaps_or_not_at_all(made: Made) {
    let (store, clock) = made;
    revoke(&*store, Target::Key("kid".into())).await;
    revoke(&*store, Target::Subject(sub(1))).await;
    let pruned = store.head().await.unwrap().pos;
    clock.advance(Duration::from_secs(1_000));
    revoke(&*store, Target::Subject(sub(2))).await;
    let now = START + 1_000 * SECOND;
    assert_eq!(store.sweep(now).await.unwrap().entries, 1);
    let told = |after| {
        let store = Arc::clone(&store);
        async move {
            let part = store.log(after, usize::MAX).await.unwrap();
            part.entries.map(|all| all.iter().map(|e| e.pos).collect::<Vec<_>>())
        }
    };
    assert_eq!(told(0).await, None);
    assert_eq!(told(pruned - 1).await, None);
    assert_eq!(told(pruned).await, Some(vec![pruned + 1]));
    let (_, alive) = store.snapshot().await.unwrap();
    assert_eq!(alive.iter().map(|e| e.pos).collect::<Vec<_>>(), [1, 3]);
}

/// From where a reader stands, as much as it wants; nothing of what is not written yet.
pub async fn the_log_is_told_from_any_position_and_in_parts(made: Made) {
    let (store, _clock) = made;
    let writes = (1..=5).map(|n| Write::Revoke(Target::Subject(sub(n)))).collect();
    let head = write(&*store, writes).await.unwrap();
    let log = whole_log(&*store).await;
    for (after, most, expected) in
        [(0, 2, &log[..2]), (2, 2, &log[2..4]), (4, 2, &log[4..]), (5, 2, &[]), (1, 0, &[])]
    {
        let part = store.log(after, most).await.unwrap();
        assert_eq!(part.head, head);
        assert_eq!(part.entries.as_deref(), Some(expected), "{most} after {after}");
    }
    for beyond in [6, u64::MAX] {
        assert_eq!(store.log(beyond, 9).await.unwrap().entries, None);
    }
}

/// The latest `iat` that can have been signed only rises, and entries are kept for its tokens.
pub async fn an_entry_lives_as_long_as_any_token_it_can_kill(made: Made) {
    let (store, clock) = made;
    let wall = START / SECOND;
    let last = |log: Vec<rescind_wire::revocation::Entry>| log.last().map(|e| e.until);
    revoke(&*store, Target::Everything).await;
    assert_eq!(last(whole_log(&*store).await), Some(wall + LONGEST_LIFE + 40));
    for (limit, stands) in [(wall + 60, wall + 60), (wall + 5, wall + 60)] {
        let head = write(&*store, vec![Write::RaiseIatLimit(limit)]).await.unwrap();
        assert_eq!(head.iat_limit, stands);
        assert_eq!(store.head().await.unwrap().iat_limit, stands);
        clock.set_wall(START - 900 * SECOND);
        revoke(&*store, Target::Everything).await;
        assert_eq!(last(whole_log(&*store).await), Some(wall + 60 + LONGEST_LIFE + 40));
    }
    clock.set_wall(START + 90 * SECOND);
    revoke(&*store, Target::Everything).await;
    assert_eq!(last(whole_log(&*store).await), Some(wall + 90 + LONGEST_LIFE + 40));
    revoke(&*store, Target::Key("kid".into())).await;
    assert_eq!(last(whole_log(&*store).await), Some(NEVER));
}

/// Positions begin anew, log times do not; verifiers are told to let everything go.
pub async fn a_new_epoch_begins_a_log_and_spares_sessions(made: Made) {
    let (store, _clock) = made;
    add_accounts(&*store, &[1]).await;
    sign_in(&*store, 1, 1).await;
    let before = revoke(&*store, Target::Subject(sub(2))).await;
    let epoch = Epoch::from_bytes([9; 16]);
    let earliest = before.ts + 60 * SECOND;
    let head = store.open_epoch(epoch, earliest, false, epoch_record()).await.unwrap();
    assert_eq!((head.epoch, head.pos, head.ts), (epoch, 1, earliest));
    assert_eq!(store.head().await.unwrap(), head);
    let log = whole_log(&*store).await;
    assert_eq!(log.len(), 1);
    assert_eq!((log[0].scope, log[0].until), (Scope::Everything, NEVER));
    assert!(kills(log[0].scope, log[0].ts, before.ts));
    assert_eq!(head.digest, Digest::first(ISSUER, epoch).then(&log[0]));
    assert!(lives(&*store, 1, START).await);
    // A wish for an earlier log time is not granted.
    let next = Epoch::from_bytes([8; 16]);
    let again = store.open_epoch(next, 5, false, epoch_record()).await.unwrap();
    assert_eq!((again.pos, again.ts), (1, head.ts + 1));
    let told = store.records(None, 9).await.unwrap();
    assert_eq!(told, [epoch_record(), epoch_record()], "each is in the record");
}

/// Where the setting says so, all sessions die with the epoch, and new ones live.
pub async fn a_new_epoch_may_end_all_sessions(made: Made) {
    let (store, _clock) = made;
    add_accounts(&*store, &[1]).await;
    sign_in(&*store, 1, 1).await;
    store.open_epoch(Epoch::from_bytes([9; 16]), START, true, epoch_record()).await.unwrap();
    sign_in(&*store, 2, 1).await;
    assert!(!lives(&*store, 1, START).await);
    assert!(lives(&*store, 2, START).await);
}

/// Whoever is woken reads at least what he was told, and an answered write has been told.
pub async fn the_committed_head_is_durable_and_the_newest(made: Made) {
    let (store, _clock) = made;
    let mut told = store.committed();
    assert_eq!(*told.borrow_and_update(), store.head().await.unwrap());
    let watcher = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let mut seen = 0;
            while seen < 50 {
                told.changed().await.unwrap();
                let said = *told.borrow_and_update();
                assert!(said.pos > seen, "woken without news");
                let read = store.read(Load::default()).await.unwrap().head;
                assert!(read.pos >= said.pos, "told before it was durable");
                seen = said.pos;
            }
        })
    };
    for n in 0..50 {
        let head = revoke(&*store, Target::Token(Jti::from_bytes([n; 16]))).await;
        assert_eq!(*store.committed().borrow(), head);
    }
    watcher.await.unwrap();
}

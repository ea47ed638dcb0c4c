//! All or nothing, one after another.

use super::{
    Made, START, account, add_accounts, is_conflict, lives, revoke, session, sid, sign_in, stored,
    sub, view, whole_log, write,
};
use rescind_authority::account::AccountState;
use rescind_authority::session::{SessionState, Why};
use rescind_authority::store::{AccountRef, Load, Loaded, Write};
use rescind_wire::revocation::Target;
use std::sync::{Arc, Mutex};

/// The write whose guard never holds: the account is there already.
fn refused() -> Write {
    Write::InsertAccount(Box::new(account(1)))
}

/// Neither state, nor entry, nor cut-off of a transaction stays when one of its guards does not hold.
pub async fn a_refused_transaction_leaves_nothing(made: Made) {
    let (store, _clock) = made;
    add_accounts(&*store, &[1]).await;
    sign_in(&*store, 1, 1).await;
    let before = store.head().await.unwrap();
    let mut told = store.committed();
    told.mark_unchanged();
    let outcome = write(
        &*store,
        vec![
            Write::EndSession { sid: sid(1), at: START, why: Why::Administrator },
            Write::Revoke(Target::Session(sid(1))),
            Write::SetAccountState { sub: sub(1), state: AccountState::Suspended },
            Write::Revoke(Target::Subject(sub(1))),
            Write::InsertAccount(Box::new(account(2))),
            Write::InsertSession(Box::new(session(2, 2, before.ts))),
            Write::RaiseIatLimit(u64::from(u32::MAX)),
            refused(),
        ],
    )
    .await;
    assert!(is_conflict(&outcome));
    let after = store.head().await.unwrap();
    assert_eq!((after.pos, after.digest), (before.pos, before.digest));
    assert_eq!(after.iat_limit, before.iat_limit);
    assert!(whole_log(&*store).await.is_empty());
    assert!(!told.has_changed().unwrap());
    assert_eq!(stored(&*store, 1).await.state, SessionState::Live);
    assert!(lives(&*store, 1, START).await);
    assert!(view(&*store, 1).await.session.unwrap().cutoffs.is_empty());
    assert!(view(&*store, 2).await.session.is_none());
    assert_eq!(store.accounts().await.unwrap().len(), 1);
}

/// A rule may have signed with it.
pub async fn a_log_time_of_a_refused_transaction_is_never_used_again(made: Made) {
    let (store, _clock) = made;
    add_accounts(&*store, &[1]).await;
    let before = revoke(&*store, Target::Everything).await;
    let mut writes: Vec<Write> = (1..=3).map(|n| Write::Revoke(Target::Subject(sub(n)))).collect();
    writes.push(refused());
    assert!(is_conflict(&write(&*store, writes).await));
    let next = revoke(&*store, Target::Everything).await;
    assert_eq!(next.pos, before.pos + 1);
    assert!(next.ts > before.ts + 3, "{} was used already", next.ts);
}

/// Also when many transactions are under way, and some of them are undone.
pub async fn no_rule_sees_what_a_refused_transaction_wrote(made: Made) {
    let (store, _clock) = made;
    add_accounts(&*store, &[1]).await;
    let mut tasks = Vec::new();
    for n in 2..50 {
        let undone = Arc::clone(&store);
        tasks.push(tokio::spawn(async move {
            let insert = Write::InsertAccount(Box::new(account(n)));
            let cut = Write::Revoke(Target::Subject(sub(1)));
            assert!(is_conflict(&write(&*undone, vec![insert, cut, refused()]).await));
        }));
        let looking = Arc::clone(&store);
        tasks.push(tokio::spawn(async move {
            let by_id = Load { account: Some(AccountRef::Sub(sub(n))), ..Load::default() };
            let look = |loaded: &Loaded| {
                assert!(loaded.account.is_none());
                assert_eq!(loaded.head.pos, 0);
                Vec::new()
            };
            looking.transact(by_id, Box::new(look)).await.unwrap();
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(store.head().await.unwrap().pos, 0);
}

/// Each sees all that were before it: of many that count on, none counts the same number.
pub async fn transactions_that_read_and_write_do_not_lose_each_other(made: Made) {
    let (store, _clock) = made;
    add_accounts(&*store, &[1]).await;
    sign_in(&*store, 1, 1).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for _ in 0..64 {
        let (store, seen) = (Arc::clone(&store), Arc::clone(&seen));
        tasks.push(tokio::spawn(async move {
            let count_on = move |loaded: &Loaded| {
                let from = loaded.session.as_ref().unwrap().session.generation;
                seen.lock().unwrap().push(from);
                vec![Write::MoveLine { sid: sid(1), from, at: START, move_key: None }]
            };
            store.transact(Load::session(sid(1)), Box::new(count_on)).await.unwrap();
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*seen.lock().unwrap(), (0..64).collect::<Vec<_>>());
    assert_eq!(stored(&*store, 1).await.generation, 64);
}

/// It is answered with the head as it is.
pub async fn a_rule_that_writes_nothing_changes_nothing(made: Made) {
    let (store, clock) = made;
    let before = revoke(&*store, Target::Everything).await;
    clock.advance(std::time::Duration::from_secs(5));
    assert_eq!(write(&*store, Vec::new()).await.unwrap(), before);
    assert_eq!(store.head().await.unwrap(), before);
}

/// While accounts are closed and opened, no view shows one state with the other's head.
pub async fn a_view_is_one_moment(made: Made) {
    let (store, _clock) = made;
    add_accounts(&*store, &[1]).await;
    let writer = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for n in 0..100 {
                // At odd positions it is closed.
                let state = [AccountState::Suspended, AccountState::Active][n % 2];
                let set = Write::SetAccountState { sub: sub(1), state };
                write(&*store, vec![set, Write::Revoke(Target::Subject(sub(1)))]).await.unwrap();
            }
        })
    };
    let mut last = 0;
    while last < 100 {
        let by_id = Load { account: Some(AccountRef::Sub(sub(1))), ..Load::default() };
        let view = store.read(by_id).await.unwrap();
        let closed = view.account.unwrap().state == AccountState::Suspended;
        assert_eq!(closed, view.head.pos % 2 == 1, "at position {}", view.head.pos);
        assert!(view.head.pos >= last, "a later read saw an earlier moment");
        last = view.head.pos;
    }
    writer.await.unwrap();
}

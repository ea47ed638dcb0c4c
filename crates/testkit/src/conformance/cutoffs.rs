//! Durable cut-offs: they judge sessions.

use super::{
    Made, START, add_accounts, add_session, lives, revoke, session, sid, sign_in, sub, view,
};
use rescind_authority::clients::FIRST_PARTY;
use rescind_authority::session::{Cutoff, Session};
use rescind_authority::store::Store;
use rescind_wire::id::{Epoch, Jti};
use rescind_wire::revocation::{Scope, Target};

/// Sessions 1 and 2 of account 1, at the first-party client and at another; session 3 of account 2.
async fn three_sessions(store: &dyn Store, round: u8) -> [u8; 3] {
    let [a, b, c] = [round * 3, round * 3 + 1, round * 3 + 2];
    sign_in(store, a, 1).await;
    let rv = store.head().await.unwrap().ts;
    add_session(store, Session { client_id: "other".into(), ..session(b, 1, rv) }).await;
    sign_in(store, c, 2).await;
    [a, b, c]
}

/// Nothing else dies; and what is born after it lives.
pub async fn a_cutoff_judges_the_sessions_of_its_scope_only(made: Made) {
    let (store, _clock) = made;
    add_accounts(&*store, &[1, 2]).await;
    let cases = [
        (Target::Session(sid(3)), [false, true, true]),
        (Target::Subject(sub(1)), [false, false, true]),
        (Target::Grant(sub(1), FIRST_PARTY.into()), [false, true, true]),
        (Target::Client(FIRST_PARTY.into()), [false, true, false]),
        (Target::Client("nobody".into()), [true, true, true]),
        (Target::Everything, [false, false, false]),
    ];
    for (round, (target, expected)) in (1..).zip(cases) {
        let numbers = three_sessions(&*store, round).await;
        let ts = revoke(&*store, target.clone()).await.ts;
        let scope = target.scope();
        for (n, alive) in numbers.into_iter().zip(expected) {
            assert_eq!(lives(&*store, n, START).await, alive, "{n} after {target:?}");
            let rows = view(&*store, n).await.session.unwrap().cutoffs;
            assert_eq!(rows.contains(&Cutoff { scope, ts }), !alive, "{n} after {target:?}");
        }
    }
    let youngest = three_sessions(&*store, 9).await;
    for n in youngest {
        assert!(lives(&*store, n, START).await);
    }
}

/// Tokens, keys, audiences and changed roles end no session.
pub async fn what_judges_no_session_leaves_no_cutoff(made: Made) {
    let (store, _clock) = made;
    add_accounts(&*store, &[1]).await;
    sign_in(&*store, 1, 1).await;
    let text = sid(1).to_string();
    for target in [
        Target::Token(Jti::from_bytes([1; 16])),
        Target::Key(text.clone()),
        Target::Audience(text),
        Target::Claims(sub(1)),
    ] {
        revoke(&*store, target).await;
        assert!(view(&*store, 1).await.session.unwrap().cutoffs.is_empty());
        assert!(lives(&*store, 1, START).await);
    }
    // Nor does an epoch that spares sessions. A sweep finds nothing that could be one of them.
    let epoch = Epoch::from_bytes([9; 16]);
    store.open_epoch(epoch, START, false, super::epoch_record()).await.unwrap();
    assert!(lives(&*store, 1, START).await);
    assert_eq!(store.sweep(START + 365 * super::DAY).await.unwrap().cutoffs, 0);
}

/// One row per key, and it only rises.
pub async fn the_newest_cutoff_of_a_key_stands(made: Made) {
    let (store, clock) = made;
    add_accounts(&*store, &[1]).await;
    sign_in(&*store, 1, 1).await;
    revoke(&*store, Target::Subject(sub(1))).await;
    sign_in(&*store, 2, 1).await;
    assert!(lives(&*store, 2, START).await);
    clock.set_wall(START - super::DAY);
    let ts = revoke(&*store, Target::Subject(sub(1))).await.ts;
    assert!(!lives(&*store, 2, START).await);
    let rows = view(&*store, 2).await.session.unwrap().cutoffs;
    assert_eq!(rows, [Cutoff { scope: Scope::Subject, ts }]);
}

// V07
/// A sign-in right after a revocation works at once, within the same microsecond of the wall clock.
pub async fn a_session_born_at_a_cutoff_lives(made: Made) {
    let (store, _clock) = made;
    add_accounts(&*store, &[1]).await;
    sign_in(&*store, 1, 1).await;
    revoke(&*store, Target::Subject(sub(1))).await;
    sign_in(&*store, 2, 1).await;
    assert!(!lives(&*store, 1, START).await);
    assert!(lives(&*store, 2, START).await);
}

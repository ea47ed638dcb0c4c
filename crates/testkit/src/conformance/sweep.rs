//! What goes, when, and what must stay.

use super::{
    DAY, LONGEST_LIFE, Made, SECOND, START, add_accounts, add_session, lives, revoke, session, sid,
    sign_in, sub, view, whole_log,
};
use rescind_authority::clients::FIRST_PARTY;
use rescind_authority::session::Session;
use rescind_authority::store::Swept;
use rescind_wire::revocation::Target;
use std::time::Duration;

/// To the second; positions go on after it.
pub async fn an_entry_goes_at_its_until_and_not_before(made: Made) {
    let (store, _clock) = made;
    let head = revoke(&*store, Target::Claims(sub(1))).await;
    let until = whole_log(&*store).await[0].until;
    assert_eq!(store.sweep(until * SECOND - 1).await.unwrap(), Swept::default());
    assert_eq!(whole_log(&*store).await.len(), 1);
    let swept = Swept { entries: 1, ..Swept::default() };
    assert_eq!(store.sweep(until * SECOND).await.unwrap(), swept);
    assert_eq!(store.head().await.unwrap(), head);
    assert_eq!(store.log(0, 9).await.unwrap().entries, None);
    assert_eq!(store.log(1, 9).await.unwrap().entries, Some(Vec::new()));
    assert_eq!(revoke(&*store, Target::Claims(sub(1))).await.pos, 2);
}

/// Not when it is idle or ended: its credential must still be known as spent.
pub async fn a_session_goes_at_its_absolute_end(made: Made) {
    let (store, _clock) = made;
    add_accounts(&*store, &[1]).await;
    sign_in(&*store, 1, 1).await;
    let end = START + 30 * DAY;
    assert_eq!(store.sweep(end - 1).await.unwrap(), Swept::default());
    assert!(view(&*store, 1).await.session.is_some());
    let swept = Swept { sessions: 1, ..Swept::default() };
    assert_eq!(store.sweep(end).await.unwrap(), swept);
    assert!(view(&*store, 1).await.session.is_none());
}

/// A session of 30 days stays dead, long after the entry that was for its tokens is forgotten.
pub async fn a_cutoff_outlives_its_entry_while_an_older_session_is_left(made: Made) {
    let (store, clock) = made;
    add_accounts(&*store, &[1, 2, 3, 4, 5]).await;
    let grant = Target::Grant(sub(3), FIRST_PARTY.into());
    let client = Target::Client("other".into());
    for n in 1..=4 {
        sign_in(&*store, n, n).await;
    }
    let rv = store.head().await.unwrap().ts;
    add_session(&*store, Session { client_id: "other".into(), ..session(5, 5, rv) }).await;
    for target in [Target::Session(sid(1)), Target::Subject(sub(2)), grant, client] {
        revoke(&*store, target).await;
    }
    for passed in [Duration::from_secs(LONGEST_LIFE + 40), Duration::from_secs(86_400 * 13)] {
        clock.advance(passed);
        let now = START + passed.as_micros() as u64;
        let swept = store.sweep(now).await.unwrap();
        assert_eq!((swept.sessions, swept.cutoffs), (0, 0));
        assert!(store.snapshot().await.unwrap().1.is_empty());
        for n in [1, 2, 3, 5] {
            assert!(!lives(&*store, n, START).await, "{n}");
        }
        assert!(lives(&*store, 4, START).await);
    }
    let swept = store.sweep(START + 30 * DAY).await.unwrap();
    assert_eq!((swept.sessions, swept.cutoffs), (5, 4));
}

/// Sessions that a cut-off never judged, or no longer can, do not keep it.
pub async fn a_cutoff_goes_when_only_younger_sessions_are_left(made: Made) {
    let (store, _clock) = made;
    add_accounts(&*store, &[1, 2]).await;
    let old = session(1, 1, store.head().await.unwrap().ts);
    add_session(&*store, Session { expires_at: START + DAY, ..old }).await;
    revoke(&*store, Target::Subject(sub(1))).await;
    revoke(&*store, Target::Everything).await;
    revoke(&*store, Target::Subject(sub(2))).await;
    revoke(&*store, Target::Session(sid(9))).await;
    sign_in(&*store, 2, 1).await;
    sign_in(&*store, 3, 2).await;
    // Account 2 and session 9 had nothing to judge.
    assert_eq!(store.sweep(START).await.unwrap(), Swept { cutoffs: 2, ..Swept::default() });
    assert_eq!(view(&*store, 2).await.session.unwrap().cutoffs.len(), 2);
    let swept = store.sweep(START + DAY).await.unwrap();
    assert_eq!((swept.sessions, swept.cutoffs), (1, 2));
    assert!(view(&*store, 2).await.session.unwrap().cutoffs.is_empty());
    assert!(lives(&*store, 2, START).await);
    // The id of a session kills every match, younger or not.
    add_session(&*store, session(4, 2, u64::from(u32::MAX) << 24)).await;
    revoke(&*store, Target::Session(sid(4))).await;
    assert_eq!(store.sweep(START + DAY).await.unwrap().cutoffs, 0);
    assert!(!lives(&*store, 4, START).await);
}

/// A stolen key can forge any date.
pub async fn an_entry_that_never_expires_stays(made: Made) {
    let (store, _clock) = made;
    revoke(&*store, Target::Key("kid".into())).await;
    for now in [START + 3_650 * DAY, u64::MAX] {
        assert_eq!(store.sweep(now).await.unwrap(), Swept::default());
        assert_eq!(store.snapshot().await.unwrap().1.len(), 1);
    }
    assert_eq!(whole_log(&*store).await.len(), 1);
}

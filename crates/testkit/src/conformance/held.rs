//! What a store holds in memory is never older than what it has answered. One that holds nothing keeps that, too.

use super::{
    Made, START, account, add_accounts, add_session, epoch_record, is_conflict, session, sid, sub,
    view, write,
};
use rescind_authority::account::AccountState;
use rescind_authority::session::{Session, Why};
use rescind_authority::store::{Loaded, Store, Write};
use rescind_wire::id::Epoch;
use rescind_wire::revocation::Target;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Fails if the session is held otherwise than it is stored, or though it is not alive.
pub async fn is_true(store: &dyn Store, n: u8) {
    let Some(held) = store.held(sid(n)) else { return };
    let Loaded { session, account, .. } = view(store, n).await;
    let (judged, account) = (session.expect("it is stored"), account.expect("it has an account"));
    assert_eq!(
        judged.session.check(Some(&account), &judged.cutoffs, 0),
        Ok(()),
        "it is held: {held:?}"
    );
    let Session { created_at, auth_time, expires_at, remembered, .. } = judged.session;
    let of = |session: &Session| (session.sid, session.sub, session.carrier, session.standing());
    assert_eq!((held.sid, held.sub, held.kind.carrier, held.standing()), of(&judged.session));
    assert_eq!(
        (held.created_at, held.auth_time, held.expires_at),
        (created_at, auth_time, expires_at)
    );
    assert_eq!((held.kind.remembered, &held.kind.amr), (remembered, &judged.session.amr));
    assert_eq!(
        (&held.kind.client_id, &held.kind.roles),
        (&judged.session.client_id, &account.roles)
    );
    let texts = [&judged.session.device, &judged.session.user_agent, &judged.session.address];
    assert_eq!([held.device(), held.user_agent(), held.address()], texts.map(|t| t.as_deref()));
    assert_eq!(held.username(), account.name.as_str());
}

fn every_kind() -> Vec<Write> {
    let hash = || "$argon2id$other".to_owned();
    let state = |state| Write::SetAccountState { sub: sub(1), state };
    let seen = |generation| Write::Seen { sid: sid(1), generation, at: START + 3 };
    let moved = |from| Write::MoveLine { sid: sid(1), from, at: START + 4, move_key: None };
    let new = session(4, 1, START);
    vec![
        seen(0),
        moved(0),
        seen(0),
        seen(1),
        moved(1),
        Write::Touch { sid: sid(1), at: START + 9 },
        Write::NameSession { sid: sid(1), device: Some("phone".into()) },
        Write::NameSession { sid: sid(1), device: None },
        Write::Rehash { sub: sub(1), if_version: 1, password_hash: hash() },
        Write::SetPassword { sub: sub(1), if_version: 1, password_hash: hash() },
        Write::SetRoles { sub: sub(1), roles: vec!["owner".into()] },
        state(AccountState::Suspended),
        state(AccountState::Active),
        Write::ReplaceSession { old: sid(2), at: START + 5, new: Box::new(new) },
        Write::EndSession { sid: sid(3), at: START + 6, why: Why::SignedOut },
        Write::Revoke(Target::Session(sid(4))),
        Write::Revoke(Target::Claims(sub(1))),
        Write::Revoke(Target::Grant(sub(1), "first-party".into())),
        Write::Revoke(Target::Subject(sub(5))),
        Write::Revoke(Target::Client("other".into())),
        Write::Revoke(Target::Everything),
        Write::DeleteAccount(sub(5)),
    ]
}

/// Before each change all sessions are read, so that they are held if they ever are.
pub async fn what_is_held_is_what_is_stored_after_every_kind_of_change(made: Made) {
    let (store, _clock) = made;
    add_accounts(&*store, &[1, 5, 6, 7]).await;
    for (n, owner, client_id) in [
        (1, 1, "first-party"),
        (2, 1, "first-party"),
        (3, 1, "first-party"),
        (5, 5, "first-party"),
        (6, 6, "other"),
        (7, 7, "first-party"),
    ] {
        let (user_agent, address) = (Some("Browser/1".into()), Some("192.0.2.1".into()));
        let session = Session {
            client_id: client_id.into(),
            user_agent,
            address,
            ..session(n, owner, START)
        };
        add_session(&*store, session).await;
    }
    let all = async || {
        for n in 1..=7 {
            is_true(&*store, n).await;
            view(&*store, n).await;
            is_true(&*store, n).await;
        }
    };
    all().await;
    for change in every_kind() {
        let told = format!("{change:?}");
        write(&*store, vec![change]).await.unwrap_or_else(|error| panic!("{told}: {error}"));
        all().await;
    }
    let epoch = Epoch::from_bytes([9; 16]);
    store.open_epoch(epoch, START * 3, true, epoch_record()).await.unwrap();
    all().await;
    store.sweep(u64::MAX / 2).await.unwrap();
    all().await;
}

/// Neither its own line's move nor what stood before it in the same transaction.
pub async fn what_a_refused_transaction_wrote_is_never_held(made: Made) {
    let (store, _clock) = made;
    add_accounts(&*store, &[1]).await;
    add_session(&*store, session(1, 1, START)).await;
    view(&*store, 1).await;
    let moved = Write::MoveLine { sid: sid(1), from: 0, at: START + 4, move_key: None };
    let roles = Write::SetRoles { sub: sub(1), roles: vec!["owner".into()] };
    let refused = Write::InsertAccount(Box::new(account(1)));
    let touched = Write::Touch { sid: sid(1), at: START + 9 };
    assert!(is_conflict(&write(&*store, vec![touched, roles, moved, refused]).await));
    is_true(&*store, 1).await;
    view(&*store, 1).await;
    is_true(&*store, 1).await;
}

/// Two who read, so that it is held, and look at what is held, against one who writes.
async fn race(
    store: Arc<dyn Store>,
    write_of: impl Fn(u32) -> Write,
    shown: fn(&dyn Store) -> Option<u32>,
) {
    const WRITES: u32 = 300;
    let answered = Arc::new(AtomicU32::new(0));
    let mut readers = Vec::new();
    for _ in 0..2 {
        let (store, answered) = (Arc::clone(&store), Arc::clone(&answered));
        readers.push(tokio::spawn(async move {
            loop {
                for _ in 0..20 {
                    let least = answered.load(Ordering::SeqCst);
                    if let Some(shown) = shown(&*store) {
                        assert!(shown >= least, "{shown} is held, {least} was answered");
                    }
                }
                view(&*store, 1).await;
                if answered.load(Ordering::SeqCst) == WRITES {
                    return;
                }
            }
        }));
    }
    for n in 0..WRITES {
        write(&*store, vec![write_of(n)]).await.unwrap();
        answered.store(n + 1, Ordering::SeqCst);
        tokio::task::yield_now().await;
    }
    for reader in readers {
        reader.await.unwrap();
    }
}

/// However a read that began before a change races with it.
pub async fn a_session_is_never_held_older_than_what_was_answered(made: Made) {
    let (store, _clock) = made;
    add_accounts(&*store, &[1]).await;
    add_session(&*store, session(1, 1, START)).await;
    let named = |n: u32| Write::NameSession { sid: sid(1), device: Some((n + 1).to_string()) };
    race(Arc::clone(&store), named, |store| {
        store.held(sid(1)).map(|held| held.device().map_or(0, |n| n.parse().unwrap()))
    })
    .await;
    let moved = |from| Write::MoveLine { sid: sid(1), from, at: START, move_key: None };
    race(store, moved, |store| store.held(sid(1)).map(|held| held.standing().generation)).await;
}

/// The same of what its sessions show of an account.
pub async fn an_account_is_never_held_older_than_what_was_answered(made: Made) {
    let (store, _clock) = made;
    add_accounts(&*store, &[1]).await;
    add_session(&*store, session(1, 1, START)).await;
    let roles = |n: u32| Write::SetRoles { sub: sub(1), roles: vec![(n + 1).to_string()] };
    race(store, roles, |store| {
        let held = store.held(sid(1))?;
        Some(held.kind.roles.first().and_then(|n| n.parse().ok()).unwrap_or(0))
    })
    .await;
}

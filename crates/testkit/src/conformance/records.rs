//! Accounts, sessions and clients: what goes in comes back, and what is taken is refused.

use super::{
    Made, START, account, add_accounts, add_session, is_conflict, session, sid, stored, sub, view,
    write,
};
use rescind_authority::account::{Account, AccountState};
use rescind_authority::clients::{Client, Permission};
use rescind_authority::line::Carrier;
use rescind_authority::name::Name;
use rescind_authority::session::{Session, SessionState, Why};
use rescind_authority::store::{AccountRef, Load, Loaded, Store, Write};

/// Every field, in each of its forms.
pub async fn a_session_comes_back_as_it_went_in(made: Made) {
    let (store, _clock) = made;
    add_accounts(&*store, &[1]).await;
    let full = Session {
        carrier: Carrier::Cookie,
        client_id: "a client's \"id\"".into(),
        amr: vec!["pwd".into(), "otp".into()],
        idle: 0,
        generation: u32::MAX,
        seen_at: Some(START + 1),
        move_key: Some([7; 32]),
        state: SessionState::Replaced { by: sid(2), at: START + 2 },
        device: Some("Zoë's phone'; DROP TABLE session; --".into()),
        user_agent: Some(String::new()),
        address: Some("2001:db8::1".into()),
        remembered: true,
        ..session(1, 1, START)
    };
    let mut all = vec![full, Session { amr: Vec::new(), ..session(2, 1, 0) }];
    for (n, (why, _)) in (3..).zip(Why::NAMES) {
        all.push(Session { state: SessionState::Ended { at: START, why }, ..session(n, 1, 1) });
    }
    for one in all.clone() {
        add_session(&*store, one).await;
    }
    for (n, one) in (1..).zip(all) {
        assert_eq!(stored(&*store, n).await, one);
    }
}

// S03
/// An id is never adopted, and never given out twice.
pub async fn a_session_id_that_is_taken_is_refused(made: Made) {
    let (store, _clock) = made;
    add_accounts(&*store, &[1, 2]).await;
    let first = session(1, 1, 5);
    add_session(&*store, first.clone()).await;
    let thief = Write::InsertSession(Box::new(session(1, 2, 6)));
    assert!(is_conflict(&write(&*store, vec![thief]).await));
    assert_eq!(stored(&*store, 1).await, first);
}

fn equal(a: &Account, b: &Account) -> bool {
    let parts = |a: &Account| {
        (a.sub, a.name.clone(), a.password_version, a.roles.clone(), a.state, a.created_at)
    };
    parts(a) == parts(b) && a.password_hash == b.password_hash
}

async fn found(store: &dyn Store, by: AccountRef) -> Option<Account> {
    let load = Load { account: Some(by), ..Load::default() };
    store.read(load).await.unwrap().account
}

/// Sorted by the bytes of the canonical name.
pub async fn accounts_come_back_by_id_by_name_and_in_order(made: Made) {
    let (store, _clock) = made;
    let names = ["zoë", "alice@example.com", "äpfel", "bob"];
    let mut all = Vec::new();
    for (n, name) in (1..).zip(names) {
        let roles = vec![String::new(), "owner \"x\"".into()];
        let name = Name::new(name).unwrap();
        all.push(Account { name, roles, password_version: u32::from(n), ..account(n) });
    }
    for one in all.clone() {
        write(&*store, vec![Write::InsertAccount(Box::new(one))]).await.unwrap();
    }
    for one in &all {
        let by_id = found(&*store, AccountRef::Sub(one.sub)).await.unwrap();
        let by_name = found(&*store, AccountRef::Name(one.name.clone())).await.unwrap();
        assert!(equal(one, &by_id) && equal(one, &by_name));
    }
    all.sort_by(|a, b| a.name.as_str().cmp(b.name.as_str()));
    let listed = store.accounts().await.unwrap();
    assert_eq!(listed.len(), all.len());
    assert!(listed.iter().zip(&all).all(|(a, b)| equal(a, b)));
}

/// Either of them is enough to refuse.
pub async fn a_name_or_an_account_id_that_is_taken_is_refused(made: Made) {
    let (store, _clock) = made;
    add_accounts(&*store, &[1]).await;
    let same_name = Account { sub: sub(2), ..account(1) };
    let same_id = Account { sub: sub(1), ..account(2) };
    for taken in [same_name, same_id] {
        let insert = Write::InsertAccount(Box::new(taken));
        assert!(is_conflict(&write(&*store, vec![insert]).await));
    }
    assert!(equal(&account(1), &store.accounts().await.unwrap()[0]));
}

/// A password that was changed meanwhile is not undone by a re-hash of the old one.
pub async fn a_rehash_needs_the_version_it_was_made_from(made: Made) {
    let (store, _clock) = made;
    add_accounts(&*store, &[1]).await;
    for (if_version, expected) in [(2, "$argon2id$hash1"), (1, "new")] {
        let rehash = Write::Rehash { sub: sub(1), if_version, password_hash: "new".into() };
        write(&*store, vec![rehash]).await.unwrap();
        let account = found(&*store, AccountRef::Sub(sub(1))).await.unwrap();
        assert_eq!((account.password_hash.as_str(), account.password_version), (expected, 1));
    }
}

/// An unknown account has no state to set.
pub async fn an_account_is_closed_and_opened(made: Made) {
    let (store, _clock) = made;
    add_accounts(&*store, &[1]).await;
    for state in [AccountState::Suspended, AccountState::Suspended, AccountState::Active] {
        write(&*store, vec![Write::SetAccountState { sub: sub(1), state }]).await.unwrap();
        assert_eq!(found(&*store, AccountRef::Sub(sub(1))).await.unwrap().state, state);
        let unknown = Write::SetAccountState { sub: sub(2), state };
        assert!(is_conflict(&write(&*store, vec![unknown]).await));
    }
}

/// A client's id belongs to the first.
pub async fn clients_come_back_in_order_and_their_ids_are_taken_once(made: Made) {
    let (store, _clock) = made;
    let client = |id: &str, byte| Client {
        client_id: id.into(),
        secret_hash: [byte; 32],
        audiences: vec![id.to_uppercase(), "shared".into()],
        permissions: if byte == 1 { vec![Permission::Feed] } else { Vec::new() },
        created_at: START + u64::from(byte),
    };
    for (id, byte) in [("posts-api", 1), ("audit", 2), ("Zebra", 3)] {
        let insert = Write::InsertClient(Box::new(client(id, byte)));
        write(&*store, vec![insert]).await.unwrap();
    }
    let again = Write::InsertClient(Box::new(client("audit", 4)));
    assert!(is_conflict(&write(&*store, vec![again]).await));
    let expected = [client("Zebra", 3), client("audit", 2), client("posts-api", 1)];
    assert_eq!(store.clients().await.unwrap(), expected);
    let load = Load { clients: true, ..Load::default() };
    assert_eq!(*store.read(load).await.unwrap().clients, expected);
    assert!(store.read(Load::default()).await.unwrap().clients.is_empty(), "only if asked for");
}

/// Whatever a store keeps in memory of them: a rule decides by the clients as the last commit has left them.
pub async fn a_rule_sees_the_clients_of_its_own_moment(made: Made) {
    let (store, _clock) = made;
    let client = |id: &str, byte| Client {
        client_id: id.into(),
        secret_hash: [byte; 32],
        audiences: vec![id.into()],
        permissions: Vec::new(),
        created_at: START,
    };
    let insert = |id, byte| Write::InsertClient(Box::new(client(id, byte)));
    let renew = |byte| Write::SetClientSecret { client_id: "a".into(), secret_hash: [byte; 32] };
    let remove = |id: &str| Write::DeleteClient(id.into());
    let steps = [
        (vec![], vec![]),
        (vec![insert("a", 1)], vec![client("a", 1)]),
        (vec![insert("b", 1), remove("c")], vec![client("a", 1)]),
        (vec![insert("a", 3)], vec![client("a", 1)]),
        (vec![renew(2)], vec![client("a", 2)]),
        (vec![renew(3), remove("c")], vec![client("a", 2)]),
        (vec![insert("b", 1), remove("a")], vec![client("b", 1)]),
        (vec![remove("b")], vec![]),
    ];
    for (writes, expected) in steps {
        // Some are refused.
        let _ = write(&*store, writes).await;
        let (tell, told) = std::sync::mpsc::channel();
        let rule = move |loaded: &Loaded| {
            tell.send(loaded.clients.clone()).unwrap();
            Vec::new()
        };
        let load = Load { clients: true, ..Load::default() };
        store.transact(load, Box::new(rule)).await.unwrap();
        assert_eq!(*told.recv().unwrap(), *expected);
    }
}

/// An account that was asked for by itself stands before that of the session.
pub async fn a_session_brings_its_account_and_its_siblings_newest_first(made: Made) {
    let (store, _clock) = made;
    add_accounts(&*store, &[1, 2]).await;
    for (n, owner) in [(3, 1), (1, 1), (2, 2)] {
        add_session(&*store, session(n, owner, 0)).await;
    }
    // Of the same moment as session 3: the smaller id stands first.
    add_session(&*store, super::Session { created_at: START + 3, ..session(4, 1, 0) }).await;
    let all = |account| Load { account, session: Some(sid(1)), siblings: true, ..Load::default() };
    for (account, owner, expected) in [
        (None, 1, vec![3, 4, 1]),
        (Some(AccountRef::Sub(sub(2))), 2, vec![2]),
        (Some(AccountRef::Name(super::account(2).name)), 2, vec![2]),
    ] {
        let loaded = store.read(all(account)).await.unwrap();
        assert_eq!(loaded.account.unwrap().sub, sub(owner));
        assert_eq!(loaded.session.unwrap().session.sid, sid(1));
        let siblings: Vec<_> = loaded.siblings.iter().map(|j| j.session.sid).collect();
        assert_eq!(siblings, expected.into_iter().map(sid).collect::<Vec<_>>());
    }
    assert!(view(&*store, 1).await.siblings.is_empty());
}

/// No failure: whoever asks decides what it means.
pub async fn what_is_unknown_is_absent(made: Made) {
    let (store, _clock) = made;
    let load = Load { session: Some(sid(1)), siblings: true, ..Load::default() };
    let loaded = store.read(load).await.unwrap();
    assert!(loaded.session.is_none() && loaded.account.is_none() && loaded.siblings.is_empty());
    assert!(found(&*store, AccountRef::Sub(sub(1))).await.is_none());
    assert!(found(&*store, AccountRef::Name(account(1).name)).await.is_none());
    assert!(store.accounts().await.unwrap().is_empty());
    assert!(store.clients().await.unwrap().is_empty());
}

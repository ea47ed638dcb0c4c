//! Keys, deleted accounts, and the record of who did what, as every store keeps them.

use super::{
    Made, START, account, add_accounts, add_session, is_conflict, session, sid, sub, write,
};
use rescind_authority::account::AccountState;
use rescind_authority::audit::{Action, Actor, Order, Record, Search};
use rescind_authority::clients::{Client, Permission};
use rescind_authority::keys::{KeyState, Purpose, StoredKey, StoredKeys};
use rescind_authority::session::{Cutoff, Why};
use rescind_authority::store::{AccountRef, Judged, Load, Store, Write};
use rescind_wire::id::Epoch;
use rescind_wire::jws::Alg;
use rescind_wire::revocation::{NEVER, Scope, Target};

fn key(kid: &str, purpose: Purpose, state: KeyState, created_at: u64) -> StoredKey {
    let alg = match purpose {
        Purpose::Token => Some(Alg::Rs256),
        Purpose::Shared(_) => Some(Alg::Hs256),
        Purpose::Feed(_) => Some(Alg::Ed25519),
        Purpose::Line(_) | Purpose::Csrf(_) => None,
    };
    let wrapped = alg.map(|_| vec![1, 2, 3]);
    let (kid, since, usable_from) = (kid.into(), START, START + 65);
    StoredKey { kid, purpose, alg, state, created_at, since, usable_from, wrapped }
}

fn put(key: StoredKey) -> Write {
    Write::PutKey(Box::new(key))
}

fn step(kid: &str, from: KeyState, to: KeyState) -> Write {
    Write::MoveKey { kid: kid.into(), from, to, at: START + 5 }
}

async fn keys(store: &dyn Store) -> StoredKeys {
    store.read(Load { keys: true, ..Load::default() }).await.unwrap().keys
}

/// In the order in which they were made, whatever became of them; only if they are asked for.
pub async fn keys_come_back_as_they_went_in_by_time_of_making(made: Made) {
    let (store, _clock) = made;
    let shared = |audience: &str| Purpose::Shared(audience.into());
    let mut all = vec![
        key("c", Purpose::Token, KeyState::Active, START + 3),
        key("b", Purpose::Token, KeyState::Next, START + 2),
        key("a", Purpose::Feed(7), KeyState::Active, START + 2),
        key("s1", shared("games"), KeyState::Active, START),
        key("s2", shared("chat"), KeyState::Active, START + 9),
        key("line-255", Purpose::Line(255), KeyState::Active, START + 1),
        key("csrf-2", Purpose::Csrf(2), KeyState::Retired, START + 1),
    ];
    for key in all.clone() {
        write(&*store, vec![put(key)]).await.unwrap();
    }
    all.sort_by(|a, b| (a.created_at, &a.kid).cmp(&(b.created_at, &b.kid)));
    let stored = keys(&*store).await;
    assert_eq!(stored.keys, all);
    assert_eq!(stored.version, 7);
    assert_eq!(store.read(Load::default()).await.unwrap().keys, StoredKeys::default());
}

/// An id is taken once, and one key of a kind is in use at a time.
pub async fn a_key_whose_place_is_taken_is_refused(made: Made) {
    let (store, _clock) = made;
    let first = put(key("a", Purpose::Token, KeyState::Active, START));
    write(&*store, vec![first]).await.unwrap();
    for taken in [
        key("a", Purpose::Token, KeyState::Next, START),
        key("b", Purpose::Token, KeyState::Active, START),
    ] {
        assert!(is_conflict(&write(&*store, vec![put(taken)]).await));
    }
    assert_eq!(keys(&*store).await.version, 1);
    let other = put(key("b", Purpose::Shared("games".into()), KeyState::Active, START));
    write(&*store, vec![other]).await.unwrap();
}

/// From the state it is said to be in, and never back; the secret of a compromised one is wiped.
pub async fn a_key_only_goes_forward(made: Made) {
    let (store, _clock) = made;
    use KeyState::{Active, Compromised, Next, Retired};
    write(&*store, vec![put(key("a", Purpose::Token, Next, START))]).await.unwrap();
    for wrong in [step("a", Active, Retired), step("a", Next, Next), step("b", Next, Active)] {
        assert!(is_conflict(&write(&*store, vec![wrong]).await));
    }
    for (from, to) in [(Next, Active), (Active, Retired), (Retired, Compromised)] {
        write(&*store, vec![step("a", from, to)]).await.unwrap();
        let stored = keys(&*store).await.keys.remove(0);
        assert_eq!((stored.state, stored.since), (to, START + 5));
        assert_eq!(stored.wrapped.is_none(), to == Compromised);
        for back in [Next, Active, Retired, Compromised] {
            if back <= to {
                assert!(write(&*store, vec![step("a", to, back)]).await.is_err(), "{to:?}");
            }
        }
    }
    assert_eq!(keys(&*store).await.version, 4);
}

/// Only one that is next or retired.
pub async fn a_key_that_is_in_use_or_compromised_is_not_dropped(made: Made) {
    let (store, _clock) = made;
    for state in [KeyState::Next, KeyState::Active, KeyState::Retired, KeyState::Compromised] {
        let kid = state.name();
        write(&*store, vec![put(key(kid, Purpose::Token, state, START))]).await.unwrap();
        let dropped = write(&*store, vec![Write::DropKey(kid.into())]).await;
        assert_eq!(dropped.is_ok(), matches!(state, KeyState::Next | KeyState::Retired));
    }
    let left: Vec<_> = keys(&*store).await.keys.into_iter().map(|k| k.state).collect();
    assert_eq!(left, [KeyState::Active, KeyState::Compromised]);
    assert!(is_conflict(&write(&*store, vec![Write::DropKey("unknown".into())]).await));
}

/// They are against what somebody else holds: no epoch changes that.
pub async fn entries_against_keys_are_in_every_epoch(made: Made) {
    let (store, _clock) = made;
    for target in [Target::Key("k1".into()), Target::Subject(sub(1)), Target::Key("k2".into())] {
        super::revoke(&*store, target).await;
    }
    let before = super::whole_log(&*store).await;
    for epoch in [7, 8] {
        let ts = store.head().await.unwrap().ts + 1_000;
        let epoch = Epoch::from_bytes([epoch; 16]);
        let head = store.open_epoch(epoch, ts, false, super::epoch_record()).await.unwrap();
        let log = super::whole_log(&*store).await;
        let scopes: Vec<_> = log.iter().map(|e| e.scope).collect();
        assert_eq!(scopes, [Scope::Everything, Scope::Key, Scope::Key]);
        assert_eq!([log[1].key, log[2].key], [before[0].key, before[2].key]);
        assert!(log.iter().all(|e| e.until == NEVER && e.ts >= ts));
        assert!(log.windows(2).all(|pair| pair[0].ts < pair[1].ts));
        assert_eq!((head.pos, head.ts), (3, log[2].ts));
    }
}

/// All of them, of the log as it is now.
pub async fn entries_are_found_by_what_they_take_back(made: Made) {
    let (store, _clock) = made;
    let issuer = super::ISSUER;
    let (one, two) = (Target::Subject(sub(1)), Target::Claims(sub(1)));
    let first = super::revoke(&*store, one.clone()).await.ts;
    let second = super::revoke(&*store, two.clone()).await.ts;
    let third = super::revoke(&*store, one.clone()).await.ts;
    super::revoke(&*store, Target::Everything).await;
    let revocations = vec![one.key(issuer), two.key(issuer), Target::Subject(sub(2)).key(issuer)];
    let load = Load { revocations, ..Load::default() };
    let mut found = store.read(load).await.unwrap().revocations;
    found.sort_by_key(|c| c.ts);
    let expected = [(Scope::Subject, first), (Scope::Claims, second), (Scope::Subject, third)];
    assert_eq!(found, expected.map(|(scope, ts)| Cutoff { scope, ts }));
}

/// Its sessions go with it; its name is free, its id is not.
pub async fn the_id_of_a_deleted_account_is_never_given_out_again(made: Made) {
    let (store, _clock) = made;
    add_accounts(&*store, &[1, 2]).await;
    add_session(&*store, session(1, 1, 0)).await;
    add_session(&*store, session(2, 2, 0)).await;
    write(&*store, vec![Write::DeleteAccount(sub(1))]).await.unwrap();
    assert!(is_conflict(&write(&*store, vec![Write::DeleteAccount(sub(1))]).await));
    assert!(store.read(Load::session(sid(1))).await.unwrap().session.is_none());
    assert!(store.read(Load::session(sid(2))).await.unwrap().session.is_some());
    let same_id = rescind_authority::account::Account { sub: sub(1), ..account(3) };
    assert!(is_conflict(&write(&*store, vec![Write::InsertAccount(Box::new(same_id))]).await));
    let same_name = rescind_authority::account::Account { sub: sub(4), ..account(1) };
    write(&*store, vec![Write::InsertAccount(Box::new(same_name))]).await.unwrap();
    let by_name = AccountRef::Name(account(1).name);
    let load = Load { account: Some(by_name), ..Load::default() };
    assert_eq!(store.read(load).await.unwrap().account.unwrap().sub, sub(4));
}

/// Roles and each state; an unknown account has none.
pub async fn roles_and_bans_come_back(made: Made) {
    let (store, _clock) = made;
    add_accounts(&*store, &[1]).await;
    let roles = vec!["editor".to_owned(), "owner \"x\"".to_owned()];
    write(&*store, vec![Write::SetRoles { sub: sub(1), roles: roles.clone() }]).await.unwrap();
    let unknown = Write::SetRoles { sub: sub(2), roles: Vec::new() };
    assert!(is_conflict(&write(&*store, vec![unknown]).await));
    for (state, _) in AccountState::NAMES {
        write(&*store, vec![Write::SetAccountState { sub: sub(1), state }]).await.unwrap();
        let account = store.accounts().await.unwrap().remove(0);
        assert_eq!((account.state, &account.roles), (state, &roles));
    }
}

/// A client that is not there has neither.
pub async fn a_client_gets_another_secret_and_goes(made: Made) {
    let (store, _clock) = made;
    let client = |byte| Client {
        client_id: "posts-api".into(),
        secret_hash: [byte; 32],
        audiences: vec!["posts-api".into()],
        permissions: Permission::NAMES.map(|(permission, _)| permission).into(),
        created_at: START,
    };
    let renew =
        |byte| Write::SetClientSecret { client_id: "posts-api".into(), secret_hash: [byte; 32] };
    let remove = || Write::DeleteClient("posts-api".into());
    assert!(is_conflict(&write(&*store, vec![renew(1)]).await));
    write(&*store, vec![Write::InsertClient(Box::new(client(1)))]).await.unwrap();
    write(&*store, vec![renew(2)]).await.unwrap();
    assert_eq!(store.clients().await.unwrap(), [client(2)]);
    write(&*store, vec![remove()]).await.unwrap();
    assert!(is_conflict(&write(&*store, vec![remove()]).await));
    assert_eq!(store.clients().await.unwrap(), []);
}

/// Newest first, of all or of one account; with the transaction or not at all.
pub async fn records_come_back_newest_first_and_belong_to_their_transaction(made: Made) {
    let (store, _clock) = made;
    let record = |n: u64| Record {
        reason: Some(format!("because \"{n}\"")),
        ..Record::by(&Actor::Administrator { uid: 7 }, Action::Roles, START + n)
            .about(sub((n % 2) as u8))
            .to(n)
            .change("a", "b")
    };
    for n in 0..5 {
        write(&*store, vec![record(n).write()]).await.unwrap();
    }
    let plain = Record::by(&Actor::Rule, Action::KeyMade, START);
    write(&*store, vec![plain.clone().write()]).await.unwrap();
    let refused = vec![record(9).write(), Write::DeleteAccount(sub(9))];
    assert!(is_conflict(&write(&*store, refused).await));
    assert_eq!(store.records(None, 2).await.unwrap(), [plain, record(4)]);
    assert_eq!(store.records(Some(sub(1)), 9).await.unwrap(), [record(3), record(1)]);
    assert_eq!(store.records(Some(sub(8)), 9).await.unwrap(), []);
}

/// All that is named must fit; page by page nothing is left out and nothing comes twice.
pub async fn a_search_finds_the_records_that_fit_in_either_direction(made: Made) {
    let (store, _clock) = made;
    let record = |n: u64| {
        let action = if n < 3 { Action::Roles } else { Action::AccountState };
        let actor = Actor::Administrator { uid: (n % 2) as u32 };
        Record::by(&actor, action, START + n).about(sub((n % 3) as u8)).to(n % 2)
    };
    for n in 0..6 {
        write(&*store, vec![record(n).write()]).await.unwrap();
    }
    let found = async |asked: Search, most| {
        let found = store.search(asked, most).await.unwrap();
        found.into_iter().map(|(_, record)| record.at - START).collect::<Vec<_>>()
    };
    let any = Search::default;
    for (asked, expected) in [
        (any(), vec![5, 4, 3, 2, 1, 0]),
        (Search { order: Order::After(0), ..any() }, vec![0, 1, 2, 3, 4, 5]),
        (Search { actor: Some("uid:1".into()), ..any() }, vec![5, 3, 1]),
        (Search { action: Some(Action::Roles), ..any() }, vec![2, 1, 0]),
        (Search { sub: Some(sub(2)), ..any() }, vec![5, 2]),
        (Search { target: Some("0".into()), ..any() }, vec![4, 2, 0]),
        (Search { since: Some(START + 4), ..any() }, vec![5, 4]),
        (Search { until: Some(START + 2), ..any() }, vec![1, 0]),
        (Search { sub: Some(sub(2)), action: Some(Action::Roles), ..any() }, vec![2]),
        (Search { actor: Some("rule".into()), ..any() }, vec![]),
    ] {
        assert_eq!(found(asked.clone(), 9).await, expected, "{asked:?}");
        assert_eq!(found(asked.clone(), 1).await, expected[..expected.len().min(1)], "{asked:?}");
    }
    let (mut after, mut paged) = (0, Vec::new());
    loop {
        let asked = Search { order: Order::After(after), ..any() };
        let page = store.search(asked, 4).await.unwrap();
        let Some((last, _)) = page.last() else { break };
        after = *last;
        paged.extend(page.into_iter().map(|(_, record)| record));
    }
    assert_eq!(paged, (0..6).map(record).collect::<Vec<_>>());
}

/// Also of accounts that are closed: their cut-offs tell.
pub async fn sessions_that_nothing_has_ended_come_in_pages_with_their_cut_offs(made: Made) {
    let (store, _clock) = made;
    add_accounts(&*store, &[1, 2]).await;
    for (n, owner) in [(4, 2), (1, 1), (3, 1), (2, 1)] {
        add_session(&*store, session(n, owner, START)).await;
    }
    let end = Write::EndSession { sid: sid(2), at: START, why: Why::Administrator };
    write(&*store, vec![end, Write::Revoke(Target::Subject(sub(2)))]).await.unwrap();
    let first = store.sessions(None, 2).await.unwrap();
    let ids = |page: &[Judged]| page.iter().map(|judged| judged.session.sid).collect::<Vec<_>>();
    assert_eq!(ids(&first), [sid(1), sid(3)]);
    assert!(first.iter().all(|judged| judged.cutoffs.is_empty()));
    let second = store.sessions(Some(sid(3)), 2).await.unwrap();
    assert_eq!(ids(&second), [sid(4)]);
    assert_eq!(second[0].cutoffs[0].scope, Scope::Subject);
    assert!(store.sessions(Some(sid(4)), 2).await.unwrap().is_empty());
}

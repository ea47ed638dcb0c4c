//! The SQLite store against the reference in memory: the same writes give the same views.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rescind_authority::account::AccountState;
use rescind_authority::clients::Client;
use rescind_authority::session::{Cutoff, Session, SessionState, Why};
use rescind_authority::store::{AccountRef, Head, Judged, Load, LogPart, Store, StoreError, Write};
use rescind_testkit::clock::ManualClock;
use rescind_testkit::conformance::held;
use rescind_testkit::conformance::{
    DAY, SECOND, START, account, epoch_record, session, sid, sub, write,
};
use rescind_wire::id::{Epoch, Jti};
use rescind_wire::revocation::{Entry, Target};
use std::sync::Arc;

#[derive(Debug, Clone)]
enum Step {
    Write(Vec<Write>),
    SetWall(u64),
    Sweep,
    OpenEpoch { earliest: u64, end_sessions: bool },
}

/// Moments near the start, so that they meet log times, and some far away.
fn moment() -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => (0..20_u64).prop_map(|n| START + n),
        1 => (0..4_000_u64).prop_map(|n| START - 1_000 * SECOND + n * SECOND),
        1 => (0..60_u64).prop_map(|n| START + n * DAY),
    ]
}

fn client_id() -> impl Strategy<Value = String> {
    prop_oneof![Just("first-party".to_owned()), Just("other".to_owned())]
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        (1..4_u8).prop_map(|n| Target::Token(Jti::from_bytes([n; 16]))),
        (1..6_u8).prop_map(|n| Target::Session(sid(n))),
        Just(Target::Key("kid".into())),
        (1..4_u8).prop_map(|n| Target::Subject(sub(n))),
        ((1..4_u8), client_id()).prop_map(|(n, client)| Target::Grant(sub(n), client)),
        client_id().prop_map(Target::Client),
        client_id().prop_map(Target::Audience),
        Just(Target::Everything),
        (1..4_u8).prop_map(|n| Target::Claims(sub(n))),
    ]
}

fn state() -> impl Strategy<Value = SessionState> {
    prop_oneof![
        8 => Just(SessionState::Live),
        1 => moment().prop_map(|at| SessionState::Replaced { by: sid(9), at }),
        1 => moment().prop_map(|at| SessionState::Ended { at, why: Why::NewSignIn }),
    ]
}

/// Sessions belong to accounts 1 and 2, which are there from the beginning.
fn new_session() -> impl Strategy<Value = Write> {
    (1..6_u8, 1..3_u8, moment(), moment(), client_id(), state()).prop_map(
        |(n, owner, rv, expires_at, client_id, state)| {
            let session = Session { expires_at, client_id, state, ..session(n, owner, rv) };
            Write::InsertSession(Box::new(session))
        },
    )
}

fn one_write() -> impl Strategy<Value = Write> {
    let n = || 1..6_u8;
    let closed = prop_oneof![Just(AccountState::Active), Just(AccountState::Suspended)];
    prop_oneof![
        2 => n().prop_map(|n| Write::InsertAccount(Box::new(account(n)))),
        1 => (n(), 0..3_u32, "[a-z]{3}").prop_map(|(n, if_version, password_hash)| {
            Write::Rehash { sub: sub(n), if_version, password_hash }
        }),
        1 => (n(), closed).prop_map(|(n, state)| Write::SetAccountState { sub: sub(n), state }),
        6 => new_session(),
        6 => (n(), 0..3_u32, moment(), any::<Option<[u8; 32]>>()).prop_map(
            |(n, from, at, move_key)| Write::MoveLine { sid: sid(n), from, at, move_key }
        ),
        2 => (n(), 0..3_u32, moment())
            .prop_map(|(n, generation, at)| Write::Seen { sid: sid(n), generation, at }),
        2 => (n(), moment()).prop_map(|(n, at)| Write::Touch { sid: sid(n), at }),
        2 => (n(), moment()).prop_map(|(n, at)| {
            Write::EndSession { sid: sid(n), at, why: Why::Administrator }
        }),
        1 => (n(), any::<Option<String>>())
            .prop_map(|(n, device)| Write::NameSession { sid: sid(n), device }),
        8 => target().prop_map(Write::Revoke),
        1 => moment().prop_map(|at| Write::RaiseIatLimit(at / SECOND)),
        1 => (client_id(), any::<[u8; 32]>()).prop_map(|(client_id, secret_hash)| {
            let (audiences, permissions) = (vec![client_id.clone()], Vec::new());
            let client = Client { client_id, secret_hash, audiences, permissions, created_at: 5 };
            Write::InsertClient(Box::new(client))
        }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => prop::collection::vec(one_write(), 0..4).prop_map(Step::Write),
        3 => moment().prop_map(Step::SetWall),
        2 => Just(Step::Sweep),
        1 => (moment(), any::<bool>())
            .prop_map(|(earliest, end_sessions)| Step::OpenEpoch { earliest, end_sessions }),
    ]
}

/// All that can be seen of a store. The head's log time counts where it is an entry's: between two
/// entries a store may show one that it used up for a refused transaction.
#[derive(Debug, PartialEq)]
struct Seen {
    head: Head,
    accounts: Vec<(String, String, u32, AccountState)>,
    clients: Vec<Client>,
    sessions: Vec<Option<(Session, Vec<Cutoff>)>>,
    siblings: Vec<Vec<(Session, Vec<Cutoff>)>>,
    log: Vec<Option<Vec<Entry>>>,
    snapshot: Vec<Entry>,
}

fn without_ts(head: Head) -> Head {
    Head { ts: 0, ..head }
}

fn pair(judged: Judged) -> (Session, Vec<Cutoff>) {
    (judged.session, judged.cutoffs)
}

async fn look(store: &dyn Store) -> Seen {
    let head = store.head().await.unwrap();
    let accounts = store.accounts().await.unwrap().into_iter();
    let mut seen = Seen {
        head: without_ts(head),
        accounts: accounts
            .map(|a| (a.name.as_str().into(), a.password_hash, a.password_version, a.state))
            .collect(),
        clients: store.clients().await.unwrap(),
        sessions: Vec::new(),
        siblings: Vec::new(),
        log: Vec::new(),
        snapshot: store.snapshot().await.unwrap().1,
    };
    for n in 1..6 {
        held::is_true(store, n).await;
        let load = Load { session: Some(sid(n)), siblings: true, ..Load::default() };
        let found = store.read(load).await.unwrap();
        assert_eq!(found.account.map(|a| a.sub), found.session.as_ref().map(|j| j.session.sub));
        seen.sessions.push(found.session.map(pair));
        let account = Some(AccountRef::Sub(sub(n)));
        let of_account = Load { account, siblings: true, ..Load::default() };
        let found = store.read(of_account).await.unwrap();
        seen.siblings.push(found.siblings.into_iter().map(pair).collect());
    }
    for after in 0..=head.pos + 1 {
        let LogPart { entries, .. } = store.log(after, 3).await.unwrap();
        seen.log.push(entries);
    }
    seen
}

fn comparable(outcome: Result<Head, StoreError>) -> Result<Head, &'static str> {
    match outcome {
        Ok(head) => Ok(without_ts(head)),
        Err(StoreError::Conflict) => Err("conflict"),
        Err(other) => panic!("{other}"),
    }
}

async fn same_views(
    one: Arc<dyn Store>,
    other: Arc<dyn Store>,
    clocks: [Arc<ManualClock>; 2],
    steps: Vec<Step>,
) {
    let mut wall = START;
    for (n, step) in steps.into_iter().enumerate() {
        match step.clone() {
            Step::Write(writes) => {
                let outcome = write(&*one, writes.clone()).await;
                assert_eq!(comparable(outcome), comparable(write(&*other, writes).await));
            }
            Step::SetWall(at) => {
                wall = at;
                clocks.iter().for_each(|clock| clock.set_wall(at));
            }
            Step::Sweep => {
                let swept = one.sweep(wall).await.unwrap();
                assert_eq!(swept, other.sweep(wall).await.unwrap());
            }
            Step::OpenEpoch { earliest, end_sessions } => {
                let epoch = Epoch::from_bytes([n as u8 + 1; 16]);
                let open = async |store: &dyn Store| {
                    store.open_epoch(epoch, earliest, end_sessions, epoch_record()).await.unwrap()
                };
                assert_eq!(open(&*one).await, open(&*other).await);
            }
        }
        assert_eq!(look(&*one).await, look(&*other).await, "after {step:?}");
    }
}

#[test]
fn the_same_writes_give_the_same_views_as_the_reference() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let config = Config { cases: 96, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&prop::collection::vec(step(), 1..25), |steps| {
            let folder = tempfile::tempdir().unwrap();
            let (memory, first) = crate::memory(folder.path());
            let (sqlite, second) = crate::sqlite(folder.path());
            runtime.block_on(async {
                for store in [&memory, &sqlite] {
                    let both = [1, 2].map(|n| Write::InsertAccount(Box::new(account(n))));
                    write(&**store, both.to_vec()).await.unwrap();
                }
                same_views(memory, sqlite, [first, second], steps).await;
            });
            Ok(())
        })
        .unwrap();
}

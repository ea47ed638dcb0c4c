//! One commit for all that wait, and what is known before, after and without it. The fail points are
//! the process's: each test here holds the scenario alone.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it says")]

use fail::FailScenario;
use rescind_authority::account::AccountState;
use rescind_authority::clients::Client;
use rescind_authority::store::{AccountRef, Head, Load, Loaded, Store, StoreError, Write};
use rescind_server::store::sqlite::{FILE_NAME, Realm, SqliteStore};
use rescind_testkit::clock::{ManualClock, SeededEntropy};
use rescind_testkit::conformance::{
    ISSUER, LONGEST_LIFE, START, account, add_accounts, revoke, sub, whole_log, write,
};
use rescind_wire::revocation::Target;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Waker};

const BEFORE_COMMIT: &str = "store::before_commit";

fn open(folder: &Path) -> SqliteStore {
    let realm = Realm {
        issuer: ISSUER.into(),
        longest_life_s: LONGEST_LIFE,
        keys: "k".into(),
        keys_before: None,
    };
    let clock = Arc::new(ManualClock::new(START));
    SqliteStore::open(&folder.join(FILE_NAME), realm, clock, &SeededEntropy::new(1)).unwrap()
}

type Waiting<'a> = Pin<Box<dyn Future<Output = Result<Head, StoreError>> + Send + 'a>>;

/// Hands the job to the writer's queue.
fn queue<'a>(mut job: Waiting<'a>) -> Waiting<'a> {
    assert!(job.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    job
}

/// Holds the writer before each commit until it is let go, and counts.
struct Gate {
    reached: mpsc::Receiver<()>,
    open: mpsc::Sender<()>,
    commits: Arc<AtomicUsize>,
}

impl Gate {
    fn set() -> Self {
        let (say, reached) = mpsc::channel();
        let (open, opened) = mpsc::channel();
        let ends = Mutex::new((say, opened));
        let commits = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&commits);
        fail::cfg_callback(BEFORE_COMMIT, move || {
            let ends = ends.lock().unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            ends.0.send(()).unwrap();
            ends.1.recv().unwrap();
        })
        .unwrap();
        Self { reached, open, commits }
    }
}

// E05
#[tokio::test]
async fn a_commit_that_fails_publishes_nothing_and_answers_errors() {
    let scenario = FailScenario::setup();
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    add_accounts(&store, &[1]).await;
    let before = revoke(&store, Target::Everything).await;
    let mut told = store.committed();
    told.mark_unchanged();

    fail::cfg(BEFORE_COMMIT, "return").unwrap();
    let revocations = (1..=3).map(|n| Write::Revoke(Target::Subject(sub(n)))).collect();
    let jobs = [
        queue(Box::pin(write(&store, revocations))),
        queue(Box::pin(write(&store, vec![Write::InsertAccount(Box::new(account(2)))]))),
        queue(Box::pin(write(&store, Vec::new()))),
    ];
    for job in jobs {
        assert!(matches!(job.await, Err(StoreError::Failed(_))));
    }
    assert!(!told.has_changed().unwrap());
    assert_eq!(store.head().await.unwrap(), before);
    assert_eq!(whole_log(&store).await.len(), 1);
    assert_eq!(store.accounts().await.unwrap().len(), 1);

    fail::remove(BEFORE_COMMIT);
    let next = revoke(&store, Target::Everything).await;
    assert_eq!(next.pos, before.pos + 1);
    assert!(next.ts > before.ts + 3, "a log time of the lost batch was used again");
    assert_eq!(*told.borrow_and_update(), next);
    drop(store);
    assert_eq!(open(folder.path()).head().await.unwrap(), next);
    scenario.teardown();
}

// P10
#[tokio::test]
async fn nothing_is_seen_told_or_answered_before_the_commit() {
    let scenario = FailScenario::setup();
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let before = store.head().await.unwrap();
    let told = store.committed();
    let gate = Gate::set();
    let mut revocation = queue(Box::pin(write(&store, vec![Write::Revoke(Target::Everything)])));
    gate.reached.recv().unwrap();
    let mut context = Context::from_waker(Waker::noop());
    assert!(revocation.as_mut().poll(&mut context).is_pending());
    assert!(!told.has_changed().unwrap());
    assert_eq!(store.head().await.unwrap(), before);
    assert!(whole_log(&store).await.is_empty());
    gate.open.send(()).unwrap();
    let head = revocation.await.unwrap();
    assert_eq!(head.pos, 1);
    assert_eq!(*told.borrow(), head);
    scenario.teardown();
}

#[tokio::test]
async fn all_that_wait_share_one_commit_and_a_refused_one_is_undone_alone() {
    let scenario = FailScenario::setup();
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    add_accounts(&store, &[1]).await;
    let gate = Gate::set();
    let first = queue(Box::pin(write(&store, vec![Write::Revoke(Target::Everything)])));
    gate.reached.recv().unwrap();

    let cut = |n| Write::Revoke(Target::Subject(sub(n)));
    let close = Write::SetAccountState { sub: sub(1), state: AccountState::Suspended };
    let by_id = Load { account: Some(AccountRef::Sub(sub(1))), ..Load::default() };
    let (say, seen) = mpsc::channel();
    let look = move |loaded: &Loaded| {
        say.send((loaded.account.as_ref().unwrap().state, loaded.head)).unwrap();
        Vec::new()
    };
    let good = queue(Box::pin(write(&store, vec![close, cut(1), cut(2)])));
    let taken = Write::InsertAccount(Box::new(account(1)));
    let refused = queue(Box::pin(write(&store, vec![cut(3), cut(4), taken])));
    let broken = queue(store.transact(Load::default(), Box::new(|_| panic!("a bug"))));
    let looking = queue(store.transact(by_id, Box::new(look)));
    let last = queue(Box::pin(write(&store, vec![cut(5)])));
    // More often than it must, so that a writer that commits one by one is counted.
    (0..9).for_each(|_| gate.open.send(()).unwrap());

    let first = first.await.unwrap();
    let good = good.await.unwrap();
    assert_eq!((good.pos, good.ts), (3, first.ts + 2));
    assert!(matches!(refused.await, Err(StoreError::Conflict)));
    assert!(matches!(broken.await, Err(StoreError::Failed(_))));
    assert_eq!(looking.await.unwrap(), good);
    assert_eq!(seen.recv().unwrap(), (AccountState::Suspended, good));
    let last = last.await.unwrap();
    // The two log times of the refused one are used up; its positions are not.
    assert_eq!((last.pos, last.ts), (4, good.ts + 3));
    assert_eq!(gate.commits.load(Ordering::SeqCst), 2);
    assert_eq!(store.head().await.unwrap(), last);
    assert_eq!(*store.committed().borrow(), last);
    let log = whole_log(&store).await;
    assert_eq!(log.iter().map(|e| e.pos).collect::<Vec<_>>(), [1, 2, 3, 4]);
    scenario.teardown();
}

/// What the clients of a rule's view are called.
async fn clients(store: &SqliteStore) -> Vec<String> {
    let (say, seen) = mpsc::channel();
    let look = move |loaded: &Loaded| {
        let ids: Vec<_> = loaded.clients.iter().map(|client| client.client_id.clone()).collect();
        say.send(ids).unwrap();
        Vec::new()
    };
    let load = Load { clients: true, ..Load::default() };
    // Whether the commit fails or not.
    let _ = store.transact(load, Box::new(look)).await;
    seen.recv().unwrap()
}

// P10
#[tokio::test]
async fn clients_of_a_commit_that_failed_are_not_remembered() {
    let scenario = FailScenario::setup();
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let insert = |id: &str| {
        let client = Client {
            client_id: id.into(),
            secret_hash: [1; 32],
            audiences: vec![id.into()],
            permissions: Vec::new(),
            created_at: START,
        };
        Write::InsertClient(Box::new(client))
    };
    write(&store, vec![insert("a")]).await.unwrap();
    assert_eq!(clients(&store).await, ["a"]);
    fail::cfg(BEFORE_COMMIT, "return").unwrap();
    // Both in one batch, so that the second sees what the first has written.
    let (inserted, seen) = tokio::join!(write(&store, vec![insert("b")]), clients(&store));
    assert!(inserted.is_err());
    assert!(seen == ["a", "b"] || seen == ["a"], "in one batch, or in two");
    fail::remove(BEFORE_COMMIT);
    assert_eq!(clients(&store).await, ["a"]);
    scenario.teardown();
}

#[tokio::test]
async fn a_write_is_made_though_its_caller_has_gone() {
    let scenario = FailScenario::setup();
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let gate = Gate::set();
    drop(queue(Box::pin(write(&store, vec![Write::Revoke(Target::Everything)]))));
    gate.open.send(()).unwrap();
    gate.reached.recv().unwrap();
    fail::remove(BEFORE_COMMIT);
    assert_eq!(revoke(&store, Target::Everything).await.pos, 2);
    scenario.teardown();
}

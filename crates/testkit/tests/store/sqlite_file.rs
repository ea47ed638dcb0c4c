//! What only a store in a file can get wrong.

use crate::sqlite;
use rescind_authority::clients::Client;
use rescind_authority::session::{Session, Why};
use rescind_authority::store::{Load, Store, StoreError, Swept, Write};
use rescind_server::store::sqlite::{FILE_NAME, OpenError, Realm, SqliteStore};
use rescind_testkit::clock::{ManualClock, SeededEntropy};
use rescind_testkit::conformance::{
    DAY, ISSUER, LONGEST_LIFE, SECOND, START, account, add_accounts, epoch_record, revoke, session,
    sid, sign_in, stored, sub, view, whole_log, write,
};
use rescind_wire::id::Sid;
use rescind_wire::revocation::Target;
use rusqlite::Connection;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

fn open(folder: &Path, issuer: &str, longest_life_s: u64) -> Result<SqliteStore, OpenError> {
    let realm =
        Realm { issuer: issuer.into(), longest_life_s, keys: "k".into(), keys_before: None };
    let clock = Arc::new(ManualClock::new(START));
    SqliteStore::open(&folder.join(FILE_NAME), realm, clock, &SeededEntropy::new(2))
}

fn reopened(folder: &Path) -> SqliteStore {
    open(folder, ISSUER, LONGEST_LIFE).unwrap()
}

// R04
#[tokio::test]
async fn what_was_answered_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (store, clock) = sqlite(folder.path());
    add_accounts(&*store, &[1, 2]).await;
    sign_in(&*store, 1, 1).await;
    sign_in(&*store, 2, 1).await;
    let moved = Write::MoveLine { sid: sid(1), from: 0, at: START + 1, move_key: Some([5; 32]) };
    let ended = Write::EndSession { sid: sid(2), at: START, why: Why::Reuse };
    write(&*store, vec![moved, ended, Write::RaiseIatLimit(START / SECOND + 7)]).await.unwrap();
    revoke(&*store, Target::Subject(sub(2))).await;
    store.sweep(START + DAY - SECOND).await.unwrap();
    let client = Client {
        client_id: "posts-api".into(),
        secret_hash: [3; 32],
        audiences: vec!["posts-api".into()],
        permissions: Vec::new(),
        created_at: START,
    };
    write(&*store, vec![Write::InsertClient(Box::new(client.clone()))]).await.unwrap();
    clock.set_wall(START + 60 * SECOND);
    let head = revoke(&*store, Target::Session(sid(1))).await;
    let before = [stored(&*store, 1).await, stored(&*store, 2).await];
    let (log, cutoffs) = (store.log(1, 9).await.unwrap(), view(&*store, 1).await);
    drop(store);

    let store = reopened(folder.path());
    assert_eq!(store.head().await.unwrap(), head);
    assert_eq!(*store.committed().borrow(), head);
    assert_eq!([stored(&store, 1).await, stored(&store, 2).await], before);
    assert_eq!(store.log(0, 9).await.unwrap().entries, None);
    assert_eq!(store.log(1, 9).await.unwrap().entries, log.entries);
    let judged = |loaded: rescind_authority::store::Loaded| loaded.session.unwrap().cutoffs;
    assert_eq!(judged(view(&store, 1).await), judged(cutoffs));
    assert_eq!(store.clients().await.unwrap(), [client]);
    // Its clock is a minute behind the log: the log goes on.
    let next = revoke(&store, Target::Everything).await;
    assert_eq!((next.pos, next.ts), (head.pos + 1, head.ts + 1));
}

#[tokio::test]
async fn it_says_how_much_there_is_after_every_change() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _clock) = sqlite(folder.path());
    let counted = async || store.counts().await.unwrap().map(|n| (n.accounts, n.sessions));
    assert_eq!(counted().await, Some((0, 0)));
    add_accounts(&*store, &[1, 2]).await;
    for n in 1..=5 {
        sign_in(&*store, n, 1 + n % 2).await;
    }
    assert_eq!(counted().await, Some((2, 5)));
    let end = |n| Write::EndSession { sid: sid(n), at: START, why: Why::SignedOut };
    write(&*store, vec![end(1), end(1)]).await.unwrap();
    assert_eq!(counted().await, Some((2, 4)), "ended once");
    let new = Box::new(session(6, 1, 0));
    let replace = Write::ReplaceSession { old: sid(2), at: START, new };
    write(&*store, vec![replace]).await.unwrap();
    assert_eq!(counted().await, Some((2, 4)), "one for another");
    let refused = vec![end(3), Write::InsertAccount(Box::new(account(1)))];
    assert!(write(&*store, refused).await.is_err());
    assert_eq!(counted().await, Some((2, 4)), "a refused one is undone");
    write(&*store, vec![Write::DeleteAccount(sub(2))]).await.unwrap();
    assert_eq!(counted().await, Some((1, 2)), "with all of its sessions: 3 and 5 of account 2");
    store.sweep(START + 60 * DAY).await.unwrap();
    assert_eq!(counted().await, Some((1, 0)), "they have passed");
    drop(store);
    let counts = reopened(folder.path()).counts().await.unwrap().unwrap();
    assert_eq!((counts.accounts, counts.sessions), (1, 0));
}

#[tokio::test]
async fn a_second_process_is_kept_out_until_the_first_has_closed() {
    let folder = tempfile::tempdir().unwrap();
    let first = reopened(folder.path());
    let second = open(folder.path(), ISSUER, LONGEST_LIFE);
    assert!(matches!(second, Err(OpenError::InUse(_))));
    revoke(&first, Target::Everything).await;
    drop(first);
    assert_eq!(reopened(folder.path()).head().await.unwrap().pos, 1);
}

#[tokio::test]
async fn another_issuers_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let head = reopened(folder.path()).head().await.unwrap();
    let refused = open(folder.path(), "https://other.example.com", 9_000).err().unwrap();
    assert!(matches!(refused, OpenError::OtherIssuer { .. }));
    assert!(refused.to_string().contains(ISSUER));
    assert_eq!(reopened(folder.path()).head().await.unwrap(), head);
}

#[tokio::test]
async fn a_newer_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(reopened(folder.path()));
    let raw = Connection::open(folder.path().join(FILE_NAME)).unwrap();
    raw.pragma_update(None, "user_version", 99).unwrap();
    let refused = open(folder.path(), ISSUER, 9_000).err().unwrap();
    assert!(matches!(refused, OpenError::Newer { found: 99, .. }));
    let life: u64 = raw
        .query_row("SELECT longest_life FROM realm", [], |row| row.get::<_, i64>(0))
        .unwrap()
        .try_into()
        .unwrap();
    assert_eq!(life, LONGEST_LIFE);
}

#[tokio::test]
async fn the_longest_life_only_rises_and_the_epoch_stays() {
    let folder = tempfile::tempdir().unwrap();
    let epoch = reopened(folder.path()).head().await.unwrap().epoch;
    for (configured, stands) in [(600, 600), (60, 600), (601, 601)] {
        let head = open(folder.path(), ISSUER, configured).unwrap().head().await.unwrap();
        assert_eq!((head.longest_life, head.epoch), (stands, epoch));
    }
}

#[tokio::test]
async fn files_are_readable_by_their_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("a/b");
    let store = reopened(&data);
    revoke(&store, Target::Everything).await;
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    let files: Vec<_> = std::fs::read_dir(&data).unwrap().map(|f| f.unwrap().path()).collect();
    assert!(files.len() >= 3, "the database, its log and its lock: {files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn a_rule_that_panics_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = reopened(folder.path());
    let outcome = store.transact(Load::default(), Box::new(|_| panic!("a bug"))).await;
    assert!(matches!(outcome, Err(StoreError::Failed(_))));
    assert_eq!(revoke(&store, Target::Everything).await.pos, 1);
}

#[tokio::test]
async fn a_rule_may_hold_the_last_handle_to_its_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(reopened(folder.path()));
    let (entered, was_entered) = std::sync::mpsc::channel();
    let (go_on, gone_on) = std::sync::mpsc::channel();
    let (ended, has_ended) = std::sync::mpsc::channel::<()>();
    let own = Arc::clone(&store);
    let asking = Arc::clone(&store);
    let task = tokio::spawn(async move {
        let rule = move |_: &_| {
            entered.send(()).unwrap();
            gone_on.recv().unwrap();
            drop(own);
            drop(ended);
            Vec::new()
        };
        asking.transact(Load::default(), Box::new(rule)).await
    });
    tokio::task::spawn_blocking(move || was_entered.recv().unwrap()).await.unwrap();
    // The request is given up, and with it every handle but the rule's.
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    drop(store);
    go_on.send(()).unwrap();
    let gone = tokio::task::spawn_blocking(move || has_ended.recv()).await.unwrap();
    assert!(gone.is_err());
}

#[tokio::test]
async fn a_sweep_of_many_slices_takes_all_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _clock) = sqlite(folder.path());
    add_accounts(&*store, &[1]).await;
    let many = |n: u32| {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&rescind_wire::sha256(&[&n.to_be_bytes()])[..4]);
        bytes[12..].copy_from_slice(&n.to_be_bytes());
        Sid::from_bytes(bytes)
    };
    for from in [0, 1_250] {
        let mut writes = Vec::new();
        for n in from..from + 1_250 {
            let one = Session { sid: many(n), expires_at: START + DAY, ..session(1, 1, 0) };
            writes.push(Write::InsertSession(Box::new(one)));
            writes.push(Write::Revoke(Target::Session(many(n))));
        }
        write(&*store, writes).await.unwrap();
    }
    sign_in(&*store, 1, 1).await;
    revoke(&*store, Target::Session(sid(1))).await;
    revoke(&*store, Target::Key("kid".into())).await;
    let swept = store.sweep(START + DAY).await.unwrap();
    assert_eq!(swept, Swept { entries: 2_501, sessions: 2_500, cutoffs: 2_500 });
    assert_eq!(store.sweep(START + DAY).await.unwrap(), Swept::default());
    assert_eq!(view(&*store, 1).await.session.unwrap().cutoffs.len(), 1);
    assert_eq!(store.snapshot().await.unwrap().1.len(), 1);
}

// S04
#[tokio::test]
async fn the_schema_itself_lets_nothing_go_back() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _clock) = sqlite(folder.path());
    add_accounts(&*store, &[1]).await;
    sign_in(&*store, 1, 1).await;
    let moved = Write::MoveLine { sid: sid(1), from: 0, at: START, move_key: None };
    write(&*store, vec![moved]).await.unwrap();
    let end = Write::EndSession { sid: sid(1), at: START, why: Why::SignedOut };
    write(&*store, vec![end, Write::Revoke(Target::Session(sid(1)))]).await.unwrap();
    let (before, log) = (stored(&*store, 1).await, whole_log(&*store).await);
    let raw = Connection::open(folder.path().join(FILE_NAME)).unwrap();
    for sql in [
        "UPDATE session SET state = 'live', over_at = NULL, why = NULL",
        "UPDATE session SET generation = 0",
        "UPDATE session SET expires_at = expires_at + 1",
        "UPDATE realm SET ts = ts - 1",
        "UPDATE realm SET pos = pos - 1",
        "UPDATE realm SET longest_life = 1",
        "UPDATE realm SET issuer = 'https://other.example.com'",
        "INSERT INTO realm SELECT 2, issuer, epoch, 0, 0, digest, 0, 0, 0 FROM realm",
        "INSERT INTO cutoff (key, scope, ts) VALUES (zeroblob(16), 1, 0)",
        "UPDATE account SET sub = 'text'",
    ] {
        assert!(raw.execute(sql, []).is_err(), "{sql}");
    }
    assert_eq!((stored(&*store, 1).await, whole_log(&*store).await), (before, log));
}

// S15 V08
#[tokio::test]
async fn entries_go_only_together_with_the_second_up_to_which_they_are_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let store = reopened(folder.path());
    assert_eq!(store.opened().swept_to, 0);
    revoke(&store, Target::Subject(sub(1))).await;
    revoke(&store, Target::Key("kid".into())).await;
    let until = whole_log(&store).await[0].until;
    store.sweep((until - 1) * SECOND).await.unwrap();
    drop(store);
    let store = reopened(folder.path());
    assert_eq!(store.opened().swept_to, 0, "nothing was forgotten");

    let raw = Connection::open(folder.path().join(FILE_NAME)).unwrap();
    raw.execute_batch(
        "CREATE TRIGGER full BEFORE UPDATE OF swept_to ON realm BEGIN SELECT RAISE(ABORT, 'full'); END",
    )
    .unwrap();
    assert!(store.sweep(START + DAY).await.is_err());
    assert_eq!(store.snapshot().await.unwrap().1.len(), 2, "none went without it");
    raw.execute_batch("DROP TRIGGER full").unwrap();
    assert_eq!(store.sweep(START + DAY).await.unwrap().entries, 1);
    drop(store);
    let store = reopened(folder.path());
    assert_eq!(store.opened().swept_to, until, "of what went, not of the clock");
    assert!(raw.execute("UPDATE realm SET swept_to = swept_to - 1", []).is_err());

    let (epoch, record) = (rescind_wire::id::Epoch::from_bytes([9; 16]), epoch_record());
    store.open_epoch(epoch, START, false, record).await.unwrap();
    drop(store);
    assert_eq!(reopened(folder.path()).opened().swept_to, 0, "an epoch begins anew");
}

#[tokio::test]
async fn a_session_needs_an_account() {
    let folder = tempfile::tempdir().unwrap();
    let store = reopened(folder.path());
    let orphan = Write::InsertSession(Box::new(session(1, 1, 0)));
    assert!(matches!(write(&store, vec![orphan]).await, Err(StoreError::Conflict)));
}

#[tokio::test]
async fn a_failure_names_the_column_and_no_value() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _clock) = sqlite(folder.path());
    add_accounts(&*store, &[1]).await;
    sign_in(&*store, 1, 1).await;
    let raw = Connection::open(folder.path().join(FILE_NAME)).unwrap();
    for (column, sql) in [
        ("roles", "UPDATE account SET roles = 'SECRET'"),
        ("name", "UPDATE account SET roles = '[]', name = 'SECRET'"),
        ("amr", "UPDATE session SET amr = '[\"SECRET\", 5]'"),
        ("why", "UPDATE session SET amr = '[]', state = 'ended', over_at = 1, why = 'SECRET'"),
    ] {
        raw.execute(sql, []).unwrap();
        let Err(StoreError::Failed(text)) = store.read(Load::session(sid(1))).await else {
            panic!("a damaged row was read: {sql}");
        };
        assert!(text.contains(column) && !text.contains("SECRET"), "{text}");
    }
    let far = Write::InsertAccount(Box::new(rescind_authority::account::Account {
        created_at: u64::MAX,
        ..account(2)
    }));
    assert!(matches!(write(&*store, vec![far]).await, Err(StoreError::Failed(_))));
}

#[tokio::test]
async fn many_reads_at_once_are_all_answered() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(reopened(folder.path()));
    let reads: Vec<_> = (0..64)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.head().await.unwrap().pos })
        })
        .collect();
    for read in reads {
        assert_eq!(read.await.unwrap(), 0);
    }
}

// K09
#[tokio::test]
async fn a_store_that_others_may_write_to_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    drop(reopened(folder.path()));
    let database = folder.path().join(FILE_NAME);
    for (path, closed) in [(folder.path(), 0o700), (database.as_path(), 0o600)] {
        for mode in [0o020, 0o002, 0o077] {
            let opened = std::fs::Permissions::from_mode(closed | mode);
            std::fs::set_permissions(path, opened).unwrap();
            let refused = open(folder.path(), ISSUER, LONGEST_LIFE).map(drop).unwrap_err();
            let said = refused.to_string();
            assert!(said.ends_with(&format!("run `chmod go-w {}`", path.display())), "{said}");
        }
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(closed)).unwrap();
    }
    reopened(folder.path());
}

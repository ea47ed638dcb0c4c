//! `rescind restore`: what it refuses, and that whatever stops it leaves the old store or the new one, whole.

use crate::realm::{Realm, is_dead, refreshed, sign_in};
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Its steps, by the fail point after each, and whether the new store is in place then.
const STEPS: [(&str, bool); 6] = [
    ("restore::copied", false),
    ("restore::checked", false),
    ("restore::settled", false),
    ("restore::kept", false),
    ("restore::removed", false),
    ("restore::renamed", true),
];

fn files(folder: &Path) -> BTreeSet<String> {
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
    std::fs::read_dir(folder).unwrap().map(|e| name(e).into_string().unwrap()).collect()
}

/// A backup of a realm with alice; bob came after it.
fn with_backup() -> (Realm, PathBuf) {
    let realm = Realm::new();
    let file = realm.at("backup.db");
    realm.json(&["backup", file.to_str().unwrap()]);
    realm.person("bob");
    (realm, file)
}

fn people(realm: &Realm) -> usize {
    realm.json(&["user", "list"]).as_array().unwrap().len()
}

//
#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_is_killed_at_any_step_leaves_the_old_store_or_the_new_one_whole() {
    for (step, put) in STEPS {
        let (realm, file) = with_backup();
        let file = file.to_str().unwrap();
        let mut process = realm.start("").await;
        let (_, line) = sign_in(&realm.http()).await;
        // The old store has parts in its other files, too.
        process.kill();
        let done = realm.command(
            &["restore", file, "--yes"],
            &[("FAILPOINTS", &format!("{step}=return"))],
            "",
        );
        assert!(done.status.code().is_none(), "{step}: it was to be killed: {done:?}");

        let mut process = realm.start("").await;
        match put {
            true => is_dead(&realm.http(), &line).await,
            false => drop(refreshed(&realm.http(), &line, None).await),
        }
        assert_eq!(people(&realm), if put { 1 } else { 2 }, "{step}");
        let opened = if put { vec!["put in place by rescind restore"] } else { vec![] };
        assert_eq!(realm.epochs_opened(), opened, "{step}");
        process.kill();
        // Once more, and to the end.
        let kept = realm.json(&["restore", file, "--yes"])["kept"].as_str().unwrap().to_owned();
        assert_eq!(people(&realm), 1, "{step}");
        let sound: String = Connection::open(&kept)
            .unwrap()
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(sound, "ok", "{step}");
        assert!(!files(&realm.data()).iter().any(|name| name.contains("restoring")), "{step}");
    }
}

//
#[tokio::test(flavor = "multi_thread")]
async fn a_restore_says_what_it_will_do_and_does_it_once_it_is_told_to() {
    let (realm, file) = with_backup();
    let name = file.to_str().unwrap();
    let before = (files(&realm.data()), std::fs::read(realm.data().join("rescind.db")).unwrap());
    let asked = realm.command(&["restore", name], &[], "");
    let said = String::from_utf8(asked.stderr).unwrap();
    assert_eq!(asked.status.code(), Some(2), "{said}");
    for part in [name, "kept as rescind.db.before-", "signs in again", "--yes"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(files(&realm.data()), before.0, "nothing is left over");
    assert_eq!(std::fs::read(realm.data().join("rescind.db")).unwrap(), before.1);

    let done = realm.json(&["restore", name, "--yes"]);
    assert_eq!(done["file"], name);
    let kept = done["kept"].as_str().unwrap();
    let accounts = |path: &Path| -> i64 {
        let conn = Connection::open(path).unwrap();
        conn.query_row("SELECT count(*) FROM account", [], |row| row.get(0)).unwrap()
    };
    assert_eq!(accounts(Path::new(kept)), 2, "the store of before is kept");
    assert_eq!(people(&realm), 1);
    assert_eq!(realm.epochs_opened().len(), 1);
    assert_eq!(people(&realm), 1);
    assert_eq!(realm.epochs_opened().len(), 1, "once is enough");
    let _process = realm.start("").await;
    sign_in(&realm.http()).await;
}

//
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_damaged_is_replaced_and_kept() {
    let (realm, file) = with_backup();
    let database = realm.data().join("rescind.db");
    std::fs::write(&database, "no database at all, but long enough for a header".repeat(9))
        .unwrap();
    let done = realm.json(&["restore", file.to_str().unwrap(), "--yes"]);
    let kept = done["kept"].as_str().unwrap();
    assert!(std::fs::read_to_string(kept).unwrap().starts_with("no database at all"));
    assert_eq!(people(&realm), 1);
}

//
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_backup_of_this_realm_is_refused_and_nothing_is_changed() {
    let (realm, file) = with_backup();
    let good = std::fs::read(&file).unwrap();
    let refused = |file: &Path, hint: &str| {
        let before =
            (files(&realm.data()), std::fs::read(realm.data().join("rescind.db")).unwrap());
        let done = realm.command(&["restore", file.to_str().unwrap(), "--yes"], &[], "");
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(done.status.code() == Some(1) && said.contains(hint), "{hint}: {said}");
        let after = (files(&realm.data()), std::fs::read(realm.data().join("rescind.db")).unwrap());
        assert!(before == after, "{hint}: something was changed");
    };
    let other = realm.at("other.db");
    let write = |bytes: &[u8]| std::fs::write(&other, bytes).unwrap();
    refused(&realm.at("nothing.db"), "cannot be used");
    refused(&realm.data(), "no file");
    refused(&realm.data().join("rescind.db"), "the store itself");
    write(b"");
    refused(&other, "is damaged, or no store of rescind");
    write(&b"no database at all, but long enough to have a header".repeat(9));
    refused(&other, "is damaged, or no store of rescind");
    write(&good[..good.len() - 4096]);
    refused(&other, "is damaged");
    write(&good);
    std::fs::write(realm.at("other.db-wal"), "the rest").unwrap();
    refused(&other, "is not whole");
    std::fs::remove_file(realm.at("other.db-wal")).unwrap();
    Connection::open(&other).unwrap().pragma_update(None, "user_version", 99).unwrap();
    refused(&other, "use the newer program");

    let (stranger, theirs) = with_backup();
    refused(&theirs, "belongs to the issuer");
    drop(stranger);
    write(&good);
    let foreign = "DROP TRIGGER realm_only_rises; UPDATE realm SET keys = 'others'";
    Connection::open(&other).unwrap().execute_batch(foreign).unwrap();
    refused(&other, "another master key");
    // Where no store is there to compare with, the master key still is.
    std::fs::rename(realm.data(), realm.at("aside")).unwrap();
    let done = realm.command(&["restore", other.to_str().unwrap(), "--yes"], &[], "");
    assert!(String::from_utf8(done.stderr).unwrap().contains("the master key is not the one"));
    std::fs::remove_dir_all(realm.data()).unwrap();
    std::fs::rename(realm.at("aside"), realm.data()).unwrap();

    let mut process = realm.start("").await;
    let done = realm.command(&["restore", file.to_str().unwrap(), "--yes"], &[], "");
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.code() == Some(1) && said.contains("stop the authority first"), "{said}");
    assert_eq!(people(&realm), 2, "it goes on");
    process.kill();
}

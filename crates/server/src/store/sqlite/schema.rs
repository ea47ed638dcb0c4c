//! How the database is opened: connections, migrations, and the one row of the realm. Migrations only go
//! forward; a database of a newer program is refused.

use super::{OpenError, Realm};
use rescind_authority::store::Head;
use rescind_wire::id::Epoch;
use rescind_wire::revocation::Digest;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, params};
use std::path::Path;
use std::time::Duration;

/// One script per version; `user_version` counts those that have run.
pub(super) const MIGRATIONS: [&str; 4] = [
    include_str!("schema.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql"),
    include_str!("schema_4.sql"),
];

/// SQLite's `application_id` of a database that has only ever grown.
pub(super) const GROWN: u32 = 0;
/// That of a copy which was put in place of another, until its new epoch is opened. It is in the file, so
/// that both come into place at once, whatever stops the process.
pub(super) const RESTORED: u32 = 0x5253_4352;

/// How long a statement waits for another program that holds the database, such as a backup.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// Statements kept prepared: more than there are.
const PREPARED: usize = 64;

/// The connection that writes.
pub(super) fn connect_writer(path: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    prepare_connection(&conn)?;
    conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| {
        match row.get::<_, String>(0)?.as_str() {
            "wal" => Ok(()),
            _ => Err(rusqlite::Error::InvalidQuery),
        }
    })?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    Ok(conn)
}

/// A connection that cannot write.
pub(super) fn connect_reader(path: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    prepare_connection(&conn)?;
    conn.pragma_update(None, "query_only", true)?;
    Ok(conn)
}

/// Which of the two it is, in the transaction of whoever calls.
pub(super) fn sign(conn: &Connection, sign: u32) -> Result<(), rusqlite::Error> {
    conn.pragma_update(None, "application_id", sign)
}

/// Whether it was put in place of another, and nobody has opened it since.
pub(super) fn is_restored(conn: &Connection) -> Result<bool, rusqlite::Error> {
    let sign: u32 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    Ok(sign == RESTORED)
}

/// Whether anybody can hold something that it has decided: a store that was only just founded has none.
pub(super) fn has_past(conn: &Connection) -> Result<bool, rusqlite::Error> {
    let sql = "SELECT pos > 0 OR EXISTS (SELECT 1 FROM account) OR EXISTS (SELECT 1 FROM session) \
               OR EXISTS (SELECT 1 FROM client) FROM realm";
    conn.query_row(sql, [], |row| row.get(0))
}

/// Up to which second entries were forgotten.
pub(super) fn swept_to(conn: &Connection) -> Result<u64, rusqlite::Error> {
    let swept_to: i64 = conn.query_row("SELECT swept_to FROM realm", [], |row| row.get(0))?;
    // The schema lets it be nothing else.
    Ok(swept_to.unsigned_abs())
}

fn prepare_connection(conn: &Connection) -> Result<(), rusqlite::Error> {
    conn.busy_timeout(BUSY)?;
    conn.set_prepared_statement_cache_capacity(PREPARED);
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.pragma_update(None, "trusted_schema", false)
}

/// Brings the database up to this version and to this realm, all or nothing. A new realm begins with
/// `epoch` and with `wall` (microseconds) as its first log time.
pub(super) fn prepare(
    conn: &mut Connection,
    realm: &Realm,
    epoch: Epoch,
    wall: u64,
) -> Result<(), OpenError> {
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    migrate(&transaction)?;
    let first = Head {
        epoch,
        pos: 0,
        ts: wall,
        digest: Digest::first(&realm.issuer, epoch),
        longest_life: realm.longest_life_s,
        iat_limit: 0,
    };
    found_or_founded(&transaction, realm, &first)?;
    transaction.commit()?;
    Ok(())
}

fn migrate(transaction: &Transaction<'_>) -> Result<(), OpenError> {
    let known = MIGRATIONS.len();
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let done = usize::try_from(found).unwrap_or(usize::MAX);
    let Some(missing) = MIGRATIONS.get(done..) else {
        return Err(OpenError::Newer { found, known });
    };
    for script in missing {
        transaction.execute_batch(script)?;
    }
    // At most the number of scripts above.
    transaction.pragma_update(None, "user_version", known as u32)?;
    Ok(())
}

/// The realm's row: made if there is none, else of the same issuer, with its longest life raised.
fn found_or_founded(
    transaction: &Transaction<'_>,
    realm: &Realm,
    first: &Head,
) -> Result<(), OpenError> {
    let number = |value: u64| i64::try_from(value).map_err(|_| OpenError::Number);
    transaction.execute(
        "INSERT INTO realm (id, issuer, keys, epoch, pos, ts, digest, longest_life, iat_limit, floor) \
         VALUES (1, ?1, ?6, ?2, 0, ?3, ?4, ?5, 0, 0) ON CONFLICT (id) DO NOTHING",
        params![
            realm.issuer,
            first.epoch.as_bytes(),
            number(first.ts)?,
            first.digest.0,
            number(first.longest_life)?,
            realm.keys
        ],
    )?;
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let (stored, keys): (String, String) =
        transaction.query_row("SELECT issuer, keys FROM realm", [], row)?;
    if stored != realm.issuer {
        return Err(OpenError::OtherIssuer { stored });
    }
    // Version 1 named the key folder by its feed key.
    if keys != realm.keys && realm.keys_before.as_ref() != Some(&keys) {
        return Err(OpenError::OtherKeys);
    }
    transaction.execute(
        "UPDATE realm SET longest_life = max(longest_life, ?1), keys = ?2 WHERE id = 1",
        params![number(first.longest_life)?, realm.keys],
    )?;
    Ok(())
}

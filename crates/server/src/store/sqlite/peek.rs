//! A look at a database without taking it: for commands that need to know whose it is, and how it is.

use super::{reader, schema};
use rescind_authority::keys::StoredKeys;
use rescind_authority::store::{Head, StoreError};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::io;
use std::path::{Path, PathBuf};

/// Why there is nothing to see.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeekError {
    /// There is no database.
    #[error(
        "there is no store at {} yet: name its folder by --data, or let `rescind serve` make it, with its issuer \
         in the configuration file or by --issuer, like --issuer http://localhost:4000", .0.display()
    )]
    Missing(PathBuf),
    /// The folder is none, or another user's.
    #[error(
        "{} cannot be read: {error}. --data names the folder that holds rescind.db; run this as the user who runs \
         the authority", .path.display()
    )]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file is there, and empty.
    #[error(
        "{} is empty: restore it from a backup; if it never held a realm, remove it", .0.display()
    )]
    Empty(PathBuf),
    /// The file is there, and no database of a realm.
    #[error(
        "{} is damaged, or no store of rescind ({error}): restore it from a backup", .path.display()
    )]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        error: String,
    },
    /// Somebody holds it.
    #[error("{} is in use by another program: try again", .0.display())]
    Busy(PathBuf),
}

/// The issuer of the realm in this file.
pub fn issuer(path: &Path) -> Result<String, PeekError> {
    match path.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(PeekError::Missing(path.to_owned()));
        }
        Err(error) => return Err(PeekError::Io { path: path.to_owned(), error }),
        Ok(file) if !file.is_file() => {
            let error = io::Error::other("it is no file");
            return Err(PeekError::Io { path: path.to_owned(), error });
        }
        Ok(file) if file.len() == 0 => return Err(PeekError::Empty(path.to_owned())),
        Ok(_) => {}
    }
    let read = connect(path)
        .and_then(|conn| conn.query_row("SELECT issuer FROM realm", [], |row| row.get(0)));
    read.map_err(|error| unreadable(path, &error))
}

/// The version of the tables, and the newest one that this program knows.
pub fn version(path: &Path) -> Result<(i64, i64), PeekError> {
    issuer(path)?;
    let read = connect(path).and_then(|conn| version_of(&conn));
    Ok((read.map_err(|error| unreadable(path, &error))?, schema::MIGRATIONS.len() as i64))
}

fn version_of(conn: &Connection) -> Result<i64, rusqlite::Error> {
    conn.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn unreadable(path: &Path, error: &rusqlite::Error) -> PeekError {
    let (path, said) = (path.to_owned(), error.to_string());
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => PeekError::Busy(path),
        // Another user's, or on a medium where SQLite's files beside it cannot be made.
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
            PeekError::Io { path, error: io::Error::other(said) }
        }
        _ => PeekError::Damaged { path, error: said },
    }
}

/// What a look shows.
#[derive(Debug)]
pub struct Look {
    /// The version of the tables.
    pub version: i64,
    /// The newest version that this program knows.
    pub known: i64,
    /// What SQLite finds wrong in the file, if anything.
    pub damage: Option<String>,
    /// What a database of this version holds.
    pub realm: Option<Seen>,
}

/// The realm in a database.
#[derive(Debug)]
pub struct Seen {
    /// Its issuer.
    pub issuer: String,
    /// Names the master key that belongs to it.
    pub master: String,
    /// Where the log stands.
    pub head: Head,
    /// Somebody may hold something that it has decided.
    pub past: bool,
    /// It was put in place of another, and its new epoch is still to be opened.
    pub restored: bool,
    /// Up to which second it has forgotten entries.
    pub swept_to: u64,
    /// The keys, as they are kept.
    pub keys: StoredKeys,
}

/// Looks at the database, all of it, and changes nothing.
pub fn look(path: &Path) -> Result<Look, PeekError> {
    issuer(path)?;
    let damaged = |error: rusqlite::Error| unreadable(path, &error);
    let no_store =
        |error: StoreError| PeekError::Damaged { path: path.to_owned(), error: error.to_string() };
    let conn = connect(path).map_err(damaged)?;
    let version = version_of(&conn).map_err(damaged)?;
    let known = schema::MIGRATIONS.len() as i64;
    let damage = quick_check(&conn).map_err(damaged)?;
    let realm = match version == known && damage.is_none() {
        true => {
            let sql = "SELECT issuer, keys FROM realm";
            let (issuer, master) =
                conn.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).map_err(damaged)?;
            let head = reader::head(&conn).map_err(no_store)?;
            let keys = reader::keys(&conn).map_err(no_store)?;
            let past = schema::has_past(&conn).map_err(damaged)?;
            let restored = schema::is_restored(&conn).map_err(damaged)?;
            let swept_to = schema::swept_to(&conn).map_err(damaged)?;
            Some(Seen { issuer, master, head, past, restored, swept_to, keys })
        }
        false => None,
    };
    Ok(Look { version, known, damage, realm })
}

/// A connection that cannot write: it leaves the database, and what a crash has left in the log beside it,
/// as they are. SQLite makes `-wal` and `-shm` where they are missing, and reads by them.
pub(super) fn connect(path: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags)
}

/// What SQLite finds wrong in the file, if anything.
pub(super) fn quick_check(conn: &Connection) -> Result<Option<String>, rusqlite::Error> {
    let found: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok((found != "ok").then_some(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_leaves_the_database_and_its_log_as_a_crash_has_left_them() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let running = Connection::open(at("running")).unwrap();
        let version = schema::MIGRATIONS.len();
        running
            .execute_batch(&format!(
                "PRAGMA journal_mode = WAL; CREATE TABLE realm (issuer TEXT); \
                 INSERT INTO realm VALUES ('https://a.example'); PRAGMA user_version = {version}"
            ))
            .unwrap();
        let files = ["", "-wal"];
        let crashed = at("crashed");
        for end in files {
            let of = |name: &str| at(&format!("{name}{end}"));
            std::fs::copy(of("running"), of("crashed")).unwrap();
        }
        let bytes = || files.map(|end| std::fs::read(at(&format!("crashed{end}"))).unwrap());
        let before = bytes();
        assert!(!before[1].is_empty(), "the log holds what was committed last");
        assert_eq!(issuer(&crashed).unwrap(), "https://a.example");
        assert_eq!(super::version(&crashed).unwrap(), (version as i64, version as i64));
        assert!(bytes() == before, "nothing is written into it");
    }

    #[test]
    fn what_is_no_store_is_called_by_its_name_and_only_a_missing_one_is_to_be_made() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("empty"), "").unwrap();
        std::fs::write(
            at("text"),
            "no database at all, but long enough to have a header".repeat(9),
        )
        .unwrap();
        std::fs::create_dir(at("folder")).unwrap();
        Connection::open(at("foreign")).unwrap().execute("CREATE TABLE a (b)", []).unwrap();
        let said = |name: &str| issuer(&at(name)).unwrap_err().to_string();
        assert!(said("missing").contains("--issuer"));
        for (name, hint) in [
            ("empty", "is empty: restore it"),
            ("text", "is damaged"),
            ("foreign", "no store of rescind"),
            ("folder", "it is no file"),
            ("text/rescind.db", "--data names the folder"),
        ] {
            let said = said(name);
            assert!(said.contains(hint) && !said.contains("--issuer"), "{name}: {said}");
        }
        assert!(!at("missing").exists());
    }
}

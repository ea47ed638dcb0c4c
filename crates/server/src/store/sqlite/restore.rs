//! A copy in the place of the database, while nobody uses it. Whatever stops the process, the one or the
//! other is there, whole: the copy is made and checked beside the database, and one rename puts it in place.
//! It carries a sign ([`schema::RESTORED`]) by which the next start begins a new epoch.

use super::{OpenError, beside, lock, make_folder, reader, schema};
use rescind_authority::store::Head;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Why nothing was put in place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// Somebody uses the database.
    #[error(
        "{} is in use: stop the authority first, and wait for other commands. Nothing was changed", .0.display()
    )]
    InUse(PathBuf),
    /// It is the database itself.
    #[error("{} is the store itself: name a backup", .0.display())]
    Itself(PathBuf),
    /// A part of it is in another file.
    #[error(
        "{} is not whole: a part of it is in {}. It was copied from a running authority by other means than \
         `rescind backup`: take another", .file.display(), .wal.display()
    )]
    NotWhole {
        /// The copy.
        file: PathBuf,
        /// Its other part.
        wal: PathBuf,
    },
    /// It is no sound store.
    #[error("{} is damaged, or no store of rescind ({error}): take another backup", .file.display())]
    Damaged {
        /// Which.
        file: PathBuf,
        /// What is wrong with it.
        error: String,
    },
    /// A newer program has written it.
    #[error("{} has version {found} and this program knows {known}: use the newer program", .file.display())]
    Newer {
        /// Which.
        file: PathBuf,
        /// Its version.
        found: i64,
        /// Newest version that this program knows.
        known: i64,
    },
    /// A file.
    #[error(
        "{} cannot be used ({error}): name a file that `rescind backup` has made, and run this as the user who \
         runs the authority", .path.display()
    )]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The folder, or the lock in it.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// What is in a database.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its issuer.
    pub issuer: String,
    /// Names the master key that belongs to it; `None` if an older program has written it, which named the
    /// key folder otherwise.
    pub master: Option<String>,
    /// Where its log stands.
    pub head: Head,
}

/// A copy that was checked and may be put in place. Until it is dropped nobody else uses the database.
#[derive(Debug)]
pub struct Restore {
    database: PathBuf,
    part: NamedTempFile,
    /// What is in the copy.
    pub new: Found,
    /// What is in the database; or what is wrong with it. `None` if there is none.
    pub old: Option<Result<Found, RestoreError>>,
    _lock: File,
}

/// What SQLite keeps beside a database.
const OTHERS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// A test may stop the process at a step (`return`).
macro_rules! step {
    ($name:literal) => {
        fail::fail_point!($name, |_| std::process::abort());
    };
}

impl Restore {
    /// Copies `file` beside the database, and checks the copy. The database and `file` stay as they are.
    pub fn prepare(database: &Path, file: &Path) -> Result<Self, RestoreError> {
        let wal = beside(file, "-wal");
        let mut from = File::open(file).map_err(failed(file))?;
        let about = from.metadata().map_err(failed(file))?;
        if !about.is_file() {
            return Err(failed(file)(io::Error::other("it is no file")));
        }
        if database.metadata().is_ok_and(|is| (is.dev(), is.ino()) == (about.dev(), about.ino())) {
            return Err(RestoreError::Itself(file.to_owned()));
        }
        if wal.metadata().is_ok_and(|wal| wal.len() > 0) {
            return Err(RestoreError::NotWhole { file: file.to_owned(), wal });
        }
        make_folder(database)?;
        let lock = lock(database).map_err(|error| match error {
            OpenError::InUse(_) => RestoreError::InUse(database.to_owned()),
            other => other.into(),
        })?;
        // Of mode 0600, removed if this ends early, and of one name, so that what a kill leaves goes now.
        let name = beside(database, ".restoring");
        // A journal that was left beside it would be taken for the new copy's.
        let left = OTHERS.map(|other| beside(&name, other));
        for left in left.iter().chain([&name]) {
            remove(left).map_err(failed(left))?;
        }
        let mut part = tempfile::Builder::new()
            .prefix(&name.file_name().unwrap_or_default())
            .rand_bytes(0)
            .tempfile_in(folder(database))
            .map_err(failed(&name))?;
        io::copy(&mut from, part.as_file_mut()).map_err(failed(part.path()))?;
        step!("restore::copied");
        let new = check(part.path(), file)?;
        let conn = to_change(part.path()).map_err(damaged(file))?;
        schema::sign(&conn, schema::RESTORED).map_err(damaged(file))?;
        one_file(&conn).map_err(damaged(file))?;
        drop(conn);
        part.as_file().sync_all().map_err(failed(part.path()))?;
        let old = database.exists().then(|| check(database, database));
        step!("restore::checked");
        Ok(Self { database: database.to_owned(), part, new, old, _lock: lock })
    }

    /// Puts the copy in place of the database, which is kept beside it with `end` after its name: where.
    pub fn put(self, end: &str) -> Result<Option<PathBuf>, RestoreError> {
        let Self { database, part, .. } = self;
        let sync = || File::open(folder(&database)).and_then(|folder| folder.sync_all());
        let kept = match database.symlink_metadata() {
            Ok(_) => Some(keep(&database, end)?),
            Err(_) => None,
        };
        sync().map_err(failed(&database))?;
        step!("restore::kept");
        for other in OTHERS.map(|other| beside(&database, other)) {
            remove(&other).map_err(failed(&other))?;
        }
        step!("restore::removed");
        part.persist(&database).map_err(|error| failed(&database)(error.error))?;
        step!("restore::renamed");
        sync().map_err(failed(&database))?;
        Ok(kept)
    }
}

fn folder(database: &Path) -> &Path {
    match database.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> RestoreError {
    let path = path.to_owned();
    move |error| RestoreError::Io { path, error }
}

fn damaged(file: &Path) -> impl Fn(rusqlite::Error) -> RestoreError {
    move |error| RestoreError::Damaged { file: file.to_owned(), error: error.to_string() }
}

/// That this is a whole store that this program knows. Errors name it `file`.
fn check(path: &Path, file: &Path) -> Result<Found, RestoreError> {
    let conn = to_change(path).map_err(damaged(file))?;
    conn.busy_timeout(schema::BUSY).map_err(damaged(file))?;
    let version = conn.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
    let (found, known) = (version.map_err(damaged(file))?, schema::MIGRATIONS.len() as i64);
    if found > known {
        return Err(RestoreError::Newer { file: file.to_owned(), found, known });
    }
    let wrong = |error: String| RestoreError::Damaged { file: file.to_owned(), error };
    let sound: String =
        conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(damaged(file))?;
    if sound != "ok" {
        return Err(wrong(sound));
    }
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let (issuer, master): (String, String) =
        conn.query_row("SELECT issuer, keys FROM realm", [], row).map_err(damaged(file))?;
    let head = reader::head(&conn).map_err(|error| wrong(error.to_string()))?;
    // Version 1 named the key folder by its feed key.
    Ok(Found { issuer, master: (found > 1).then_some(master), head })
}

/// A connection that leaves the database as it is, until it is told to write.
fn to_change(path: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags)
}

/// Brings all of a database into its one file. Refuses if somebody else has it open.
fn one_file(conn: &Connection) -> Result<(), rusqlite::Error> {
    conn.busy_timeout(schema::BUSY)?;
    conn.pragma_update_and_check(None, "journal_mode", "DELETE", |row| {
        match row.get::<_, String>(0)?.as_str() {
            "delete" => Ok(()),
            _ => Err(rusqlite::Error::InvalidQuery),
        }
    })
}

/// Gives the database a second name. One that SQLite cannot read keeps its other files, too.
fn keep(database: &Path, end: &str) -> Result<PathBuf, RestoreError> {
    let settled = to_change(database).and_then(|conn| one_file(&conn));
    let busy = |error: &rusqlite::Error| {
        let code = error.sqlite_error_code();
        matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
    };
    let others: &[&str] = match settled {
        Ok(()) => &[],
        Err(error) if busy(&error) => return Err(RestoreError::InUse(database.to_owned())),
        Err(_) => &OTHERS,
    };
    step!("restore::settled");
    let kept = beside(database, end);
    for other in others {
        let (from, to) = (beside(database, other), beside(&kept, other));
        if from.symlink_metadata().is_ok() {
            fs::hard_link(&from, &to).map_err(failed(&to))?;
        }
    }
    fs::hard_link(database, &kept).map_err(failed(&kept))?;
    Ok(kept)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

//! A copy of the database while others use it: one snapshot, whole or not at all.

use super::{peek, reader, schema};
use rescind_wire::id::Epoch;
use rusqlite::{Connection, OpenFlags};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// What was copied.
#[derive(Debug, Clone, Copy)]
pub struct Copied {
    /// Size of the copy.
    pub bytes: u64,
    /// Epoch of the log in it.
    pub epoch: Epoch,
    /// Position of the log in it.
    pub pos: u64,
}

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// Something of this name is there.
    #[error("{} exists: name a file that does not", .0.display())]
    Exists(PathBuf),
    /// The store is not one.
    #[error(transparent)]
    Peek(#[from] peek::PeekError),
    /// SQLite did not copy it.
    #[error(
        "the store was not copied, and {} not made: {error}. `rescind doctor` tells whether the store is \
         sound", .to.display()
    )]
    Sqlite {
        /// Where to.
        to: PathBuf,
        /// What SQLite says.
        error: String,
    },
    /// The copy is damaged, and so is the store.
    #[error(
        "the store is damaged ({0}), and was not copied: `rescind doctor` tells more; restore a backup"
    )]
    Damaged(String),
    /// The file.
    #[error(
        "{} cannot be made ({error}): name a file in a folder that is there, has room, and may be written to",
        .path.display()
    )]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Copies the database to a new file of mode 0600, checks the copy, and makes it durable. A name that
/// is taken is never written over.
pub fn copy(database: &Path, to: &Path) -> Result<Copied, BackupError> {
    let failed = |error| BackupError::Io { path: to.to_owned(), error };
    if to.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    peek::issuer(database)?;
    let folder = match to.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // Of mode 0600, and removed if this ends early.
    let part = tempfile::Builder::new().prefix(".rescind-backup-").tempfile_in(folder);
    // Its words would name the file of the work, which nobody has asked for.
    let part = part.map_err(|error| failed(error.kind().into()))?;
    let path = part.path().to_str().ok_or_else(|| failed(io::ErrorKind::InvalidFilename.into()))?;
    let refused = |error: rusqlite::Error| BackupError::Sqlite {
        to: to.to_owned(),
        error: error.to_string().replace(path, &to.display().to_string()),
    };
    let conn = peek::connect(database).map_err(refused)?;
    conn.busy_timeout(schema::BUSY).map_err(refused)?;
    conn.execute("VACUUM INTO ?1", [path]).map_err(refused)?;
    let (epoch, pos) = check(part.path())?;
    let file = part.as_file();
    file.sync_all().map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    part.persist_noclobber(to).map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => BackupError::Exists(to.to_owned()),
        _ => failed(error.error),
    })?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
    Ok(Copied { bytes, epoch, pos })
}

/// That the copy is a whole store.
fn check(path: &Path) -> Result<(Epoch, u64), BackupError> {
    let damaged = |error: &dyn std::fmt::Display| BackupError::Damaged(error.to_string());
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(|error| damaged(&error))?;
    let sound = peek::quick_check(&conn).map_err(|error| damaged(&error))?;
    if let Some(problem) = sound {
        return Err(damaged(&problem));
    }
    let head = reader::head(&conn).map_err(|error| damaged(&error))?;
    Ok((head.epoch, head.pos))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{SystemClock, SystemEntropy};
    use crate::store::sqlite::{FILE_NAME, Realm, SqliteStore};
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Arc;

    fn store(folder: &Path) -> SqliteStore {
        let (issuer, keys) = ("http://localhost:4000".to_owned(), "keys".to_owned());
        let realm = Realm { issuer, longest_life_s: 300, keys, keys_before: None };
        let path = folder.join("data").join(FILE_NAME);
        SqliteStore::open(&path, realm, Arc::new(SystemClock::default()), &SystemEntropy).unwrap()
    }

    #[test]
    fn a_copy_is_whole_its_owners_alone_and_never_written_over_anything() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("data").join(FILE_NAME);
        let to = folder.path().join("copy.db");
        let running = store(folder.path());
        let copied = copy(&database, &to).unwrap();
        drop(running);
        let metadata = std::fs::metadata(&to).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        assert_eq!(metadata.len(), copied.bytes);
        assert_eq!(peek::issuer(&to).unwrap(), "http://localhost:4000");
        assert!(matches!(copy(&database, &to), Err(BackupError::Exists(_))));
        // A link that points nowhere is a name that is taken.
        let link = folder.path().join("link.db");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        assert!(matches!(copy(&database, &link), Err(BackupError::Exists(_))));
        copy(&database, &folder.path().join("again.db")).unwrap();
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 4, "data, two copies and the link: nothing of the work stays behind");
    }

    #[test]
    fn what_is_no_store_is_not_copied_and_nothing_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("copy.db");
        let missing = copy(&folder.path().join("rescind.db"), &to);
        assert!(matches!(missing, Err(BackupError::Peek(_))), "{missing:?}");
        let nowhere = folder.path().join("nowhere").join("copy.db");
        let _running = store(folder.path());
        let database = folder.path().join("data").join(FILE_NAME);
        assert!(matches!(copy(&database, &nowhere), Err(BackupError::Io { .. })));
        assert!(!to.exists() && !folder.path().join("rescind.db").exists());
    }
}

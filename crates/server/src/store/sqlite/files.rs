//! The files of the store: whose they are, who may read and write them, and that no second process has them.

use super::OpenError;
use crate::keys::WRITTEN_BY_OTHERS;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

pub(super) fn io_error(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { path, source }
}

pub(super) fn make_folder(path: &Path) -> Result<(), OpenError> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.map_err(io_error(folder))?;
            refuse_writable(folder)
        }
        _ => Ok(()),
    }
}

/// Whoever may write here may put another database in the place of this one, or write into it.
pub(super) fn refuse_writable(path: &Path) -> Result<(), OpenError> {
    match std::fs::metadata(path) {
        Ok(found) if found.mode() & WRITTEN_BY_OTHERS != 0 => {
            Err(OpenError::Writable(path.to_owned()))
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(path)(error)),
        _ => Ok(()),
    }
}

/// It holds the hashes of all passwords; SQLite gives its other files the same mode.
pub(super) fn refuse_readable(path: &Path) -> Result<(), OpenError> {
    match std::fs::metadata(path) {
        Ok(found) if found.mode() & 0o077 != 0 => Err(OpenError::Readable(path.to_owned())),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(path)(error)),
        _ => Ok(()),
    }
}

/// The file of this name with more at its end.
pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// SQLite gives its other files the mode of this one.
pub(super) fn make_file(path: &Path) -> Result<(), OpenError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map(drop).map_err(io_error(path))
}

pub(super) fn lock(path: &Path) -> Result<File, OpenError> {
    let lock_path = beside(path, ".lock");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(&lock_path).map_err(io_error(&lock_path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path.to_owned())),
        Err(TryLockError::Error(source)) => Err(OpenError::Io { path: lock_path, source }),
    }
}

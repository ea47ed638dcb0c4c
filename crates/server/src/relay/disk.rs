//! A relay's folder: the last snapshot and the frames since, so that it serves at once after a restart.
//! Nothing here is believed because it is here: signatures and order are checked as those of what comes by
//! the network, and it makes nobody fresh.

use super::frames::Base;
use crate::feed::hub::Kept;
use crate::keys::write_private;
use bytes::Bytes;
use rescind_wire::frame::{MAX_FRAME, Position, next_frame};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Largest snapshot, and most bytes of frames, that are kept.
const MAX_SNAPSHOT: usize = 512 * 1024 * 1024;
const MAX_FRAMES: usize = 64 * 1024 * 1024;

/// What stands in the folder.
struct Written {
    base: Position,
    /// The last position, and the bytes of the frames.
    last: u64,
    bytes: usize,
    file: File,
}

/// The folder, for one process alone.
pub(super) struct Folder {
    path: PathBuf,
    written: Mutex<Option<Written>>,
    lock: File,
}

impl Folder {
    /// Opens it, and makes it if need be.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let mut open = OpenOptions::new();
        let lock = open.create(true).write(true).truncate(false).mode(0o600);
        let lock = lock.open(path.join("lock"))?;
        lock.try_lock().map_err(|_| io::Error::other("another relay uses it"))?;
        Ok(Self { path: path.to_owned(), written: Mutex::default(), lock })
    }

    /// Another process may use it from now on, and this one does not any more.
    pub(super) fn leave(&self) {
        // It goes with the process at the latest.
        let _ = self.lock.unlock();
    }

    fn snapshot_path(&self) -> PathBuf {
        self.path.join("snapshot")
    }

    fn frames_path(&self) -> PathBuf {
        self.path.join("frames")
    }

    /// The frames of a run before, the snapshot first; as far as their lengths are right.
    pub(super) fn kept(&self) -> Vec<Bytes> {
        let snapshot = bounded(&self.snapshot_path(), 4 + MAX_SNAPSHOT);
        let Ok(Some(length)) = next_frame(&snapshot, MAX_SNAPSHOT) else { return Vec::new() };
        let mut kept = vec![snapshot.slice(..length)];
        let mut frames = bounded(&self.frames_path(), MAX_FRAMES + MAX_FRAME);
        while let Ok(Some(length)) = next_frame(&frames, MAX_FRAME) {
            kept.push(frames.split_to(length));
        }
        kept
    }

    /// Up to where it is written, with this snapshot.
    pub(super) fn reaches(&self, base: &Base) -> u64 {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let same = written.as_ref().filter(|written| written.base == base.position);
        same.map_or(base.position.pos, |written| written.last)
    }

    /// Writes what is not there yet. After a failure all is written anew.
    pub(super) fn keep(&self, base: &Base, since: &[Kept]) -> io::Result<()> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let mut now = match written.take() {
            Some(written) if written.base == base.position => written,
            _ => self.begin(base)?,
        };
        let mut part = Vec::new();
        let written_to = now.last;
        for kept in since.iter().filter(|kept| kept.last > written_to) {
            // What follows a gap would not be used.
            if kept.first > now.last + 1 || now.bytes + part.len() > MAX_FRAMES {
                break;
            }
            part.extend_from_slice(&kept.frame);
            now.last = kept.last;
        }
        now.file.write_all(&part)?;
        now.bytes += part.len();
        *written = Some(now);
        Ok(())
    }

    /// The frames go before the snapshot comes: those of before would not follow on it.
    fn begin(&self, base: &Base) -> io::Result<Written> {
        let gone = fs::remove_file(self.frames_path());
        gone.or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })?;
        write_private(&self.snapshot_path(), &base.sealed)?;
        let mut open = OpenOptions::new();
        let file = open.create_new(true).append(true).mode(0o600).open(self.frames_path())?;
        Ok(Written { base: base.position, last: base.position.pos, bytes: 0, file })
    }
}

/// The bytes of a file; nothing of one that is larger, or cannot be read.
fn bounded(path: &Path, limit: usize) -> Bytes {
    let mut bytes = Vec::new();
    let read =
        File::open(path).and_then(|file| file.take(limit as u64 + 1).read_to_end(&mut bytes));
    match read {
        Ok(length) if length <= limit => bytes.into(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Bytes::new(),
        _ => {
            tracing::warn!(event = "relay_not_read", file = %path.display());
            Bytes::new()
        }
    }
}

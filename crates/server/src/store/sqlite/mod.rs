//! The embedded store: one SQLite file in WAL mode, `synchronous=FULL`.
//!
//! One thread writes (`writer`), with one commit for all jobs that wait; a few read-only connections
//! read (`reader`); the newest entries of the log stay in memory (`tail`). A lock file beside the
//! database keeps a second process out. The rules stand in `rescind-authority`; here are only their guards: `apply` (the writes), `sweep` (what goes), `schema`
//! (tables, migrations), `rows` and `columns` (values); and beside the running store `backup`, `restore`, `peek`.

mod apply;
pub mod backup;
mod columns;
pub mod peek;
mod reader;
pub mod restore;
mod rows;
mod schema;
mod sweep;
mod tail;
mod writer;

use crate::keys::WRITTEN_BY_OTHERS;
use async_trait::async_trait;
use reader::Readers;
use rescind_authority::account::Account;
use rescind_authority::audit::{Record, Search};
use rescind_authority::clients::Client;
use rescind_authority::clock::{Clock, Entropy, random};
use rescind_authority::store::{
    Counts, Decide, Head, Judged, Load, Loaded, LogPart, Store, StoreError, StoreHealth, Swept,
};
use rescind_wire::id::{Epoch, Sid, Sub};
use rescind_wire::revocation::Entry;
use rusqlite::Connection;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use sweep::{Part, Slice};
use tail::Tail;
use tokio::sync::{mpsc, oneshot, watch};
use writer::{Done, Job, Work, Writer};

/// The usual name of the database file.
pub const FILE_NAME: &str = "rescind.db";

/// Jobs that may wait for the writer. A caller beyond them waits until one is taken.
const WAITING: usize = 1024;

/// The realm that the database is for.
#[derive(Debug, Clone)]
pub struct Realm {
    /// Its issuer. A database belongs to one issuer for good.
    pub issuer: String,
    /// The longest life of an access token in force, in seconds. The database keeps the longest ever.
    pub longest_life_s: u64,
    /// Names the master key that belongs to it.
    pub keys: String,
    /// How version 1 named the key folder, if it left keys there: the thumbprint of its feed key.
    pub keys_before: Option<String>,
}

/// Why the database was not opened. Nothing was changed in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it.
    #[error(
        "{} is in use: stop the running authority first, or let it do the work by its own commands",
        .0.display()
    )]
    InUse(PathBuf),
    /// A newer program has written it.
    #[error(
        "the database has version {found} and this program knows {known}: start the newer program, \
         or restore a backup made before the update"
    )]
    Newer {
        /// Version of the database.
        found: i64,
        /// Newest version that this program knows.
        known: usize,
    },
    /// It is another realm's.
    #[error(
        "the database belongs to the issuer {stored}: set that issuer, or point --data elsewhere"
    )]
    OtherIssuer {
        /// The issuer it belongs to.
        stored: String,
    },
    /// It was made with another key folder.
    #[error(
        "the master key is another realm's: point --keys, or --master-key-file, to the one that this \
         database was made with"
    )]
    OtherKeys,
    /// The clock or the longest life is above 2^63 - 1.
    #[error("the clock or the longest token life is out of range: set them right")]
    Number,
    /// Others may change it.
    #[error("others may write to {}: run `chmod go-w {}`", .0.display(), .0.display())]
    Writable(PathBuf),
    /// Others may read it.
    #[error("others may read {}, with all hashes of passwords: run `chmod 600 {}`", .0.display(), .0.display())]
    Readable(PathBuf),
    /// The folder, the file or its lock.
    #[error("cannot use {}: {source}. --data names a folder of your own", .path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// SQLite.
    #[error("the database cannot be opened ({0}): if it is damaged, restore it from a backup")]
    Sqlite(#[from] rusqlite::Error),
    /// What is in the database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The store of one realm in one SQLite file. When it is dropped, jobs that wait are finished, the
/// database is closed and its lock given up before the drop returns.
pub struct SqliteStore {
    issuer: Arc<str>,
    committed: Arc<watch::Sender<Head>>,
    tail: Arc<Tail>,
    // Dropped in this order: readers, then the queue, then the writer, which closes the database last.
    readers: Arc<Readers>,
    jobs: mpsc::Sender<Job>,
    failing: Arc<AtomicBool>,
    opened: Opened,
    _writer: WriterThread,
}

/// What the database was when it was opened.
#[derive(Debug, Clone, Copy)]
pub struct Opened {
    /// It was put in place of another by `restore`, and its new epoch is still to be opened.
    pub restored: bool,
    /// Somebody may hold something that it has decided: it is not one that was only just founded.
    pub past: bool,
    /// Up to which second it has forgotten entries: see [`Store::sweep`].
    pub swept_to: u64,
}

struct WriterThread(Option<JoinHandle<()>>);

impl Drop for WriterThread {
    fn drop(&mut self) {
        // A rule may hold the last handle to its own store: then this is the writer, which ends anyway.
        let other = |thread: &JoinHandle<()>| thread.thread().id() != std::thread::current().id();
        if let Some(thread) = self.0.take().filter(other) {
            let _ = thread.join();
        }
    }
}

impl SqliteStore {
    /// Opens the database file at `path`, or creates it with its folder, readable by the owner alone.
    /// Brings it up to this version, checks that it is the realm's, and raises its longest life.
    pub fn open(
        path: &Path,
        realm: Realm,
        clock: Arc<dyn Clock>,
        entropy: &dyn Entropy,
    ) -> Result<SqliteStore, OpenError> {
        make_folder(path)?;
        let lock = lock(path)?;
        make_file(path)?;
        for part in ["", "-wal", "-shm"] {
            refuse_writable(&beside(path, part))?;
            refuse_readable(&beside(path, part))?;
        }
        let mut conn = schema::connect_writer(path)?;
        let epoch = Epoch::from_bytes(random(entropy));
        schema::prepare(&mut conn, &realm, epoch, clock.now().wall)?;
        let head = reader::head(&conn)?;
        let restored = schema::is_restored(&conn)?;
        let (past, swept_to) = (schema::has_past(&conn)?, schema::swept_to(&conn)?);
        let opened = Opened { restored, past, swept_to };
        let readers = Arc::new(Readers::open(path)?);
        let committed = Arc::new(watch::Sender::new(head));
        let tail = Arc::new(Tail::new(head));
        let failing = Arc::<AtomicBool>::default();
        let writer = Writer {
            conn,
            issuer: realm.issuer.clone(),
            clock,
            ratchet: head.ts,
            appended: Vec::new(),
            clients: None,
            tail: Arc::clone(&tail),
            committed: Arc::clone(&committed),
            failing: Arc::clone(&failing),
            lock,
        };
        let (jobs, queue) = mpsc::channel(WAITING);
        let thread = std::thread::Builder::new()
            .name("rescind-store".into())
            .spawn(move || writer.work(queue))
            .map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
        let issuer = realm.issuer.into();
        let _writer = WriterThread(Some(thread));
        Ok(Self { issuer, committed, tail, readers, jobs, failing, opened, _writer })
    }

    /// What the database was when it was opened.
    pub fn opened(&self) -> Opened {
        self.opened
    }

    async fn submit(&self, work: Work) -> Result<Done, StoreError> {
        let (answer, outcome) = oneshot::channel();
        let closed = || StoreError::Failed("the store's writer has stopped".into());
        self.jobs.send(Job { work, answer }).await.map_err(|_| closed())?;
        outcome.await.map_err(|_| closed())?
    }

    async fn slice(&self, slice: Slice) -> Result<Part, StoreError> {
        Ok(self.submit(Work::Sweep(slice)).await?.part)
    }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { path, source }
}

fn make_folder(path: &Path) -> Result<(), OpenError> {
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
fn refuse_writable(path: &Path) -> Result<(), OpenError> {
    match std::fs::metadata(path) {
        Ok(found) if found.mode() & WRITTEN_BY_OTHERS != 0 => {
            Err(OpenError::Writable(path.to_owned()))
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(path)(error)),
        _ => Ok(()),
    }
}

/// It holds the hashes of all passwords; SQLite gives its other files the same mode.
fn refuse_readable(path: &Path) -> Result<(), OpenError> {
    match std::fs::metadata(path) {
        Ok(found) if found.mode() & 0o077 != 0 => Err(OpenError::Readable(path.to_owned())),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(path)(error)),
        _ => Ok(()),
    }
}

/// The file of this name with more at its end.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// SQLite gives its other files the mode of this one.
fn make_file(path: &Path) -> Result<(), OpenError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map(drop).map_err(io_error(path))
}

fn lock(path: &Path) -> Result<File, OpenError> {
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

#[async_trait]
impl Store for SqliteStore {
    async fn head(&self) -> Result<Head, StoreError> {
        self.readers.read(reader::head).await
    }

    async fn read(&self, load: Load) -> Result<Loaded, StoreError> {
        let issuer = Arc::clone(&self.issuer);
        let read = move |conn: &Connection| {
            reader::load(conn, &issuer, &load, reader::head(conn)?, &mut None)
        };
        self.readers.read(read).await
    }

    async fn transact(&self, load: Load, decide: Decide) -> Result<Head, StoreError> {
        Ok(self.submit(Work::Transact(load, decide)).await?.head)
    }

    async fn log(&self, after: u64, most: usize) -> Result<LogPart, StoreError> {
        match self.tail.after(after, most) {
            Some(part) => Ok(part),
            None => self.readers.read(move |conn| reader::log(conn, after, most)).await,
        }
    }

    async fn snapshot(&self) -> Result<(Head, Vec<Entry>), StoreError> {
        self.readers.read(reader::snapshot).await
    }

    async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        self.readers.read(reader::accounts).await
    }

    async fn records(&self, sub: Option<Sub>, most: usize) -> Result<Vec<Record>, StoreError> {
        self.readers.read(move |conn| reader::records(conn, sub, most)).await
    }

    async fn search(&self, asked: Search, most: usize) -> Result<Vec<(u64, Record)>, StoreError> {
        self.readers.read(move |conn| reader::search(conn, &asked, most)).await
    }

    async fn sessions(&self, after: Option<Sid>, most: usize) -> Result<Vec<Judged>, StoreError> {
        let issuer = Arc::clone(&self.issuer);
        self.readers.read(move |conn| reader::sessions(conn, &issuer, after, most)).await
    }

    async fn clients(&self) -> Result<Vec<Client>, StoreError> {
        self.readers.read(reader::clients).await
    }

    /// Slice by slice; what a failing slice leaves, the next sweep removes.
    async fn sweep(&self, now: u64) -> Result<Swept, StoreError> {
        let mut swept = Swept::default();
        loop {
            let part = self.slice(Slice::Entries { now: now / 1_000_000 }).await?;
            swept.entries += part.removed;
            if !part.more {
                break;
            }
        }
        loop {
            let part = self.slice(Slice::Sessions { now }).await?;
            swept.sessions += part.removed;
            if !part.more {
                break;
            }
        }
        let mut after = None;
        loop {
            let part = self.slice(Slice::Cutoffs { after }).await?;
            swept.cutoffs += part.removed;
            after = part.last;
            if !part.more {
                return Ok(swept);
            }
        }
    }

    async fn open_epoch(
        &self,
        epoch: Epoch,
        ts: u64,
        end_sessions: bool,
        record: Record,
    ) -> Result<Head, StoreError> {
        Ok(self.submit(Work::OpenEpoch { epoch, ts, end_sessions, record }).await?.head)
    }

    fn committed(&self) -> watch::Receiver<Head> {
        self.committed.subscribe()
    }

    fn health(&self) -> StoreHealth {
        let waiting = self.jobs.max_capacity() - self.jobs.capacity();
        StoreHealth { waiting, failing: self.failing.load(Ordering::Relaxed) }
    }

    async fn counts(&self) -> Result<Option<Counts>, StoreError> {
        self.readers.read(reader::counts).await.map(Some)
    }
}

//! The live revocations in memory.
//!
//! Owns the map from a revocation's key to its cut-off. It only grows and expires: nothing takes a
//! revocation back, a merge is the larger of both times, so duplicates and disorder do no harm.
//! Readers never wait. When something may be forgotten is decided by [`crate::lease`].
//!
//! Entries stand in [`segment`]s, each of which grows, shrinks and forgets by itself, so that nobody waits long.
//! Readers find them through a directory that is replaced as one value.
//!
//! Of a key 87 bits are kept, mixed by secrets of this process: nobody can choose two keys that are taken for
//! one. If two are by chance (with 10⁷ entries, one look-up in 2⁶³), a token may be refused that nobody took back;
//! one that was taken back is never accepted.

mod minutes;
mod scopes;
mod segment;

use arc_swap::ArcSwap;
use minutes::Minutes;
use rescind_wire::revocation::{Entry, NEVER, RevocationKey, Scope, kills};
use scopes::Scopes;
use segment::{Cut, Name, SLOTS, Segment, spread};
use std::hash::{BuildHasher as _, RandomState};
use std::iter::from_fn;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Entries up to which one segment holds all.
const ONE: usize = 16 * 1024;
/// Segments beyond. With ten million entries each is copied in about a millisecond.
const MANY: usize = 256;
/// A segment grows when more of a hundred slots would be filled,
const FULL: usize = 88;
/// to have this share of them filled,
const NEW: usize = 82;
/// and shrinks when less is.
const SPARSE: usize = 50;

type Directory = Vec<Segment>;

/// All revocations that may still matter.
#[derive(Debug)]
pub struct RevocationSet {
    secrets: [u64; 4],
    scopes: Scopes,
    directory: ArcSwap<Directory>,
    writer: Mutex<Writer>,
    /// How many wait to insert: they go before who forgets.
    inserting: AtomicUsize,
    len: AtomicUsize,
    pruned_to: AtomicU64,
}

/// What only who changes the set needs.
#[derive(Debug)]
struct Writer {
    /// Entries of each segment.
    held: Vec<usize>,
    until: Minutes,
    /// Directories that readers may still look into: so the writer frees them, and no reader.
    left: Vec<Arc<Directory>>,
}

impl Default for RevocationSet {
    fn default() -> Self {
        let random = RandomState::new();
        Self {
            secrets: [0_u8, 1, 2, 3].map(|n| random.hash_one(n)),
            scopes: Scopes::new(),
            directory: ArcSwap::from_pointee(vec![Segment::new(1)]),
            writer: Mutex::new(Writer {
                held: vec![0],
                until: Minutes::default(),
                left: Vec::new(),
            }),
            inserting: AtomicUsize::new(0),
            len: AtomicUsize::new(0),
            pruned_to: AtomicU64::new(0),
        }
    }
}

impl RevocationSet {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entry. Adding it again, or an older one of the same key, changes nothing.
    pub fn insert(&self, entry: &Entry) {
        let name = self.name(entry.key);
        let cut = Cut::new(entry.ts, entry.until == NEVER);
        self.inserting.fetch_add(1, Ordering::Relaxed);
        let mut writer = self.writer();
        self.inserting.fetch_sub(1, Ordering::Relaxed);
        self.scopes.note(entry.scope, entry.until);
        let mut directory = self.directory.load();
        let (mut at, mut place) = spread(name.rest, directory.len());
        if let Some(old) = directory[at].cut(name, place) {
            let merged = old.merged(cut);
            writer.until.note(merged.ts(), entry.until);
            writer.until.follow(old.ts(), merged.ts());
            return directory[at].raise(name, place, merged);
        }
        if writer.held[at] + 1 > filled(directory[at].buckets(), FULL) {
            let need = writer.held[at] + 1;
            self.resize(&mut writer, at, need);
            directory = self.directory.load();
            (at, place) = spread(name.rest, directory.len());
        }
        writer.until.note(cut.ts(), entry.until);
        directory[at].add(name, place, cut);
        writer.held[at] += 1;
        self.len.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether a token with these keys, born at log time `rv`, is revoked. What had expired by
    /// [`RevocationSet::pruned_to`] need not be found.
    pub fn killed<K: Into<RevocationKey>>(
        &self,
        keys: impl IntoIterator<Item = (Scope, K)>,
        rv: u64,
    ) -> bool {
        let pruned_to = self.pruned_to();
        let matters = |(scope, _): &(Scope, _)| self.scopes.may_matter(*scope, pruned_to);
        let mut keys = keys.into_iter().filter(matters).peekable();
        if keys.peek().is_none() {
            return false;
        }
        let directory = self.directory.load();
        let directory = directory.as_slice();
        keys.any(|(scope, key)| {
            let name = self.name(key.into());
            let (at, place) = spread(name.rest, directory.len());
            let cut = directory.get(at).and_then(|segment| segment.cut(name, place));
            cut.is_some_and(|cut| kills(scope, cut.ts(), rv))
        })
    }

    /// Forgets what expired at or before this UTC second, as [`RevocationSet::pruning`] does, at once.
    pub fn prune(&self, before: u64) {
        self.pruning(before).for_each(drop);
    }

    /// Forgets what expired at or before this UTC second, a part with each step; another thread may change the
    /// set in between. The second is published first, so that who misses an entry also sees that its tokens have
    /// expired. What was revoked within the same minute of log time may be kept until all of it has expired.
    pub fn pruning(&self, before: u64) -> impl Iterator<Item = ()> {
        self.pruned_to.fetch_max(before, Ordering::SeqCst);
        let any = self.writer().until.any_expired(before);
        let mut next = any.then_some(0);
        from_fn(move || {
            next = self.prune_one(next?, before);
            Some(())
        })
    }

    /// Forgets in one segment. Gives the next one.
    fn prune_one(&self, at: usize, before: u64) -> Option<usize> {
        while self.inserting.load(Ordering::Relaxed) > 0 {
            std::thread::yield_now();
        }
        let mut writer = self.writer();
        let directory = self.directory.load();
        let segment = &directory[at];
        let forgotten =
            segment.forget(|cut| !cut.never() && writer.until.expired(cut.ts(), before));
        writer.held[at] -= forgotten;
        self.len.fetch_sub(forgotten, Ordering::Relaxed);
        let held = writer.held[at];
        if segment.buckets() > 1 && held < filled(segment.buckets(), SPARSE) {
            self.resize(&mut writer, at, held);
        }
        if at + 1 < directory.len() {
            return Some(at + 1);
        }
        writer.until.forget(before);
        None
    }

    /// What must never happen.
    #[cfg(feature = "failpoints")]
    pub(crate) fn forget_all(&self) {
        let mut writer = self.writer();
        writer.held = vec![0];
        self.len.store(0, Ordering::Relaxed);
        self.publish(&mut writer, vec![Segment::new(1)]);
    }

    /// The UTC second up to which entries were forgotten. Read it after [`RevocationSet::killed`]: a token
    /// is judged at no earlier time, whatever the clocks say by then.
    pub fn pruned_to(&self) -> u64 {
        self.pruned_to.load(Ordering::SeqCst)
    }

    /// How many entries are held.
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Whether none are held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is kept of a key.
    fn name(&self, key: RevocationKey) -> Name {
        let key = u128::from_be_bytes(*key.as_bytes());
        let (high, low) = ((key >> 64) as u64, key as u64);
        let [a, b, c, d] = self.secrets;
        Name::new(folded(high ^ a, low ^ b), folded(high ^ c, low ^ d))
    }

    /// Gives a segment the slots that so many entries need; divides the only one when it has grown.
    fn resize(&self, writer: &mut Writer, at: usize, need: usize) {
        let old = self.directory.load();
        let mut new = Directory::clone(&old);
        if old.len() == 1 && need > ONE {
            writer.held = vec![0; MANY];
            old[0].entries().for_each(|(name, _)| writer.held[spread(name.rest, MANY).0] += 1);
            new = writer.held.iter().map(|held| segment_for(*held)).collect();
        } else {
            new[at] = segment_for(need);
        }
        for (name, cut) in old[at].entries() {
            let (at, place) = spread(name.rest, new.len());
            new[at].add(name, place, cut);
        }
        self.publish(writer, new);
    }

    fn publish(&self, writer: &mut Writer, new: Directory) {
        writer.left.push(self.directory.swap(Arc::new(new)));
        writer.left.retain(|left| Arc::strong_count(left) > 1);
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// So many slots of a hundred.
fn filled(buckets: usize, share: usize) -> usize {
    buckets * SLOTS * share / 100
}

/// An empty segment in which so many entries leave room for more.
fn segment_for(entries: usize) -> Segment {
    Segment::new((entries + 1).div_ceil(filled(100, NEW) / 100))
}

/// The product's halves, folded.
fn folded(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests;

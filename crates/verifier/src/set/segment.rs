//! A part of the set: a table for one writer, whose readers never wait.
//!
//! Buckets of forty slots. What tells nearly every look-up that a bucket does not hold its key is one cache
//! line: forty tags of 12 bits, and 32 bits that say which tags went on to the next bucket when this one was
//! full. A slot is written first, its tag last; a cut-off is raised by one store. A slot whose entry was
//! forgotten may be used again: who then still reads it for the entry before also sees how far the set has
//! forgotten, for all loads acquire what all stores release.

use std::array;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Slots of a bucket.
pub(super) const SLOTS: usize = 40;
/// Tags of a word, each of
const LANES: usize = 5;
/// so many bits.
const BITS: usize = 12;
/// 1 in each lane.
const ONES: u64 = 0x0001_0010_0100_1001;
/// The highest bit of each lane.
const HIGHS: u64 = ONES << (BITS - 1);
/// One lane.
const LANE: u64 = (1 << BITS) - 1;
/// A free slot.
const FREE: u64 = 0;

/// What is kept of a key, once it is mixed: 64, 12 and 11 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name {
    /// Tells the place, too.
    pub(super) rest: u64,
    tag: u64,
    low: u64,
}

impl Name {
    /// Of two words, mixed.
    pub(super) fn new(rest: u64, other: u64) -> Self {
        let tag = other >> (64 - BITS);
        Self { rest, tag: if tag == FREE { 1 } else { tag }, low: other & Cut::NAME }
    }
}

/// A cut-off in one word: 52 bits of log time, whether it never expires, and 11 bits of the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut(u64);

impl Cut {
    const NAME: u64 = (1 << 11) - 1;
    const NEVER: u64 = 1 << 11;
    const MOST: u64 = (1 << 52) - 1;

    /// Log time in microseconds. What does not fit, after the year 2112, is taken for the end of time.
    pub(super) fn new(ts: u64, never: bool) -> Self {
        Self(ts.min(Self::MOST) << 12 | if never { Self::NEVER } else { 0 })
    }

    pub(super) fn ts(self) -> u64 {
        match self.0 >> 12 {
            Self::MOST => u64::MAX,
            ts => ts,
        }
    }

    pub(super) fn never(self) -> bool {
        self.0 & Self::NEVER != 0
    }

    /// The later of both, which never expires if one does not.
    pub(super) fn merged(self, other: Self) -> Self {
        Self(self.0.max(other.0) | (self.0 | other.0) & Self::NEVER)
    }

    fn with(self, name: Name) -> Self {
        Self(self.0 & !Self::NAME | name.low)
    }

    fn without_name(self) -> Self {
        Self(self.0 & !Self::NAME)
    }
}

/// A word that threads share: the standard one, or the one of the search through all orders.
pub(super) trait Word {
    fn new(value: u64) -> Self;
    /// Acquires.
    fn get(&self) -> u64;
    /// Releases.
    fn set(&self, value: u64);
}

impl Word for AtomicU64 {
    fn new(value: u64) -> Self {
        Self::new(value)
    }

    fn get(&self) -> u64 {
        self.load(Ordering::Acquire)
    }

    fn set(&self, value: u64) {
        self.store(value, Ordering::Release);
    }
}

/// Eight words of five tags; in the four bits that each has left, what went on. A cache line.
#[derive(Debug)]
#[repr(align(64))]
struct Tags<W>([W; SLOTS / LANES]);

impl<W: Word> Tags<W> {
    fn empty() -> Self {
        Self(array::from_fn(|_| W::new(0)))
    }

    /// Whether a slot may have this tag. Says yes if one has, and seldom if none has.
    fn may_hold(&self, tag: u64) -> bool {
        let wanted = tag * ONES;
        let zero_where_equal = self.0.each_ref().map(|word| word.get() ^ wanted);
        let borrows = zero_where_equal.map(|word| word.wrapping_sub(ONES) & !word);
        borrows.into_iter().fold(0, |all, word| all | word) & HIGHS != 0
    }

    fn tag(&self, slot: usize) -> u64 {
        let word = self.0.get(slot / LANES).map_or(0, W::get);
        word >> (slot % LANES * BITS) & LANE
    }

    fn write(&self, slot: usize, tag: u64) {
        if let Some(word) = self.0.get(slot / LANES) {
            let by = slot % LANES * BITS;
            word.set(word.get() & !(LANE << by) | tag << by);
        }
    }

    /// The word and the bit that say whether something with such a tag went on.
    fn after(&self, tag: u64) -> (&W, u64) {
        (&self.0[(tag / 4 % 8) as usize], 1 << (60 + tag % 4))
    }

    fn went_on(&self, tag: u64) -> bool {
        let (word, bit) = self.after(tag);
        word.get() & bit != 0
    }

    fn send_on(&self, tag: u64) {
        let (word, bit) = self.after(tag);
        word.set(word.get() | bit);
    }
}

#[derive(Debug)]
#[repr(align(16))]
struct Slot<W> {
    rest: W,
    cut: W,
}

/// A table of a fixed number of buckets.
#[derive(Debug)]
pub(super) struct Segment<W = AtomicU64> {
    tags: Arc<[Tags<W>]>,
    slots: Arc<[Slot<W>]>,
}

impl<W> Clone for Segment<W> {
    fn clone(&self) -> Self {
        Self { tags: Arc::clone(&self.tags), slots: Arc::clone(&self.slots) }
    }
}

/// Divides `place` among `parts`: which part, and the place in it.
pub(super) fn spread(place: u64, parts: usize) -> (usize, u64) {
    let product = u128::from(place) * parts as u128;
    ((product >> 64) as usize, product as u64)
}

impl<W: Word> Segment<W> {
    /// Empty, of so many buckets, at least one.
    pub(super) fn new(buckets: usize) -> Self {
        let zero = || W::new(0);
        let slot = |_| Slot { rest: zero(), cut: zero() };
        Self {
            tags: (0..buckets).map(|_| Tags::empty()).collect(),
            slots: (0..buckets * SLOTS).map(slot).collect(),
        }
    }

    pub(super) fn buckets(&self) -> usize {
        self.tags.len()
    }

    /// The cut-off of this name, whose place in this segment is `place`.
    pub(super) fn cut(&self, name: Name, place: u64) -> Option<Cut> {
        let slot = self.find(name, place)?;
        Some(Cut(self.slots.get(slot)?.cut.get()).without_name())
    }

    /// The slot of this name.
    #[inline]
    fn find(&self, name: Name, place: u64) -> Option<usize> {
        let (mut bucket, _) = spread(place, self.tags.len());
        for _ in 0..self.tags.len() {
            let tags = self.tags.get(bucket)?;
            if tags.may_hold(name.tag)
                && let Some(slot) = self.find_in(bucket, tags, name)
            {
                return Some(slot);
            }
            if !tags.went_on(name.tag) {
                return None;
            }
            bucket = self.after(bucket);
        }
        None
    }

    #[cold]
    fn find_in(&self, bucket: usize, tags: &Tags<W>, name: Name) -> Option<usize> {
        (0..SLOTS)
            .filter(|slot| tags.tag(*slot) == name.tag)
            .map(|slot| bucket * SLOTS + slot)
            .find(|at| {
                self.slots.get(*at).is_some_and(|slot| {
                    slot.rest.get() == name.rest && slot.cut.get() & Cut::NAME == name.low
                })
            })
    }

    fn after(&self, bucket: usize) -> usize {
        if bucket + 1 == self.tags.len() { 0 } else { bucket + 1 }
    }

    /// For the writer: puts a merged cut-off in the place of the one of this name.
    pub(super) fn raise(&self, name: Name, place: u64, cut: Cut) {
        if let Some(slot) = self.find(name, place).and_then(|slot| self.slots.get(slot)) {
            slot.cut.set(cut.with(name).0);
        }
    }

    /// For the writer: adds a name that is not there. There must be a free slot.
    pub(super) fn add(&self, name: Name, place: u64, cut: Cut) {
        let (mut bucket, _) = spread(place, self.tags.len());
        for _ in 0..self.tags.len() {
            let tags = &self.tags[bucket];
            if let Some(free) = (0..SLOTS).find(|slot| tags.tag(*slot) == FREE) {
                let slot = &self.slots[bucket * SLOTS + free];
                slot.cut.set(cut.with(name).0);
                slot.rest.set(name.rest);
                return tags.write(free, name.tag);
            }
            tags.send_on(name.tag);
            bucket = self.after(bucket);
        }
    }

    /// For the writer: all that is held.
    pub(super) fn entries(&self) -> impl Iterator<Item = (Name, Cut)> + '_ {
        self.held().map(|(_, _, name, cut)| (name, cut))
    }

    /// For the writer: frees the slots of what may be forgotten. Gives how many.
    pub(super) fn forget(&self, mut which: impl FnMut(Cut) -> bool) -> usize {
        let forgotten = self.held().filter(|(.., cut)| which(*cut));
        forgotten.map(|(tags, slot, ..)| tags.write(slot, FREE)).count()
    }

    fn held(&self) -> impl Iterator<Item = (&Tags<W>, usize, Name, Cut)> + '_ {
        self.tags.iter().zip(self.slots.chunks_exact(SLOTS)).flat_map(|(tags, slots)| {
            slots.iter().enumerate().filter_map(move |(at, slot)| {
                let tag = tags.tag(at);
                let cut = Cut(slot.cut.get());
                let name = Name { rest: slot.rest.get(), tag, low: cut.0 & Cut::NAME };
                (tag != FREE).then_some((tags, at, name, cut.without_name()))
            })
        })
    }
}

#[cfg(test)]
mod orders;

//! The two sides: the set as it is, and the same on `papaya`'s map, which it replaced. And what is put into them.

use foldhash::quality::RandomState;
use papaya::{HashMap, ResizeMode};
use rescind_verifier::set::RevocationSet;
use rescind_wire::revocation::{Entry, RevocationKey, Scope, TokenKeys, kills};

/// One side.
pub(super) trait Side: Send + Sync {
    fn insert(&self, entry: &Entry);
    fn killed(&self, keys: &TokenKeys, rv: u64) -> bool;
    fn prune(&self, before: u64);
    fn len(&self) -> usize;
}

impl Side for RevocationSet {
    fn insert(&self, entry: &Entry) {
        self.insert(entry);
    }

    fn killed(&self, keys: &TokenKeys, rv: u64) -> bool {
        self.killed(keys.iter(), rv)
    }

    fn prune(&self, before: u64) {
        self.prune(before);
    }

    fn len(&self) -> usize {
        self.len()
    }
}

/// Cut-off and `until` by key.
pub(super) struct Papaya(HashMap<RevocationKey, (u64, u64), RandomState>);

impl Papaya {
    pub(super) fn new() -> Self {
        let map = HashMap::builder().resize_mode(ResizeMode::Blocking);
        Self(map.hasher(RandomState::default()).build())
    }
}

impl Side for Papaya {
    fn insert(&self, entry: &Entry) {
        let new = (entry.ts, entry.until);
        let merged = |old: &(u64, u64)| (old.0.max(new.0), old.1.max(new.1));
        self.0.pin().update_or_insert(entry.key, merged, new);
    }

    fn killed(&self, keys: &TokenKeys, rv: u64) -> bool {
        let cuts = self.0.pin();
        keys.iter().any(|(scope, key)| cuts.get(&key).is_some_and(|cut| kills(scope, cut.0, rv)))
    }

    fn prune(&self, before: u64) {
        self.0.pin().retain(|_, cut| cut.1 > before);
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

/// Keys as good as hashes, always the same (SplitMix64).
pub(super) struct Keys(pub(super) u64);

impl Keys {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn key(&mut self) -> RevocationKey {
        let [high, low] = [self.word(), self.word()];
        RevocationKey::from_bytes((u128::from(high) << 64 | u128::from(low)).to_be_bytes())
    }

    /// A number below this.
    pub(super) fn below(&mut self, most: usize) -> usize {
        (self.word() % most as u64) as usize
    }

    /// So many tokens of four keys each.
    pub(super) fn tokens(&mut self, count: usize) -> Vec<TokenKeys> {
        let mut token = || (0..4).map(|_| (Scope::Subject, self.key())).collect();
        (0..count).map(|_| token()).collect()
    }
}

/// Log time of the first entry; all come within
const START: u64 = 1_800_000_000_000_000;
/// twenty minutes.
const SPAN: u64 = 20 * 60 * 1_000_000;
/// How long a token lives, in seconds.
const LIFE: u64 = 900;

/// UTC second at which this share of so many entries has expired.
pub(super) fn expired(share: f64) -> u64 {
    ((START as f64 + SPAN as f64 * share) / 1e6) as u64 + LIFE
}

/// So many revocations, in order.
pub(super) fn entries(count: usize) -> impl Iterator<Item = Entry> {
    let mut keys = Keys(42);
    (0..count as u64).map(move |n| {
        let ts = START + SPAN / count as u64 * n;
        entry(keys.key(), ts)
    })
}

pub(super) fn entry(key: RevocationKey, ts: u64) -> Entry {
    Entry { pos: 1, ts, scope: Scope::Subject, key, until: ts / 1_000_000 + LIFE }
}

/// More of them, later; others for each number.
pub(super) fn later(number: u64) -> impl Iterator<Item = Entry> {
    let mut keys = Keys(1000 + number);
    (0..).map(move |n| entry(keys.key(), START + 2 * SPAN + n))
}

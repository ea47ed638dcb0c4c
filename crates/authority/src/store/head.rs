//! The head of the log: what an entry's position, log time and life are.

use rescind_wire::frame::Position;
use rescind_wire::id::Epoch;
use rescind_wire::revocation::{Digest, Entry, NEVER, RevocationKey, Scope, Target};

/// The head of the log with the realm's ratchets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Head {
    /// The epoch.
    pub epoch: Epoch,
    /// Position of the last entry; 0 if there is none in this epoch.
    pub pos: u64,
    /// Log time of the last entry, in microseconds.
    pub ts: u64,
    /// Hash over the log.
    pub digest: Digest,
    /// Longest access-token life ever in force, in seconds. Only rises.
    pub longest_life: u64,
    /// No token is signed with a later `iat` (UTC seconds) before this is raised. Only rises.
    pub iat_limit: u64,
}

impl Head {
    /// Where the log stands, as the feed says it.
    pub fn position(&self) -> Position {
        Position { epoch: self.epoch, pos: self.pos, ts: self.ts, digest: self.digest }
    }

    /// The next entry. Its log time is later than every one before it (`ts` is a ratchet), and it is
    /// kept until no token it can kill is alive: the later of the wall clock and the latest `iat` that
    /// can have been signed, plus the longest life, plus 40 s (leeway 30, clock error 5, minting 5).
    /// Entries against a key never expire: a stolen key can forge any date.
    pub fn append(&mut self, issuer: &str, target: &Target, wall: u64) -> Entry {
        let latest_iat = (wall / 1_000_000).max(self.iat_limit);
        let until = match target.scope() {
            Scope::Key => NEVER,
            _ => latest_iat.saturating_add(self.longest_life).saturating_add(40),
        };
        self.append_until(issuer, target, wall, until)
    }

    /// Begins an epoch: the log is empty but for an entry against everything, which never expires and
    /// whose log time is at least `ts`. Entries against keys are appended again after it.
    pub fn open_epoch(&mut self, issuer: &str, epoch: Epoch, ts: u64) -> Entry {
        self.epoch = epoch;
        self.pos = 0;
        self.digest = Digest::first(issuer, epoch);
        self.append_until(issuer, &Target::Everything, ts, NEVER)
    }

    /// The next entry, for one of an earlier epoch that never expires: a stolen key stays stolen.
    pub fn append_again(&mut self, scope: Scope, key: RevocationKey, wall: u64) -> Entry {
        self.append_key(scope, key, wall, NEVER)
    }

    fn append_until(&mut self, issuer: &str, target: &Target, wall: u64, until: u64) -> Entry {
        self.append_key(target.scope(), target.key(issuer), wall, until)
    }

    fn append_key(&mut self, scope: Scope, key: RevocationKey, wall: u64, until: u64) -> Entry {
        self.pos += 1;
        self.ts = wall.max(self.ts + 1);
        let entry = Entry { pos: self.pos, ts: self.ts, scope, key, until };
        self.digest = self.digest.then(&entry);
        entry
    }
}

//! The realm's keys as the store keeps them, and their life: next, active, retired. A key that signs is
//! published before its first use for as long as anybody may cache the key set, and stays published
//! after its last use until nothing it has signed is alive. One that is compromised goes at once, with
//! everything it has signed.
//!
//! What is to be done is decided by [`plan`], a pure function of what is stored; the operations are in
//! [`rotate`](crate::rotate).

use crate::clock::Entropy;
use crate::master::{KeyFailure, MasterKey};
use crate::settings::{Settings, micros};
use rescind_wire::jwk::{PublicKey, SigningKey};
use rescind_wire::jws::Alg;
use std::time::Duration;
use zeroize::Zeroizing;

/// Beside the life of what a key has signed: leeway 30 s, minting 5 s, clocks 5 s.
const AFTER: Duration = Duration::from_secs(40);
/// How long a retired key of the feed is published: verifiers may hold frames of the last minutes.
const FEED_AFTER: Duration = Duration::from_secs(24 * 3600);
/// Highest number of a line key: one byte of the credential.
pub const MAX_LINE_KEY: u32 = 255;

/// What a key is for. No key serves two purposes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// Signs access tokens; in the JWKS.
    Token,
    /// The secret shared with the one audience named here, whose tokens it signs by HS256.
    Shared(String),
    /// Signs frames of the feed; in the metadata, never in the JWKS. Drawn from the master key by its
    /// number, so that a head signed before the store was lost still proves it; 0 is one of version 1.
    Feed(u32),
    /// Makes credential lines. Drawn from the master key by its number.
    Line(u32),
    /// Makes CSRF values. Drawn from the master key by its number.
    Csrf(u32),
}

impl Purpose {
    /// Its name in the store and on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Purpose::Token => "token",
            Purpose::Shared(_) => "shared",
            Purpose::Feed(_) => "feed",
            Purpose::Line(_) => "line",
            Purpose::Csrf(_) => "csrf",
        }
    }

    /// Whether both are in one line of succession.
    pub fn same_kind(&self, other: &Purpose) -> bool {
        match (self, other) {
            (Purpose::Shared(a), Purpose::Shared(b)) => a == b,
            _ => self.name() == other.name(),
        }
    }
}

/// Where a key is in its life. It only goes forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyState {
    /// Published, not used yet.
    Next,
    /// In use.
    Active,
    /// No longer used for new things; what it has made is still taken.
    Retired,
    /// Nothing it has made is taken. Kept for ever, so that it never comes back.
    Compromised,
}

impl KeyState {
    /// All states with their names.
    pub const NAMES: [(KeyState, &'static str); 4] = [
        (KeyState::Next, "next"),
        (KeyState::Active, "active"),
        (KeyState::Retired, "retired"),
        (KeyState::Compromised, "compromised"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(s, _)| *s == self).map_or("", |(_, name)| name)
    }

    /// The state of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, n)| *n == name).map(|(s, _)| *s)
    }
}

/// A key as the store keeps it. Times are microseconds since 1970 UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// Its id: the RFC 7638 thumbprint, or `line-1`, `csrf-1` for one that signs nothing.
    pub kid: String,
    /// What it is for.
    pub purpose: Purpose,
    /// What it signs with; absent for one that makes lines or CSRF values.
    pub alg: Option<Alg>,
    /// Where it is in its life.
    pub state: KeyState,
    /// When it was made, and published.
    pub created_at: u64,
    /// When it came into this state.
    pub since: u64,
    /// Its private half, wrapped under the master key; absent for one that signs nothing.
    pub wrapped: Option<Vec<u8>>,
}

/// All keys of a realm.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredKeys {
    /// Rises with each change.
    pub version: u64,
    /// By time of making.
    pub keys: Vec<StoredKey>,
}

impl StoredKeys {
    /// Those of one line of succession in one state.
    pub fn of<'a>(
        &'a self,
        purpose: &'a Purpose,
        state: KeyState,
    ) -> impl Iterator<Item = &'a StoredKey> + 'a {
        self.keys.iter().filter(move |k| k.purpose.same_kind(purpose) && k.state == state)
    }

    /// The key of this id.
    pub fn find(&self, kid: &str) -> Option<&StoredKey> {
        self.keys.iter().find(|k| k.kid == kid)
    }

    /// The number that the next key drawn from the master key gets.
    pub fn next_number(&self, purpose: &Purpose) -> u32 {
        let number = |k: &StoredKey| match k.purpose {
            Purpose::Feed(n) | Purpose::Line(n) | Purpose::Csrf(n)
                if k.purpose.same_kind(purpose) =>
            {
                Some(n)
            }
            _ => None,
        };
        self.keys.iter().filter_map(number).max().unwrap_or(0) + 1
    }
}

/// How a wrapped key is bound to what it is.
fn context(issuer: &str, purpose: &Purpose, kid: &str) -> String {
    let audience = match purpose {
        Purpose::Shared(audience) => audience,
        _ => "",
    };
    format!("{issuer}\0{}\0{audience}\0{kid}", purpose.name())
}

/// A new key, with its secret.
pub(crate) struct Fresh {
    pub(crate) stored: StoredKey,
    pub(crate) secret: Zeroizing<Vec<u8>>,
}

/// The secret of a new key: drawn at random, but for the feed's, which comes from the master key.
pub(crate) fn draw(
    master: &MasterKey,
    purpose: &Purpose,
    alg: Alg,
) -> Result<Zeroizing<Vec<u8>>, KeyFailure> {
    match purpose {
        Purpose::Feed(number) => feed_secret(master, *number),
        _ => SigningKey::generate(alg).map_err(|_| KeyFailure),
    }
}

/// An Ed25519 key in its PKCS#8 form (RFC 8410 §7).
fn feed_secret(master: &MasterKey, number: u32) -> Result<Zeroizing<Vec<u8>>, KeyFailure> {
    const PREFIX: [u8; 16] =
        [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    let seed = master.derive(format!("feed {number}").as_bytes())?;
    let mut secret = Zeroizing::new(Vec::with_capacity(48));
    secret.extend_from_slice(&PREFIX);
    secret.extend_from_slice(seed.as_slice());
    Ok(secret)
}

/// How many of the feed's keys are looked at for a proof that the store was rolled back.
const FEED_EVER: u32 = 64;

/// The first keys of the feed that this master key gives, whatever the store holds.
pub(crate) fn feed_ever(master: &MasterKey) -> Vec<PublicKey> {
    let public = |number| {
        let secret = feed_secret(master, number).ok()?;
        SigningKey::from_secret(Alg::Ed25519, &secret).ok()?.public().cloned()
    };
    (1..=FEED_EVER).filter_map(public).collect()
}

/// Wraps a key that signs, in a state since `now`.
pub(crate) fn adopt(
    master: &MasterKey,
    issuer: &str,
    (purpose, alg): (Purpose, Alg),
    secret: Zeroizing<Vec<u8>>,
    (state, now): (KeyState, u64),
    entropy: &dyn Entropy,
) -> Result<Fresh, KeyFailure> {
    let kid = SigningKey::from_secret(alg, &secret).map_err(|_| KeyFailure)?.kid().to_owned();
    let wrapped = master.wrap(&context(issuer, &purpose, &kid), &secret, entropy)?;
    let (created_at, since) = (now, now);
    let (alg, wrapped) = (Some(alg), Some(wrapped));
    Ok(Fresh { stored: StoredKey { kid, purpose, alg, state, created_at, since, wrapped }, secret })
}

/// Opens a stored key that signs. `None` for one whose private half is gone.
pub(crate) fn open(
    master: &MasterKey,
    issuer: &str,
    stored: &StoredKey,
) -> Result<Option<(SigningKey, Zeroizing<Vec<u8>>)>, KeyFailure> {
    let (Some(alg), Some(wrapped)) = (stored.alg, &stored.wrapped) else { return Ok(None) };
    let secret = master.unwrap(&context(issuer, &stored.purpose, &stored.kid), wrapped)?;
    let key = SigningKey::from_secret(alg, &secret).map_err(|_| KeyFailure)?;
    if key.kid() != stored.kid {
        return Err(KeyFailure);
    }
    Ok(Some((key, secret)))
}

/// A key that is drawn from the master key by its number.
pub(crate) fn numbered(purpose: Purpose, now: u64) -> StoredKey {
    let kid = match purpose {
        Purpose::Line(n) | Purpose::Csrf(n) => format!("{}-{n}", purpose.name()),
        _ => String::new(),
    };
    let (state, created_at, since) = (KeyState::Active, now, now);
    StoredKey { kid, purpose, alg: None, state, created_at, since, wrapped: None }
}

/// What a realm lacks: keys to be made, and keys to be dropped.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Purpose, algorithm (absent for numbered ones) and state of keys to make.
    pub(crate) make: Vec<(Purpose, Option<Alg>, KeyState)>,
    /// Keys to drop, by id: of an algorithm that is not wanted any more, or past their time.
    pub(crate) drop: Vec<String>,
}

/// What is to be done at `now` (wall microseconds) so that every purpose has its keys.
pub(crate) fn plan(stored: &StoredKeys, settings: &Settings, longest_life: u64, now: u64) -> Plan {
    let mut plan = Plan::default();
    let mut number = stored.next_number(&Purpose::Feed(0));
    for (kind, alg) in [(Purpose::Token, settings.token_alg), (Purpose::Feed(0), Alg::Ed25519)] {
        let unwanted = stored.of(&kind, KeyState::Next).filter(|k| k.alg != Some(alg));
        plan.drop.extend(unwanted.map(|k| k.kid.clone()));
        for state in [KeyState::Active, KeyState::Next] {
            let there = |k: &StoredKey| state == KeyState::Active || k.alg == Some(alg);
            if stored.of(&kind, state).any(there) {
                continue;
            }
            let purpose = match kind {
                Purpose::Feed(_) => {
                    number += 1;
                    Purpose::Feed(number - 1)
                }
                _ => kind.clone(),
            };
            plan.make.push((purpose, Some(alg), state));
        }
    }
    for purpose in [Purpose::Line(1), Purpose::Csrf(1)] {
        if stored.of(&purpose, KeyState::Active).next().is_none() {
            let number = stored.next_number(&purpose);
            let numbered = match purpose {
                Purpose::Csrf(_) => Purpose::Csrf(number),
                _ => Purpose::Line(number),
            };
            plan.make.push((numbered, None, KeyState::Active));
        }
    }
    let over = |k: &&StoredKey| {
        k.state == KeyState::Retired
            && now >= k.since.saturating_add(kept(k, settings, longest_life))
    };
    plan.drop.extend(stored.keys.iter().filter(over).map(|k| k.kid.clone()));
    plan
}

/// How long a retired key is kept, in microseconds: until nothing it has made can be presented.
fn kept(key: &StoredKey, settings: &Settings, longest_life: u64) -> u64 {
    let span = match key.purpose {
        Purpose::Token | Purpose::Shared(_) => Duration::from_secs(longest_life) + AFTER,
        Purpose::Feed(_) => FEED_AFTER,
        // A session that lives is seen within its idle life, and its line is then made anew.
        Purpose::Line(_) | Purpose::Csrf(_) => {
            settings.long_life.absolute.max(settings.cookie_life.absolute) + AFTER
        }
    };
    micros(span)
}

/// How long a key is published before it may be used: as long as anybody may cache the key set, and once
/// more that (at most 5 s) for an answer on its way.
pub fn overlap(settings: &Settings) -> Duration {
    settings.jwks_max_age + settings.jwks_max_age.min(Duration::from_secs(5))
}

#[cfg(test)]
mod tests;

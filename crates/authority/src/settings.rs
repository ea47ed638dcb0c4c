//! What an operator may choose, with the defaults. A reason for each stands in `docs/defaults.md`.

use rescind_wire::jws::Alg;
use std::time::Duration;

/// The settings of one realm.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The issuer's URL: byte for byte what tokens and metadata say.
    pub issuer: String,
    /// Life of an access token.
    pub access_life: Duration,
    /// What new token keys sign with: ES256, Ed25519, RS256, or EdDSA for libraries that know Ed25519 by
    /// its older name only. `None` leaves it as it is in the store; a new realm begins with ES256.
    pub token_alg: Option<Alg>,
    /// How long anybody may cache the JWKS and the metadata.
    pub jwks_max_age: Duration,
    /// How long the credential before the current one is still understood.
    pub grace: Duration,
    /// S: how long a verifier may go on without hearing from the authority.
    pub staleness: Duration,
    /// Idle and absolute life of a cookie session.
    pub cookie_life: Life,
    /// Idle and absolute life of a remembered session and of refresh tokens.
    pub long_life: Life,
    /// Most live sessions of one account: a further sign-in ends the oldest.
    pub max_sessions: usize,
    /// Age of a cookie's generation, counted from when it was first seen, at which its line moves.
    pub move_after: Duration,
    /// Argon2id parameters of new hashes.
    pub argon2: Argon2Cost,
    /// Threads that hash; each keeps the memory of one hash.
    pub hash_threads: usize,
    /// Sign-ins that may wait for a thread before more are turned away.
    pub hash_queue: usize,
    /// Limits of failed sign-ins and refused requests.
    pub throttle: ThrottleLimits,
}

/// Idle and absolute life of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// Without any request for so long, the session is over.
    pub idle: Duration,
    /// After so long it is over in any case.
    pub absolute: Duration,
}

/// Cost of one Argon2id hash (RFC 9106).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argon2Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

/// Failures that are free, and the longest wait after them: 1 s, then twice as long each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Failures before any waiting.
    pub free: u32,
    /// Longest wait.
    pub longest_wait: Duration,
}

/// Acts that are let through: so many at once, then one in each span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many at once.
    pub at_once: u32,
    /// How long until one more.
    pub every: Duration,
}

/// What failed sign-ins, refused requests and revocations are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThrottleLimits {
    /// Failures of one account from one source: an IPv4 address or an IPv6 /64.
    pub pair: Limit,
    /// Failures of one account from all sources together that it has not signed in from.
    pub account: Limit,
    /// From so many of those on, each further one waits [`ThrottleLimits::many_wait`].
    pub many_failures: u32,
    /// That wait.
    pub many_wait: Duration,
    /// Failures of one source over all accounts.
    pub address: Limit,
    /// Failures of one IPv6 /48 over all accounts.
    pub network: Limit,
    /// Refused client secrets, refresh tokens and CSRF values of one source.
    pub refusals: Limit,
    /// Access tokens of one account that its own apps take back by `/revoke`.
    pub account_revocations: Rate,
    /// Access tokens that one API server takes back by `/revoke`.
    pub client_revocations: Rate,
    /// Failures are forgotten after so long without another.
    pub forget_after: Duration,
    /// How long a source that an account has signed in from is familiar.
    pub familiar_for: Duration,
}

impl ThrottleLimits {
    /// How many failures from one source count for an account as a whole: so few that one source alone
    /// never makes others wait.
    pub(crate) fn share(&self) -> u32 {
        (self.account.free / 5).max(1)
    }
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

impl Settings {
    /// The defaults for this issuer.
    pub fn new(issuer: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            access_life: Duration::from_secs(5 * MINUTE),
            token_alg: None,
            jwks_max_age: Duration::from_secs(MINUTE),
            grace: Duration::from_secs(30),
            staleness: Duration::from_secs(10),
            cookie_life: Life {
                idle: Duration::from_secs(HOUR),
                absolute: Duration::from_secs(DAY),
            },
            long_life: Life {
                idle: Duration::from_secs(14 * DAY),
                absolute: Duration::from_secs(30 * DAY),
            },
            max_sessions: 100,
            move_after: Duration::from_secs(15 * MINUTE),
            argon2: Argon2Cost { memory_kib: 19 * 1024, passes: 2, lanes: 1 },
            hash_threads: 2,
            hash_queue: 64,
            throttle: ThrottleLimits {
                pair: limit(10, 15 * MINUTE),
                account: limit(50, MINUTE),
                many_failures: 100,
                many_wait: Duration::from_secs(15 * MINUTE),
                address: limit(100, MINUTE),
                network: limit(1000, MINUTE),
                refusals: limit(300, 10),
                account_revocations: rate(100, MINUTE),
                client_revocations: rate(1_000, 10),
                forget_after: Duration::from_secs(HOUR),
                familiar_for: Duration::from_secs(30 * DAY),
            },
        }
    }
}

fn limit(free: u32, longest_wait: u64) -> Limit {
    Limit { free, longest_wait: Duration::from_secs(longest_wait) }
}

fn rate(at_once: u32, every: u64) -> Rate {
    Rate { at_once, every: Duration::from_secs(every) }
}

/// A span in microseconds, as times are kept.
pub(crate) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

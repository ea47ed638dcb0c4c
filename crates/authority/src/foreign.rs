//! Password hashes that imported accounts bring along: Argon2id of other parameters, bcrypt, scrypt and
//! PBKDF2. They are verified at sign-in on the hashing threads and replaced there by Argon2id with the
//! cost in force. Refused are other algorithms, hashes too short to prove anything, and costs with
//! which one stored line could keep a thread busy for long.
//!
//! Until its owner's first sign-in, a failed one takes as long as the imported hash, not as long as ours.

use crate::hash;
use aws_lc_rs::pbkdf2;
use rescind_wire::{b64, equal_in_constant_time};
use std::num::NonZeroU32;
use zeroize::{Zeroize as _, Zeroizing};

/// Longest text of a hash, in bytes.
pub const MAX_TEXT: usize = 512;
/// Highest bcrypt cost: 2^16 rounds, some seconds.
pub const MAX_BCRYPT_COST: u32 = 16;
/// Most memory of one scrypt or Argon2id hash, in bytes: what OWASP recommends for scrypt.
pub const MAX_MEMORY: u64 = 128 * 1024 * 1024;
/// Most iterations of one PBKDF2 hash, over all blocks of its output.
pub const MAX_PBKDF2_ITERATIONS: u32 = 5_000_000;

/// How often one hash may go over [`MAX_MEMORY`].
const MAX_PASSES: u64 = 8;
/// Most bytes of a password that bcrypt looks at.
const BCRYPT_LIMIT: usize = 72;
/// A shorter output would be met by guessing.
const OUTPUT: std::ops::RangeInclusive<usize> = 16..=64;
/// Shortest salt that is one (NIST SP 800-63B §3.1.1.2), and the longest.
const SALT: std::ops::RangeInclusive<usize> = 4..=64;

/// A password hash that can be verified here. `Debug` leaves it out.
#[derive(Clone)]
pub struct ImportedHash(Zeroizing<String>);

/// Text that is no usable hash. Never says what the text was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a usable password hash: bcrypt ($2a$, $2b$, $2y$, cost to 16), or $argon2id$, $scrypt$ (128 MiB), \
     $pbkdf2-sha256$, $pbkdf2-sha512$ (5,000,000 iterations) with 16 to 64 bytes of output"
)]
pub struct UnusableHash;

impl ImportedHash {
    /// Judges a hash by its form and cost; the hash itself is not computed.
    pub fn new(text: &str) -> Result<Self, UnusableHash> {
        if text.len() > MAX_TEXT || !(Foreign::parse(text).is_some() || is_argon2id(text)) {
            return Err(UnusableHash);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// The text, for the store.
    pub(crate) fn text(&self) -> String {
        self.0.to_string()
    }
}

impl std::fmt::Debug for ImportedHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ImportedHash(…)")
    }
}

fn is_argon2id(text: &str) -> bool {
    hash::parse(text).is_some_and(|(cost, salt, output)| {
        let memory = u64::from(cost.memory_kib) * 1024;
        let work = memory.saturating_mul(cost.passes.into());
        memory <= MAX_MEMORY
            && work <= MAX_PASSES * MAX_MEMORY
            && OUTPUT.contains(&output.len())
            && SALT.contains(&salt.len())
    })
}

/// A hash of another algorithm than ours, taken apart.
pub(crate) enum Foreign {
    Bcrypt { cost: u32, salt: [u8; 16], output: [u8; 23] },
    Scrypt { params: scrypt::Params, salt: Vec<u8>, output: Vec<u8> },
    Pbkdf2 { digest: pbkdf2::Algorithm, rounds: NonZeroU32, salt: Vec<u8>, output: Vec<u8> },
}

impl Foreign {
    /// Reads a hash; `None` for what is not one of these, or costs too much.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix('$')?.split('$');
        let (name, params, third) = (parts.next()?, parts.next()?, parts.next()?);
        let (fourth, None) = (parts.next(), parts.next()) else { return None };
        if let ("2a" | "2b" | "2y", None) = (name, fourth) {
            return bcrypt_of(params, third);
        }
        let (salt, output) = (decode(third)?, decode(fourth?)?);
        if !SALT.contains(&salt.len()) || !OUTPUT.contains(&output.len()) {
            return None;
        }
        match name {
            "scrypt" => Some(Self::Scrypt { params: scrypt_params(params)?, salt, output }),
            "pbkdf2-sha256" => pbkdf2_of(pbkdf2::PBKDF2_HMAC_SHA256, 32, params, salt, output),
            "pbkdf2-sha512" => pbkdf2_of(pbkdf2::PBKDF2_HMAC_SHA512, 64, params, salt, output),
            _ => None,
        }
    }

    /// Whether this is a hash of the password. Takes as long as its cost says.
    pub(crate) fn fits(&self, password: &[u8]) -> bool {
        match self {
            Self::Bcrypt { cost, salt, output } => {
                // As its authors defined it: a terminating zero, and nothing after 72 bytes.
                let mut key = [0; BCRYPT_LIMIT];
                let used = password.len().min(BCRYPT_LIMIT);
                key[..used].copy_from_slice(&password[..used]);
                let computed = bcrypt::bcrypt(*cost, *salt, &key[..(used + 1).min(BCRYPT_LIMIT)]);
                key.zeroize();
                equal_in_constant_time(&computed[..output.len()], output)
            }
            Self::Scrypt { params, salt, output } => {
                let mut computed = Zeroizing::new(vec![0; output.len()]);
                scrypt::scrypt(password, salt, params, &mut computed).is_ok()
                    && equal_in_constant_time(&computed, output)
            }
            Self::Pbkdf2 { digest, rounds, salt, output } => {
                pbkdf2::verify(*digest, *rounds, salt, password, output).is_ok()
            }
        }
    }
}

/// `$2b$12$` and 53 characters of bcrypt's own base64: 22 of salt, 31 of output.
fn bcrypt_of(cost: &str, text: &str) -> Option<Foreign> {
    let cost = Some(cost).filter(|c| c.len() == 2).and_then(number)?;
    if !(4..=MAX_BCRYPT_COST).contains(&cost) || text.len() != 53 || !text.is_ascii() {
        return None;
    }
    let (salt, output) = text.split_at(22);
    Some(Foreign::Bcrypt { cost, salt: bcrypt_bytes(salt)?, output: bcrypt_bytes(output)? })
}

/// Decodes bcrypt's base64. Bits after the last byte are not looked at: some programs leave them set.
fn bcrypt_bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (mut out, mut at, mut bits, mut held) = ([0; N], 0, 0_u32, 0_u32);
    for c in text.bytes() {
        let value = match c {
            b'.' => 0,
            b'/' => 1,
            b'A'..=b'Z' => c - b'A' + 2,
            b'a'..=b'z' => c - b'a' + 28,
            b'0'..=b'9' => c - b'0' + 54,
            _ => return None,
        };
        bits = ((bits << 6) | u32::from(value)) & 0xffff;
        held += 6;
        if held >= 8 {
            held -= 8;
            *out.get_mut(at)? = ((bits >> held) & 0xff) as u8;
            at += 1;
        }
    }
    (at == N).then_some(out)
}

/// `ln=17,r=8,p=1`, within the limits of memory and work.
fn scrypt_params(text: &str) -> Option<scrypt::Params> {
    let mut pairs = text.split(',');
    let mut next = |name: &str| number(pairs.next()?.strip_prefix(name)?.strip_prefix('=')?);
    let (log_n, r, p) = (next("ln")?, next("r")?, next("p")?);
    if pairs.next().is_some() || !(1..=20).contains(&log_n) || r > 1024 || p > 1024 {
        return None;
    }
    let memory = (128 * u64::from(r)) << log_n;
    let blocks = 128 * u64::from(r) * u64::from(p);
    let work = memory * u64::from(p);
    if memory.max(blocks) > MAX_MEMORY || work > MAX_PASSES * MAX_MEMORY {
        return None;
    }
    scrypt::Params::new(u8::try_from(log_n).ok()?, r, p).ok()
}

/// `i=600000,l=32` as PHC strings have it, or the bare number of passlib.
fn pbkdf2_of(
    digest: pbkdf2::Algorithm,
    block: usize,
    params: &str,
    salt: Vec<u8>,
    output: Vec<u8>,
) -> Option<Foreign> {
    let rounds = match params.strip_prefix("i=") {
        None => number(params)?,
        Some(rest) => {
            let (rounds, length) = rest.split_once(",l=").unwrap_or((rest, ""));
            if !length.is_empty() && number(length) != u32::try_from(output.len()).ok() {
                return None;
            }
            number(rounds)?
        }
    };
    let blocks = u32::try_from(output.len().div_ceil(block)).ok()?;
    let rounds = NonZeroU32::new(rounds)?;
    let work = rounds.get().checked_mul(blocks)?;
    (work <= MAX_PBKDF2_ITERATIONS).then_some(Foreign::Pbkdf2 { digest, rounds, salt, output })
}

/// A decimal number without sign.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// Base64 without padding, in the standard alphabet or passlib's, which writes `.` for `+`.
fn decode(text: &str) -> Option<Vec<u8>> {
    let to_url = |b: u8| match b {
        b'+' | b'.' => Some(b'-'),
        b'/' => Some(b'_'),
        b'-' | b'_' => None,
        other => Some(other),
    };
    b64::decode(text.bytes().map(to_url).collect::<Option<Vec<u8>>>()?)
}

#[cfg(test)]
mod tests;

//! Revocation entries: what can be taken back, how an entry names it, and which tokens it kills.
//!
//! An entry with log time `ts` kills a matching token iff the token's `rv`, the log time its issuer had
//! read before it checked the session, is smaller; ids that are never used again are killed whatever
//! their `rv`. No wall clock takes part. Entries combine by "any of them kills".

use crate::id::{Epoch, Jti, Sid, Sub};
use crate::sha256;
use crate::token::Claims;

/// What an entry takes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Scope {
    /// One token, by `jti`.
    Token = 1,
    /// One session, by `sid`.
    Session = 2,
    /// Everything signed with one key, by `kid`. A stolen key can forge `rv`, so it is not asked.
    Key = 3,
    /// One account, by `sub`.
    Subject = 4,
    /// One account at one client, by `sub` and `client_id`.
    Grant = 5,
    /// One client, by `client_id`.
    Client = 6,
    /// One audience.
    Audience = 7,
    /// All tokens and sessions of the realm.
    Everything = 8,
    /// The access tokens of one account whose roles changed; its sessions live and refresh.
    Claims = 9,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Scope; 9] = [
        Scope::Token,
        Scope::Session,
        Scope::Key,
        Scope::Subject,
        Scope::Grant,
        Scope::Client,
        Scope::Audience,
        Scope::Everything,
        Scope::Claims,
    ];

    /// Its name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Scope::Token => "token",
            Scope::Session => "session",
            Scope::Key => "key",
            Scope::Subject => "subject",
            Scope::Grant => "grant",
            Scope::Client => "client",
            Scope::Audience => "audience",
            Scope::Everything => "everything",
            Scope::Claims => "claims",
        }
    }

    /// The scope of this number on the wire.
    pub fn from_u8(n: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|s| *s as u8 == n)
    }

    /// Whether the scope kills every match, whatever its `rv`.
    pub fn kills_every_match(self) -> bool {
        matches!(self, Scope::Token | Scope::Session | Scope::Key)
    }

    /// Whether sessions are judged by this scope's durable cut-offs.
    pub fn judges_sessions(self) -> bool {
        matches!(
            self,
            Scope::Session | Scope::Subject | Scope::Grant | Scope::Client | Scope::Everything
        )
    }
}

/// The name of what an entry takes back: SHA-256 over scope, issuer and id, cut to 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RevocationKey([u8; 16]);

impl RevocationKey {
    /// A key from the wire.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// What is taken back, by its id as the token writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// One token.
    Token(Jti),
    /// One session.
    Session(Sid),
    /// One signing key, by its `kid`.
    Key(String),
    /// One account.
    Subject(Sub),
    /// One account at one client.
    Grant(Sub, String),
    /// One client.
    Client(String),
    /// One audience.
    Audience(String),
    /// All.
    Everything,
    /// The access tokens of an account whose roles changed.
    Claims(Sub),
}

impl Target {
    /// Its scope.
    pub fn scope(&self) -> Scope {
        match self {
            Target::Token(_) => Scope::Token,
            Target::Session(_) => Scope::Session,
            Target::Key(_) => Scope::Key,
            Target::Subject(_) => Scope::Subject,
            Target::Grant(..) => Scope::Grant,
            Target::Client(_) => Scope::Client,
            Target::Audience(_) => Scope::Audience,
            Target::Everything => Scope::Everything,
            Target::Claims(_) => Scope::Claims,
        }
    }

    /// Its key in the realm of this issuer:
    /// `SHA-256(scope u8 ‖ len(issuer) u32 BE ‖ issuer ‖ id)[..16]`, where `id` is the claim's text
    /// (for a grant `sub`, one NUL, `client_id`; for everything nothing).
    pub fn key(&self, issuer: &str) -> RevocationKey {
        let scope = self.scope();
        match self {
            Target::Token(id) => key(scope, issuer, &[id.to_string().as_bytes()]),
            Target::Session(id) => key(scope, issuer, &[id.to_string().as_bytes()]),
            Target::Subject(id) | Target::Claims(id) => {
                key(scope, issuer, &[id.to_string().as_bytes()])
            }
            Target::Key(id) | Target::Client(id) | Target::Audience(id) => {
                key(scope, issuer, &[id.as_bytes()])
            }
            Target::Grant(sub, client) => {
                key(scope, issuer, &[sub.to_string().as_bytes(), b"\0", client.as_bytes()])
            }
            Target::Everything => key(scope, issuer, &[]),
        }
    }
}

fn key(scope: Scope, issuer: &str, id: &[&[u8]]) -> RevocationKey {
    let length = (issuer.len() as u32).to_be_bytes();
    let head: [&[u8]; 3] = [&[scope as u8], &length, issuer.as_bytes()];
    let hash = match id {
        [] => sha256(&head),
        [a] => sha256(&[head[0], head[1], head[2], a]),
        _ => {
            let mut parts = head.to_vec();
            parts.extend_from_slice(id);
            sha256(&parts)
        }
    };
    let mut out = [0; 16];
    out.copy_from_slice(&hash[..16]);
    RevocationKey(out)
}

/// The keys under which a token can be taken back, computed once per token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenKeys(Box<[(Scope, RevocationKey)]>);

impl TokenKeys {
    /// All keys of a token that was signed with the key `kid`.
    pub fn of(claims: &Claims, kid: &str) -> Self {
        let target_keys = [
            Target::Token(claims.jti),
            Target::Session(claims.sid),
            Target::Key(kid.to_owned()),
            Target::Subject(claims.sub),
            Target::Grant(claims.sub, claims.client_id.clone()),
            Target::Client(claims.client_id.clone()),
            Target::Everything,
            Target::Claims(claims.sub),
        ];
        let audiences = claims.aud.iter().map(|a| Target::Audience(a.clone()));
        Self(
            target_keys
                .into_iter()
                .chain(audiences)
                .map(|t| (t.scope(), t.key(&claims.iss)))
                .collect(),
        )
    }

    /// Each scope with its key.
    pub fn iter(&self) -> impl Iterator<Item = (Scope, RevocationKey)> + '_ {
        self.0.iter().copied()
    }
}

impl FromIterator<(Scope, RevocationKey)> for TokenKeys {
    fn from_iter<T: IntoIterator<Item = (Scope, RevocationKey)>>(keys: T) -> Self {
        Self(keys.into_iter().collect())
    }
}

/// The `until` of an entry that never expires.
pub const NEVER: u64 = u64::MAX;

/// One entry of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Position: dense, in commit order, from 1 in each epoch.
    pub pos: u64,
    /// Log time in microseconds: strictly rising.
    pub ts: u64,
    /// What is taken back.
    pub scope: Scope,
    /// Its name.
    pub key: RevocationKey,
    /// UTC second from which the entry may be forgotten, because no token it kills is alive.
    pub until: u64,
}

/// The rule, in one place: does a cut-off of this scope at `ts` kill what was born at `rv`?
pub fn kills(scope: Scope, ts: u64, rv: u64) -> bool {
    scope.kills_every_match() || rv < ts
}

/// A hash over the log up to one position; equal digests mean equal logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of an empty log.
    pub fn first(issuer: &str, epoch: Epoch) -> Self {
        Self(sha256(&[b"rescind log v1\0", epoch.as_bytes(), issuer.as_bytes()]))
    }

    /// The digest after one more entry.
    pub fn then(self, e: &Entry) -> Self {
        Self(sha256(&[
            &self.0,
            &e.pos.to_be_bytes(),
            &e.ts.to_be_bytes(),
            &[e.scope as u8],
            e.key.as_bytes(),
            &e.until.to_be_bytes(),
        ]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_is_exact_to_the_microsecond() {
        assert!(kills(Scope::Subject, 100, 99));
        assert!(!kills(Scope::Subject, 100, 100));
        assert!(!kills(Scope::Subject, 100, 101));
        assert!(kills(Scope::Session, 100, 101));
        assert!(kills(Scope::Key, 100, u64::MAX));
    }

    #[test]
    fn no_two_targets_share_a_key() {
        let sub = Sub::from_bytes([7; 16]);
        let sid = Sid::from_bytes([7; 16]);
        let jti = Jti::from_bytes([7; 16]);
        let text = sub.to_string();
        let targets = [
            Target::Token(jti),
            Target::Session(sid),
            Target::Key(text.clone()),
            Target::Subject(sub),
            Target::Grant(sub, "a".into()),
            Target::Client(text.clone()),
            Target::Audience(text),
            Target::Everything,
            Target::Claims(sub),
        ];
        let mut keys: Vec<_> = ["https://a", "https://ab"]
            .iter()
            .flat_map(|issuer| targets.iter().map(|t| t.key(issuer)))
            .collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), targets.len() * 2);
    }

    #[test]
    fn scopes_keep_their_numbers() {
        for (n, scope) in (1..).zip(Scope::ALL) {
            assert_eq!(Scope::from_u8(n), Some(scope));
        }
        assert_eq!(Scope::from_u8(0), None);
        assert_eq!(Scope::from_u8(10), None);
    }
}

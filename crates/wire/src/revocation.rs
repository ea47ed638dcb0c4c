//! Revocation entries: what can be taken back, how an entry names it, and which tokens it kills.
//!
//! An entry with log time `ts` kills a matching token iff the token's `rv`, the log time its issuer had
//! read before it checked the session, is smaller; ids that are never used again are killed whatever
//! their `rv`. No wall clock takes part. Entries combine by "any of them kills".

mod names;

pub use names::{Name, ONE_EACH, TokenKeys};

use crate::id::{Epoch, Jti, Sid, Sub};
use crate::{sha256, sha256_of};

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
            Target::Token(id) => key(scope, issuer, [&id.text()]),
            Target::Session(id) => key(scope, issuer, [&id.text()]),
            Target::Subject(id) | Target::Claims(id) => key(scope, issuer, [&id.text()]),
            Target::Key(id) | Target::Client(id) | Target::Audience(id) => {
                key(scope, issuer, [id.as_bytes()])
            }
            Target::Grant(sub, client) => {
                key(scope, issuer, [&sub.text(), b"\0", client.as_bytes()])
            }
            Target::Everything => key(scope, issuer, []),
        }
    }
}

/// Names that are this long are hashed in one piece; the others in steps.
const PIECE: usize = 256;

fn key<const N: usize>(scope: Scope, issuer: &str, id: [&[u8]; N]) -> RevocationKey {
    let length = (issuer.len() as u32).to_be_bytes();
    let head: [&[u8]; 3] = [&[scope as u8], &length, issuer.as_bytes()];
    let parts = || head.iter().chain(&id);
    let (mut piece, mut end) = ([0; PIECE], 0);
    for part in parts() {
        if let Some(place) = piece.get_mut(end..end + part.len()) {
            place.copy_from_slice(part);
        }
        end += part.len();
    }
    let hash = match piece.get(..end) {
        Some(whole) => sha256_of(whole),
        None => sha256(&parts().copied().collect::<Vec<_>>()),
    };
    let mut out = [0; 16];
    out.copy_from_slice(&hash[..16]);
    RevocationKey(out)
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
    use crate::token::Claims;

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
    fn a_key_is_the_same_in_one_piece_and_in_steps() {
        for length in [0, 1, PIECE - 30, PIECE - 6, PIECE - 5, PIECE - 4, PIECE, 4 * PIECE] {
            let id = "x".repeat(length);
            let hash = sha256(&[&[6], &0_u32.to_be_bytes(), id.as_bytes()]);
            assert_eq!(Target::Client(id).key("").as_bytes()[..], hash[..16], "{length}");
        }
    }

    #[test]
    fn a_token_is_taken_back_by_the_keys_of_its_targets_however_many_audiences_it_has() {
        for audiences in [0, 1, 2, 40] {
            let claims = Claims {
                iss: "https://a".into(),
                sub: Sub::from_bytes([1; 16]),
                aud: (0..audiences).map(|n| format!("api-{n}")).collect(),
                exp: 2,
                iat: 1,
                nbf: None,
                jti: Jti::from_bytes([2; 16]),
                sid: Sid::from_bytes([3; 16]),
                client_id: "app".into(),
                scope: String::new(),
                roles: vec![],
                auth_time: 1,
                amr: vec![],
                rv: 1,
            };
            let mut targets = vec![
                Target::Token(claims.jti),
                Target::Session(claims.sid),
                Target::Key("k".into()),
                Target::Subject(claims.sub),
                Target::Grant(claims.sub, "app".into()),
                Target::Client("app".into()),
                Target::Everything,
                Target::Claims(claims.sub),
            ];
            targets.extend(claims.aud.iter().cloned().map(Target::Audience));
            let expected: Vec<_> =
                targets.iter().map(|t| (t.scope(), t.key("https://a"))).collect();
            let keys = TokenKeys::of(&claims, "k");
            assert_eq!(keys.iter().collect::<Vec<_>>(), expected);
            assert_eq!(keys, expected.into_iter().collect());
        }
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

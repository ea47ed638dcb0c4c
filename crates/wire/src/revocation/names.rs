//! What one token can be taken back by: its names, and their keys.

use super::{RevocationKey, Scope};
use crate::token::Claims;

/// The scopes of which a token has one name each, whatever its audiences.
pub const ONE_EACH: [Scope; 8] = [
    Scope::Token,
    Scope::Session,
    Scope::Key,
    Scope::Subject,
    Scope::Grant,
    Scope::Client,
    Scope::Everything,
    Scope::Claims,
];

/// The audience is the one scope of which a token may have more names.
const _: () = assert!(ONE_EACH.len() + 1 == Scope::ALL.len());

/// One thing that a token can be taken back by.
#[derive(Debug, Clone, Copy)]
pub struct Name<'a> {
    scope: Scope,
    claims: &'a Claims,
    /// The key's or the audience's; what else a scope is of, the claims say.
    id: &'a str,
}

impl<'a> Name<'a> {
    /// Of this scope, of a token that says so; `id` is the key's or the audience's, and of no meaning for other scopes.
    pub fn new(scope: Scope, claims: &'a Claims, id: &'a str) -> Self {
        Self { scope, claims, id }
    }

    /// Its key, as [`super::Target::key`] has it.
    pub fn key(self) -> RevocationKey {
        let Self { scope, claims, id } = self;
        let Claims { iss, sub, client_id, .. } = claims;
        let key = |id: &[u8]| super::key(scope, iss, [id]);
        match scope {
            Scope::Token => key(&claims.jti.text()),
            Scope::Session => key(&claims.sid.text()),
            Scope::Subject | Scope::Claims => key(&sub.text()),
            Scope::Client => key(client_id.as_bytes()),
            Scope::Key | Scope::Audience => key(id.as_bytes()),
            Scope::Grant => super::key(scope, iss, [&sub.text(), b"\0", client_id.as_bytes()]),
            Scope::Everything => super::key(scope, iss, []),
        }
    }
}

/// Keys that stand in one piece with what holds them: all of a token for one audience.
const TOGETHER: usize = 9;

/// All keys under which a token can be taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenKeys {
    first: [(Scope, RevocationKey); TOGETHER],
    held: usize,
    /// Those of further audiences.
    more: Box<[(Scope, RevocationKey)]>,
}

impl TokenKeys {
    /// All keys of a token that was signed with the key `kid`.
    pub fn of(claims: &Claims, kid: &str) -> Self {
        let key = |scope, id| (scope, Name::new(scope, claims, id).key());
        let audiences = claims.aud.iter().map(|aud| key(Scope::Audience, aud));
        ONE_EACH.map(|scope| key(scope, kid)).into_iter().chain(audiences).collect()
    }

    /// Each scope with its key.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = (Scope, RevocationKey)> + '_ {
        self.first.iter().take(self.held).chain(&*self.more).copied()
    }
}

impl FromIterator<(Scope, RevocationKey)> for TokenKeys {
    fn from_iter<T: IntoIterator<Item = (Scope, RevocationKey)>>(keys: T) -> Self {
        let mut keys = keys.into_iter();
        let mut first = [(Scope::Token, RevocationKey([0; 16])); TOGETHER];
        let mut held = 0;
        for (place, key) in first.iter_mut().zip(keys.by_ref()) {
            (*place, held) = (key, held + 1);
        }
        Self { first, held, more: keys.collect() }
    }
}

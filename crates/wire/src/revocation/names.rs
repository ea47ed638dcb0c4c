//! What one token can be taken back by: its names, and their keys.

use super::{RevocationKey, Scope};
use crate::token::Claims;

/// What a token can be taken back by: one for each scope, and one for each further audience.
pub fn names<'a>(claims: &'a Claims, kid: &'a str) -> impl Iterator<Item = Name<'a>> {
    let name = move |scope, id| Name { scope, claims, id };
    let one = [
        (Scope::Token, ""),
        (Scope::Session, ""),
        (Scope::Key, kid),
        (Scope::Subject, ""),
        (Scope::Grant, ""),
        (Scope::Client, ""),
        (Scope::Everything, ""),
        (Scope::Claims, ""),
    ];
    let audiences = claims.aud.iter().map(move |aud| name(Scope::Audience, aud));
    one.into_iter().map(move |(scope, id)| name(scope, id)).chain(audiences)
}

/// One thing that a token can be taken back by.
#[derive(Debug, Clone, Copy)]
pub struct Name<'a> {
    /// Its scope.
    pub scope: Scope,
    claims: &'a Claims,
    /// The key's or the audience's; what else a scope is of, the claims say.
    id: &'a str,
}

impl Name<'_> {
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
        names(claims, kid).map(|name| (name.scope, name.key())).collect()
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

//! The revocations by what they take back, and the troubles by whom they meet.

use crate::history::{Revocation, Token, Trouble};
use rescind_wire::revocation::Scope;
use std::collections::HashMap;

/// Calls that take back the same thing, by when they began.
#[derive(Debug, Default)]
struct Calls {
    /// Beginning and return.
    spans: Vec<(u64, Option<u64>)>,
    /// The earliest return of this call or a later one.
    earliest: Vec<u64>,
}

/// All revocations.
#[derive(Debug)]
pub(super) struct Index(HashMap<(Scope, String), Calls>);

/// What lives by an id that is never used again: whenever it was born, it is taken back.
fn once_and_for_all(scope: Scope) -> bool {
    matches!(scope, Scope::Token | Scope::Session | Scope::Key)
}

impl Index {
    pub(super) fn new(revocations: &[Revocation]) -> Self {
        let mut index: HashMap<_, Calls> = HashMap::new();
        for revocation in revocations {
            let calls = index.entry((revocation.scope, revocation.id.clone())).or_default();
            calls.spans.push((revocation.begun, revocation.returned));
        }
        for calls in index.values_mut() {
            calls.spans.sort_unstable();
            let mut least = u64::MAX;
            calls.earliest = calls
                .spans
                .iter()
                .rev()
                .map(|(_, returned)| {
                    least = least.min(returned.unwrap_or(u64::MAX));
                    least
                })
                .collect();
            calls.earliest.reverse();
        }
        Self(index)
    }

    fn calls(&self, key: &(Scope, String)) -> &[(u64, Option<u64>)] {
        self.0.get(key).map_or(&[], |calls| &calls.spans)
    }

    /// When what was complete at `born` was surely taken back.
    fn dead(&self, keys: &[(Scope, String)], born: u64) -> Option<u64> {
        let dead = |key: &(Scope, String)| {
            let calls = self.0.get(key)?;
            let from = match once_and_for_all(key.0) {
                true => 0,
                false => calls.spans.partition_point(|(begun, _)| *begun < born),
            };
            calls.earliest.get(from).copied().filter(|at| *at != u64::MAX)
        };
        keys.iter().filter_map(dead).min()
    }

    /// Whether what was asked for at `begun` may have been taken back before `until`.
    fn may_be_dead(&self, keys: &[(Scope, String)], begun: u64, until: u64) -> bool {
        keys.iter().any(|key| {
            self.calls(key).iter().any(|(from, to)| {
                *from <= until && (once_and_for_all(key.0) || to.is_none_or(|to| to >= begun))
            })
        })
    }

    pub(super) fn token_dead(&self, token: &Token) -> Option<u64> {
        self.dead(&token_keys(token), token.ended)
    }

    pub(super) fn perhaps(&self, token: &Token, until: u64) -> bool {
        self.may_be_dead(&token_keys(token), token.begun, until)
    }

    /// `born` is the token that the sign-in gave.
    pub(super) fn session_dead(&self, born: &Token) -> Option<u64> {
        self.dead(&session_keys(born), born.ended)
    }

    pub(super) fn session_perhaps(&self, born: &Token, until: u64) -> bool {
        self.may_be_dead(&session_keys(born), born.begun, until)
    }
}

/// What ends a session.
fn session_keys(token: &Token) -> Vec<(Scope, String)> {
    vec![
        (Scope::Session, token.sid.clone()),
        (Scope::Subject, token.sub.clone()),
        (Scope::Grant, format!("{} {}", token.sub, token.client)),
        (Scope::Client, token.client.clone()),
        (Scope::Everything, String::new()),
    ]
}

/// What takes a token back.
fn token_keys(token: &Token) -> Vec<(Scope, String)> {
    let mut keys = session_keys(token);
    keys.push((Scope::Token, token.jti.clone()));
    keys.push((Scope::Key, token.kid.clone()));
    keys.push((Scope::Claims, token.sub.clone()));
    keys.extend(token.audiences.iter().map(|audience| (Scope::Audience, audience.clone())));
    keys
}

/// All troubles, by when they began.
pub(super) struct Troubles(Vec<Trouble>);

impl Troubles {
    pub(super) fn new(troubles: &[Trouble]) -> Self {
        let mut troubles = troubles.to_vec();
        troubles.sort_unstable_by_key(|trouble| trouble.begun);
        Self(troubles)
    }

    /// Whether nothing was wrong with this verifier from `span` before `from` until `to`.
    pub(super) fn calm(&self, verifier: u8, from: u64, span: u64, to: u64) -> bool {
        let meets = |trouble: &&Trouble| trouble.at.contains(&verifier);
        !self.between(from.saturating_sub(span), to).any(|trouble| meets(&trouble))
    }

    /// When the last trouble at this verifier was over, if none lasted or began in this time.
    pub(super) fn over(&self, verifier: u8, from: u64, to: u64) -> Option<u64> {
        let begun = self.0.partition_point(|trouble| trouble.begun <= to);
        let met = self.0[..begun].iter().filter(|trouble| trouble.at.contains(&verifier));
        met.map(|trouble| trouble.ended).max().filter(|over| *over < from)
    }

    /// Whether no wall clock was wrong in that time.
    pub(super) fn clocks_right(&self, from: u64, span: u64, to: u64) -> bool {
        !self.between(from.saturating_sub(span), to).any(|trouble| trouble.clock)
    }

    fn between(&self, from: u64, to: u64) -> impl Iterator<Item = &Trouble> {
        let begun = self.0.partition_point(|trouble| trouble.begun <= to);
        self.0[..begun].iter().rev().filter(move |trouble| trouble.ended >= from)
    }
}

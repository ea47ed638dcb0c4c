//! What must be so, told from what truly happened and in which order.

use super::state::{Cut, FIRST, SESSIONS, SIGNED_IN, State, Step, Token};
use super::{Issuing, Mutant};
use crate::realm::{ISSUER, LIFE, SECOND, START, sub};
use rescind_authority::clients::FIRST_PARTY;
use rescind_verifier::set::RevocationSet;
use rescind_wire::id::{Jti, Sid};
use rescind_wire::revocation::{Entry, TokenKeys, kills};
use rescind_wire::token::Claims;
use stateright::Property;

pub(crate) const I6: &str = "I6 exact cut";
pub(crate) const I7: &str = "I7 reading first";
pub(crate) const I8: &str = "I8 no resurrection";
pub(crate) const I12: &str = "I12 log";
pub(crate) const I13: &str = "I13 monotone";
pub(crate) const L2: &str = "L2 a sign-in after a revocation works";
pub(crate) const L3: &str = "L3 an unaffected token is never refused";
pub(crate) const R60: &str = "R-60 nothing of an ended session";

/// All keys of the tokens of one session.
pub(crate) fn keys(sid: Sid, audiences: &[String]) -> TokenKeys {
    let claims = Claims {
        iss: ISSUER.into(),
        sub: sub(1),
        aud: audiences.to_vec(),
        exp: START / SECOND + LIFE,
        iat: START / SECOND,
        nbf: None,
        jti: Jti::from_bytes([1; 16]),
        sid,
        client_id: FIRST_PARTY.into(),
        scope: String::new(),
        roles: Vec::new(),
        auth_time: 0,
        amr: Vec::new(),
        rv: 0,
    };
    TokenKeys::of(&claims, "kid")
}

impl Issuing {
    /// By the rule, or the mutant's.
    fn kills(&self, entry: &Entry, token: &Token) -> bool {
        let rv = match self.mutant {
            Some(Mutant::AtMost) => token.rv.saturating_sub(1),
            _ => token.rv,
        };
        self.matches(token.session, entry) && kills(entry.scope, entry.ts, rv)
    }

    /// The durable entries that are about a token.
    fn about<'a>(&'a self, state: &'a State, token: &'a Token) -> impl Iterator<Item = &'a Entry> {
        let log = state.durable.history.iter().map(|(entry, _)| entry);
        log.filter(|e| self.matches(token.session, e))
    }

    fn killed_up_to(&self, state: &State, token: &Token, pos: u64) -> bool {
        self.about(state, token).any(|e| e.pos <= pos && self.kills(e, token))
    }
}

pub(crate) fn exact_cut(model: &Issuing, state: &State) -> bool {
    let tokens = state.tokens.iter().filter(|t| t.exact).all(|token| {
        model.about(state, token).all(|e| model.kills(e, token) == (e.pos > token.seen))
    });
    let lives = |n: usize| !state.dead(n, state.durable.pos()) && state.durable.active;
    let existing = SESSIONS.into_iter().filter(|n| state.durable.exists[*n]);
    tokens && existing.into_iter().all(|n| state.durable.alive[n] == lives(n))
}

pub(crate) fn reading_first(model: &Issuing, state: &State) -> bool {
    let unseen = |t: &Token, e: &Entry| e.pos <= t.seen || model.kills(e, t);
    state.tokens.iter().all(|token| model.about(state, token).all(|e| unseen(token, e)))
}

pub(crate) fn no_resurrection(_: &Issuing, state: &State) -> bool {
    !state.orphan && state.tokens.iter().all(|t| !state.dead(t.session, t.seen))
}

/// From the answer on nothing of an ended session is minted, and what was minted before is dead.
pub(crate) fn nothing_of_an_ended_session(model: &Issuing, state: &State) -> bool {
    // Where a replacement stands in the log is told by entries that it may have failed to write.
    let replaced = state.renewal == Step::Done && state.answered == state.durable.pos();
    state.tokens.iter().all(|t| {
        let ended = state.dead(t.session, state.answered) || replaced && t.session == FIRST;
        !state.dead(t.session, t.began) && (!ended || model.killed_up_to(state, t, state.answered))
    })
}

pub(crate) fn log(_: &Issuing, state: &State) -> bool {
    let history = &state.durable.history;
    let rising = history.windows(2).all(|w| w[0].0.ts < w[1].0.ts);
    let dense = history.iter().zip(1..).all(|((entry, _), pos)| entry.pos == pos);
    // Who has applied the log up to a position holds that very log.
    let prefix = state.nodes.iter().all(|node| {
        let held = node.applied.0;
        let told = held.pos.checked_sub(1).and_then(|at| history.get(at as usize));
        held.pos == 0 || told.is_some_and(|(_, head)| head.digest == held.digest)
    });
    dense && rising && prefix
}

/// With the verifiers' own set, entry by entry.
pub(crate) fn monotone(model: &Issuing, state: &State) -> bool {
    let Some(newest) = state.tokens.last().filter(|_| !state.durable.history.is_empty()) else {
        return true;
    };
    let (set, keys) = (RevocationSet::new(), &model.keys[newest.session]);
    let killed = state.durable.history.iter().map(|(entry, _)| {
        set.insert(entry);
        set.killed(keys.iter(), newest.rv)
    });
    let (mut dead, mut by_any) = (false, false);
    killed.zip(state.durable.history.iter()).all(|(now, (entry, _))| {
        by_any |= model.matches(newest.session, entry) && kills(entry.scope, entry.ts, newest.rv);
        let kept = now || !dead;
        dead = now;
        kept && now == by_any
    })
}

/// What was answered before a sign-in began does not touch it.
pub(crate) fn a_sign_in_works(model: &Issuing, state: &State) -> bool {
    let refused = state.login == Step::Refused;
    let closes = |cut: &Cut| matches!(cut, Cut::Ban | Cut::Account);
    let may_refuse = state.cuts.iter().any(|(_, cut)| closes(cut));
    let token = state.tokens.iter().find(|t| t.session == SIGNED_IN);
    let untouched = token.is_none_or(|t| !model.killed_up_to(state, t, t.began));
    (!refused || may_refuse) && untouched
}

fn unaffected(model: &Issuing, state: &State) -> bool {
    state.tokens.iter().all(|t| is_affected(state, t) || !model.killed_up_to(state, t, u64::MAX))
}

/// Whether something was truly taken back that a token may feel.
pub(crate) fn is_affected(state: &State, token: &Token) -> bool {
    let roles = state.cuts.iter().any(|(_, cut)| *cut == Cut::Roles);
    roles || state.dead(token.session, state.durable.pos())
}

pub(crate) fn properties() -> Vec<Property<Issuing>> {
    vec![
        Property::always(I6, exact_cut),
        Property::always(I7, reading_first),
        Property::always(I8, no_resurrection),
        Property::always(I12, log),
        Property::always(I13, monotone),
        Property::always(L2, a_sign_in_works),
        Property::always(L3, unaffected),
        Property::always(R60, nothing_of_an_ended_session),
    ]
}

/// Those that a search must come by.
pub(crate) fn reached(store: bool) -> Vec<Property<Issuing>> {
    let mut all: Vec<Property<Issuing>> = vec![
        Property::sometimes("an act is answered", |_, s: &State| s.answered > 0),
        Property::sometimes("a crash undid a batch", |_, s: &State| {
            s.crashed && s.acts > 0 && s.durable.pos() == 0 && s.batch.is_none()
        }),
        Property::sometimes(
            "a dead session in the morning, its entry forgotten",
            |_, s: &State| {
                s.morning
                    && s.dead(FIRST, s.durable.pos())
                    && s.durable.realm.entries().count() == 0
            },
        ),
    ];
    all.extend(match store {
        true => vec![
            Property::sometimes("a refresh is accepted", |_, s: &State| s.refresh == Step::Done),
            Property::sometimes("a refresh is refused", |_, s: &State| s.refresh == Step::Refused),
            Property::sometimes("a sign-in survives what was answered before", |_, s: &State| {
                s.login == Step::Done && s.durable.alive[SIGNED_IN] && s.dead(FIRST, s.answered)
            }),
            Property::sometimes("a sign-in whose answer was lost", |_, s: &State| {
                s.login == Step::Lost
            }),
            Property::sometimes("a session in the place of another", |_, s: &State| {
                s.durable.alive == [false, false, true]
            }),
            Property::sometimes("a page is refused", |_, s: &State| s.page == Step::Refused),
            Property::sometimes(
                "a page's token is dead when it is given",
                |m: &Issuing, s: &State| {
                    let page = s.tokens.iter().find(|t| !t.exact);
                    page.is_some_and(|t| m.killed_up_to(s, t, u64::MAX) && t.began == s.answered)
                },
            ),
        ],
        false => vec![
            Property::sometimes("accepted from memory", |_, s: &State| {
                s.nodes.iter().all(|n| n.answering == Step::Done)
            }),
            Property::sometimes("refused from memory", |_, s: &State| {
                s.nodes.iter().any(|n| n.answering == Step::Refused)
            }),
            Property::sometimes("facts too old: the store must be asked", |_, s: &State| {
                s.nodes.iter().any(|n| n.answering == Step::Lost)
            }),
            Property::sometimes("accepted though a node has not heard yet", |_, s: &State| {
                s.tokens.iter().any(|t| !t.exact && s.dead(t.session, s.durable.pos()))
            }),
        ],
    });
    all
}

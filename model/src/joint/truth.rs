//! What must be so of the whole; and what holds in the model of issuing, here too.

use super::Joint;
use super::state::State;
use super::steps::has_passed;
use crate::delivery::{self, Member, truth::position};
use crate::issue::state::{Step, Token};
use crate::issue::truth as issue;
use rescind_verifier::Refusal;
use stateright::Property;

pub(super) use crate::delivery::truth::{I1, I2, I3, I4, I5, L3};
pub(super) use crate::epochs::truth::{I10, KILL};

pub(super) const I9: &str = "I9 expiry";
const I12: &str = "I12 log, as verifiers have it";

fn each(state: &State, holds: impl Fn(&Member) -> bool) -> bool {
    state.delivery.members.iter().all(|member| holds(member))
}

fn some(state: &State, holds: impl Fn(&Member) -> bool) -> bool {
    !each(state, |member| !holds(member))
}

fn holds_all(state: &State, member: &Member, pos: u64) -> bool {
    let held = |entry| member.verifier.held.contains(entry);
    let log = state.delivery.log.iter().take(pos as usize);
    log.map(|l| &l.entry).all(|entry| held(entry) || has_passed(state, member, entry))
}

/// Whether what a verifier has applied is the log there is.
fn is_of_the_log(state: &State, member: &Member) -> bool {
    let delivery::State { head, log, .. } = &state.delivery;
    let applied = member.verifier.follower.applied();
    applied.is_none_or(|p| *p == position(head, log, p.pos))
}

impl Joint {
    fn accepts(&self, state: &State, member: &Member, token: &Token) -> bool {
        self.judges(state, member, token, state.issuing.morning).is_ok()
    }

    /// Whether nobody accepts any of those tokens of the present that fit.
    fn none_accepted(&self, state: &State, fits: impl Fn(&Token) -> bool) -> bool {
        let tokens = state.issuing.tokens.iter().filter(|token| fits(token));
        tokens.into_iter().all(|token| each(state, |m| !self.accepts(state, m, token)))
    }
}

/// What holds always.
pub(super) fn properties() -> Vec<Property<Joint>> {
    vec![
        Property::always(issue::I6, |m: &Joint, s: &State| {
            issue::exact_cut(&m.issuing, &s.issuing)
        }),
        Property::always(issue::I7, |m: &Joint, s: &State| {
            issue::reading_first(&m.issuing, &s.issuing)
        }),
        Property::always(issue::I8, |m: &Joint, s: &State| {
            issue::no_resurrection(&m.issuing, &s.issuing)
        }),
        Property::always(issue::I12, |m: &Joint, s: &State| issue::log(&m.issuing, &s.issuing)),
        Property::always(issue::I13, |m: &Joint, s: &State| {
            issue::monotone(&m.issuing, &s.issuing)
        }),
        Property::always(issue::L2, |m: &Joint, s: &State| {
            issue::a_sign_in_works(&m.issuing, &s.issuing)
        }),
        Property::always(issue::R60, |m: &Joint, s: &State| {
            issue::nothing_of_an_ended_session(&m.issuing, &s.issuing)
        }),
        Property::always(I1, |_, s: &State| {
            each(s, |m| {
                let applied = m.verifier.follower.applied().filter(|_| is_of_the_log(s, m));
                applied.is_none_or(|p| holds_all(s, m, p.pos))
            })
        }),
        Property::always(I2, |_, s: &State| each(s, |m| !m.verifier.has_forgotten())),
        // With I11: whoever vouches holds the log there is.
        Property::always(I3, |_, s: &State| {
            each(s, |m| {
                m.verifier.lease.is_none_or(|lease| {
                    let then = m.then.get(lease.request as usize - 1);
                    then.is_some_and(|length| holds_all(s, m, *length))
                })
            })
        }),
        Property::always(I4, |model: &Joint, s: &State| {
            let late = |at: &u64| s.delivery.now > at + delivery::S.1;
            model.none_accepted(s, |t| s.cut_at.get(&(t.session, t.rv)).is_some_and(late))
        }),
        Property::always(I5, |model: &Joint, s: &State| {
            let returned = s.delivery.returned;
            model.none_accepted(s, |t| model.entries_after(s, t).any(|l| l.entry.pos <= returned))
        }),
        Property::always(I9, |model: &Joint, s: &State| {
            s.expired.iter().all(|t| each(s, |m| model.judges(s, m, t, false).is_err()))
        }),
        Property::always(I10, |_, s: &State| !s.low),
        Property::always(KILL, |_, s: &State| !s.mistaken),
        Property::always(I12, |_, s: &State| {
            let epoch = s.delivery.head.epoch;
            let other =
                |m: &Member| m.verifier.follower.applied().is_some_and(|p| p.epoch != epoch);
            s.unnoticed || each(s, |m| other(m) || is_of_the_log(s, m))
        }),
        Property::always(L3, |model: &Joint, s: &State| {
            s.unnoticed
                || s.issuing.tokens.iter().filter(|t| !issue::is_affected(&s.issuing, t)).all(|t| {
                    each(s, |m| model.judges(s, m, t, s.issuing.morning) != Err(Refusal::Revoked))
                })
        }),
    ]
}

/// What a walk must come by.
pub(super) fn reached() -> Vec<Property<Joint>> {
    vec![
        Property::sometimes("accepted by both", |model: &Joint, s: &State| {
            s.issuing.tokens.iter().any(|t| each(s, |m| model.accepts(s, m, t)))
        }),
        Property::sometimes("accepted within S of a revocation", |model: &Joint, s: &State| {
            !model.none_accepted(s, |t| s.cut_at.contains_key(&(t.session, t.rv)))
        }),
        Property::sometimes("refused as revoked", |model: &Joint, s: &State| {
            let now = |m: &Member, t: &Token| model.judges(s, m, t, s.issuing.morning);
            s.issuing.tokens.iter().any(|t| some(s, |m| now(m, t) == Err(Refusal::Revoked)))
        }),
        Property::sometimes("lease lost", |_, s: &State| {
            some(s, |m| m.verifier.lease.is_some() && !m.verifier.is_fresh(m.now(s.delivery.now)))
        }),
        Property::sometimes("lease regained", |_, s: &State| {
            some(s, |m| m.verifier.was_stale && m.verifier.is_fresh(m.now(s.delivery.now)))
        }),
        Property::sometimes("restored, and known by the marker", |_, s: &State| s.epochs > s.shown),
        Property::sometimes("restored, and shown by a verifier", |_, s: &State| s.shown > 0),
        Property::sometimes(
            "signed in after an epoch began, and accepted",
            |model: &Joint, s: &State| {
                let live = |t: &Token| s.epochs > 0 && model.entries_after(s, t).next().is_none();
                !s.unnoticed && !model.none_accepted(s, |t| t.seen > 0 && live(t))
            },
        ),
        Property::sometimes("stopped by what it has seen", |_, s: &State| {
            some(s, |m| m.verifier.follower.stopped())
        }),
        Property::sometimes("pruned by a verifier that goes on", |_, s: &State| {
            let passed =
                |m: &Member| s.delivery.log.iter().any(|l| l.entry.until <= m.verifier.pruned_to);
            some(s, |m| passed(m) && m.verifier.is_fresh(m.now(s.delivery.now)))
        }),
        Property::sometimes("swept from the log", |_, s: &State| {
            s.delivery.durable > 0 && s.issuing.durable.realm.entries().count() == 0
        }),
        Property::sometimes("asked, and gone before the answer", |_, s: &State| {
            some(s, |m| m.verifier.follower.left() && !m.asked.is_empty())
        }),
        Property::sometimes("answered for the fleet", |_, s: &State| s.delivery.returned > 0),
        Property::sometimes("accepted with a wrong clock", |model: &Joint, s: &State| {
            let mut tokens = s.issuing.tokens.iter();
            tokens.any(|t| some(s, |m| m.wall_off != 0 && model.accepts(s, m, t)))
        }),
        Property::sometimes("a refresh is accepted", |_, s: &State| {
            s.issuing.refresh == Step::Done
        }),
        Property::sometimes("a refresh is refused", |_, s: &State| {
            s.issuing.refresh == Step::Refused
        }),
        Property::sometimes("a session in the place of another", |_, s: &State| {
            s.issuing.durable.alive == [false, false, true]
        }),
        Property::sometimes("answered from memory", |_, s: &State| {
            s.issuing.nodes.iter().any(|node| node.answering == Step::Done)
        }),
    ]
}

//! What must be so, told from what truly happened and in which order.

use super::state::{Ended, Member, Minted, State, Stored};
use super::{Bounds, Epochs};
use crate::verifier::is_about;
use rescind_verifier::Refusal;
use rescind_verifier::state::Event;
use rescind_wire::frame::Position;
use rescind_wire::revocation::Scope;
use stateright::Property;
use std::sync::Arc;

pub(crate) const I2: &str = "I2 no forgetting";
pub(crate) const I3: &str = "I3 honest freshness";
pub(crate) const I8: &str = "I8 no resurrection";
pub(crate) const I10: &str = "I10 a new epoch is later than all that was given out";
pub(crate) const KILL: &str = "I10 a kill is not mistaken for a restore";
pub(crate) const I11: &str = "I11 one voice: whoever vouches holds the log there is";
pub(crate) const PROOF: &str =
    "I10 a signed position is called lost iff the log has not stood there";
pub(crate) const L1: &str = "L1 healed is fresh, or was brought what was lost and can not show it";
pub(crate) const L3: &str = "L3 an unaffected token is never called revoked";

/// What of `ended` is about a token.
fn about<'a>(ended: &'a [Ended], token: &'a Minted) -> impl Iterator<Item = &'a Ended> {
    let later = ended.iter().skip(token.since);
    later.filter(|e| is_about(&token.facts, &e.entry))
}

fn each(state: &State, holds: impl Fn(&Member) -> bool) -> bool {
    state.members.iter().all(|member| holds(member))
}

impl Epochs {
    /// What is due comes, and heads are asked for: at last the verifier is fresh. One that was brought what
    /// was lost, and that no head to it has named, has no proof of it: it stays without a lease.
    fn heals(&self, state: &State, i: usize) -> bool {
        let mut state = state.clone();
        for _ in 0..4 {
            let log = state.stored.clone();
            let member = state.member(i);
            if member.verifier.wants_snapshot {
                let (position, entries) = (log.position(), log.entries.to_vec());
                member.verifier.step(Event::Snapshot { position, entries }, false);
            } else if member.verifier.follower.applied() != Some(&log.position()) {
                self.fed(member, &log);
            }
            self.ask(&mut state, i);
            let at = state.now();
            let member = state.member(i);
            if let Some(head) = member.answer.take() {
                self.heard(member, head, at);
            }
        }
        let member = Arc::clone(&state.members[i]);
        let applied = member.verifier.follower.applied();
        let fresh =
            member.verifier.is_fresh(state.now()) && applied == Some(&state.stored.position());
        fresh || Self::has_nothing_to_show(&state, &member)
    }

    /// It has applied what was lost, or stopped at a frame of it, under the epoch there is.
    fn has_nothing_to_show(state: &State, member: &Member) -> bool {
        let stored = &state.stored;
        let was_lost = |p: &Position| !stored.has_stood_at(p);
        let epoch = stored.position().epoch;
        let other =
            state.lost.iter().map(Stored::position).any(|p| p.epoch == epoch && was_lost(&p));
        let stopped = member.verifier.follower.stopped() && other;
        (stopped || member.verifier.follower.applied().is_some_and(was_lost))
            && !member.seen.is_some_and(|seen| stored.has_lost(&seen))
    }
}

/// What holds always.
pub(super) fn properties() -> Vec<Property<Epochs>> {
    vec![
        Property::always(I2, |_, state: &State| each(state, |m| !m.verifier.has_forgotten())),
        Property::always(I3, |_, state: &State| {
            each(state, |m| {
                let Some((length, ..)) = m.vouches() else { return true };
                let ended = state.ended.get(..length).unwrap_or_default();
                state.minted.iter().all(|token| {
                    token.ahead
                        || about(ended, token).all(|e| e.excused)
                        || m.verifier.judges(&token.facts, state.now()).is_err()
                })
            })
        }),
        Property::always(I8, |_, state: &State| {
            state.minted.iter().all(|token| {
                !state.stored.alive[token.session] || about(&state.ended, token).all(|e| e.excused)
            })
        }),
        Property::always(I10, |_, state: &State| !state.low),
        Property::always(KILL, |_, state: &State| !state.mistaken),
        Property::always(I11, |_, state: &State| {
            each(state, |m| {
                let Some((length, epochs, restores)) = m.vouches() else { return true };
                let ended = state.ended.get(..length).unwrap_or_default();
                let mut there = ended.iter().filter(|e| state.stored.entries.contains(&e.entry));
                (epochs, restores) != (state.epochs, state.restores)
                    || there.all(|e| m.verifier.held.contains(&e.entry))
            })
        }),
        Property::always(PROOF, |_, state: &State| {
            each(state, |m| {
                let epoch = state.stored.position().epoch;
                let seen = m.seen.filter(|seen| seen.epoch == epoch);
                seen.is_none_or(|seen| {
                    state.stored.has_lost(&seen) != state.stored.has_stood_at(&seen)
                })
            })
        }),
        Property::always(L1, |model: &Epochs, state: &State| {
            (0..state.members.len()).all(|i| model.heals(state, i))
        }),
        Property::always(L3, |_, state: &State| {
            state.minted.iter().all(|token| {
                about(&state.ended, token).next().is_some()
                    || state.ended.iter().any(|e| e.excused)
                    || each(state, |m| {
                        let verdict = m.verifier.judges(&token.facts, state.now());
                        matches!(verdict, Ok(_) | Err(Refusal::Stale { .. }))
                    })
            })
        }),
    ]
}

/// What must be reached.
pub(super) fn reached(bounds: &Bounds) -> Vec<Property<Epochs>> {
    fn some(state: &State, holds: impl Fn(&Member) -> bool) -> bool {
        state.members.iter().any(|member| holds(member))
    }
    let mut all = vec![
        Property::sometimes("accepted", |_, state: &State| {
            some(state, |m| m.verifier.judges(&state.minted[0].facts, state.now()).is_ok())
        }),
        Property::sometimes("refused as revoked", |_, state: &State| {
            let refused = Err(Refusal::Revoked);
            some(state, |m| m.verifier.judges(&state.minted[0].facts, state.now()) == refused)
        }),
        Property::sometimes("stopped by what it has seen", |_, state: &State| {
            some(state, |m| m.verifier.follower.stopped())
        }),
        Property::sometimes("was brought what was lost and can not show it", |_, state: &State| {
            some(state, |m| Epochs::has_nothing_to_show(state, m))
        }),
        Property::sometimes("new epoch taken, lease regained", |_, state: &State| {
            some(state, |m| {
                m.vouches().is_some_and(|(_, epochs, _)| epochs > 0)
                    && m.verifier.held.iter().any(|e| e.scope == Scope::Everything)
            })
        }),
        Property::sometimes("two epochs opened", |_, state: &State| state.epochs > 1),
    ];
    if bounds.sign_ins > 0 {
        all.push(Property::sometimes(
            "signed in after an epoch began, and accepted",
            |_, state: &State| {
                state.epochs > 0
                    && state.minted.last().is_some_and(|token| {
                        let all = state.ended.len();
                        token.since == all
                            && some(state, |m| m.verifier.judges(&token.facts, state.now()).is_ok())
                    })
            },
        ));
    }
    all
}

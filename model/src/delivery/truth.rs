//! What must be so, told from what truly happened and in which order; and the frames of the log.

use super::steps::clock;
use super::{Bounds, Delivery, Logged, Member, S, State};
use crate::realm::ISSUER;
use rescind_authority::store::Head;
use rescind_verifier::Refusal;
use rescind_verifier::state::Event;
use rescind_wire::frame::Position;
use rescind_wire::revocation::{Digest, Entry};
use stateright::Property;

pub(crate) const I1: &str = "I1 prefix";
pub(crate) const I2: &str = "I2 no forgetting";
pub(crate) const I3: &str = "I3 honest freshness";
pub(crate) const I4: &str = "I4 bound";
pub(crate) const I5: &str = "I5 fleet";
pub(crate) const I12: &str = "I12 log";
pub(crate) const L1: &str = "L1 healed is fresh after one catch-up and one head";
pub(crate) const L3: &str = "L3 an unaffected token is never called revoked";

/// Where the log stands at `pos`.
pub(crate) fn position(head: &Head, log: &[Logged], pos: u64) -> Position {
    let (epoch, digest) = (head.epoch, Digest::first(ISSUER, head.epoch));
    let first = Position { epoch, pos: 0, ts: crate::realm::START, digest };
    pos.checked_sub(1).and_then(|i| log.get(i as usize)).map_or(first, |logged| logged.after)
}

fn entries(log: &[Logged], first: u64, last: u64) -> Vec<Entry> {
    let inside = log.iter().filter(|l| (first..=last).contains(&l.entry.pos));
    inside.map(|l| l.entry).collect()
}

/// The snapshot of the log at `pos`.
pub(crate) fn snapshot(head: &Head, log: &[Logged], pos: u64) -> Event {
    Event::Snapshot { position: position(head, log, pos), entries: entries(log, 1, pos) }
}

/// The delta of these entries, which there are.
pub(crate) fn delta(log: &[Logged], first: u64, last: u64) -> Event {
    let after = |l: &&Logged| l.entry.pos == last;
    match log.iter().find(after) {
        Some(l) => Event::Delta { position: l.after, entries: entries(log, first, last) },
        None => Event::Resync,
    }
}

impl Delivery {
    fn accepts(&self, state: &State, member: &Member, token: usize) -> bool {
        member.verifier.judges(&self.tokens[token], clock(state.now)).is_ok()
    }

    /// Which tokens some member accepts, of sessions that were ended by entries that fit.
    fn accepts_of(&self, state: &State, ended: impl Fn(&Logged) -> bool) -> bool {
        let log = &state.log[..state.durable];
        let tokens = log.iter().enumerate().filter(|(_, l)| ended(l)).map(|(n, _)| n);
        tokens.into_iter().any(|n| state.members.iter().any(|m| self.accepts(state, m, n)))
    }

    /// After the feed is opened anew, everything comes, and one head is asked for and answered.
    fn heals(&self, state: &State, member: &Member) -> bool {
        let mut verifier = member.verifier.clone();
        let (at, length) = (clock(state.now), state.durable as u64);
        match verifier.follower.applied().map(|p| p.pos) {
            Some(pos) if !verifier.wants_snapshot => {
                verifier.step(Event::FeedAsked, false);
                if pos < length {
                    verifier.step(delta(&state.log, pos + 1, length), false);
                }
            }
            _ => verifier.step(snapshot(&state.head, &state.log, length), false),
        }
        let nonce = [u8::MAX; 16];
        verifier.step(Event::HeadSent { nonce, at }, false);
        let head = super::steps::head(nonce, position(&state.head, &state.log, length));
        verifier.step(Event::Head { head, at }, false);
        verifier.is_fresh(at) && verifier.follower.applied().is_some_and(|p| p.pos == length)
    }
}

fn each(state: &State, holds: impl Fn(&Member) -> bool) -> bool {
    state.members.iter().all(|member| holds(member))
}

fn holds_all(state: &State, member: &Member, pos: u64) -> bool {
    state.log.iter().take(pos as usize).all(|l| member.verifier.held.contains(&l.entry))
}

/// What holds always.
pub(crate) fn properties() -> Vec<Property<Delivery>> {
    vec![
        Property::always(I1, |_, state| {
            each(state, |m| {
                let applied = m.verifier.follower.applied();
                applied.is_none_or(|p| holds_all(state, m, p.pos))
            })
        }),
        Property::always(I2, |_, state| each(state, |m| !m.verifier.has_forgotten())),
        Property::always(I3, |_, state| {
            each(state, |m| {
                m.verifier.lease.is_none_or(|lease| {
                    let then = m.then.get(lease.request as usize - 1);
                    then.is_some_and(|length| holds_all(state, m, *length))
                })
            })
        }),
        Property::always(I4, |model: &Delivery, state| {
            !model.accepts_of(state, |ended| state.now > ended.at + S.1)
        }),
        Property::always(I5, |model: &Delivery, state| {
            !model.accepts_of(state, |ended| ended.entry.pos <= state.returned)
        }),
        Property::always(I12, |_, state: &State| {
            let dense = (1..).zip(&state.log).all(|(pos, l)| l.entry.pos == pos);
            let rising = state.log.is_sorted_by(|a, b| a.entry.ts < b.entry.ts);
            let told =
                |p: &Position| *p == position(&state.head, &state.log[..state.durable], p.pos);
            dense && rising && each(state, |m| m.verifier.follower.applied().is_none_or(told))
        }),
        Property::always(L1, |model: &Delivery, state| {
            each(state, |m| {
                let follower = &m.verifier.follower;
                follower.left() || !follower.stopped() && model.heals(state, m)
            })
        }),
        Property::always(L3, |model: &Delivery, state| {
            let spared = model.tokens.last();
            spared.is_some_and(|token| {
                each(state, |m| {
                    let verdict = m.verifier.judges(token, clock(state.now));
                    matches!(verdict, Ok(_) | Err(Refusal::Stale { .. }))
                })
            })
        }),
    ]
}

/// What must be reached.
pub(crate) fn reached(bounds: &Bounds) -> Vec<Property<Delivery>> {
    let mut all = vec![
        Property::sometimes("accepted", |model: &Delivery, state: &State| {
            state.members.iter().any(|m| model.accepts(state, m, 0))
        }),
        Property::sometimes("refused as revoked", |model: &Delivery, state: &State| {
            state.members.iter().any(|m| {
                m.verifier.judges(&model.tokens[0], clock(state.now)) == Err(Refusal::Revoked)
            })
        }),
        Property::sometimes("lease lost", |_, state| {
            !each(state, |m| m.verifier.lease.is_none() || m.verifier.is_fresh(clock(state.now)))
        }),
    ];
    if bounds.heads > 1 {
        all.push(Property::sometimes("lease regained", |_, state| {
            !each(state, |m| !(m.verifier.was_stale && m.verifier.is_fresh(clock(state.now))))
        }));
    }
    if bounds.unruly {
        all.push(Property::sometimes("resync", |_, state| {
            !each(state, |m| !m.verifier.wants_snapshot || m.verifier.follower.applied().is_none())
        }));
    }
    if bounds.fleet {
        all.push(Property::sometimes("answered for the fleet", |_, state: &State| {
            state.returned > 0
        }));
        all.push(Property::sometimes(
            "answered at once, though one has gone",
            |_, state: &State| {
                let gone = !each(state, |m| !m.verifier.follower.left());
                gone && state.now == 0 && state.returned > 0
            },
        ));
    }
    all
}

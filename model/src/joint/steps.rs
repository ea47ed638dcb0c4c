//! The steps: those of the models that are joined, and where they meet.

use super::state::{Copied, Lost, State};
use super::{Action, Joint, VERIFIERS};
use crate::delivery::{self, Logged, Member, truth};
use crate::epochs::{self, steps::begin_epoch, steps::has_lost, steps::is_behind};
use crate::issue;
use crate::realm::{SECOND, START};
use crate::verifier::Verifier;
use rescind_verifier::check::{Facts, Judged, Refusal};
use rescind_verifier::state::{Effect, Event, replaces_evidence};
use rescind_wire::revocation::Entry;
use rescind_wire::token::Verified;
use std::sync::Arc;

/// What a night lasts, in ticks.
const NIGHT: u64 = 3_600;

impl Joint {
    pub(super) fn step(&self, state: &mut State, action: Action) -> Option<()> {
        use stateright::Model as _;
        match action {
            Action::Issue(action) => {
                state.issuing = self.issuing.next_state(&state.issuing, action)?;
            }
            Action::Again => state.issuing.again(),
            Action::Deliver(action) => self.deliver(state, action)?,
            Action::Snapshot(i) => {
                let event = snapshot(state, self.reach(state, i)?);
                self.snapshot(state.delivery.member(i), event);
            }
            Action::RelayTakes => relay_takes(state),
            Action::Lost(i, which) => {
                let Lost { head, log } = &**state.lost.get(which)?;
                let last = log.len() as u64;
                let member = Arc::make_mut(&mut state.delivery.members[i]);
                match member.verifier.wants_snapshot {
                    true => self.snapshot(member, truth::snapshot(head, log, last)),
                    false => member.verifier.step(truth::delta(log, 1, last), false),
                }
            }
            Action::Begin(i) => {
                let wall_off = state.delivery.members[i].wall_off;
                let verifier = Verifier::new();
                let (asked, then) = (Vec::new(), Vec::new());
                let member = Member { verifier, asked, sent: 0, known: None, wall_off, then };
                (state.delivery.members[i], state.seen[i]) = (Arc::new(member), None);
            }
            Action::Jump(i, to) => state.delivery.member(i).wall_off = to,
            Action::Prune(i) => {
                let now = state.delivery.now;
                let member = state.delivery.member(i);
                member.verifier.prune(member.now(now));
            }
            Action::Night => {
                state.expired.extend(&state.issuing.tokens);
                state.cut_at.clear();
                state.issuing = self.issuing.next_state(&state.issuing, issue::Action::Night)?;
                state.delivery.now += NIGHT;
            }
            Action::Remember => state.marker = state.mark(),
            Action::Kill => {
                let head = &state.issuing.durable.realm.head;
                state.mistaken |= is_behind(head, state.marker, self.epochs);
            }
            Action::Copy => {
                let (issuing, log) = (state.issuing.clone(), state.delivery.log.clone());
                state.copy = Some(Arc::new(Copied { issuing, log, marker: state.marker }));
            }
            Action::Restore { marker } => self.restore(state, marker)?,
        }
        Some(())
    }

    /// How far the one that a verifier speaks to can serve the log there is.
    pub(super) fn reach(&self, state: &State, i: usize) -> Option<u64> {
        let delivery = &state.delivery;
        if !self.delivery.is_behind_relay(i) {
            return Some(delivery.log.len() as u64);
        }
        let applied = delivery.relay.applied()?;
        let stands = *applied == truth::position(&delivery.head, &delivery.log, applied.pos);
        stands.then_some(applied.pos)
    }

    /// Whether a mutant relay has an answer that it may give again.
    pub(super) fn answers_from_memory(&self, state: &State, i: usize) -> bool {
        let mutant = self.delivery.mutant == Some(delivery::Mutant::RelayFromMemory);
        mutant && self.delivery.is_behind_relay(i) && state.delivery.passed.is_some()
    }

    fn deliver(&self, state: &mut State, action: delivery::Action) -> Option<()> {
        use delivery::Action::{Answer, AnswerFromMemory, Ask, Head};
        match action {
            Answer(i, _) => self.look_at_evidence(state, i),
            Head(i, which) => {
                let answer = state.delivery.members[i].asked.get(which)?.answer.as_ref()?;
                if replaces_evidence(state.seen[i].as_ref(), &answer.position) {
                    state.seen[i] = Some(answer.position);
                }
            }
            _ => {}
        }
        let before = state.delivery.members.clone();
        self.delivery.step(&mut state.delivery, action)?;
        let (wall, epoch) = (state.wall(), state.delivery.head.epoch);
        match action {
            Ask(i) => {
                let member = state.delivery.member(i);
                let applied = member.verifier.follower.applied();
                let asked = member.asked.last_mut()?;
                // What is applied of another epoch acknowledges nothing of this one.
                asked.applied = applied.filter(|p| p.epoch == epoch).map_or(0, |p| p.pos);
            }
            // An answer to an older question may be of a newer epoch, and give the next lease.
            Head(i, _) => {
                let then = &before[i].then;
                state.delivery.member(i).then[..then.len()].copy_from_slice(then);
            }
            Answer(i, which) | AnswerFromMemory(i, which) => {
                state.delivery.member(i).asked.get_mut(which)?.answer.as_mut()?.utc = wall;
            }
            _ => {}
        }
        Some(())
    }

    fn snapshot(&self, member: &mut Member, event: Event) {
        let replaces = self.epochs == Some(epochs::Mutant::ResyncReplaces);
        member.verifier.step(event, replaces);
        self.delivery.asks_feed(member);
    }

    fn look_at_evidence(&self, state: &mut State, i: usize) {
        let log: Vec<Entry> = state.delivery.log.iter().map(|l| l.entry).collect();
        let head = &state.issuing.durable.realm.head;
        if let Some(seen) = state.seen[i].filter(|seen| has_lost(head, &log, seen)) {
            state.shown += 1;
            self.open_epoch(state, seen.ts);
        }
    }

    fn open_epoch(&self, state: &mut State, lost: u64) {
        let mut realm = (*state.issuing.durable.realm).clone();
        state.epochs += 1;
        begin_epoch(&mut realm, state.epochs, (lost, state.wall()), self.epochs);
        lose(state);
        state.issuing.rebase(realm);
        let first = state.issuing.durable.history.first();
        state.low |= first.is_none_or(|(entry, _)| entry.ts <= state.highest);
        state.unnoticed = false;
        self.follow(state);
    }

    /// The store is put back by its copy, and the authority starts.
    fn restore(&self, state: &mut State, marker: bool) -> Option<()> {
        let copy = state.copy.clone()?;
        let before = state.issuing.put_back(&copy.issuing);
        state.restores += 1;
        // The first takes two minutes.
        state.delivery.now += if state.restores == 1 { 120 } else { 1 };
        if marker {
            state.marker = copy.marker;
        }
        lose(state);
        state.delivery.log.clone_from(&copy.log);
        self.follow(state);
        self.delivery.step(&mut state.delivery, delivery::Action::Crash)?;
        let head = state.issuing.durable.realm.head;
        if is_behind(&head, state.marker, self.epochs) {
            state.issuing.tokens = before.tokens;
            self.open_epoch(state, state.marker.2);
        } else {
            state.cut_at.clear();
            state.unnoticed |= head.position() != before.durable.realm.head.position();
        }
        Some(())
    }

    /// What is committed is there to be delivered; and what that takes back is noted.
    pub(super) fn follow(&self, state: &mut State) {
        let (durable, delivery) = (&state.issuing.durable, &mut state.delivery);
        delivery.head = durable.realm.head;
        let (known, at) = (delivery.log.len(), delivery.now);
        let new = durable.history.iter().skip(known);
        delivery.log.extend(new.map(|(entry, head)| Logged {
            entry: *entry,
            after: head.position(),
            at,
        }));
        delivery.durable = delivery.log.len();
        state.highest = state.highest.max(delivery.head.ts);
        self.delivery.returns(delivery);
        let cut = state.issuing.tokens.iter().filter_map(|token| {
            let first = self.entries_after(state, token).next()?;
            Some(((token.session, token.rv), first.at))
        });
        for (token, at) in cut.collect::<Vec<_>>() {
            state.cut_at.entry(token).or_insert(at);
        }
    }

    /// What took a token back after its session was checked.
    pub(super) fn entries_after<'a>(
        &'a self,
        state: &'a State,
        token: &'a issue::state::Token,
    ) -> impl Iterator<Item = &'a Logged> {
        let later = state.delivery.log.iter().filter(|l| l.entry.pos > token.seen);
        later.filter(|l| self.issuing.matches(token.session, &l.entry))
    }

    /// A verifier's verdict on a token that was signed before the night, or after it.
    pub(super) fn judges(
        &self,
        state: &State,
        member: &Member,
        token: &issue::state::Token,
        morning: bool,
    ) -> Result<Judged, Refusal> {
        let mut claims = self.claims[token.session].clone();
        let later = if morning { NIGHT } else { 0 };
        (claims.iat, claims.exp, claims.rv) = (claims.iat + later, claims.exp + later, token.rv);
        let facts = Facts::of(Verified { claims, kid: "kid".into() }, 1);
        let now = member.now(state.delivery.now);
        if self.clocks.is_none() {
            return member.verifier.judges(&facts, now);
        }
        let mut verifier = member.verifier.clone();
        verifier.lease.iter_mut().for_each(|lease| lease.utc_us = 0);
        verifier.judges(&facts, now)
    }
}

/// What the authority has not forgotten, up to a position.
fn snapshot(state: &State, pos: u64) -> Event {
    let mut entries = state.issuing.durable.realm.snapshot();
    entries.retain(|entry| entry.pos <= pos);
    let position = truth::position(&state.delivery.head, &state.delivery.log, pos);
    Event::Snapshot { position, entries }
}

fn relay_takes(state: &mut State) {
    let last = state.delivery.log.len() as u64;
    let known = state.delivery.relay.applied().filter(|p| p.epoch == state.delivery.head.epoch);
    let first = known.map_or(1, |p| p.pos + 1);
    let delta = truth::delta(&state.delivery.log, first, last);
    let whole = snapshot(state, last);
    let effects = state.delivery.relay.step(delta);
    if effects.iter().any(|effect| matches!(effect, Effect::FetchSnapshot(_))) {
        state.delivery.relay.step(whole);
    }
}

/// The log there was is gone, with all that was known of who has applied it.
fn lose(state: &mut State) {
    let delivery = &mut state.delivery;
    let log = std::mem::take(&mut delivery.log);
    if !log.is_empty() && state.lost.len() < 3 {
        state.lost.push(Arc::new(Lost { head: delivery.head, log }));
    }
    (delivery.durable, delivery.returned) = (0, 0);
    for i in 0..VERIFIERS {
        let member = delivery.member(i);
        member.then.iter_mut().for_each(|then| *then = 0);
        member.asked.iter_mut().for_each(|asked| asked.applied = 0);
        member.known.iter_mut().for_each(|known| known.acked = 0);
    }
}

/// Whether an entry matters no more to anybody.
pub(super) fn has_passed(state: &State, member: &Member, entry: &Entry) -> bool {
    let second = START / SECOND + state.delivery.now;
    entry.until <= second.max(member.verifier.pruned_to)
}

//! What happens, step by step.

use super::{Action, Asked, Delivery, Known, Logged, Member, Mutant, S, State, truth};
use crate::realm::{ISSUER, SECOND, START, sid};
use rescind_verifier::Now;
use rescind_verifier::lease::Anchor;
use rescind_verifier::state::Event;
use rescind_wire::frame::{self, KeysMark, Position};
use rescind_wire::revocation::Target;
use std::sync::Arc;

/// Both clocks at a tick.
pub(crate) fn clock(tick: u64) -> Now {
    Now { boot_us: (1_000 + tick) * SECOND, wall_us: START + tick * SECOND }
}

impl Member {
    /// Its clocks at a tick.
    pub(crate) fn now(&self, tick: u64) -> Now {
        let Now { boot_us, wall_us } = clock(tick);
        Now { boot_us, wall_us: wall_us.saturating_add_signed(self.wall_off * SECOND as i64) }
    }
}

impl State {
    pub(crate) fn relay_pos(&self) -> u64 {
        self.relay.applied().map_or(0, |p| p.pos)
    }

    pub(crate) fn member(&mut self, i: usize) -> &mut Member {
        Arc::make_mut(&mut self.members[i])
    }

    /// Where the durable log stands.
    fn position(&self) -> Position {
        truth::position(&self.head, &self.log, self.durable as u64)
    }
}

impl Delivery {
    pub(crate) fn step(&self, state: &mut State, action: Action) -> Option<()> {
        match action {
            Action::Tick => self.tick(state),
            Action::Commit => self.commit(state),
            Action::Harden => state.durable = state.log.len(),
            Action::Crash => self.crash(state),
            Action::RelayTakes => {
                let (first, last) = (state.relay_pos() + 1, state.log.len() as u64);
                state.relay.step(truth::delta(&state.log, first, last));
            }
            Action::Snapshot(i, pos) => {
                let event = truth::snapshot(&state.head, &state.log, pos);
                self.fed(state.member(i), event);
            }
            Action::Delta(i, first, last) => {
                let event = truth::delta(&state.log, first, last);
                self.fed(state.member(i), event);
            }
            Action::Beat(i, pos) => {
                let position = truth::position(&state.head, &state.log, pos);
                let now = state.members[i].now(state.now);
                let member = state.member(i);
                if self.mutant == Some(Mutant::BeatExtends)
                    && let Some(lease) = &mut member.verifier.lease
                {
                    lease.anchor = Anchor::new(now, 0);
                }
                self.fed(member, Event::Beat(position));
            }
            Action::Resync(i) => self.fed(state.member(i), Event::Resync),
            Action::Ask(i) => self.ask(state, i),
            Action::Answer(i, which) => self.answer(state, i, which),
            Action::AnswerFromMemory(i, which) => {
                let position = state.passed?;
                let asked = &mut state.member(i).asked[which];
                asked.answer = Some(head(asked.nonce, position));
            }
            Action::Leave(i) => self.leave(state.member(i)),
            Action::Head(member, which) => self.take_head(state, member, which)?,
        }
        Some(())
    }

    /// This moment; if the search ends before more than S has passed since, as good as its last.
    fn moment(&self, state: &State) -> u64 {
        let last = self.bounds.ticks;
        if state.now + S.1 < last { state.now } else { last }
    }

    fn tick(&self, state: &mut State) {
        state.now += 1;
        for i in 0..state.members.len() {
            let (verifier, now) = (&state.members[i].verifier, state.members[i].now(state.now));
            if self.bounds.heads > 1
                && verifier.lease.is_some()
                && !verifier.is_fresh(now)
                && !verifier.was_stale
            {
                state.member(i).verifier.was_stale = true;
            }
        }
    }

    fn commit(&self, state: &mut State) {
        let target = Target::Session(sid(state.log.len()));
        // Log time needs no clock that moves.
        let entry = state.head.append(ISSUER, &target, START);
        let after = state.head.position();
        state.log.push(Logged { entry, after, at: self.moment(state) });
        if self.mutant != Some(Mutant::PublishBeforeCommit) {
            state.durable = state.log.len();
        }
    }

    /// And starts again: what was not durable is gone, and the process knows no verifier.
    fn crash(&self, state: &mut State) {
        let position = state.position();
        state.log.truncate(state.durable);
        (state.head.pos, state.head.digest) = (position.pos, position.digest);
        // Without answers for the fleet it only breaks the feeds, and may do so at any time.
        state.crashed = self.bounds.fleet;
        state.started = self.bounds.fleet.then_some(self.moment(state));
        for i in 0..state.members.len() {
            let member = state.member(i);
            member.known = None;
            self.asks_feed(member);
        }
    }

    /// Revocations are answered at the first moment at which they may be. What is known of the verifiers
    /// matters only for those that are not.
    pub(crate) fn returns(&self, state: &mut State) {
        let durable = state.durable as u64;
        if self.bounds.fleet {
            let known = (state.returned + 1..=durable).rev().find(|pos| self.all_know(state, *pos));
            state.returned = known.unwrap_or(state.returned);
            let returned = state.returned;
            let all = returned == self.bounds.entries as u64;
            state.started = state.started.filter(|_| !all);
            for i in 0..state.members.len() {
                let before = state.members[i].known;
                let raised = |known: Known| Known { acked: known.acked.max(returned), ..known };
                let known = before.filter(|_| !all).map(raised);
                if known != before {
                    state.member(i).known = known;
                }
            }
        }
    }

    /// Whether every verifier knows the log up to `pos`, or can judge nothing any more.
    pub(crate) fn all_know(&self, state: &State, pos: u64) -> bool {
        let over = |at: u64| state.now > at + S.1;
        let waited = state.started.is_none_or(over) || self.mutant == Some(Mutant::RestartForgets);
        waited
            && state
                .members
                .iter()
                .filter_map(|m| m.known)
                .all(|k| k.acked >= pos || over(k.answered_at))
    }

    fn fed(&self, member: &mut Member, event: Event) {
        let asked = member.verifier.wants_snapshot;
        member.verifier.step(event, false);
        // One that closes its feed opens another after the snapshot.
        if asked != member.verifier.wants_snapshot {
            self.asks_feed(member);
        }
    }

    /// From where that was is read by beats alone.
    pub(crate) fn asks_feed(&self, member: &mut Member) {
        if self.bounds.unruly {
            member.verifier.step(Event::FeedAsked, false);
        }
    }

    fn ask(&self, state: &mut State, i: usize) {
        let (at, length) = (state.members[i].now(state.now), state.durable as u64);
        let member = state.member(i);
        member.sent += 1;
        let nonce = [member.sent; 16];
        let applied = member.verifier.follower.applied().map_or(0, |p| p.pos);
        member.verifier.step(Event::HeadSent { nonce, at }, false);
        member.then.push(length);
        member.asked.push(Asked { nonce, applied, answer: None });
    }

    fn answer(&self, state: &mut State, i: usize, which: usize) {
        let (position, answered_at) = (state.position(), self.moment(state));
        let member = state.member(i);
        let asked = &mut member.asked[which];
        let (nonce, acked) = (asked.nonce, asked.applied);
        asked.answer = Some(head(nonce, position));
        if self.bounds.fleet {
            let before = member.known.map_or(0, |known| known.acked);
            member.known = Some(Known { acked: acked.max(before), answered_at });
        }
        if self.mutant == Some(Mutant::RelayFromMemory) {
            state.passed = Some(position);
        }
    }

    /// Accepts nothing more, and the authority hears that at once: until it does, it only waits longer.
    fn leave(&self, member: &mut Member) {
        if self.mutant != Some(Mutant::GoneAccepts) {
            member.verifier.step(Event::Left, false);
        }
        member.known = None;
    }

    fn take_head(&self, state: &mut State, i: usize, which: usize) -> Option<()> {
        let (at, length) = (state.members[i].now(state.now), state.durable as u64);
        let member = state.member(i);
        let head = member.asked.remove(which).answer?;
        if self.mutant == Some(Mutant::AnchorAtArrival) {
            member.verifier.step(Event::HeadLost(head.nonce), false);
            member.verifier.step(Event::HeadSent { nonce: head.nonce, at }, false);
            member.then.push(length);
        }
        let at = clock(0);
        member.verifier.step(Event::Head { head: head.clone(), at }, false);
        member.verifier.step(Event::Head { head, at }, false);
        // Leases only go forth.
        let rests_on = member.verifier.lease.map_or(0, |lease| lease.request as usize);
        member.then.iter_mut().take(rests_on.saturating_sub(1)).for_each(|then| *then = u64::MAX);
        Some(())
    }
}

pub(crate) fn head(nonce: [u8; 16], position: Position) -> frame::Head {
    let keys = KeysMark { version: 1, hash: [0; 32] };
    frame::Head { nonce, position, utc: START, keys, age: 0, staleness_ms: S.0 }
}

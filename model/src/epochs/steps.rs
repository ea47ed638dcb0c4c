//! What happens, step by step.

use super::state::{Copied, Ended, Mark, Member, Minted, State, Stored, mark};
use super::{Action, Epochs, Mutant};
use crate::realm::{session, sid, sub};
use rescind_authority::memory::Realm;
use rescind_authority::rollback;
use rescind_authority::session::Session;
use rescind_authority::store::{Head as StoreHead, Load, Write};
use rescind_verifier::Now;
use rescind_verifier::state::{Event, replaces_evidence};
use rescind_wire::frame::{Head, KeysMark, Position};
use rescind_wire::id::Epoch;
use rescind_wire::revocation::{Entry, Target};

/// The bound S, in milliseconds: no restart makes a lease run out but a slow one.
const S: u32 = 10_000;

impl State {
    pub(crate) fn now(&self) -> Now {
        Now { boot_us: self.now_us(), wall_us: self.now_us() }
    }

    /// Writes, and notes what that takes back.
    fn write(&mut self, write: Write) -> Option<()> {
        let mut realm = Realm::clone(&self.stored.realm);
        realm.transact(&Load::default(), |_| vec![write], self.now_us()).ok()?;
        self.put(realm);
        Some(())
    }

    fn put(&mut self, realm: Realm) {
        let known = match realm.head.epoch == self.stored.position().epoch {
            true => self.stored.position().pos,
            false => 0,
        };
        let stored = Stored::new(realm);
        let new = stored.entries.iter().filter(|e| e.pos > known);
        self.ended.extend(new.map(|entry| Ended { entry: *entry, excused: false }));
        self.highest = self.highest.max(stored.position().ts);
        self.stored = stored;
    }

    /// Begins an epoch because `lost` was given out.
    fn open_epoch(&mut self, lost: u64, mutant: Option<Mutant>) {
        let mut realm = Realm::clone(&self.stored.realm);
        self.epochs += 1;
        begin_epoch(&mut realm, self.epochs, (lost, self.now_us()), mutant);
        let before = self.highest;
        self.put(realm);
        self.low |= self.stored.entries.first().is_none_or(|first| first.ts <= before);
    }
}

impl Epochs {
    pub(crate) fn step(&self, state: &mut State, action: Action) -> Option<()> {
        match action {
            Action::EndSession => {
                state.revocations += 1;
                state.write(Write::Revoke(Target::Session(sid(0))))?;
            }
            Action::EndAll => {
                state.revocations += 1;
                state.write(Write::Revoke(Target::Subject(sub(2))))?;
            }
            Action::SignIn => {
                let (n, rv, since) =
                    (state.minted.len(), state.stored.position().ts, state.ended.len());
                let born = Session { rv, ..session(n, 2, state.now_us()) };
                state.write(Write::InsertSession(Box::new(born)))?;
                state.minted.push(Minted::new(n, 2, rv, since));
            }
            Action::Remember => state.marker = mark(&state.stored),
            Action::Copy => {
                state.copies.push(Copied { stored: state.stored.clone(), marker: state.marker });
            }
            Action::Restore { copy, marker } => self.restore(state, copy, marker),
            Action::Kill => {
                state.kills += 1;
                state.wall += 1;
                state.mistaken |= self.start(state);
            }
            Action::Ask(i) => self.ask(state, i),
            Action::Head(i) => {
                let at = state.now();
                let member = state.member(i);
                let head = member.answer.take()?;
                self.heard(member, head, at);
            }
            Action::Snapshot(i, which) => {
                let log = state.log(which);
                let (position, entries) = (log.position(), log.entries.to_vec());
                let replaces = self.mutant == Some(Mutant::ResyncReplaces);
                state.member(i).verifier.step(Event::Snapshot { position, entries }, replaces);
            }
            Action::Delta(i, which) => {
                let log = state.log(which).clone();
                self.fed(state.member(i), &log);
            }
        }
        Some(())
    }

    fn restore(&self, state: &mut State, copy: usize, marker: bool) {
        let Copied { stored, marker: old } = state.copies[copy].clone();
        state.restores += 1;
        state.wall += if state.restores == 1 { 120 } else { 1 };
        let before = std::mem::replace(&mut state.stored, stored);
        state.lost.push(before);
        if marker {
            state.marker = old;
        }
        if !self.start(state) {
            let (ended, stored) = (&mut state.ended, &state.stored);
            let lost = ended.iter_mut().filter(|e| !stored.entries.contains(&e.entry));
            lost.for_each(|e| e.excused = true);
            let now = state.now_us();
            let minted = state.minted.iter_mut().filter(|token| token.facts.claims.rv > now);
            minted.for_each(|token| token.ahead = true);
        }
    }

    /// The authority's process starts. Whether it begins an epoch.
    fn start(&self, state: &mut State) -> bool {
        let behind = is_behind(&state.stored.realm.head, state.marker, self.mutant);
        if behind {
            state.open_epoch(state.marker.2, self.mutant);
        }
        behind
    }

    /// Asks for a head, and it is answered.
    pub(crate) fn ask(&self, state: &mut State, i: usize) {
        let then = (state.ended.len(), state.epochs, state.restores);
        let at = state.now();
        let member = state.member(i);
        let nonce = [1; 16];
        // One at a time; the one before got no answer.
        member.verifier.step(Event::HeadLost(nonce), false);
        member.verifier.step(Event::HeadSent { nonce, at }, false);
        member.sent += 1;
        member.then.push(then);
        if let Some(seen) = member.seen
            && state.stored.has_lost(&seen)
        {
            state.open_epoch(seen.ts, self.mutant);
        }
        let (position, utc) = (state.stored.position(), state.now_us());
        let keys = KeysMark { version: 1, hash: [0; 32] };
        let head = Head { nonce, position, utc, keys, age: 0, staleness_ms: S };
        state.member(i).answer = Some(head);
    }

    pub(crate) fn heard(&self, member: &mut Member, mut head: Head, at: Now) {
        if replaces_evidence(member.seen.as_ref(), &head.position) {
            member.seen = Some(head.position);
        }
        let applied = member.verifier.follower.applied();
        if self.mutant == Some(Mutant::NoDigest)
            && let Some(applied) =
                applied.filter(|p| p.epoch == head.position.epoch && p.pos == head.position.pos)
        {
            head.position.digest = applied.digest;
        }
        member.verifier.step(Event::Head { head, at }, false);
    }

    /// The rest of a log, as the feed brings it.
    pub(crate) fn fed(&self, member: &mut Member, log: &Stored) {
        let mut position = log.position();
        let applied = member.verifier.follower.applied().copied();
        let after = applied.filter(|p| p.epoch == position.epoch).map_or(0, |p| p.pos);
        let entries: Vec<_> = log.entries.iter().filter(|e| e.pos > after).copied().collect();
        if self.mutant == Some(Mutant::NoDigest)
            && let Some(applied) = applied.filter(|p| p.epoch == position.epoch)
        {
            position.digest = entries.iter().fold(applied.digest, |digest, e| digest.then(e));
        }
        member.verifier.step(Event::Delta { position, entries }, false);
    }
}

/// Begins the `n`th other epoch, because `lost` was given out.
pub(crate) fn begin_epoch(
    realm: &mut Realm,
    n: u8,
    (lost, wall): (u64, u64),
    mutant: Option<Mutant>,
) {
    let ts = match mutant {
        Some(Mutant::FromStore) => realm.head.ts,
        _ => rollback::first_ts(&realm.head, lost, wall),
    };
    realm.open_epoch(Epoch::from_bytes([1 + n; 16]), ts, true);
}

/// What the authority concludes at its start.
pub(crate) fn is_behind(head: &StoreHead, marker: Mark, mutant: Option<Mutant>) -> bool {
    let (epoch, pos, ts) = marker;
    let epoch = match mutant {
        Some(Mutant::MarkerWithoutEpoch) => head.epoch,
        _ => epoch,
    };
    rollback::is_behind(head, (epoch, pos, ts))
}

/// What the authority, with all of its log, concludes from a position that a verifier has seen.
pub(crate) fn has_lost(head: &StoreHead, log: &[Entry], seen: &Position) -> bool {
    let since = log.get(seen.pos.saturating_sub(1) as usize..);
    rollback::has_lost(head, seen, since.filter(|_| rollback::is_inside(head, seen)))
}

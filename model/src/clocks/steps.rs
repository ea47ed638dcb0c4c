//! The steps: each calls what production calls, on data of the model.

use super::state::{Held, Log, Minted, State, TICK, Told, Verdict};
use super::{Action, BOUND, Clocks, LEEWAY, LIFE, Mutant};
use crate::realm::{SECOND, START, issue, sid, sub};
use rescind_authority::mint::{Issue, Reading};
use rescind_authority::store::{Load, Write};
use rescind_verifier::Now;
use rescind_verifier::check::{Facts, Refusal, Terms, World, judge};
use rescind_verifier::lease::Lease;
use rescind_verifier::set::RevocationSet;
use rescind_verifier::state::{Effect, Event, Follower};
use rescind_wire::frame::{Head, KeysMark, Position};
use rescind_wire::revocation::{Digest, Target};
use rescind_wire::token::{Claims, Verified};
use std::cell::Cell;
use std::sync::Arc;

/// Answers a check's calls with what it was told before, and the first new one by the state.
struct Calls<'a> {
    model: &'a Clocks,
    state: &'a State,
    told: Cell<Told>,
    /// How many new answers may still be given.
    left: Cell<usize>,
}

impl Calls<'_> {
    fn answer<T: Copy + Default>(
        &self,
        field: impl Fn(&mut Told) -> &mut Option<T>,
        fresh: impl FnOnce() -> T,
    ) -> T {
        let mut told = self.told.get();
        let slot = field(&mut told);
        if slot.is_none() && self.left.get() > 0 {
            self.left.set(self.left.get() - 1);
            *slot = Some(fresh());
        }
        let answer = slot.unwrap_or_default();
        self.told.set(told);
        answer
    }
}

impl World for Calls<'_> {
    fn lease(&self) -> Option<Lease> {
        let held = self.answer(|told| &mut told.lease, || self.state.lease);
        held.map(|Held(lease)| match self.model.mutant {
            Some(Mutant::ExpByWall) => Lease { utc_us: 0, ..lease },
            _ => lease,
        })
    }
    fn killed(&self, facts: &Facts) -> bool {
        let (keys, rv) = (facts.keys(), facts.claims.rv);
        self.answer(|told| &mut told.killed, || self.state.set().killed(keys, rv))
    }
    fn pruned_to(&self) -> u64 {
        self.answer(|told| &mut told.pruned_to, || self.state.set().pruned_to())
    }
    fn now(&self) -> Now {
        let now = self.state.now();
        let (boot_us, wall_us) = self.answer(|told| &mut told.now, || (now.boot_us, now.wall_us));
        let wall_us = match self.model.mutant {
            Some(Mutant::ExpByFeed) => 0,
            _ => wall_us,
        };
        Now { boot_us, wall_us }
    }
}

const TERMS: Terms =
    Terms { leeway: LEEWAY, staleness: None, as_of: None, tolerate: None, monitor: false };

impl Clocks {
    pub(super) fn step(&self, state: &mut State, action: Action) -> Option<()> {
        match action {
            Action::Tick => state.t += TICK,
            Action::Jump(to) => (state.verifier_off, state.jumps) = (to, state.jumps + 1),
            Action::Restart(to) => {
                (state.authority_off, state.restarts) = (to, state.restarts + 1);
            }
            Action::Mint => self.mint(state)?,
            Action::Revoke => self.revoke(state)?,
            Action::Sweep => {
                let mut realm = (*state.log.0).clone();
                let now = state.authority_now().wall;
                realm.sweep(now);
                if let (0, Some((entry, _))) = (realm.entries().count(), state.revoked) {
                    state.swept_to = entry.until;
                }
                state.log = Log(Arc::new(realm));
            }
            Action::Join => Self::join(state),
            Action::Feed => {
                state.held = state.log.0.entries().last().copied().or(state.held);
                state.applied = state.log.0.head.pos;
            }
            Action::Head => self.head(state),
            Action::Prune => {
                let Held(lease) = state.lease?;
                let lease = match self.mutant {
                    Some(Mutant::PruneByWall) => Lease { utc_us: u64::MAX, ..lease },
                    _ => lease,
                };
                let before = lease.earlier_s(state.now());
                let set = state.set();
                set.prune(before);
                state.pruned_to = set.pruned_to();
                state.held = state.held.filter(|entry| {
                    let alone = RevocationSet::new();
                    alone.insert(entry);
                    alone.prune(before);
                    !alone.is_empty()
                });
            }
            Action::Check => {
                let calls = if self.bounds.pauses { 1 } else { 4 };
                (0..calls).try_for_each(|_| self.check(state))?;
            }
        }
        Some(())
    }

    /// The token's claims, as they were minted.
    fn facts(&self, state: &State) -> Option<Facts> {
        let Minted { iat, exp, rv } = state.token?;
        let claims = Claims { iat, exp, rv, ..self.says.clone()? };
        Some(Facts::of(Verified { claims, kid: "kid".into() }, 1))
    }

    /// What a token says that is minted now.
    pub(super) fn minted(&self, state: &State) -> Option<Claims> {
        let (loaded, now) = (state.log.0.load(&Load::session(sid(0))), state.authority_now());
        let (session, account) = loaded.alive(now.wall)?;
        let reading = Reading::of_store(&loaded.head, now);
        reading.claims(session, account, &self.issue(), now).ok().map(|(claims, _)| claims)
    }

    fn issue(&self) -> Issue<'_> {
        Issue { life: LIFE, ..issue(&self.audiences) }
    }

    fn mint(&self, state: &mut State) -> Option<()> {
        let now = state.authority_now();
        let mut realm = (*state.log.0).clone();
        let mut minted = None;
        realm
            .transact(
                &Load::session(sid(0)),
                |loaded| {
                    let Some((session, account)) = loaded.alive(now.wall) else {
                        return Vec::new();
                    };
                    let reading = Reading::of_store(&loaded.head, now);
                    match reading.claims(session, account, &self.issue(), now) {
                        Ok((claims, writes)) => {
                            minted = Some((claims.iat, claims.exp, claims.rv));
                            writes
                        }
                        Err(_) => Vec::new(),
                    }
                },
                now.wall,
            )
            .ok()?;
        let (iat, exp, rv) = minted?;
        state.token = Some(Minted { iat, exp, rv });
        state.log = Log(Arc::new(realm));
        Some(())
    }

    fn revoke(&self, state: &mut State) -> Option<()> {
        let mut realm = (*state.log.0).clone();
        let limit = realm.head.iat_limit;
        if self.mutant == Some(Mutant::UntilByWall) {
            realm.head.iat_limit = 0;
        }
        let write = vec![Write::Revoke(Target::Subject(sub(1)))];
        realm.transact(&Load::default(), |_| write, state.authority_now().wall).ok()?;
        realm.head.iat_limit = limit;
        state.revoked = Some((*realm.entries().last()?, state.t));
        state.log = Log(Arc::new(realm));
        Some(())
    }

    /// Another verifier takes this one's place: it begins with a snapshot.
    fn join(state: &mut State) {
        state.joined = true;
        state.held = state.log.0.snapshot().last().copied();
        state.applied = state.log.0.head.pos;
        (state.pruned_to, state.lease) = (0, None);
    }

    /// A head is asked for and answered at once (what may happen between is the model of delivery's); the
    /// follower makes a lease of it, if its position is applied.
    fn head(&self, state: &mut State) {
        let (pos, now) = (state.log.0.head.pos, state.now());
        let held = state.log.0.head.position();
        let at = |pos| Position { pos, digest: Digest([pos as u8; 32]), ..held };
        let mut follower = Follower::new();
        let position = at(pos.min(state.applied));
        follower.step(Event::Snapshot { position, entries: Vec::new() });
        let nonce = [0; 16];
        follower.step(Event::HeadSent { nonce, at: now });
        let head = Head {
            nonce,
            position: at(pos),
            utc: state.authority_now().wall,
            keys: KeysMark { version: 1, hash: [0; 32] },
            age: 0,
            staleness_ms: BOUND as u32 * 1_000,
        };
        for effect in follower.step(Event::Head { head, at: now }) {
            if let Effect::Fresh(lease) = effect {
                let newest = state.lease.map_or(lease, |Held(old)| old.newer(lease));
                if newest == lease {
                    state.vouched = pos;
                }
                state.lease = Some(Held(newest));
            }
        }
    }

    /// One more call of the check is answered; the last one gives the verdict.
    fn check(&self, state: &mut State) -> Option<()> {
        let facts = self.facts(state)?;
        let before = state.check;
        let calls = self.calls(state, before, 1);
        let forced = match self.mutant {
            Some(Mutant::ClockFirst) if before.now.is_none() => {
                World::now(&calls);
                true
            }
            Some(Mutant::LookUpFirst) if before.killed.is_none() => {
                World::killed(&calls, &facts);
                true
            }
            _ => false,
        };
        let judged = if forced { None } else { Some(judge(&facts, &calls, TERMS)) };
        let mut told = calls.told.get();
        if before.lease.is_none() && told.lease.is_some() {
            told.knew = state.knew();
        }
        state.check = told;
        let whole = told.lease.is_some() && told.killed.is_some() && told.pruned_to.is_some();
        let Some((judged, (boot, wall))) = judged.zip(told.now.filter(|_| whole)) else {
            return Some(());
        };
        let at = state.t;
        let holds = |Held(lease): Held| lease.holds(Now { boot_us: boot, wall_us: wall }, None);
        let fresh = told.lease.flatten().is_some_and(holds);
        let ahead = !fresh || wall > START + at * SECOND;
        state.verdict = Some(match judged {
            Ok(_) => Verdict::Accepted { at },
            Err(Refusal::Revoked) => Verdict::Revoked,
            Err(Refusal::InvalidToken(_)) => Verdict::Expired { at, ahead },
            Err(_) => Verdict::Stale,
        });
        Some(())
    }

    fn calls<'a>(&'a self, state: &'a State, told: Told, left: usize) -> Calls<'a> {
        Calls { model: self, state, told: Cell::new(told), left: Cell::new(left) }
    }

    /// Whether a check without any pause would accept now.
    pub(super) fn accepts(&self, state: &State) -> bool {
        let calls = self.calls(state, Told::default(), 4);
        self.facts(state).is_some_and(|facts| judge(&facts, &calls, TERMS).is_ok())
    }
}

//! Two clocks on two machines: a token, its revocation, one verifier that follows, forgets and checks, and
//! time that goes on in the middle of everything, so that a pause or a suspension is a step like any other.
//!
//! The wall clocks are wrong by an hour in either direction, and the verifier's jumps. The authority's
//! process does not follow jumps of its wall clock; it takes another time only when it restarts: here it
//! restarts with a clock set forth or back, and with one set right again, but never before the second up to which
//! it has forgotten entries (`rollback::early_by`), and that it does is one of the mutants.
//!
//! Production's `check::judge` runs anew at each of its calls, with what it was told before: the order is its
//! own. Leases come out of production's `Follower`, times to forget out of them.

mod state;
mod steps;

use crate::explored::{Search, mutant, whole};
use crate::realm::{SECOND, START, realm};
use rescind_wire::token::Claims;
use state::{HOUR, Log, State, TICK, Told, Verdict};
use stateright::{Model, Property};
use std::sync::Arc;

const I4: &str = "I4 bound";
const I9: &str = "I9 expiry";
const L3: &str = "L3 an unaffected token is never refused";

/// The realm's bound S, in seconds.
const BOUND: u64 = 10;
/// Life of an access token here, in seconds.
const LIFE: u64 = 11;
/// Leeway of the verifier, in seconds.
const LEEWAY: u64 = 30;

/// A small change that breaks the promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutant {
    ClockFirst,
    LookUpFirst,
    PruneByWall,
    ExpByWall,
    ExpByFeed,
    UntilByWall,
    StartEarly,
}

/// How far a search goes.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    ticks: u64,
    /// Jumps of the verifier's wall clock.
    jumps: usize,
    /// Restarts of the authority with another time.
    restarts: usize,
    /// Whether another verifier may take the first one's place.
    join: bool,
    /// Whether everything may happen in the middle of a check.
    pauses: bool,
}

/// The model.
pub(crate) struct Clocks {
    mutant: Option<Mutant>,
    bounds: Bounds,
    audiences: Vec<String>,
    /// What the token says whenever it is minted.
    says: Option<Claims>,
}

/// What can happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Tick,
    Jump(i64),
    Restart(i64),
    Mint,
    Revoke,
    Sweep,
    Join,
    Feed,
    Head,
    Prune,
    Check,
}

impl Clocks {
    fn new(bounds: Bounds, mutant: Option<Mutant>) -> Self {
        let mut model = Self { mutant, bounds, audiences: vec!["posts-api".into()], says: None };
        let first = model.init_states().pop();
        model.says = first.and_then(|state| model.minted(&state));
        model
    }
}

impl Model for Clocks {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let Ok(mut realm) = realm(0) else { return Vec::new() };
        realm.head.longest_life = LIFE;
        vec![State {
            t: 0,
            authority_off: 0,
            verifier_off: 0,
            jumps: 0,
            restarts: 0,
            log: Log(Arc::new(realm)),
            token: None,
            revoked: None,
            held: None,
            applied: 0,
            pruned_to: 0,
            vouched: 0,
            swept_to: 0,
            lease: None,
            joined: false,
            check: Told::default(),
            verdict: None,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.verdict.is_some() {
            return;
        }
        let bounds = self.bounds;
        let begun = state.check != Told::default();
        let early = self.mutant == Some(Mutant::StartEarly);
        let restart = |to: i64| {
            let other = state.authority_off != to && (to == 0 || state.authority_off == 0);
            let may = state.restarts < bounds.restarts && !begun && other;
            (may && (early || state.may_restart(to)), Action::Restart(to))
        };
        let ready = [
            (state.t < bounds.ticks * TICK, Action::Tick),
            (state.jumps < bounds.jumps && state.verifier_off != HOUR, Action::Jump(HOUR)),
            (state.jumps < bounds.jumps && state.verifier_off != -HOUR, Action::Jump(-HOUR)),
            (state.jumps < bounds.jumps && state.verifier_off != 0, Action::Jump(0)),
            restart(0),
            restart(HOUR),
            restart(-HOUR),
            (state.token.is_none() && state.t == 0, Action::Mint),
            (state.token.is_some() && state.revoked.is_none(), Action::Revoke),
            (state.revoked.is_some(), Action::Sweep),
            (bounds.join && !state.joined && state.token.is_some() && !begun, Action::Join),
            (state.applied < state.log.0.head.pos, Action::Feed),
            (state.token.is_some(), Action::Head),
            (state.lease.is_some(), Action::Prune),
            (state.token.is_some(), Action::Check),
        ];
        actions.extend(ready.into_iter().filter(|(ready, _)| *ready).map(|(_, action)| action));
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        self.step(&mut state, action)?;
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = vec![
            Property::always(I4, bound),
            Property::always(I9, expiry),
            Property::always(L3, unaffected),
        ];
        if self.mutant.is_none() {
            all.extend(reached(self.bounds));
        }
        all
    }
}

/// Nothing is accepted later than S after it was taken back.
fn bound(_: &Clocks, state: &State) -> bool {
    match (state.verdict, state.revoked) {
        (Some(Verdict::Accepted { at }), Some((_, when))) => at <= when + BOUND,
        _ => true,
    }
}

/// Who was told and has forgotten accepts never again, nor does anybody who is told by a swept log; and
/// past `exp` and leeway a right clock on either machine is enough.
fn expiry(model: &Clocks, state: &State) -> bool {
    let told = state.check.knew;
    let accepted = match state.verdict {
        Some(Verdict::Accepted { at }) => Some(at),
        _ => None,
    };
    let over = |at: u64, exp: u64| START / SECOND + at >= exp + LEEWAY;
    let late = accepted.zip(state.token).is_some_and(|(at, token)| over(at, token.exp));
    let right = state.restarts == 0 || state.verifier_off == 0 && state.jumps == 0;
    let forgotten = accepted.is_some() && told || state.knew() && model.accepts(state);
    !(forgotten || late && right)
}

fn unaffected(_: &Clocks, state: &State) -> bool {
    match (state.verdict, state.token) {
        (Some(Verdict::Revoked), _) => state.revoked.is_some(),
        (Some(Verdict::Expired { at, ahead }), Some(token)) => {
            ahead || state.restarts > 0 || START / SECOND + at >= token.exp
        }
        _ => true,
    }
}

fn reached(bounds: Bounds) -> Vec<Property<Clocks>> {
    let mut all: Vec<Property<Clocks>> = vec![
        Property::sometimes("accepted", |_, s: &State| {
            matches!(s.verdict, Some(Verdict::Accepted { .. })) && s.revoked.is_none()
        }),
        Property::sometimes("accepted within S of a revocation", |_, s: &State| {
            matches!(s.verdict, Some(Verdict::Accepted { .. })) && s.revoked.is_some()
        }),
        Property::sometimes("accepted with a wrong clock", |_, s: &State| {
            matches!(s.verdict, Some(Verdict::Accepted { .. })) && s.verifier_off != 0
        }),
        Property::sometimes("refused as revoked", |_, s: &State| {
            s.verdict == Some(Verdict::Revoked)
        }),
        Property::sometimes("refused as expired, its entry forgotten", |_, s: &State| {
            matches!(s.verdict, Some(Verdict::Expired { .. })) && s.held.is_none() && s.knew()
        }),
        Property::sometimes("stale", |_, s: &State| s.verdict == Some(Verdict::Stale)),
        Property::sometimes("swept from the log", |_, s: &State| {
            s.revoked.is_some() && s.log.0.entries().count() == 0
        }),
    ];
    if bounds.pauses {
        all.push(Property::sometimes("paused in the middle of a check", |_, s: &State| {
            let sent = s.lease.map(|l| l.0.sent_boot_us);
            matches!(s.verdict, Some(Verdict::Stale))
                && sent.is_some_and(|at| at + BOUND * SECOND > s.now().boot_us)
        }));
    }
    all
}

/// A check that anything may interrupt.
const PAUSED: Bounds = Bounds { ticks: 5, jumps: 2, restarts: 0, join: false, pauses: true };

/// An authority that restarts, and a verifier that begins anew.
const RESTARTED: Bounds = Bounds { ticks: 5, jumps: 1, restarts: 2, join: true, pauses: false };

const WHOLE: [(&str, &str, Bounds); 2] = [
    ("clocks, with pauses", "1 verifier, 1 entry, 5 ticks of 16 s, 2 jumps of ±1 h", PAUSED),
    (
        "clocks, with restarts",
        "1 entry, 5 ticks of 16 s, 1 jump, 2 restarts, 1 new verifier",
        RESTARTED,
    ),
];

/// The searches and all mutants.
pub(crate) fn searches() -> impl Iterator<Item = Search> {
    let new = Clocks::new;
    let wholes = WHOLE.into_iter().map(move |(name, about, b)| whole(name, about, new(b, None)));
    wholes.chain(MUTANTS.into_iter().map(move |(it, what, caught_by, bounds)| {
        mutant("clocks", what, caught_by, new(bounds, Some(it)))
    }))
}

const MUTANTS: [(Mutant, &str, &str, Bounds); 7] = [
    (Mutant::ClockFirst, "clock before the anchor", I4, PAUSED),
    (Mutant::LookUpFirst, "look-up before the anchor", I4, PAUSED),
    (Mutant::PruneByWall, "prune by the wall clock alone", L3, PAUSED),
    (Mutant::ExpByWall, "exp by the wall clock alone", I9, PAUSED),
    (Mutant::ExpByFeed, "exp by the feed's clock alone", I9, RESTARTED),
    (Mutant::UntilByWall, "until by the wall clock alone", I9, RESTARTED),
    (Mutant::StartEarly, "a start with a clock before what was forgotten", I9, RESTARTED),
];

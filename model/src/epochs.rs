//! Older copies of the store put back, and the epochs after them.
//!
//! The product's: [`rollback`](rescind_authority::rollback), which decides at the start by the marker and at
//! each head by what a verifier has seen; the reference store's [`Realm`](rescind_authority::memory::Realm)
//! with its sessions and cut-offs, log and epochs; the verifier (see [`crate::verifier`]) and
//! [`replaces_evidence`](rescind_verifier::state::replaces_evidence). The model's: when the marker is
//! written (some time after a commit), what is copied and put back (the store, or the marker with it), and a
//! network in which heads come late and logs that were lost are served again. A head is asked for and
//! answered at one moment here; [`crate::delivery`] takes that apart.
//!
//! A store that is put back together with its marker, or before the marker knew what is lost, is not noticed
//! until a verifier shows what it has seen: what was lost so is not held against anybody here, but what is
//! taken back afterwards is: but not against tokens of an epoch that was lost so within the minute by which its log
//! time lies ahead of the clock. A verifier that was brought what was lost, and that no head to it has named, stays
//! without a lease (L1). The first restore takes two minutes, every other restart a
//! second, nothing else takes time.

pub(crate) mod state;
pub(crate) mod steps;
pub(crate) mod truth;

use crate::explored::{Search, mutant, print, whole};
use crate::realm::realm;
use crate::verifier::Verifier;
use state::{Copied, Member, Minted, State, Stored, mark};
use stateright::{Model, Property};
use std::sync::Arc;

/// A small change that breaks the promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutant {
    ResyncReplaces,
    MarkerWithoutEpoch,
    NoDigest,
    FromStore,
}

/// How far a search goes.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    revocations: u8,
    sign_ins: u8,
    copies: usize,
    restores: u8,
    kills: u8,
    verifiers: usize,
    /// Heads for each verifier.
    heads: u8,
}

/// The model.
struct Epochs {
    mutant: Option<Mutant>,
    bounds: Bounds,
}

/// What can happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    EndSession,
    EndAll,
    SignIn,
    Remember,
    Copy,
    Restore { copy: usize, marker: bool },
    Kill,
    Ask(usize),
    Head(usize),
    Snapshot(usize, usize),
    Delta(usize, usize),
}

impl Epochs {
    fn of_member(&self, state: &State, i: usize, actions: &mut Vec<Action>) {
        let member = &state.members[i];
        let applied = member.verifier.follower.applied();
        if member.sent < self.bounds.heads && applied.is_some() {
            actions.push(Action::Ask(i));
        }
        if member.answer.is_some() {
            actions.push(Action::Head(i));
        }
        // The log as it is, and those that were lost.
        for which in 0..=state.lost.len() {
            let log = state.log(which);
            if member.verifier.wants_snapshot {
                actions.push(Action::Snapshot(i, which));
            } else if applied
                .is_some_and(|p| p.ts < log.position().ts || p.epoch != log.position().epoch)
            {
                actions.push(Action::Delta(i, which));
            }
        }
    }
}

impl Model for Epochs {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let Ok(realm) = realm(0) else { return Vec::new() };
        let stored = Stored::new(realm);
        let member = Arc::new(Member { verifier: Verifier::new(), ..Member::default() });
        let minted = Minted::new(0, 1, stored.position().ts, 0);
        vec![State {
            marker: mark(&stored),
            highest: stored.position().ts,
            stored,
            wall: 0,
            copies: Vec::new(),
            lost: Vec::new(),
            restores: 0,
            kills: 0,
            revocations: 0,
            epochs: 0,
            minted: vec![minted],
            ended: Vec::new(),
            mistaken: false,
            low: false,
            members: vec![member; self.bounds.verifiers],
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.revocations < self.bounds.revocations {
            actions.extend([Action::EndSession, Action::EndAll]);
        }
        if state.minted.len() <= self.bounds.sign_ins.into() {
            actions.push(Action::SignIn);
        }
        if state.marker != mark(&state.stored) {
            actions.push(Action::Remember);
        }
        let now = Copied { stored: state.stored.clone(), marker: state.marker };
        if state.copies.len() < self.bounds.copies && state.copies.last() != Some(&now) {
            actions.push(Action::Copy);
        }
        if state.restores < self.bounds.restores {
            for copy in 0..state.copies.len() {
                actions.extend([false, true].map(|marker| Action::Restore { copy, marker }));
            }
        }
        if state.kills < self.bounds.kills {
            actions.push(Action::Kill);
        }
        (0..state.members.len()).for_each(|i| self.of_member(state, i, actions));
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        self.step(&mut state, action)?;
        // Verifiers are alike: which of them is the first is no difference.
        state.members.sort_by_cached_key(print);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = truth::properties();
        if self.mutant.is_none() {
            all.extend(truth::reached(&self.bounds));
        }
        all
    }
}

const WHOLE: Bounds = Bounds {
    revocations: 2,
    sign_ins: 1,
    copies: 1,
    restores: 2,
    kills: 1,
    verifiers: 1,
    heads: 2,
};

/// Two verifiers, of which one may know what the other does not.
const PAIR: Bounds = Bounds { revocations: 1, sign_ins: 0, verifiers: 2, heads: 1, ..WHOLE };

/// All searches and all mutants. These go further: they end where they are caught.
pub(crate) fn searches() -> impl Iterator<Item = Search> {
    let wholes = [("epochs, two verifiers", PAIR), ("epochs", Bounds { heads: 1, ..WHOLE })];
    let wholes = wholes.into_iter().map(|(name, bounds)| {
        let Bounds { revocations, restores, kills, verifiers, heads, .. } = bounds;
        let said = format!(
            "{revocations} revocations, {restores} restores, {kills} kills, {verifiers} verifiers, {heads} heads each"
        );
        whole(name, &said, Epochs { mutant: None, bounds })
    });
    wholes.chain(MUTANTS.into_iter().map(|(it, what, caught_by)| {
        mutant("epochs", what, caught_by, Epochs { mutant: Some(it), bounds: WHOLE })
    }))
}

const MUTANTS: [(Mutant, &str, &str); 4] = [
    (Mutant::ResyncReplaces, "resync replaces instead of unions", truth::I2),
    (Mutant::MarkerWithoutEpoch, "marker without epoch", truth::KILL),
    (Mutant::NoDigest, "digest not compared", truth::I3),
    (Mutant::FromStore, "a new epoch that begins at the store's ts", truth::I10),
];

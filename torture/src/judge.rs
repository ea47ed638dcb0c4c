//! Whether the promise was broken: a pure function of the history.
//!
//! A token is *surely dead* once a call has returned that takes it back, if the token had come before that call
//! began (whenever it came, for what is taken back by an id that is never used again). It is *perhaps dead* as
//! soon as such a call has begun that had not returned before the token was asked for. What lies between is
//! held against nobody.

mod index;

use crate::history::{Answer, Failure, History, Presentation, Revocation, Route, Token, TokenId};
use index::{Index, Troubles};
use rescind_wire::revocation::Scope;
use std::collections::{BTreeMap, HashMap, HashSet};

/// What is promised, in microseconds.
#[derive(Debug, Clone, Copy)]
pub struct Promise {
    /// S.
    pub staleness: u64,
    /// Of [`Route::Within`].
    pub within: u64,
    /// How soon after trouble a verifier is fresh again.
    pub healed: u64,
    /// How soon every verifier knows a new key.
    pub keys: u64,
    /// How soon somebody looks again, for a delay to be known.
    pub seen: u64,
}

/// The promise was broken.
#[derive(Debug, Clone, PartialEq)]
pub enum Broken {
    /// A token that was surely dead was accepted after the bound of the route.
    AcceptedLate {
        /// What was presented.
        presentation: Presentation,
        /// How long after the call had returned.
        after: u64,
    },
    /// A session that was surely over was given a token.
    Forgotten {
        /// The session.
        sid: String,
        /// How long after the call had returned.
        after: u64,
    },
    /// A client that follows the rules was signed out, and nobody had asked for it.
    SignedOut {
        /// The session.
        sid: String,
    },
    /// A good token was refused by a verifier that nothing was wrong with.
    GoodRefused(Presentation),
    /// A verifier that nothing has been wrong with for long enough does not judge.
    NotFresh(Presentation),
    /// The authority failed without the words that are promised.
    Unexplained(Failure),
}

/// What a scope came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Calls that returned.
    pub returned: u64,
    /// Those whose witness was accepted before and presented after, and not only once it had expired.
    pub shown: u64,
}

/// What is said of a history.
#[derive(Debug, Default)]
pub struct Verdict {
    /// All that was broken.
    pub broken: Vec<Broken>,
    /// By scope.
    pub scopes: BTreeMap<Scope, Count>,
    /// How many were accepted.
    pub accepted: u64,
    /// How many tokens were presented that were surely dead, and had not expired.
    pub after: u64,
    /// How many of all were answered by 503 or not at all.
    pub unanswered: u64,
    /// From the return of a call to the first presentation that a verifier refused for good, in order; only
    /// where nothing was wrong with it.
    pub delays: Vec<u64>,
    /// How long after the return of a call its token was last accepted, where the bound counts.
    pub latest: u64,
    /// From the end of trouble at a verifier to the last presentation that it did not judge, in order; one for each
    /// trouble after which there was such a presentation.
    pub healing: Vec<u64>,
    /// How often the authority failed, and said so.
    pub failures: u64,
}

/// Judges.
pub fn judge(history: &History, promise: &Promise) -> Verdict {
    let index = Index::new(&history.revocations);
    let troubles = Troubles::new(&history.troubles);
    let dead: Vec<Option<u64>> =
        history.tokens.iter().map(|token| index.token_dead(token)).collect();
    let mut verdict = Verdict::default();
    presented(history, promise, (&index, &troubles, &dead), &mut verdict);
    sessions(history, &index, &mut verdict);
    counted(history, &troubles, promise, &mut verdict);
    verdict.healing = healing(history, &troubles);
    verdict.failures = history.failures.len() as u64;
    let unexplained = history.failures.iter().filter(|failure| !failure.explained);
    verdict.broken.extend(unexplained.cloned().map(Broken::Unexplained));
    verdict
}

/// How long each trouble was felt after it was over.
fn healing(history: &History, troubles: &Troubles) -> Vec<u64> {
    let mut last: HashMap<(u8, u64), u64> = HashMap::new();
    let unjudged = |shown: &&Presentation| matches!(shown.answer, Answer::Stale | Answer::Nothing);
    for shown in history.presentations.iter().filter(unjudged) {
        let Some(over) = troubles.over(shown.verifier, shown.begun, shown.ended) else { continue };
        let felt = last.entry((shown.verifier, over)).or_default();
        *felt = shown.begun.saturating_sub(over).max(*felt);
    }
    let mut healing: Vec<u64> = last.into_values().collect();
    healing.sort_unstable();
    healing
}

type Known<'a> = (&'a Index, &'a Troubles, &'a [Option<u64>]);

fn presented(history: &History, promise: &Promise, known: Known<'_>, verdict: &mut Verdict) {
    let (index, troubles, dead) = known;
    let first_seen = key_ages(&history.tokens);
    for shown in &history.presentations {
        let token = &history.tokens[shown.token as usize];
        let late = dead[shown.token as usize].and_then(|dead| shown.begun.checked_sub(dead));
        if late.is_some() && shown.begun < token.expires {
            verdict.after += 1;
        }
        let calm = |span: u64| troubles.calm(shown.verifier, shown.begun, span, shown.ended);
        match shown.answer {
            Answer::Accepted => {
                verdict.accepted += 1;
                let bound = match shown.route {
                    Route::Local => promise.staleness,
                    Route::Within => promise.within,
                    Route::Online => 0,
                    Route::Tolerate => continue,
                };
                let Some(after) = late else { continue };
                verdict.latest = verdict.latest.max(after);
                if after > bound {
                    verdict.broken.push(Broken::AcceptedLate { presentation: *shown, after });
                }
            }
            Answer::Refused => {
                let lives = shown.ended < token.expires && !index.perhaps(token, shown.ended);
                let known_key = first_seen[token.kid.as_str()] + promise.keys < shown.begun;
                let clocks = troubles.clocks_right(token.begun, promise.healed, shown.ended);
                if lives && known_key && clocks && calm(promise.healed) {
                    verdict.broken.push(Broken::GoodRefused(*shown));
                }
            }
            Answer::Stale | Answer::Nothing => {
                verdict.unanswered += 1;
                if calm(promise.healed) {
                    verdict.broken.push(Broken::NotFresh(*shown));
                }
            }
        }
    }
}

/// When each key was first met.
fn key_ages(tokens: &[Token]) -> HashMap<&str, u64> {
    let mut ages = HashMap::new();
    for token in tokens {
        let age = ages.entry(token.kid.as_str()).or_insert(token.ended);
        *age = token.ended.min(*age);
    }
    ages
}

/// Nothing is given to a session that is over, and nobody's session is over unasked.
fn sessions(history: &History, index: &Index, verdict: &mut Verdict) {
    let born: HashMap<&str, &Token> =
        history.tokens.iter().filter(|t| t.sign_in).map(|t| (t.sid.as_str(), t)).collect();
    for token in history.tokens.iter().filter(|t| !t.sign_in) {
        let dead = born.get(token.sid.as_str()).and_then(|born| index.session_dead(born));
        if let Some(after) = dead.and_then(|dead| token.begun.checked_sub(dead)) {
            verdict.broken.push(Broken::Forgotten { sid: token.sid.clone(), after });
        }
    }
    for denial in &history.denials {
        let Some(born) = born.get(denial.sid.as_str()) else { continue };
        if !index.session_perhaps(born, denial.ended) {
            verdict.broken.push(Broken::SignedOut { sid: denial.sid.clone() });
        }
    }
}

/// What was done, and how soon it was felt.
fn counted(history: &History, troubles: &Troubles, promise: &Promise, verdict: &mut Verdict) {
    let witnesses: HashSet<TokenId> =
        history.revocations.iter().filter_map(|r| r.witness).collect();
    let mut shown: HashMap<TokenId, Vec<&Presentation>> = HashMap::new();
    for presentation in history.presentations.iter().filter(|p| witnesses.contains(&p.token)) {
        shown.entry(presentation.token).or_default().push(presentation);
    }
    for revocation in &history.revocations {
        let Some(returned) = revocation.returned else { continue };
        let count = verdict.scopes.entry(revocation.scope).or_default();
        count.returned += 1;
        let Some(witness) = revocation.witness else { continue };
        let token = &history.tokens[witness as usize];
        let shown = shown.get(&witness).map_or(&[][..], Vec::as_slice);
        let before =
            |p: &&&Presentation| p.answer == Answer::Accepted && p.ended < revocation.begun;
        let after = |p: &&&Presentation| p.begun > returned && p.begun < token.expires;
        if shown.iter().find(before).is_some() && shown.iter().find(after).is_some() {
            count.shown += 1;
        }
        verdict.delays.extend(delays(revocation, shown, troubles, promise));
    }
    verdict.delays.sort_unstable();
}

/// For each verifier that nothing was wrong with: how long after the return the first presentation began after
/// which it never accepted the witness again. Only where somebody was there to see when it turned.
fn delays(
    revocation: &Revocation,
    shown: &[&Presentation],
    troubles: &Troubles,
    promise: &Promise,
) -> Vec<u64> {
    let Some(returned) = revocation.returned else { return Vec::new() };
    let mut by: BTreeMap<u8, Vec<&Presentation>> = BTreeMap::new();
    for presentation in shown.iter().filter(|p| p.begun > revocation.begun) {
        by.entry(presentation.verifier).or_default().push(presentation);
    }
    let delay = |(verifier, mut shown): (u8, Vec<&Presentation>)| {
        shown.retain(|p| p.route == Route::Local);
        shown.sort_unstable_by_key(|p| p.begun);
        let last = shown.iter().rposition(|p| p.answer == Answer::Accepted);
        let refusal = shown.get(last.map_or(0, |last| last + 1))?;
        let calm = troubles.calm(verifier, revocation.begun, promise.healed, refusal.ended);
        let before = last.and_then(|last| shown.get(last)).map_or(returned, |p| p.ended);
        let seen = refusal.begun.saturating_sub(before.max(returned)) <= promise.seen;
        let refused = refusal.answer == Answer::Refused;
        (calm && seen && refused).then(|| refusal.begun.saturating_sub(returned))
    };
    by.into_iter().filter_map(delay).collect()
}

#[cfg(test)]
mod tests;

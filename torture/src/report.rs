//! What is said in the end: the figures, what was broken, and whether it is good.

use crate::history::{Answer, Trouble};
use crate::judge::Broken;
use crate::process::Sample;
use crate::run::{LIFE, Outcome, PROMISE, STALENESS};
use rescind_wire::revocation::Scope;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Runs of so many minutes must reach these counts.
const LONG: u64 = 30;
const REVOCATIONS: u64 = 20_000;
const EACH_SCOPE: u64 = 500;
const EVERYTHING: u64 = 20;
const ACCEPTED: u64 = 1_000_000;
const AFTER: u64 = 100_000;
/// Most that memory may grow from the second third of a run to the last: a share, and so many bytes.
const GROWTH: (f64, f64) = (1.10, 16e6);
/// Runs of fewer samples are too short to tell.
const SAMPLES: usize = 240;
/// A process fills what it keeps for so many seconds; from then on it is settled.
const SETTLED: u64 = 180;
/// Processes that differ by less than so many seconds are of one age.
const AGE: u64 = 10;
/// Most that is listed of what was broken.
const LISTED: usize = 20;

/// The head of the page.
pub const HEAD: &str = "\
# Torture

Written by `cargo xtask torture`; no figure by hand. Real processes on one machine: an authority, a relay, verifiers, two
of them behind the relay, and people and administrators who use them, while a plan from the seed kills, freezes and cuts off
processes, delays, holds back, reorders and repeats what they say to one another, tells them signed frames of before, takes a
network's line down, puts their clocks wrong, and fills and slows the authority's disk. An observer keeps every token given, every presentation and
every revocation, and judges in the end whether the promise was broken: a pure function of what it saw. The plan repeats
with its seed; what happens between the processes meanwhile does not.

";

/// Everything that is wrong; empty if the run is good.
pub fn problems(outcome: &Outcome) -> Vec<String> {
    let mut problems: Vec<String> = outcome.failures.clone();
    let broken = &outcome.verdict.broken;
    let described = |broken| format!("{}{}", described(broken), after(broken, &outcome.troubles));
    problems.extend(broken.iter().take(LISTED).map(described));
    if broken.len() > LISTED {
        problems.push(format!("and {} more like these", broken.len() - LISTED));
    }
    for (process, samples) in &outcome.memory {
        if let Some((second, last)) = thirds(samples)
            && last as f64 > second as f64 * GROWTH.0 + GROWTH.1
        {
            let (second, last) = (second >> 20, last >> 20);
            problems.push(format!("{process} grew from {second} MiB to {last} MiB"));
        }
    }
    problems
}

/// What a long run was to show, and has shown too seldom.
pub fn too_little(outcome: &Outcome) -> Vec<String> {
    if outcome.orders.minutes < LONG {
        return Vec::new();
    }
    let verdict = &outcome.verdict;
    let shown = |scope: &Scope| verdict.scopes.get(scope).map_or(0, |count| count.shown);
    let all: u64 = Scope::ALL.iter().map(shown).sum();
    let mut few = vec![
        ("revocations".to_owned(), all, REVOCATIONS),
        ("acceptances".to_owned(), verdict.accepted, ACCEPTED),
        ("presentations after a revocation".to_owned(), verdict.after, AFTER),
    ];
    for scope in Scope::ALL {
        let least = if scope == Scope::Everything { EVERYTHING } else { EACH_SCOPE };
        few.push((format!("revocations of scope {}", scope.name()), shown(&scope), least));
    }
    let too_few = |(what, count, least): (String, u64, u64)| {
        (count < least).then(|| format!("only {count} {what}; {least} are to be shown"))
    };
    few.into_iter().filter_map(too_few).collect()
}

/// The memory in the second and in the last third, of processes as old as one another: those that are killed again and
/// again are young, and small, by chance. The mean over all ages that were met in both, of what is usual at each.
fn thirds(samples: &[Sample]) -> Option<(u64, u64)> {
    (samples.len() >= SAMPLES).then_some(())?;
    let third = samples.len() / 3;
    let (second, last) = (by_age(&samples[third..2 * third]), by_age(&samples[2 * third..]));
    let met: Vec<u64> = second.keys().copied().filter(|age| last.contains_key(age)).collect();
    let mean = |part: &BTreeMap<u64, u64>| {
        met.iter().map(|age| part[age]).sum::<u64>().checked_div(met.len() as u64)
    };
    Some((mean(&second)?, mean(&last)?))
}

/// What is usual at each age.
fn by_age(samples: &[Sample]) -> BTreeMap<u64, u64> {
    let mut ages: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for Sample { age, bytes } in samples.iter().filter(|sample| sample.bytes > 0) {
        ages.entry((*age).min(SETTLED) / AGE).or_default().push(*bytes);
    }
    let usual = |mut of_age: Vec<u64>| {
        of_age.sort_unstable();
        of_age[of_age.len() / 2]
    };
    ages.into_iter().map(|(age, of_age)| (age, usual(of_age))).collect()
}

fn described(broken: &Broken) -> String {
    match broken {
        Broken::AcceptedLate { presentation, after } => format!(
            "verifier {} accepted a token at {} {} after the call that took it back had returned",
            presentation.verifier,
            presentation.route.path(),
            span(*after),
        ),
        Broken::Forgotten { after, .. } => {
            format!("a session was given a token {} after its end had been confirmed", span(*after))
        }
        Broken::SignedOut { .. } => {
            "a client that follows the rules was signed out, and nobody had asked for it".into()
        }
        Broken::GoodRefused(shown) => {
            format!("verifier {} refused a good token at {}", shown.verifier, shown.route.path())
        }
        Broken::NotFresh(shown) => format!(
            "verifier {} {} at {}, and nothing had been wrong for {}",
            shown.verifier,
            if shown.answer == Answer::Stale {
                "answered 503"
            } else {
                "answered neither 2xx, 401 nor 503"
            },
            shown.route.path(),
            span(PROMISE.healed),
        ),
        Broken::Unexplained(failure) => {
            format!(
                "{} answered {} without the problem that it promises",
                failure.path, failure.status
            )
        }
    }
}

/// What was wrong with the verifier before, for whoever looks for the cause.
fn after(broken: &Broken, troubles: &[Trouble]) -> String {
    let (Broken::AcceptedLate { presentation: shown, .. }
    | Broken::GoodRefused(shown)
    | Broken::NotFresh(shown)) = broken
    else {
        return String::new();
    };
    let met = troubles.iter().filter(|t| t.at.contains(&shown.verifier) && t.begun < shown.ended);
    let Some(last) = met.max_by_key(|trouble| trouble.ended) else { return String::new() };
    match shown.begun.checked_sub(last.ended) {
        Some(since) => format!(" ({}, over for {})", last.kind, span(since)),
        None => format!(" (while: {})", last.kind),
    }
}

fn span(micros: u64) -> String {
    match micros {
        0..1_000_000 => format!("{:.1} ms", micros as f64 / 1e3),
        _ => format!("{:.2} s", micros as f64 / 1e6),
    }
}

fn quantile(sorted: &[u64], share: f64) -> u64 {
    let at = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
    sorted.get(at).copied().unwrap_or_default()
}

/// The usual and the highest load.
fn loads(samples: &[f64]) -> String {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let at = |at: usize| sorted.get(at).copied().unwrap_or_default();
    format!("{:.1}, {:.1}", at(sorted.len() / 2), at(sorted.len().saturating_sub(1)))
}

/// The tables.
pub fn tables(outcome: &Outcome) -> String {
    let (orders, verdict) = (&outcome.orders, &outcome.verdict);
    let mut text = format!(
        "Seed {}, {} s, S = {STALENESS} s, access tokens of {LIFE} s.\n\n",
        orders.seed, outcome.seconds
    );
    text.push_str(
        "| Revocations of scope | Returned | Shown before and after |\n|---|---:|---:|\n",
    );
    let mut sum = (0, 0);
    for (scope, count) in &verdict.scopes {
        let _ = writeln!(text, "| {} | {} | {} |", scope.name(), count.returned, count.shown);
        sum = (sum.0 + count.returned, sum.1 + count.shown);
    }
    let _ = writeln!(text, "| all | {} | {} |\n", sum.0, sum.1);
    text.push_str("| Seen | |\n|---|---:|\n");
    let delay = |share| span(quantile(&verdict.delays, share));
    let healing = |share| span(quantile(&verdict.healing, share));
    for (what, value) in [
        ("Tokens given", outcome.tokens.to_string()),
        ("Acceptances", verdict.accepted.to_string()),
        ("Presentations of a token after its revocation", verdict.after.to_string()),
        ("Presentations answered by 503 or not at all", verdict.unanswered.to_string()),
        ("Latest acceptance after a revocation", span(verdict.latest)),
        ("Revoke to refused by connected verifiers: measured", verdict.delays.len().to_string()),
        ("p50", delay(0.5)),
        ("p99", delay(0.99)),
        ("longest", delay(1.0)),
        (
            "Troubles that a verifier still felt when they were over",
            verdict.healing.len().to_string(),
        ),
        ("for so long: p50", healing(0.5)),
        ("p99", healing(0.99)),
        ("longest", healing(1.0)),
        ("Answers of the authority from 500 on", verdict.failures.to_string()),
        ("Load of the machine, two cores: usual, highest", loads(&outcome.loads)),
        ("Longest that the rig itself was kept waiting", span(outcome.waited)),
    ] {
        let _ = writeln!(text, "| {what} | {value} |");
    }
    for lacking in &outcome.lacking {
        let _ = writeln!(text, "| **Not done**, for lack of rights or tools | {lacking} |");
    }
    text.push_str("\n| Fault | Times |\n|---|---:|\n");
    for (kind, times) in &outcome.faults {
        let _ = writeln!(text, "| {kind} | {times} |");
    }
    text.push_str(
        "\n| Resident memory, at equal ages, in the | second third | last third |\n|---|---:|---:|\n",
    );
    for (process, samples) in &outcome.memory {
        let said = match thirds(samples) {
            Some((second, last)) => format!("{} MiB | {} MiB", second >> 20, last >> 20),
            None => "too short | to tell".into(),
        };
        let _ = writeln!(text, "| {process} | {said} |");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// Of a process that is killed after so many seconds each time, and has a third of a MiB more for each second that it
    /// lives.
    fn killed_after(lives: &[u64]) -> Vec<Sample> {
        let ages = lives.iter().flat_map(|seconds| 0..*seconds);
        ages.map(|age| Sample { age, bytes: 15 * MIB + age * MIB / 3 }).collect()
    }

    #[test]
    fn processes_that_died_young_are_not_taken_for_small_ones() {
        let (second, last) = thirds(&killed_after(&[200, 40, 40, 40, 40, 40, 200])).unwrap();
        assert!(second.abs_diff(last) < MIB, "{second}, {last}");
    }

    #[test]
    fn what_grows_is_seen_whether_it_is_killed_or_not() {
        let lives = [&[600][..], &[20; 30], &[150, 150, 150, 150]];
        for lives in lives {
            let mut samples = killed_after(lives);
            samples.iter_mut().enumerate().for_each(|(at, sample)| {
                sample.bytes = 40 * MIB + at as u64 * MIB / 5;
            });
            let (second, last) = thirds(&samples).unwrap();
            assert!((39..=41).contains(&((last - second) / MIB)), "{lives:?}: {second}, {last}");
        }
    }

    #[test]
    fn too_little_says_nothing() {
        assert!(thirds(&killed_after(&[239])).is_none());
    }
}

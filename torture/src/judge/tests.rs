//! Histories written by hand, good ones and bad ones.

use super::*;
use crate::history::{Denial, Trouble};

const PROMISE: Promise =
    Promise { staleness: 3_000, within: 1_000, healed: 500, keys: 500, seen: 100 };
const LONG: u64 = 100_000;

/// A token of session `s`, account `a`, asked for at 100 and there at 110, under a key that is known.
fn token() -> Token {
    Token {
        jti: "t".into(),
        sid: "s".into(),
        sub: "a".into(),
        client: "c".into(),
        kid: "k".into(),
        audiences: vec!["x".into()],
        expires: LONG,
        begun: 100,
        ended: 110,
        sign_in: true,
    }
}

fn taken_back(scope: Scope, id: &str, begun: u64, returned: Option<u64>) -> Revocation {
    Revocation { scope, id: id.into(), begun, returned, witness: Some(0) }
}

fn shown(route: Route, answer: Answer, begun: u64) -> Presentation {
    Presentation { token: 0, verifier: 1, route, answer, begun, ended: begun + 10 }
}

fn history(revocations: &[Revocation], presentations: &[Presentation]) -> History {
    History {
        tokens: vec![token()],
        revocations: revocations.to_vec(),
        presentations: presentations.to_vec(),
        ..History::default()
    }
}

fn broken(history: &History) -> Vec<Broken> {
    judge(history, &PROMISE).broken
}

#[test]
fn each_scope_is_held_to_the_bound_and_not_before_it() {
    let all = [
        (Scope::Token, "t"),
        (Scope::Session, "s"),
        (Scope::Key, "k"),
        (Scope::Subject, "a"),
        (Scope::Grant, "a c"),
        (Scope::Client, "c"),
        (Scope::Audience, "x"),
        (Scope::Everything, ""),
        (Scope::Claims, "a"),
    ];
    assert_eq!(all.len(), Scope::ALL.len());
    for (scope, id) in all {
        let revoked = taken_back(scope, id, 1_000, Some(1_010));
        let good = shown(Route::Local, Answer::Accepted, 4_010);
        assert_eq!(broken(&history(std::slice::from_ref(&revoked), &[good])), [], "{scope:?}");
        let late = shown(Route::Local, Answer::Accepted, 4_011);
        let expected = [Broken::AcceptedLate { presentation: late, after: 3_001 }];
        assert_eq!(broken(&history(&[revoked], &[late])), expected, "{scope:?}");
        let other = taken_back(scope, "another", 1_000, Some(1_010));
        assert_eq!(broken(&history(&[other], &[late])), [], "{scope:?} of another");
    }
}

#[test]
fn each_route_has_its_own_bound_and_tolerate_has_none() {
    let revoked = [taken_back(Scope::Session, "s", 1_000, Some(1_010))];
    for (route, last) in [(Route::Online, 1_010), (Route::Within, 2_010), (Route::Local, 4_010)] {
        let accepted = |begun| history(&revoked, &[shown(route, Answer::Accepted, begun)]);
        assert_eq!(broken(&accepted(last)), [], "{route:?}");
        assert_eq!(broken(&accepted(last + 1)).len(), 1, "{route:?}");
    }
    let tolerated = shown(Route::Tolerate, Answer::Accepted, 50_000);
    assert_eq!(broken(&history(&revoked, &[tolerated])), []);
}

#[test]
fn a_call_without_an_answer_proves_nothing_either_way() {
    let lost = [taken_back(Scope::Subject, "a", 1_000, None)];
    for answer in [Answer::Accepted, Answer::Refused] {
        let shown = shown(Route::Local, answer, 9_000);
        assert_eq!(broken(&history(&lost, &[shown])), [], "{answer:?}");
    }
    // The same call again, this time with an answer.
    let again = [lost[0].clone(), taken_back(Scope::Subject, "a", 2_000, Some(2_010))];
    let late = shown(Route::Local, Answer::Accepted, 9_000);
    assert_eq!(broken(&history(&again, &[late])).len(), 1);
}

#[test]
fn what_came_after_a_cut_lives_and_must_be_taken() {
    let mut history = history(
        &[taken_back(Scope::Subject, "a", 50, Some(60))],
        &[shown(Route::Local, Answer::Accepted, 9_000)],
    );
    assert_eq!(broken(&history), []);
    history.presentations = vec![shown(Route::Local, Answer::Refused, 9_000)];
    assert_eq!(broken(&history), [Broken::GoodRefused(history.presentations[0])]);
    // Asked for while the call was under way: nobody knows.
    history.revocations[0].returned = Some(105);
    assert_eq!(broken(&history), []);
    history.presentations = vec![shown(Route::Local, Answer::Accepted, 9_000)];
    assert_eq!(broken(&history), []);
    // One session is never used again.
    history.revocations = vec![taken_back(Scope::Session, "s", 50, Some(60))];
    assert_eq!(broken(&history).len(), 1);
}

#[test]
fn a_good_token_may_be_refused_only_where_something_was_wrong() {
    let refused = shown(Route::Local, Answer::Refused, 9_000);
    let with = |change: &dyn Fn(&mut History)| {
        let mut history = history(&[], &[refused]);
        change(&mut history);
        broken(&history).len()
    };
    assert_eq!(with(&|_| {}), 1);
    assert_eq!(with(&|h| h.tokens[0].expires = 9_005), 0, "expired");
    assert_eq!(with(&|h| h.tokens[0].ended = 8_900), 0, "its key is new");
    let trouble = |at, clock, begun, ended| Trouble { kind: "", at, clock, begun, ended };
    assert_eq!(with(&|h| h.troubles = vec![trouble(vec![1], false, 8_000, 8_600)]), 0);
    assert_eq!(with(&|h| h.troubles = vec![trouble(vec![0, 1], false, 8_000, u64::MAX)]), 0);
    assert_eq!(with(&|h| h.troubles = vec![trouble(vec![2], false, 8_000, 8_600)]), 1);
    assert_eq!(with(&|h| h.troubles = vec![trouble(vec![1], false, 8_000, 8_400)]), 1);
    assert_eq!(with(&|h| h.troubles = vec![trouble(vec![2], true, 150, 300)]), 0, "clock");
}

#[test]
fn a_verifier_that_nothing_is_wrong_with_judges() {
    for answer in [Answer::Stale, Answer::Nothing] {
        let mut history = history(&[], &[shown(Route::Local, answer, 9_000)]);
        assert_eq!(broken(&history), [Broken::NotFresh(history.presentations[0])]);
        let (kind, at, clock, begun, ended) = ("cut", vec![1], false, 1_000, 8_501);
        history.troubles = vec![Trouble { kind, at, clock, begun, ended }];
        assert_eq!(broken(&history), []);
        assert_eq!(judge(&history, &PROMISE).unanswered, 1);
    }
}

#[test]
fn trouble_is_felt_until_the_last_presentation_that_was_not_judged() {
    let stale = |begun| shown(Route::Local, Answer::Stale, begun);
    let mut history = history(&[], &[stale(8_900), stale(9_100), stale(9_300)]);
    let trouble = |at, ended| Trouble { kind: "", at, clock: false, begun: 8_000, ended };
    history.troubles = vec![trouble(vec![1], 9_000), trouble(vec![2], 9_200)];
    assert_eq!(judge(&history, &PROMISE).healing, [300]);
}

#[test]
fn an_authority_that_fails_says_so_as_promised() {
    let failure = |explained| {
        let (path, status, ended) = ("/login".into(), 500, 1_000);
        crate::history::Failure { path, status, explained, ended }
    };
    let mut history = history(&[], &[]);
    history.failures = vec![failure(true)];
    assert_eq!((broken(&history), judge(&history, &PROMISE).failures), (vec![], 1));
    history.failures.push(failure(false));
    assert_eq!(broken(&history), [Broken::Unexplained(failure(false))]);
}

#[test]
fn a_session_that_is_over_is_given_nothing() {
    for (scope, id, expected) in [
        (Scope::Session, "s", 1),
        (Scope::Subject, "a", 1),
        (Scope::Grant, "a c", 1),
        (Scope::Client, "c", 1),
        (Scope::Everything, "", 1),
        (Scope::Claims, "a", 0),
        (Scope::Key, "k", 0),
        (Scope::Audience, "x", 0),
        (Scope::Token, "t", 0),
    ] {
        let mut history = history(&[taken_back(scope, id, 1_000, Some(1_010))], &[]);
        let refreshed =
            |begun| Token { jti: "u".into(), begun, ended: begun + 10, sign_in: false, ..token() };
        history.tokens.push(refreshed(1_009));
        assert_eq!(broken(&history), [], "{scope:?}: asked for before the return");
        history.tokens.push(refreshed(1_011));
        assert_eq!(broken(&history).len(), expected, "{scope:?}");
    }
}

#[test]
fn nobody_is_signed_out_unasked() {
    let denial = Denial { sid: "s".into(), begun: 2_000, ended: 2_010 };
    let with = |revocations: &[Revocation]| {
        let mut history = history(revocations, &[]);
        history.denials.push(denial.clone());
        broken(&history)
    };
    assert_eq!(with(&[]), [Broken::SignedOut { sid: "s".into() }]);
    assert_eq!(with(&[taken_back(Scope::Claims, "a", 1_000, Some(1_010))]).len(), 1);
    assert_eq!(with(&[taken_back(Scope::Session, "s", 2_011, Some(2_020))]).len(), 1);
    assert_eq!(with(&[taken_back(Scope::Session, "s", 2_005, None)]), []);
    assert_eq!(with(&[taken_back(Scope::Everything, "", 50, Some(99))]).len(), 1, "before it");
    assert_eq!(with(&[taken_back(Scope::Everything, "", 50, Some(101))]), []);
}

#[test]
fn a_revocation_counts_if_its_witness_was_taken_before_and_shown_after() {
    let revoked = [taken_back(Scope::Token, "t", 1_000, Some(1_010))];
    let count = |presentations: &[Presentation]| {
        let verdict = judge(&history(&revoked, presentations), &PROMISE);
        (verdict.scopes[&Scope::Token].shown, verdict.after)
    };
    let before = shown(Route::Local, Answer::Accepted, 900);
    let after = shown(Route::Local, Answer::Refused, 1_011);
    assert_eq!(count(&[before, after]), (1, 1));
    assert_eq!(count(&[after]), (0, 1));
    assert_eq!(count(&[before]), (0, 0));
    assert_eq!(count(&[before, shown(Route::Local, Answer::Refused, LONG)]), (0, 0), "expired");
}

#[test]
fn a_delay_is_counted_to_the_refusal_after_which_it_was_never_accepted() {
    let revoked = [taken_back(Scope::Token, "t", 1_000, Some(1_010))];
    let presentations = [
        shown(Route::Local, Answer::Refused, 1_001),
        shown(Route::Local, Answer::Accepted, 1_020),
        shown(Route::Local, Answer::Refused, 1_040),
        shown(Route::Local, Answer::Refused, 1_060),
    ];
    let verdict = judge(&history(&revoked, &presentations), &PROMISE);
    assert_eq!((verdict.delays, verdict.latest), (vec![30], 10));
    let gap = [presentations[1], shown(Route::Local, Answer::Refused, 1_131)];
    let verdict = judge(&history(&revoked, &gap), &PROMISE);
    assert!(verdict.delays.is_empty(), "nobody looked in time");
}

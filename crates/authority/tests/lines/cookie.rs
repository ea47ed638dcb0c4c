//! An honest browser on a slow network.

use crate::{GRACE, GRACE_S, NIGHT, SECOND, START, cases, session};
use proptest::prelude::*;
use rescind_authority::line::Carrier;
use rescind_authority::present::{CookieWorth, judge_cookie};
use std::collections::BTreeMap;
use std::time::Duration;

/// One request of a browser: when it leaves, and how long it is under way, served, and answered; whether
/// the answer is lost. In microseconds.
#[derive(Debug, Clone)]
struct Request {
    after: u64,
    up: u64,
    served: u64,
    down: u64,
    lost: bool,
}

fn request() -> impl Strategy<Value = Request> {
    let way = || prop_oneof![0..SECOND, 0..=GRACE_S * SECOND, Just(GRACE_S * SECOND)];
    let gap =
        prop_oneof![Just(0), 0..5 * SECOND, 0..90 * SECOND, Just(60 * SECOND), 0..NIGHT * SECOND];
    let served = prop_oneof![4 => 0..SECOND, 1 => 0..2 * GRACE_S * SECOND];
    (gap, way(), served, way(), any::<bool>()).prop_map(|(after, up, served, down, lost)| Request {
        after,
        up,
        served,
        down,
        lost,
    })
}

/// What happens to a request in turn.
#[derive(Debug, Clone, Copy)]
enum Event {
    Leaves(usize),
    Arrives { request: usize, cookie: u32 },
    IsAnswered { set: u32 },
}

/// A browser with one jar; gives what each request was worth.
fn browse(requests: &[Request], move_after: u64) -> Vec<CookieWorth> {
    let (mut session, mut jar, mut worths) = (session(Carrier::Cookie), 0, Vec::new());
    let mut events = BTreeMap::new();
    let mut count = 0;
    let mut at = |events: &mut BTreeMap<(u64, u64), Event>, time: u64, event: Event| {
        count += 1;
        events.insert((time, count), event);
    };
    let mut time = START;
    for (n, request) in requests.iter().enumerate() {
        time += request.after;
        at(&mut events, time, Event::Leaves(n));
    }
    while let Some(((now, _), event)) = events.pop_first() {
        match event {
            Event::Leaves(n) => {
                let arrives = Event::Arrives { request: n, cookie: jar };
                at(&mut events, now + requests[n].up, arrives);
            }
            Event::Arrives { request, cookie } => {
                let after = Duration::from_micros(move_after);
                let worth = judge_cookie(&session.standing(), cookie, GRACE, after, now);
                worths.push(worth);
                let set = match worth {
                    CookieWorth::Current { first: true } => {
                        session.seen_at = Some(now);
                        None
                    }
                    CookieWorth::Due => {
                        session.generation += 1;
                        session.seen_at = None;
                        Some(session.generation)
                    }
                    CookieWorth::Again => Some(session.generation),
                    _ => None,
                };
                // An answer that leaves later than the grace time brings no cookie.
                let Request { served, down, lost, .. } = requests[request];
                if let (Some(set), true, false) = (set, served <= GRACE_S * SECOND, lost) {
                    at(&mut events, now + served + down, Event::IsAnswered { set });
                }
            }
            Event::IsAnswered { set } => jar = set,
        }
    }
    worths
}

proptest! {
    #![proptest_config(cases(4096))]

    // R05
    /// No network is slower than the grace time; everything else may happen.
    #[test]
    fn an_honest_browser_is_never_taken_for_a_thief(
        requests in prop::collection::vec(request(), 1..60),
        move_after in prop_oneof![Just(0), 0..20 * 60 * SECOND],
    ) {
        for worth in browse(&requests, move_after) {
            prop_assert!(!matches!(worth, CookieWorth::Theft | CookieWorth::FromTheFuture), "{worth:?}");
        }
    }
}

#[test]
fn a_browsers_line_does_move_in_these_stories() {
    let requests = vec![Request { after: 60 * SECOND, up: 1, served: 1, down: 1, lost: false }; 40];
    let worths = browse(&requests, 0);
    let moves = worths.iter().filter(|w| **w == CookieWorth::Due).count();
    assert!(moves > 10, "{moves}");
}

//! The two judges of a credential line against an independent reading of the table in
//! `docs/architecture.md`, and against an honest client and a thief who do anything in any order.

use proptest::prelude::*;
use rescind_authority::clients::FIRST_PARTY;
use rescind_authority::line::Carrier;
use rescind_authority::present::{CookieWorth, judge_cookie};
use rescind_authority::refresh::{Worth, judge};
use rescind_authority::session::{Session, SessionState};
use rescind_wire::id::{Sid, Sub};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

const GRACE_S: u64 = 30;
const GRACE: Duration = Duration::from_secs(GRACE_S);
const SECOND: u64 = 1_000_000;
const START: u64 = 1_800_000_000 * SECOND;
const NIGHT: u64 = 36_000;

type Key = [u8; 32];

/// So many cases; a failure prints its input, no file is kept.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn session(carrier: Carrier) -> Session {
    Session {
        sid: Sid::from_bytes([1; 16]),
        sub: Sub::from_bytes([2; 16]),
        client_id: FIRST_PARTY.into(),
        carrier,
        rv: 0,
        created_at: START,
        auth_time: START,
        amr: Vec::new(),
        idle: u64::MAX,
        expires_at: u64::MAX,
        last_seen_at: START,
        generation: 0,
        reached_at: START,
        seen_at: None,
        move_key: None,
        state: SessionState::Live,
        device: None,
        user_agent: None,
        address: None,
        remembered: false,
    }
}

/// The table's rows for refresh tokens, from the top; the first that matches answers.
fn refresh_row(behind: i64, stored: Option<Key>, sent: Option<Key>, age: u64) -> Worth {
    let same_key = stored.is_some() && stored == sent;
    let in_time = age <= GRACE_S * SECOND;
    let rows = [
        (behind < 0, Worth::FromTheFuture),
        (behind == 0 && same_key, Worth::SpentKey),
        (behind == 0, Worth::Move),
        (behind == 1 && same_key, Worth::Repeat),
        (behind == 1 && stored.is_none() && sent.is_none() && in_time, Worth::Repeat),
        (behind == 1 && in_time, Worth::Superseded),
        (true, Worth::Theft),
    ];
    rows.into_iter().find(|(matches, _)| *matches).unwrap().1
}

/// The same for cookies. `seen` is how long ago the current one was first seen.
fn cookie_row(behind: i64, seen: Option<u64>, move_after: u64) -> CookieWorth {
    let due = seen.is_some_and(|age| age >= move_after && age >= 2 * GRACE_S * SECOND);
    let rows = [
        (behind < 0, CookieWorth::FromTheFuture),
        (behind == 0 && due, CookieWorth::Due),
        (behind == 0, CookieWorth::Current { first: seen.is_none() }),
        (behind == 1 && seen.is_none(), CookieWorth::Again),
        (behind == 1 && seen.is_some_and(|age| age <= GRACE_S * SECOND), CookieWorth::UnderWay),
        (true, CookieWorth::Theft),
    ];
    rows.into_iter().find(|(matches, _)| *matches).unwrap().1
}

/// Spans around the borders, and any.
fn age() -> impl Strategy<Value = u64> {
    let border = GRACE_S * SECOND;
    prop_oneof![
        Just(0),
        (border - 2)..(border + 3),
        (2 * border - 2)..(2 * border + 3),
        0..(NIGHT * SECOND),
    ]
}

fn some_key() -> impl Strategy<Value = Option<Key>> {
    prop_oneof![Just(None), (0u8..3).prop_map(|n| Some([n; 32]))]
}

proptest! {
    #![proptest_config(cases(4096))]

    // R01 R05
    #[test]
    fn a_refresh_token_is_judged_by_the_first_row_of_the_table_that_matches(
        generation in prop_oneof![0u32..4, (u32::MAX - 3)..=u32::MAX],
        presented in prop_oneof![0u32..4, (u32::MAX - 3)..=u32::MAX],
        (stored, sent, age) in (some_key(), some_key(), age()),
    ) {
        let session =
            Session { generation, reached_at: START, move_key: stored, ..session(Carrier::Token) };
        let judged = judge(&session, presented, sent.as_ref(), GRACE, START + age);
        let behind = i64::from(generation) - i64::from(presented);
        prop_assert_eq!(judged, refresh_row(behind, stored, sent, age));
    }

    // R05
    #[test]
    fn a_cookie_is_judged_by_the_first_row_of_the_table_that_matches(
        generation in prop_oneof![0u32..4, (u32::MAX - 3)..=u32::MAX],
        presented in prop_oneof![0u32..4, (u32::MAX - 3)..=u32::MAX],
        seen in prop::option::of(age()),
        move_after in age(),
    ) {
        let now = START + 2 * NIGHT * SECOND;
        let seen_at = seen.map(|age| now - age);
        let session = Session { generation, seen_at, ..session(Carrier::Cookie) };
        let after = Duration::from_micros(move_after);
        let judged = judge_cookie(&session, presented, GRACE, after, now);
        let behind = i64::from(generation) - i64::from(presented);
        prop_assert_eq!(judged, cookie_row(behind, seen, move_after));
    }
}

/// The authority, as small as it can be: one session whose line is judged and moved.
struct Line {
    session: Session,
    now: u64,
    /// Which keys got the successor of a generation.
    paid: HashMap<u32, Vec<Option<Key>>>,
}

impl Line {
    fn new() -> Self {
        Self { session: session(Carrier::Token), now: START, paid: HashMap::new() }
    }

    /// Gives the answer, with the successor if there is one.
    fn refresh(&mut self, generation: u32, key: Option<Key>) -> Result<u32, Worth> {
        if self.session.state != SessionState::Live {
            return Err(Worth::Theft);
        }
        let worth = judge(&self.session, generation, key.as_ref(), GRACE, self.now);
        match worth {
            Worth::Move => {
                self.session.generation += 1;
                self.session.reached_at = self.now;
                self.session.move_key = key;
            }
            Worth::Repeat => {}
            Worth::Theft | Worth::FromTheFuture => {
                let why = rescind_authority::session::Why::Reuse;
                self.session.state = SessionState::Ended { at: self.now, why };
                return Err(worth);
            }
            _ => return Err(worth),
        }
        self.paid.entry(generation).or_default().push(key);
        Ok(self.session.generation)
    }

    fn lives(&self) -> bool {
        self.session.state == SessionState::Live
    }
}

/// What the honest client's storage holds, shared by all its tabs.
#[derive(Clone, Copy)]
struct Stored {
    token: u32,
    key: Option<Key>,
}

#[derive(Debug, Clone)]
enum Act {
    /// Time goes by, in seconds.
    Wait(u64),
    /// A tab or a retry sends what is stored, drawing a key first if none is; the answer may be lost.
    Send { lost: bool },
    /// The thief copies what is stored, perhaps with the key.
    Steal { with_key: bool },
    /// The thief refreshes with a stolen token, or with his newest.
    Spend { stolen: bool },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => prop_oneof![0u64..2, 28u64..33, 0..NIGHT].prop_map(Act::Wait),
        4 => any::<bool>().prop_map(|lost| Act::Send { lost }),
        1 => any::<bool>().prop_map(|with_key| Act::Steal { with_key }),
        2 => any::<bool>().prop_map(|stolen| Act::Spend { stolen }),
    ]
}

struct Story {
    line: Line,
    stored: Stored,
    drawn: u8,
    stolen: Option<Stored>,
    thief: Option<u32>,
}

impl Story {
    fn new() -> Self {
        let stored = Stored { token: 0, key: None };
        Self { line: Line::new(), stored, drawn: 0, stolen: None, thief: None }
    }

    fn draw(&mut self) -> Key {
        self.drawn += 1;
        [self.drawn; 32]
    }

    /// What the honest client sees of one request.
    fn send(&mut self, lost: bool) -> Result<u32, Worth> {
        if self.stored.key.is_none() {
            self.stored.key = Some(self.draw());
        }
        let answer = self.line.refresh(self.stored.token, self.stored.key);
        if let (Ok(token), false) = (&answer, lost) {
            self.stored = Stored { token: *token, key: None };
        }
        answer
    }

    fn spend(&mut self, stolen: bool) {
        let (token, key) = match (stolen, self.stolen, self.thief) {
            (true, Some(copy), _) => (copy.token, copy.key.or_else(|| Some(self.draw()))),
            (false, _, Some(token)) => (token, Some(self.draw())),
            _ => return,
        };
        if let Ok(token) = self.line.refresh(token, key) {
            self.thief = Some(token);
        }
    }

    fn perform(&mut self, act: &Act) {
        match *act {
            Act::Wait(seconds) => self.line.now += seconds * SECOND,
            Act::Send { lost } => drop(self.send(lost)),
            Act::Steal { with_key } => {
                let key = self.stored.key.filter(|_| with_key);
                self.stolen = Some(Stored { key, ..self.stored });
            }
            Act::Spend { stolen } => self.spend(stolen),
        }
    }
}

proptest! {
    #![proptest_config(cases(2048))]

    // R02 R03
    #[test]
    fn one_honest_client_and_one_thief_never_have_two_live_lines(
        acts in prop::collection::vec(act(), 1..60),
    ) {
        let mut story = Story::new();
        for act in &acts {
            story.perform(act);
            // Of each generation one successor was given out, for one key alone.
            for keys in story.line.paid.values() {
                prop_assert!(keys.iter().all(|key| *key == keys[0]), "{:?}", keys);
            }
            prop_assert!(story.line.paid.len() as u32 == story.line.session.generation);
        }
        // Both come once more, at a quiet time: not both of them have a line of their own afterwards.
        story.line.now += 2 * NIGHT * SECOND;
        let owner = story.send(false);
        let thief = match story.thief {
            Some(token) if Ok(token) != owner => {
                story.line.now += (GRACE_S + 1) * SECOND;
                let key = story.draw();
                story.line.refresh(token, Some(key))
            }
            _ => return Ok(()),
        };
        prop_assert!(owner.is_err() || thief.is_err());
        prop_assert!(owner.is_err() || !story.line.lives(), "the thief's spent token ended it");
    }

    // R05
    #[test]
    fn an_honest_client_with_a_stored_key_is_never_taken_for_a_thief(
        acts in prop::collection::vec(act(), 1..80),
    ) {
        let mut story = Story::new();
        for act in acts.iter().filter(|act| matches!(act, Act::Wait(_) | Act::Send { .. })) {
            if let Act::Send { lost } = act {
                let token = story.stored.token;
                let answer = story.send(*lost);
                prop_assert_eq!(answer, Ok(token + 1), "every request of it gets the successor");
            } else {
                story.perform(act);
            }
        }
        prop_assert!(story.line.lives());
    }

    // R05
    #[test]
    fn two_tabs_without_a_common_storage_lose_nothing_within_the_grace_time(
        keys in prop::collection::vec(some_key(), 2..10),
        waits in prop::collection::vec(0u64..3, 10),
    ) {
        let mut line = Line::new();
        for (key, wait) in keys.iter().zip(&waits) {
            let answer = line.refresh(0, *key);
            prop_assert!(matches!(answer, Ok(1) | Err(Worth::Superseded)), "{:?}", answer);
            line.now += wait * SECOND;
        }
        prop_assert!(line.lives() && line.session.generation == 1);
        prop_assert_eq!(line.refresh(1, Some([9; 32])), Ok(2));
    }
}

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
                let worth = judge_cookie(&session, cookie, GRACE, after, now);
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

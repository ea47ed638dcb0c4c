//! An honest client, which stores its Idempotency-Key beside the token before it sends, and a thief.

use crate::table::some_key;
use crate::{GRACE, GRACE_S, Key, NIGHT, SECOND, START, cases, session};
use proptest::prelude::*;
use rescind_authority::line::Carrier;
use rescind_authority::refresh::{Worth, judge};
use rescind_authority::session::{Session, SessionState, Why};
use std::collections::HashMap;

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
                let why = Why::Reuse;
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

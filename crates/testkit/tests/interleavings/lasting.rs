//! Sessions that outlive the entries against them, and cookies that outlive their generation.

use crate::realm::{Realm, wait};
use crate::{assert_caught, now, safe};
use rescind_authority::line::Carrier;
use rescind_authority::memory::MemoryStore;
use rescind_authority::present::{CookieWorth, judge_cookie};
use rescind_authority::secret::Secret;
use rescind_authority::session::{Cutoff, Session, SessionState, Why};
use rescind_authority::store::{Judged, Load, Store, Write};
use rescind_testkit::clock::ManualClock;
use rescind_testkit::conformance::{
    DAY, ISSUER, LONGEST_LIFE, SECOND, START, add_accounts, add_session, session, sid, sub, write,
};
use rescind_testkit::interleave::{Explored, Protocol, step};
use rescind_wire::id::{Epoch, Sid};
use rescind_wire::revocation::Target;
use std::sync::Arc;
use std::time::Duration;

struct Month {
    store: MemoryStore,
    clock: Arc<ManualClock>,
    revoked: bool,
    bad: bool,
}

impl Month {
    /// Session 1 of account 1: 14 days idle, 30 days in all.
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(START));
        let epoch = Epoch::from_bytes([1; 16]);
        let store = MemoryStore::new(ISSUER, epoch, LONGEST_LIFE, Arc::clone(&clock) as _);
        now(add_accounts(&store, &[1]));
        now(add_session(&store, session(1, 1, now(store.head()).unwrap().ts)));
        Self { store, clock, revoked: false, bad: false }
    }

    fn wall(&self) -> u64 {
        rescind_authority::clock::Clock::now(&*self.clock).wall
    }

    /// The session is used; it must live iff nothing was revoked.
    fn used(&mut self, by_rows: bool) {
        let wall = self.wall();
        let loaded = now(self.store.read(Load::session(sid(1)))).unwrap();
        let Judged { session, cutoffs } = loaded.session.unwrap();
        let judged_by = match by_rows {
            true => cutoffs,
            false => {
                let keys = session.cutoff_keys(ISSUER);
                let (_, live) = now(self.store.snapshot()).unwrap();
                let live = live.into_iter().filter(|e| e.until > wall / SECOND);
                let hits = live.filter(|e| keys.contains(&e.key));
                hits.map(|e| Cutoff { scope: e.scope, ts: e.ts }).collect()
            }
        };
        let alive = session.check(loaded.account.as_ref(), &judged_by, wall).is_ok();
        self.bad |= alive == self.revoked;
        let touch = Write::Touch { sid: session.sid, at: wall };
        now(write(&self.store, vec![touch])).unwrap();
    }
}

/// A revocation, thirteen days twice with all sweeps, and two uses.
fn month(by_rows: bool) -> Explored {
    let later = || step(|m: &mut Month| m.clock.advance(Duration::from_micros(13 * DAY)));
    let sweep = || {
        step(|m: &mut Month| {
            now(m.store.sweep(m.wall())).unwrap();
        })
    };
    let used = || step(move |m: &mut Month| m.used(by_rows));
    let revoke = step(|m: &mut Month| {
        now(write(&m.store, vec![Write::Revoke(Target::Subject(sub(1)))])).unwrap();
        m.revoked = true;
    });
    Protocol::new(Month::new)
        .process("revoke", [revoke])
        .process("first use", [later(), sweep(), used()])
        .process("second use", [later(), sweep(), used()])
        .after("first use")
        .run(|m| m.bad)
}

// V08
#[test]
fn a_session_of_thirty_days_stays_dead_when_its_entry_is_pruned() {
    assert_eq!(month(true), safe(7));
    assert_caught(month(false), 7);
}

/// A browser whose session's cookie moved yesterday and never heard of it.
struct Jar {
    realm: Realm,
    sid: Sid,
    /// Cookie values by generation.
    values: Vec<Secret>,
    /// What the jar holds, and what is under way to it.
    held: usize,
    coming: Vec<usize>,
    refused: bool,
}

impl Jar {
    fn new() -> Self {
        let realm = Realm::new();
        let done = wait(realm.sign_in(Carrier::Cookie));
        let mut jar = Self {
            sid: done.session.sid,
            values: vec![done.credential],
            held: 0,
            coming: Vec::new(),
            refused: false,
            realm,
        };
        let seen =
            |jar: &mut Self| wait(jar.realm.authority.present_cookie(&jar.values[0])).unwrap();
        assert!(seen(&mut jar).set_cookie.is_none());
        jar.realm.clock.advance(Duration::from_secs(20 * 60));
        let moved = seen(&mut jar).set_cookie.unwrap();
        jar.values.push(moved.value);
        jar.realm.clock.advance(Duration::from_secs(40 * 60));
        jar
    }

    fn session(&self) -> Session {
        let loaded = now(self.realm.store.read(Load::session(self.sid))).unwrap();
        loaded.session.unwrap().session
    }

    fn send(&mut self, generation: usize) {
        let outcome = wait(self.realm.authority.present_cookie(&self.values[generation]));
        match outcome {
            Err(_) => self.refused = true,
            Ok(present) => {
                if let Some(fresh) = present.set_cookie {
                    let known = |v: &Secret| v.expose() == fresh.value.expose();
                    let at = self.values.iter().position(known).unwrap_or_else(|| {
                        self.values.push(fresh.value.clone());
                        self.values.len() - 1
                    });
                    self.coming.push(at);
                }
            }
        }
        self.realm.clock.advance(Duration::from_millis(10));
    }

    /// The same, judged by the time at which the line reached its generation.
    fn send_judged_by_reached(&mut self, generation: usize) {
        let settings = self.realm.authority.settings();
        let (grace, move_after) = (settings.grace, settings.move_after);
        let wall = rescind_authority::clock::Clock::now(&*self.realm.clock).wall;
        let before = self.session();
        if before.state != SessionState::Live {
            self.refused = true;
            return;
        }
        let current = before.generation as usize;
        let mut judged = before.clone();
        if generation == current {
            judged.seen_at = Some(before.reached_at);
        }
        let id = self.sid;
        let generation = u32::try_from(generation).unwrap();
        let writes = match judge_cookie(&judged.standing(), generation, grace, move_after, wall) {
            CookieWorth::Due => {
                let from = before.generation;
                self.coming.push(current + 1);
                vec![Write::MoveLine { sid: id, from, at: wall, move_key: None }]
            }
            CookieWorth::Current { .. } => vec![Write::Seen { sid: id, generation, at: wall }],
            CookieWorth::Again => {
                self.coming.push(current);
                Vec::new()
            }
            CookieWorth::UnderWay => Vec::new(),
            _ => {
                self.refused = true;
                vec![Write::EndSession { sid: id, at: wall, why: Why::Reuse }]
            }
        };
        now(write(&*self.realm.store, writes)).unwrap();
        self.realm.clock.advance(Duration::from_millis(10));
    }

    fn is_bad(&self) -> bool {
        self.refused || self.session().state != SessionState::Live
    }
}

/// Three requests with the old cookie, and one with what the first of them was given.
fn jar(send: fn(&mut Jar, usize)) -> Explored {
    let old = || step(move |j: &mut Jar| send(j, 0));
    let deliver = step(|j: &mut Jar| {
        if !j.coming.is_empty() {
            j.held = j.coming.remove(0);
        }
    });
    let held = step(move |j: &mut Jar| send(j, j.held));
    Protocol::new(Jar::new)
        .process("first", [old(), deliver, held])
        .process("second", [old()])
        .process("third", [old()])
        .run(Jar::is_bad)
}

//
#[test]
fn requests_under_way_are_no_theft_though_the_line_could_move_again() {
    assert_eq!(jar(Jar::send), safe(20));
}

#[test]
fn a_move_that_is_counted_from_the_last_move_is_caught() {
    assert_eq!(jar(Jar::send_judged_by_reached), Explored { runs: 20, bad: 8 });
}

// The wrong judge differs from the right one in that one thing.
#[test]
fn without_other_requests_both_judges_agree() {
    for send in [Jar::send, Jar::send_judged_by_reached] {
        let mut jar = Jar::new();
        send(&mut jar, 0);
        assert_eq!(jar.coming, [1]);
        assert!(!jar.is_bad());
    }
}

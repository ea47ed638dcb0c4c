//! The order of a check, and that what is kept of a token is no verdict.

use super::*;
use crate::fixture::{ISSUED, claims};
use crate::known::{FactCache, Known};
use crate::lease::Anchor;
use crate::set::RevocationSet;
use rescind_wire::revocation::{Entry, NEVER, Target};
use rescind_wire::token::Verified;
use std::cell::Cell;
use std::sync::{Arc, Weak};

const ISSUER: &str = "https://auth.example";
const S: u64 = 1_000_000;

fn facts() -> Facts {
    Facts::of(Verified { claims: claims(ISSUER), kid: "k1".into() }, 1)
}

fn at(boot_s: u64) -> Now {
    Now { boot_us: boot_s * S, wall_us: (ISSUED + boot_s) * S }
}

fn lease_of(sent: Now) -> Lease {
    Lease {
        anchor: Anchor::new(sent, 0),
        request: 7,
        bound_ms: 10_000,
        utc_us: sent.wall_us,
        sent_boot_us: sent.boot_us,
        received_boot_us: sent.boot_us,
    }
}

fn everything(until: u64) -> Entry {
    Entry {
        pos: 1,
        ts: 51,
        scope: rescind_wire::revocation::Scope::Everything,
        key: Target::Everything.key(ISSUER),
        until,
    }
}

/// A revocation commits at `commit`; at `write` the writer has applied all that was committed before, and
/// publishes an anchor of that moment. Each step of the check happens at its own time.
struct Schedule {
    commit: u64,
    write: u64,
    times: [u64; 3],
    step: Cell<usize>,
}

impl Schedule {
    fn tick(&self) -> u64 {
        let step = self.step.get();
        self.step.set(step + 1);
        self.times[step]
    }
}

impl World for Schedule {
    fn lease(&self) -> Option<Lease> {
        let written = self.tick() >= self.write;
        Some(lease_of(at(if written { self.write } else { 0 })))
    }
    fn killed(&self, _: &Facts) -> bool {
        self.tick() >= self.write && self.commit < self.write
    }
    fn pruned_to(&self) -> u64 {
        0
    }
    fn now(&self) -> Now {
        at(self.tick())
    }
}

/// Runs a check through every schedule of pauses; counts those that accept after commit + S.
fn unsafe_schedules(run: impl Fn(&Facts, &Schedule) -> bool) -> (u32, u32) {
    let facts = facts();
    let times: Vec<u64> = (0..=40).step_by(5).collect();
    let (mut runs, mut bad) = (0, 0);
    for &commit in &times {
        for &write in times.iter().chain([&999]) {
            for &a in &times {
                for &b in times.iter().filter(|b| **b >= a) {
                    for &c in times.iter().filter(|c| **c >= b) {
                        let world =
                            Schedule { commit, write, times: [a, b, c], step: Cell::new(0) };
                        runs += 1;
                        bad += u32::from(run(&facts, &world) && c > commit + 10);
                    }
                }
            }
        }
    }
    (runs, bad)
}

type Step = fn(&mut Check<'_>, &Schedule);
const ANCHOR: Step = |c, w| c.load_anchor(w);
const LOOK_UP: Step = |c, w| c.look_up(w);
const CLOCK: Step = |c, w| c.read_clock(w);

fn in_order(steps: [Step; 3]) -> (u32, u32) {
    unsafe_schedules(|facts, world| {
        let mut check = Check::of(facts);
        steps.iter().for_each(|step| step(&mut check, world));
        check.verdict(Terms::default()).is_ok()
    })
}

#[test]
fn no_pause_lets_a_dead_token_through() {
    let (runs, bad) =
        unsafe_schedules(|facts, world| judge(facts, world, Terms::default()).is_ok());
    assert_eq!((runs, bad), (14_850, 0));
}

#[test]
fn every_other_order_of_the_steps_lets_a_dead_token_through() {
    for wrong in [
        [CLOCK, ANCHOR, LOOK_UP],
        [CLOCK, LOOK_UP, ANCHOR],
        [LOOK_UP, ANCHOR, CLOCK],
        [LOOK_UP, CLOCK, ANCHOR],
        [ANCHOR, CLOCK, LOOK_UP],
    ] {
        assert!(in_order(wrong).1 > 0);
    }
}

/// A world of real parts that stands still.
struct Still {
    set: RevocationSet,
    lease: Option<Lease>,
    now: Now,
}

impl Still {
    fn at(now: Now) -> Self {
        Self { set: RevocationSet::new(), lease: Some(lease_of(now)), now }
    }
    fn judge(&self, facts: &Facts) -> Result<Judged, Refusal> {
        judge(facts, self, Terms::default())
    }
}

impl World for Still {
    fn lease(&self) -> Option<Lease> {
        self.lease
    }
    fn killed(&self, facts: &Facts) -> bool {
        self.set.killed(facts.keys(), facts.claims.rv)
    }
    fn pruned_to(&self) -> u64 {
        self.set.pruned_to()
    }
    fn now(&self) -> Now {
        self.now
    }
}

const EXPIRED: Result<Judged, Refusal> = Err(Refusal::InvalidToken(InvalidToken::Expired));

// T26
#[test]
fn a_token_is_dead_from_exp_plus_leeway_on() {
    let judge = |second: u64, leeway| {
        let world = Still::at(at(second));
        judge(&facts(), &world, Terms { leeway, ..Terms::default() })
    };
    assert!(judge(299, 0).is_ok());
    assert_eq!(judge(300, 0), EXPIRED);
    assert!(judge(329, 30).is_ok());
    assert_eq!(judge(330, 30), EXPIRED);
    assert_eq!(judge(330, u64::MAX), EXPIRED, "leeway is at most 30 s");
}

// T26
#[test]
fn expiry_is_judged_by_the_later_of_wall_and_feed() {
    let mut world = Still::at(at(300));
    world.now.wall_us = 0;
    assert_eq!(world.judge(&facts()), EXPIRED, "the feed knows better");
    let mut world = Still::at(at(1));
    world.now.wall_us = (ISSUED + 300) * S;
    assert_eq!(world.judge(&facts()), EXPIRED, "the wall knows better");
}

// T28
#[test]
fn a_token_of_the_future_is_refused() {
    const EARLY: Result<Judged, Refusal> = Err(Refusal::InvalidToken(InvalidToken::NotYetValid));
    let world = Still::at(Now { boot_us: S, wall_us: (ISSUED - 31) * S });
    let with_leeway =
        |facts: &Facts, leeway| judge(facts, &world, Terms { leeway, ..Terms::default() });
    assert_eq!(with_leeway(&facts(), 30), EARLY);
    let mut later = facts();
    later.claims.iat = ISSUED - 40;
    assert!(with_leeway(&later, 30).is_ok());
    later.claims.nbf = Some(ISSUED);
    assert_eq!(with_leeway(&later, 30), EARLY);
}

#[test]
fn a_pruned_entrys_token_fails_exp_on_whichever_clock() {
    let facts = facts();
    let until = facts.claims.exp + 40;
    let world = Still::at(at(10));
    world.set.insert(&everything(until));
    assert_eq!(world.judge(&facts), Err(Refusal::Revoked));
    // Both clocks are past the entry's end, it goes; then both claim that it is long ago.
    world.set.prune(until);
    assert!(world.set.is_empty());
    assert_eq!(judge(&facts, &world, Terms { leeway: 30, ..Terms::default() }), EXPIRED);
}

#[test]
fn without_a_lease_nothing_passes_and_nothing_is_called_invalid() {
    let world = Still { lease: None, ..Still::at(at(1)) };
    assert_eq!(world.judge(&facts()), Err(Refusal::STALE));
}

// P07
#[test]
fn past_the_bound_nothing_is_accepted_and_what_is_known_dead_stays_dead() {
    let mut world = Still::at(at(1));
    world.now = at(12);
    assert_eq!(world.judge(&facts()), Err(Refusal::STALE));
    world.set.insert(&everything(NEVER));
    assert_eq!(world.judge(&facts()), Err(Refusal::Revoked));
}

#[test]
fn online_terms_want_a_head_that_was_sent_after_the_request_came() {
    let world = Still::at(at(5));
    let judge = |boot_us, sent_before| {
        let as_of = Some(Moment { boot_us, sent_before });
        judge(&facts(), &world, Terms { as_of, ..Terms::default() })
    };
    assert!(judge(5 * S, 6).is_ok());
    assert_eq!(judge(5 * S + 1, 6), Err(Refusal::STALE), "its answer was older");
    assert_eq!(judge(5 * S, 7), Err(Refusal::STALE), "sent before, within one tick");
}

// T32
#[test]
fn a_kept_token_is_judged_anew_each_time() {
    let cache = FactCache::new(1 << 20);
    let first = cache.keep(b"a token", Known::new(facts(), Weak::new()));
    let get = || cache.get(b"a token", 1).unwrap();
    let world = Still::at(at(1));
    assert!(world.judge(&get().facts).is_ok());
    assert!(Arc::ptr_eq(&first, &get()), "the second check comes from the cache");
    world.set.insert(&everything(NEVER));
    assert_eq!(world.judge(&get().facts), Err(Refusal::Revoked));
    let later = Still::at(at(300));
    assert_eq!(later.judge(&get().facts), EXPIRED);
}

// T32
#[test]
fn what_is_taken_back_after_a_token_was_found_good_is_found_in_each_scope() {
    let claims = claims(ISSUER);
    let targets = [
        Target::Token(claims.jti),
        Target::Session(claims.sid),
        Target::Key("k1".into()),
        Target::Subject(claims.sub),
        Target::Grant(claims.sub, claims.client_id),
        Target::Client("app".into()),
        Target::Audience("posts-api".into()),
        Target::Everything,
        Target::Claims(claims.sub),
    ];
    for target in targets {
        let (world, facts) = (Still::at(at(1)), facts());
        assert!(world.judge(&facts).is_ok());
        let entry = Entry { scope: target.scope(), ..everything(NEVER) };
        world.set.insert(&Entry { key: target.key("https://other.example"), ..entry });
        assert!(world.judge(&facts).is_ok(), "{target:?} of another realm");
        world.set.insert(&Entry { key: target.key(ISSUER), ..entry });
        assert_eq!(world.judge(&facts), Err(Refusal::Revoked), "{target:?}");
    }
}

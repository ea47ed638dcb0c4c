//! The verifier's parts in every order against a revocation, a head request and the passing of time.
//! The order of the product's own check is proven beside it (`crates/verifier/src/check/tests.rs`);
//! here its public parts are put together: the follower, the set, the lease.

use crate::{Log, assert_caught, safe};
use rescind_testkit::conformance::{ISSUER, SECOND, START, sid, sub};
use rescind_testkit::interleave::{Explored, Protocol, step};
use rescind_verifier::Now;
use rescind_verifier::lease::{Anchor, Lease};
use rescind_verifier::set::RevocationSet;
use rescind_verifier::state::{Effect, Event, Follower};
use rescind_wire::frame::{Head, KeysMark, Position};
use rescind_wire::id::Jti;
use rescind_wire::revocation::{Target, TokenKeys};
use rescind_wire::token::Claims;

/// S, in seconds.
const BOUND: u64 = 10;
/// The clock moves by so many seconds at once.
const PAUSE: u64 = BOUND + 1;

struct World {
    log: Log,
    now: Now,
    committed_at: Option<u64>,
    follower: Follower,
    set: RevocationSet,
    lease: Option<Lease>,
    /// Of the head request under way: when it was sent, and what the authority has answered.
    sent: Now,
    answered: Option<Position>,
    /// A frame of the feed under way: how many entries it completes.
    under_way: usize,
    keys: TokenKeys,
    /// What the check has found.
    anchor: Option<Lease>,
    killed: bool,
    clock: Now,
    judged_at: u64,
}

fn token() -> TokenKeys {
    let second = START / SECOND;
    let claims = Claims {
        iss: ISSUER.into(),
        sub: sub(1),
        aud: vec!["posts-api".into()],
        exp: second + 300,
        iat: second,
        nbf: None,
        jti: Jti::from_bytes([1; 16]),
        sid: sid(1),
        client_id: "first-party".into(),
        scope: String::new(),
        roles: Vec::new(),
        auth_time: second,
        amr: Vec::new(),
        rv: START,
    };
    TokenKeys::of(&claims, "kid")
}

impl World {
    /// A verifier that is fresh as of the beginning.
    fn new() -> Self {
        let log = Log::new();
        let now = Now { boot_us: 1_000 * SECOND, wall_us: START };
        let mut world = Self {
            log,
            now,
            committed_at: None,
            follower: Follower::new(),
            set: RevocationSet::new(),
            lease: None,
            sent: now,
            answered: None,
            under_way: 0,
            keys: token(),
            anchor: None,
            killed: true,
            clock: now,
            judged_at: 0,
        };
        let position = world.log.head.position();
        world.take(Event::Snapshot { position, entries: Vec::new() });
        world.send([0; 16]);
        world.answer();
        world.receive([0; 16]);
        assert!(world.lease.is_some());
        world
    }

    fn take(&mut self, event: Event) {
        for effect in self.follower.step(event) {
            match effect {
                Effect::Insert(entries) => entries.iter().for_each(|e| self.set.insert(e)),
                Effect::Fresh(lease) => self.lease = Some(lease),
                Effect::EndLease => self.lease = None,
                Effect::FetchSnapshot(_) | Effect::Alarm(_) | Effect::Acknowledge => {
                    unreachable!("{effect:?}")
                }
            }
        }
    }

    fn commit(&mut self) {
        self.log.revoke(&Target::Subject(sub(1)));
        self.committed_at = Some(self.now.boot_us);
    }

    fn send(&mut self, nonce: [u8; 16]) {
        self.sent = self.now;
        self.take(Event::HeadSent { nonce, at: self.now });
    }

    fn answer(&mut self) {
        self.answered = Some(self.log.head.position());
    }

    fn receive(&mut self, nonce: [u8; 16]) {
        let head = Head {
            nonce,
            position: self.answered.unwrap(),
            utc: self.now.wall_us,
            keys: KeysMark { version: 1, hash: [0; 32] },
            age: 0,
            staleness_ms: BOUND as u32 * 1000,
        };
        self.take(Event::Head { head, at: self.now });
    }

    /// The feed sends what is committed by now.
    fn push(&mut self) {
        self.under_way = self.log.entries.len();
    }

    /// It arrives: news, or a sign of life.
    fn arrive(&mut self) {
        let position = self.log.head.position();
        self.take(match self.under_way {
            0 => Event::Beat(Log::new().head.position()),
            _ => Event::Delta { position, entries: self.log.entries.clone() },
        });
    }

    /// A lease as a careless follower would make it.
    fn believe(&mut self, since: Now) {
        let lease = self.lease.unwrap();
        self.lease = Some(Lease { anchor: Anchor::new(since, 0), ..lease });
    }

    fn is_bad(&self) -> bool {
        let accepted = !self.killed && self.anchor.is_some_and(|l| l.holds(self.clock, None));
        let late = |at| self.judged_at > at + BOUND * SECOND;
        accepted && self.committed_at.is_some_and(late)
    }
}

#[derive(Clone, Copy)]
enum Check {
    Anchor,
    LookUp,
    Clock,
}
use Check::{Anchor as A, Clock as C, LookUp as L};

#[derive(Clone, Copy)]
enum Writer {
    /// The product's follower.
    Real,
    /// Freshness counts from when the head came.
    FromArrival,
    /// Freshness though the position is not applied yet.
    BeforeApplied,
    /// A frame of the feed counts as a proof.
    ByFeed,
}

fn run(order: [Check; 3], writer: Writer) -> Explored {
    let check = order.map(|part| {
        step(move |w: &mut World| {
            match part {
                Check::Anchor => w.anchor = w.lease,
                Check::LookUp => w.killed = w.set.killed(w.keys.iter(), START),
                Check::Clock => w.clock = w.now,
            }
            w.judged_at = w.now.boot_us;
        })
    });
    let pause = step(|w: &mut World| {
        w.now.boot_us += PAUSE * SECOND;
        w.now.wall_us += PAUSE * SECOND;
    });
    let receive = step(move |w: &mut World| match writer {
        Writer::Real | Writer::ByFeed => w.receive([1; 16]),
        Writer::FromArrival => {
            let applied = w.follower.applied().unwrap().pos;
            w.receive([1; 16]);
            if w.answered.is_some_and(|p| p.pos <= applied) {
                w.believe(w.now);
            }
        }
        Writer::BeforeApplied => w.believe(w.sent),
    });
    let arrive = step(move |w: &mut World| {
        w.arrive();
        if matches!(writer, Writer::ByFeed) {
            w.believe(w.now);
        }
    });
    Protocol::new(World::new)
        .process("commit", [step(World::commit)])
        .process("head", [step(|w: &mut World| w.send([1; 16])), step(World::answer), receive])
        .process("feed", [step(World::push), arrive])
        .process("check", check)
        .process("time", [pause])
        .run(World::is_bad)
}

const RUNS: u64 = 50_400;

// P07, R-33
#[test]
fn no_order_lets_a_token_through_later_than_the_bound() {
    assert_eq!(run([A, L, C], Writer::Real), safe(RUNS));
}

#[test]
fn a_look_up_before_the_anchor_and_a_clock_before_either_are_caught() {
    for order in [[L, A, C], [C, A, L], [A, C, L], [L, C, A], [C, L, A]] {
        assert_caught(run(order, Writer::Real), RUNS);
    }
}

#[test]
fn freshness_that_is_not_counted_from_the_sending_is_caught() {
    assert_caught(run([A, L, C], Writer::FromArrival), RUNS);
}

#[test]
fn freshness_before_the_position_is_applied_is_caught() {
    assert_caught(run([A, L, C], Writer::BeforeApplied), RUNS);
}

#[test]
fn a_frame_of_the_feed_that_is_taken_for_a_proof_is_caught() {
    assert_caught(run([A, L, C], Writer::ByFeed), RUNS);
}

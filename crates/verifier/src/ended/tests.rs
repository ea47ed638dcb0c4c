//! Who is woken by what, and that nothing falls between the judgement and the wait.

use super::*;
use crate::clock::{Clock, ManualClock, Now};
use crate::fixture::{self, ISSUED, claims, signing_key};
use crate::following::Keeper as _;
use crate::state::Event;
use rescind_wire::frame::{Head, KeysMark, Position};
use rescind_wire::id::{Epoch, Jti, Sid, Sub};
use rescind_wire::jwk::jwks;
use rescind_wire::revocation::{Digest, NEVER, Target};
use rescind_wire::token::{Claims, Verified};
use std::pin::Pin;

const ISSUER: &str = "https://auth.example";

/// A clock that does something once when it is next read.
#[derive(Default)]
struct Hooked {
    clock: ManualClock,
    hook: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Clock for Hooked {
    fn now(&self) -> Now {
        let hook = self.hook.lock().unwrap().take();
        if let Some(hook) = hook {
            hook();
        }
        self.clock.now()
    }
}

/// A verifier whose authority is played by hand.
struct World {
    core: Arc<Core>,
    clock: Arc<Hooked>,
    position: Mutex<Position>,
}

impl World {
    fn new() -> Arc<Self> {
        let now = Now { boot_us: 1_000_000, wall_us: (ISSUED + 1) * 1_000_000 };
        let clock = Arc::new(Hooked { clock: ManualClock::at(now), hook: Mutex::default() });
        let core = fixture::core(ISSUER, clock.clone());
        let epoch = Epoch::from_bytes([1; 16]);
        let position = Position { epoch, pos: 0, ts: 1000, digest: Digest::first(ISSUER, epoch) };
        core.step(Event::Snapshot { position, entries: vec![] });
        let world = Arc::new(Self { core, clock, position: Mutex::new(position) });
        world.head();
        world
    }

    /// A head that is sent and answered now.
    fn head(&self) {
        let at = self.clock.clock.now();
        let nonce = [7; 16];
        self.core.step(Event::HeadSent { nonce, at });
        let head = Head {
            nonce,
            position: *self.position.lock().unwrap(),
            utc: at.wall_us,
            keys: KeysMark { version: 1, hash: [0; 32] },
            age: 0,
            staleness_ms: 10_000,
        };
        self.core.step(Event::Head { head, at });
    }

    /// The feed brings a revocation.
    fn revoke(&self, target: &Target) {
        let mut position = self.position.lock().unwrap();
        position.pos += 1;
        position.ts += 1;
        let entry = Entry {
            pos: position.pos,
            ts: position.ts,
            scope: target.scope(),
            key: target.key(ISSUER),
            until: NEVER,
        };
        position.digest = position.digest.then(&entry);
        self.core.step(Event::Delta { position: *position, entries: vec![entry] });
    }

    fn waits(&self, claims: Claims, kid: &str) -> Waits {
        let facts = Facts::of(Verified { claims, kid: kid.into() }, 0);
        let known = Known::new(facts, Arc::downgrade(&self.core));
        Box::pin(ended(self.core.clone(), Arc::new(known)))
    }

    fn registered(&self) -> usize {
        self.core.waiters.lock().by_key.len()
    }
}

type Waits = Pin<Box<dyn Future<Output = Ended> + Send>>;

/// What comes sooner than the next judgement of its own.
async fn soon(waits: &mut Waits) -> Option<Ended> {
    tokio::time::timeout(Duration::from_millis(100), waits).await.ok()
}

/// What comes with the next judgement.
async fn later(waits: &mut Waits) -> Option<Ended> {
    tokio::time::timeout(Duration::from_millis(1500), waits).await.ok()
}

/// Claims that share no name with the fixture's but the realm's.
fn stranger(n: u32) -> Claims {
    let mut id = [0x80; 16];
    id[..4].copy_from_slice(&n.to_be_bytes());
    Claims {
        sub: Sub::from_bytes(id),
        sid: Sid::from_bytes(id),
        jti: Jti::from_bytes(id),
        client_id: "other".into(),
        aud: vec!["other-api".into()],
        ..claims(ISSUER)
    }
}

#[tokio::test(start_paused = true)]
async fn a_revocation_of_every_scope_ends_its_own_at_once_and_no_others() {
    let own = claims(ISSUER);
    for target in [
        Target::Token(own.jti),
        Target::Session(own.sid),
        Target::Key("k1".into()),
        Target::Subject(own.sub),
        Target::Grant(own.sub, own.client_id.clone()),
        Target::Client(own.client_id.clone()),
        Target::Audience(own.aud[0].clone()),
        Target::Claims(own.sub),
        Target::Everything,
    ] {
        let world = World::new();
        let mut mine = world.waits(own.clone(), "k1");
        let mut other = world.waits(stranger(1), "k2");
        assert_eq!((soon(&mut mine).await, soon(&mut other).await), (None, None));
        world.revoke(&target);
        assert_eq!(soon(&mut mine).await, Some(Ended::Revoked), "{target:?}");
        let all = (target == Target::Everything).then_some(Ended::Revoked);
        assert_eq!(later(&mut other).await, all, "{target:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_revocation_between_the_judgement_and_the_wait_is_not_missed() {
    let world = World::new();
    let mut mine = world.waits(claims(ISSUER), "k1");
    // The clock is read after the look-up in the set: the judgement does not see this entry.
    let hooked = world.clone();
    let revoke = move || hooked.revoke(&Target::Session(claims(ISSUER).sid));
    *world.clock.hook.lock().unwrap() = Some(Box::new(revoke));
    assert_eq!(soon(&mut mine).await, Some(Ended::Revoked));
}

#[tokio::test(start_paused = true)]
async fn what_was_revoked_before_it_is_seen_at_once() {
    let world = World::new();
    world.revoke(&Target::Subject(claims(ISSUER).sub));
    assert_eq!(soon(&mut world.waits(claims(ISSUER), "k1")).await, Some(Ended::Revoked));
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_does_not_kill_wakes_in_vain_and_the_next_one_counts() {
    let world = World::new();
    let later_born = Claims { rv: 1001, ..claims(ISSUER) };
    let mut mine = world.waits(later_born.clone(), "k1");
    assert_eq!(soon(&mut mine).await, None);
    world.revoke(&Target::Subject(later_born.sub));
    assert_eq!(soon(&mut mine).await, None, "born at the cut-off");
    world.revoke(&Target::Subject(later_born.sub));
    assert_eq!(soon(&mut mine).await, Some(Ended::Revoked));
}

#[tokio::test(start_paused = true)]
async fn a_token_ends_when_it_expires_by_the_verifiers_clock() {
    let world = World::new();
    let mut mine = world.waits(claims(ISSUER), "k1");
    world.clock.clock.advance(Duration::from_secs(298));
    world.head();
    assert_eq!(later(&mut mine).await, None);
    world.clock.clock.advance(Duration::from_secs(1));
    world.head();
    assert_eq!(later(&mut mine).await, Some(Ended::Expired));
}

#[tokio::test(start_paused = true)]
async fn beyond_the_bound_nobody_is_vouched_for() {
    let world = World::new();
    let mut mine = world.waits(claims(ISSUER), "k1");
    world.clock.clock.advance(Duration::from_secs(9));
    assert_eq!(later(&mut mine).await, None, "within the realm's bound");
    world.clock.clock.advance(Duration::from_secs(2));
    assert_eq!(later(&mut mine).await, Some(Ended::Unknown));
}

#[tokio::test(start_paused = true)]
async fn an_authority_that_contradicts_itself_vouches_for_nobody() {
    let world = World::new();
    let mut mine = world.waits(claims(ISSUER), "k1");
    assert_eq!(soon(&mut mine).await, None);
    let position = *world.position.lock().unwrap();
    world.core.step(Event::Beat(Position { digest: Digest([9; 32]), ..position }));
    assert_eq!(later(&mut mine).await, Some(Ended::Unknown));
}

#[tokio::test(start_paused = true)]
async fn a_verifier_that_ends_vouches_for_nobody() {
    let world = World::new();
    let mut mine = world.waits(claims(ISSUER), "k1");
    assert_eq!(soon(&mut mine).await, None);
    world.core.waiters.close();
    assert_eq!(soon(&mut mine).await, Some(Ended::Unknown));
    assert_eq!(soon(&mut world.waits(claims(ISSUER), "k1")).await, Some(Ended::Unknown));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_left_the_set_vouches_for_nobody() {
    let world = World::new();
    let key = signing_key();
    let (mut gone, mut held) =
        (world.waits(claims(ISSUER), "k1"), world.waits(claims(ISSUER), key.kid()));
    assert_eq!((soon(&mut gone).await, soon(&mut held).await), (None, None));
    world.core.keys.install(jwks(key.public()).as_bytes()).unwrap();
    assert_eq!(later(&mut gone).await, Some(Ended::Unknown));
    assert_eq!(later(&mut held).await, None);
}

#[tokio::test(start_paused = true)]
async fn who_was_dropped_or_has_ended_is_no_longer_registered() {
    let world = World::new();
    let mut all: Vec<_> = (0..3000).map(|n| world.waits(stranger(n), "k2")).collect();
    assert_eq!(world.registered(), 0, "not before the first poll");
    for waits in &mut all {
        assert_eq!(tokio::time::timeout(Duration::ZERO, waits).await.ok(), None);
    }
    // Five keys of each one's own, four that all share.
    assert_eq!(world.registered(), 3000 * 5 + 4);
    let last = all.pop();
    drop(all);
    assert_eq!(world.registered(), 5 + 4);
    world.revoke(&Target::Everything);
    assert_eq!(last.unwrap().await, Ended::Revoked);
    assert_eq!(world.registered(), 0);
}

#[tokio::test(start_paused = true)]
async fn of_thousands_each_is_ended_by_its_own_revocation() {
    let world = World::new();
    let mut all = tokio::task::JoinSet::new();
    for n in 0..5000 {
        let waits = world.waits(stranger(n), "k2");
        all.spawn(async move { (n, waits.await) });
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    for n in [4999, 0, 2500] {
        world.revoke(&Target::Session(stranger(n).sid));
        assert_eq!(all.join_next().await.unwrap().unwrap(), (n, Ended::Revoked));
    }
    let next = tokio::time::timeout(Duration::from_millis(100), all.join_next()).await;
    assert!(next.is_err(), "{next:?}");
    world.revoke(&Target::Client("other".into()));
    let rest = all.join_all().await;
    assert_eq!(rest.len(), 4997);
    assert!(rest.iter().all(|(_, ended)| *ended == Ended::Revoked));
    assert_eq!(world.registered(), 0);
}

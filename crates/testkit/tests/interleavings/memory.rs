//! A node that answers from its memory: its reading is what it has applied, and its facts carry the log
//! time that was read before they were loaded.

use crate::{Log, assert_caught, killed, safe};
use rescind_authority::clock::Now;
use rescind_authority::mint::Reading;
use rescind_authority::session::Cutoff;
use rescind_authority::store::Head;
use rescind_testkit::conformance::{START, account, session, sub};
use rescind_testkit::interleave::{Explored, Protocol, step};
use rescind_wire::revocation::{Entry, Target};

const NOW: Now = Now { wall: START, boot: 0 };

/// Facts of account 1 in a cache, with their stamp.
#[derive(Debug, Clone, Copy)]
struct Facts {
    role: &'static str,
    stamp: u64,
}

/// The primary's log and role; one node with what it has applied and cached; a mint under way.
struct World {
    log: Log,
    role: &'static str,
    applied: (Head, usize),
    cache: Option<Facts>,
    loading: Facts,
    read: Option<Head>,
    found: Option<(Facts, Option<Reading>)>,
    token: Option<(&'static str, u64)>,
}

impl World {
    fn new(cached: bool) -> Self {
        let log = Log::new();
        let facts = Facts { role: "old", stamp: log.head.ts };
        Self {
            role: facts.role,
            applied: (log.head, 0),
            cache: cached.then_some(facts),
            loading: facts,
            read: None,
            found: None,
            token: None,
            log,
        }
    }

    fn applied(&self) -> &[Entry] {
        &self.log.entries[..self.applied.1]
    }

    fn apply(&mut self) {
        self.applied = (self.log.head, self.log.entries.len());
    }

    /// A memory reading of cached facts; without them, or if they are outdated, a store reading.
    fn judge(&mut self, stamped: bool) {
        let applied = self.read.unwrap();
        let newest = self.applied().iter().map(|e| e.ts).max().filter(|_| stamped);
        let cached = self.cache.and_then(|facts| {
            Some((facts, Reading::of_memory(&applied, facts.stamp, newest, NOW)?))
        });
        let (facts, reading) = cached.unwrap_or_else(|| {
            let stamp = self.log.head.ts;
            (Facts { role: self.role, stamp }, Reading::of_store(&self.log.head, NOW))
        });
        self.found = Some((facts, Some(reading)));
    }

    fn mint(&mut self) {
        if let Some((facts, Some(reading))) = self.found {
            self.token = Some((facts.role, reading.rv(0)));
        }
    }
}

#[derive(Clone, Copy)]
enum Session {
    /// What this node has applied, for both.
    Memory,
    /// The primary's head, and a read of the primary after it.
    Store,
    /// The primary's head with the session as this node knows it.
    Mixed,
}

/// A revocation reaches a node that mints for session 1, born at the log's beginning.
fn revoked_session(variant: Session) -> Explored {
    let read = step(move |w: &mut World| {
        w.read = Some(match variant {
            Session::Memory => w.applied.0,
            Session::Store | Session::Mixed => w.log.head,
        });
    });
    let check = step(move |w: &mut World| {
        let known = match variant {
            Session::Store => &w.log.entries[..],
            Session::Memory | Session::Mixed => w.applied(),
        };
        let cutoffs: Vec<Cutoff> =
            known.iter().map(|e| Cutoff { scope: e.scope, ts: e.ts }).collect();
        let alive = session(1, 1, START).check(Some(&account(1)), &cutoffs, START).is_ok();
        let head = w.read.unwrap();
        let reading = match variant {
            Session::Memory => {
                let newest = cutoffs.iter().map(|c| c.ts).max();
                Reading::of_memory(&head, START, newest, NOW)
            }
            Session::Store | Session::Mixed => Some(Reading::of_store(&head, NOW)),
        };
        w.found = alive.then_some((w.loading, reading));
    });
    let revoke = step(|w: &mut World| {
        w.log.revoke(&Target::Subject(sub(1)));
    });
    Protocol::new(|| World::new(true))
        .process("revoke", [revoke])
        .process("apply", [step(World::apply)])
        .after("revoke")
        .process("mint", [read, check, step(World::mint)])
        .run(|w| w.token.is_some_and(|(_, rv)| !killed(&w.log.entries, rv)))
}

// V09
#[test]
fn a_node_that_checks_from_memory_reads_from_memory() {
    assert_eq!(revoked_session(Session::Memory), safe(10));
    assert_eq!(revoked_session(Session::Store), safe(10));
    assert_eq!(revoked_session(Session::Mixed), Explored { runs: 10, bad: 2 });
}

#[derive(Clone, Copy)]
enum Load {
    /// The stamp is read first.
    StampFirst,
    /// The stamp is read when the facts are there already.
    StampLast,
}

/// A role changes while a node loads facts and mints from them.
fn changed_role(load: Load, stamped: bool, cached: bool) -> Explored {
    let change = step(|w: &mut World| {
        w.log.revoke(&Target::Claims(sub(1)));
        w.role = "new";
    });
    let apply = step(|w: &mut World| {
        w.apply();
        if !w.log.entries.is_empty() {
            w.cache = None;
        }
    });
    let stamp = step(|w: &mut World| w.loading.stamp = w.log.head.ts);
    let facts = step(|w: &mut World| w.loading.role = w.role);
    let insert = step(|w: &mut World| w.cache = Some(w.loading));
    let loading = match load {
        Load::StampFirst => [stamp, facts, insert],
        Load::StampLast => [facts, stamp, insert],
    };
    let read = step(|w: &mut World| w.read = Some(w.applied.0));
    let judge = step(move |w: &mut World| w.judge(stamped));
    Protocol::new(move || World::new(cached))
        .process("change", [change])
        .process("apply", [apply])
        .after("change")
        .process("load", loading)
        .process("mint", [read, judge, step(World::mint)])
        .run(|w| w.token.is_some_and(|(role, rv)| role == "old" && !killed(&w.log.entries, rv)))
}

// V09
#[test]
fn no_token_with_an_old_role_outlives_the_change() {
    for cached in [true, false] {
        assert_eq!(changed_role(Load::StampFirst, true, cached), safe(560));
    }
}

#[test]
fn cached_facts_without_a_stamp_are_caught_though_they_are_dropped_when_the_change_is_applied() {
    assert_caught(changed_role(Load::StampFirst, false, false), 560);
}

#[test]
fn a_stamp_that_is_read_after_the_facts_is_caught() {
    assert_caught(changed_role(Load::StampLast, true, false), 560);
}

#[test]
fn a_cache_that_is_not_asked_for_changes_of_roles_is_caught() {
    let keep = step(|w: &mut World| w.apply());
    let read = step(|w: &mut World| w.read = Some(w.applied.0));
    let judge = step(|w: &mut World| w.judge(false));
    let change = step(|w: &mut World| {
        w.log.revoke(&Target::Claims(sub(1)));
        w.role = "new";
    });
    let explored = Protocol::new(|| World::new(true))
        .process("change", [change])
        .process("apply", [keep])
        .after("change")
        .process("mint", [read, judge, step(World::mint)])
        .run(|w| w.token.is_some_and(|(role, rv)| role == "old" && !killed(&w.log.entries, rv)));
    assert_caught(explored, 10);
}

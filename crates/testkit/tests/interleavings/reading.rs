//! The reading comes before the check; a change and its entry are one; each entry has a log time of its own.

use crate::{Log, assert_caught, entries, killed, now, safe};
use rescind_authority::account::AccountState;
use rescind_authority::clock::Now;
use rescind_authority::memory::MemoryStore;
use rescind_authority::mint::Reading;
use rescind_authority::store::{AccountRef, Head, Load, Loaded, Store, Write};
use rescind_testkit::clock::ManualClock;
use rescind_testkit::conformance::{
    ISSUER, LONGEST_LIFE, START, add_accounts, sid, sign_in, sub, write,
};
use rescind_testkit::interleave::{Explored, Protocol, step};
use rescind_wire::id::Epoch;
use rescind_wire::revocation::Target;
use std::sync::Arc;

const NOW: Now = Now { wall: START, boot: 0 };

/// A store with account 1 and its session 1, and the registers of the processes.
struct World {
    store: MemoryStore,
    read: [Option<Head>; 3],
    refused: bool,
    minted: [Option<u64>; 3],
    revoked: bool,
    before_was_first: bool,
}

const REFRESH: usize = 0;
const BEFORE: usize = 1;
const AFTER: usize = 2;

impl World {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(START));
        let store = MemoryStore::new(ISSUER, Epoch::from_bytes([1; 16]), LONGEST_LIFE, clock);
        now(add_accounts(&store, &[1]));
        now(sign_in(&store, 1, 1));
        Self {
            store,
            read: [None; 3],
            refused: false,
            minted: [None; 3],
            revoked: false,
            before_was_first: false,
        }
    }

    fn read(&mut self, who: usize) {
        self.read[who] = Some(now(self.store.head()).unwrap());
    }

    /// The check of the session that refreshes.
    fn check(&mut self) {
        let loaded = now(self.store.read(Load::session(sid(1)))).unwrap();
        let judged = loaded.session.unwrap();
        let alive = judged.session.check(loaded.account.as_ref(), &judged.cutoffs, START);
        self.refused = alive.is_err();
    }

    fn mint(&mut self, who: usize) {
        if who == REFRESH && self.refused {
            return;
        }
        self.minted[who] = Some(Reading::of_store(&self.read[who].unwrap(), NOW).rv(0));
        if who == BEFORE {
            self.before_was_first = !self.revoked;
        }
    }

    fn killed(&self, who: usize) -> bool {
        self.minted[who].is_none_or(|rv| killed(&entries(&self.store), rv))
    }

    /// A token of before the revocation lives, or one of after it is dead.
    fn is_bad(&self) -> bool {
        let survives = !self.killed(REFRESH) || (self.before_was_first && !self.killed(BEFORE));
        survives || self.killed(AFTER)
    }
}

fn one_second(reading_first: bool) -> Explored {
    let mint = |who| step(move |w: &mut World| w.mint(who));
    let read = |who| step(move |w: &mut World| w.read(who));
    let check = step(World::check);
    let refresh = match reading_first {
        true => [read(REFRESH), check, mint(REFRESH)],
        false => [check, read(REFRESH), mint(REFRESH)],
    };
    let revoke = step(|w: &mut World| {
        now(write(&w.store, vec![Write::Revoke(Target::Subject(sub(1)))])).unwrap();
        w.revoked = true;
    });
    Protocol::new(World::new)
        .process("revoke", [revoke])
        .process("refresh", refresh)
        .process("sign-in before", [read(BEFORE), mint(BEFORE)])
        .process("sign-in after", [read(AFTER), mint(AFTER)])
        .after("revoke")
        .run(World::is_bad)
}

// V07, V09, R-35
#[test]
fn reading_before_the_check_no_token_survives_and_no_new_one_dies() {
    assert_eq!(one_second(true), safe(560));
}

// V09
#[test]
fn checking_before_the_reading_is_caught() {
    assert_eq!(one_second(false), Explored { runs: 560, bad: 168 });
}

/// A ban, in one transaction or two, against a sign-in that reads everything in its own.
fn ban(steps: &'static [&'static [bool]]) -> Explored {
    let change = |closes: &bool| match closes {
        true => Write::SetAccountState { sub: sub(1), state: AccountState::Suspended },
        false => Write::Revoke(Target::Subject(sub(1))),
    };
    let part = |at: usize| {
        step(move |w: &mut World| {
            let writes = steps.get(at).map(|part| part.iter().map(change).collect());
            now(write(&w.store, writes.unwrap_or_default())).unwrap();
        })
    };
    let sign_in = step(|w: &mut World| {
        let (send, rv) = std::sync::mpsc::channel();
        let account = Some(AccountRef::Sub(sub(1)));
        let load = Load { account, ..Load::default() };
        let rule = move |loaded: &Loaded| {
            if loaded.account.as_ref().unwrap().state == AccountState::Active {
                send.send(Reading::of_store(&loaded.head, NOW).rv(0)).unwrap();
            }
            Vec::new()
        };
        now(w.store.transact(load, Box::new(rule))).unwrap();
        w.minted[BEFORE] = rv.recv().ok();
    });
    Protocol::new(World::new)
        .process("ban", [part(0), part(1)])
        .process("sign-in", [sign_in])
        .run(|w| w.minted[BEFORE].is_some() && !w.killed(BEFORE))
}

#[test]
fn a_state_change_and_its_entry_are_one() {
    assert_eq!(ban(&[&[true, false]]), safe(3));
    assert_caught(ban(&[&[false], &[true]]), 3);
}

/// Jobs that wait for one commit, and those that committed.
struct Batches {
    log: Log,
    queue: Vec<Job>,
    done: Vec<Outcome>,
}

#[derive(Clone, Copy)]
enum Job {
    Revoke,
    SignIn,
}

enum Outcome {
    Revoked(rescind_wire::revocation::Entry),
    SignedIn { rv: u64 },
}

impl Batches {
    fn new() -> Self {
        Self { log: Log::new(), queue: Vec::new(), done: Vec::new() }
    }

    fn commit(&mut self, one_ts: bool) {
        let shared = self.log.head.ts + 1;
        if one_ts {
            self.log.head.ts = shared;
        }
        for job in std::mem::take(&mut self.queue) {
            self.done.push(match job {
                Job::SignIn => {
                    Outcome::SignedIn { rv: Reading::of_store(&self.log.head, NOW).rv(0) }
                }
                Job::Revoke => {
                    let mut entry = self.log.revoke(&Target::Subject(sub(1)));
                    if one_ts {
                        entry.ts = shared;
                        self.log.head.ts = shared;
                    }
                    Outcome::Revoked(entry)
                }
            });
        }
    }

    /// In the order of the commits: who signed in before a revocation is not killed by it, or who
    /// signed in after it is.
    fn is_bad(&self) -> bool {
        self.done.iter().enumerate().any(|(at, outcome)| {
            let Outcome::SignedIn { rv } = outcome else { return false };
            self.done.iter().enumerate().any(|(other, outcome)| match outcome {
                Outcome::Revoked(entry) => killed(&[*entry], *rv) != (at < other),
                Outcome::SignedIn { .. } => false,
            })
        })
    }
}

fn batches(one_ts: bool) -> Explored {
    let ask = |job: Job| step(move |b: &mut Batches| b.queue.push(job));
    let commit = || step(move |b: &mut Batches| b.commit(one_ts));
    let last = || Protocol::new(Batches::new);
    last()
        .process("first revocation", [ask(Job::Revoke)])
        .process("sign-in", [ask(Job::SignIn)])
        .process("second revocation", [ask(Job::Revoke)])
        .process("writer", [commit(), commit()])
        .process("last commit", [commit()])
        .after("first revocation")
        .after("sign-in")
        .after("second revocation")
        .after("writer")
        .run(Batches::is_bad)
}

// V07
#[test]
fn each_entry_of_a_batch_has_a_log_time_of_its_own() {
    assert_eq!(batches(false), safe(60));
    assert_caught(batches(true), 60);
}

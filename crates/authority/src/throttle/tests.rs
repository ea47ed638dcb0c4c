use super::counters::MOST;
use super::*;
use crate::settings::{Settings, micros};
use std::net::{Ipv4Addr, Ipv6Addr};

const SECOND: u64 = 1_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

fn throttle() -> Throttle {
    Throttle::new(Settings::new("https://a").throttle)
}

fn from(t: &Throttle, name: &str, ip: IpAddr, now: u64) -> Result<Charge, Duration> {
    let name = Name::new(name).unwrap();
    t.charge(&name, Some(sub(&name)), &Source::address(ip), now)
}

/// The account of this name.
fn sub(name: &Name) -> Sub {
    let hash = rescind_wire::sha256(&[name.as_str().as_bytes()]);
    Sub::from_bytes(*hash.first_chunk().unwrap())
}

fn attempt(t: &Throttle, name: &str, ip: &str, now: u64) -> Result<Charge, Duration> {
    from(t, name, ip.parse().unwrap(), now)
}

/// An address of its own for each number.
fn place(n: u32) -> IpAddr {
    Ipv4Addr::from(0x0b00_0000 + n).into()
}

/// Fails as often as it may at this moment.
fn fail_all(t: &Throttle, name: &str, ip: IpAddr, now: u64) -> u32 {
    std::iter::from_fn(|| from(t, name, ip, now).ok().map(Charge::keep)).count() as u32
}

/// Fails whenever it may, so many times; the waits in between, in seconds.
fn waits(times: u32, mut attempt: impl FnMut(u32, u64) -> Result<Charge, Duration>) -> Vec<u64> {
    let (mut now, mut waits, mut failed) = (0, Vec::new(), 0);
    while failed < times {
        match attempt(failed, now) {
            Ok(charge) => {
                charge.keep();
                failed += 1;
            }
            Err(wait) => {
                waits.push(retry_after(wait));
                now += micros(wait);
            }
        }
    }
    waits
}

// B02
#[test]
fn attempts_count_before_their_outcome_is_known() {
    let t = throttle();
    let held: Vec<_> = (0..10).map(|_| attempt(&t, "alice", "10.0.0.1", 0).unwrap()).collect();
    assert!(attempt(&t, "Alice", "10.0.0.1", 0).is_err(), "ten under way count as ten");
    assert!(attempt(&t, "bob", "10.0.0.1", 0).is_ok(), "another account is free");
    assert!(attempt(&t, "alice", "10.0.0.2", 0).is_ok(), "another source is free");
    for charge in held {
        charge.give_back(&t);
    }
    assert!(attempt(&t, "alice", "10.0.0.1", 0).is_ok(), "and were no failures in the end");
}

// B01
#[test]
fn guessing_in_one_place_waits_longer_each_time_up_to_15_minutes() {
    let t = throttle();
    let waited = waits(30, |_, now| attempt(&t, "alice", "10.0.0.1", now));
    assert_eq!(waited[..11], [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900]);
    assert!(waited[11..].iter().all(|w| *w == 900), "{waited:?}");
}

// B01
#[test]
fn strangers_together_wait_longer_each_time_and_15_minutes_from_100_failures_on() {
    let t = throttle();
    let waited = waits(120, |n, now| from(&t, "alice", place(n), now));
    let mut expected = vec![1, 2, 4, 8, 16, 32];
    expected.resize(50, 60);
    expected.resize(70, 900);
    assert_eq!(waited, expected);
}

// B01
#[test]
fn however_many_strangers_guess_an_account_they_get_few_attempts_together() {
    // Trying all the time, and keeping still in between until failures are forgotten.
    for pause in [5 * MINUTE, 16 * MINUTE, HOUR + MINUTE] {
        let t = throttle();
        let mut guesses = 0;
        for now in (0..DAY).step_by(usize::try_from(pause).unwrap()) {
            // Some never let their failures be forgotten.
            let all = if now % (HOUR + MINUTE) < pause { 200 } else { 150 };
            guesses += (0..all).map(|n| fail_all(&t, "alice", place(n), now)).sum::<u32>();
        }
        assert!(guesses <= 24 * 110, "{guesses} in a day");
    }
}

// B07
#[test]
fn one_source_alone_never_makes_a_stranger_wait() {
    let t = throttle();
    let thief = place(1);
    for minute in 0..24 * 60 {
        let now = minute * MINUTE;
        fail_all(&t, "alice", thief, now);
        let owner = attempt(&t, "alice", "192.0.2.1", now);
        owner.expect("nobody is held off elsewhere").give_back(&t);
    }
    // One subscriber has many /64s.
    let t = throttle();
    for n in 0..256 {
        fail_all(&t, "alice", format!("2001:db8:0:{n:x}::1").parse().unwrap(), 0);
    }
    assert!(attempt(&t, "alice", "192.0.2.1", 0).is_ok(), "a /48 is one source");
}

// B07
#[test]
fn the_owner_at_a_familiar_source_is_not_held_off_by_strangers() {
    let t = throttle();
    attempt(&t, "alice", "192.0.2.1", 0).unwrap().succeed(&t, 0);
    for n in 0..1000 {
        fail_all(&t, "alice", place(n), MINUTE);
    }
    assert!(attempt(&t, "alice", "192.0.2.2", MINUTE).is_err(), "a stranger waits");
    for _ in 0..100 {
        attempt(&t, "alice", "192.0.2.1", MINUTE).unwrap().succeed(&t, MINUTE);
    }
    assert!(attempt(&t, "bob", "192.0.2.1", MINUTE).is_ok());
    // Who guesses at that source waits there as everywhere.
    assert_eq!(fail_all(&t, "alice", "192.0.2.1".parse().unwrap(), MINUTE), 10);
}

// B07
#[test]
fn failures_at_a_familiar_source_do_not_count_for_strangers() {
    let mut limits = Settings::new("https://a").throttle;
    limits.account.free = 5;
    let t = Throttle::new(limits);
    attempt(&t, "alice", "192.0.2.1", 0).unwrap().succeed(&t, 0);
    assert_eq!(fail_all(&t, "alice", "192.0.2.1".parse().unwrap(), 0), 10);
    assert!(attempt(&t, "alice", "10.0.0.1", 0).is_ok());
}

#[test]
fn a_source_is_familiar_for_30_days_and_only_where_the_password_was_right() {
    let t = throttle();
    attempt(&t, "alice", "192.0.2.1", 0).unwrap().succeed(&t, 0);
    attempt(&t, "alice", "192.0.2.2", 0).unwrap().give_back(&t);
    attempt(&t, "bob", "192.0.2.3", 0).unwrap().succeed(&t, 0);
    let hold_off = |now| (0..10).for_each(|n| _ = fail_all(&t, "alice", place(n), now));
    hold_off(0);
    assert!(attempt(&t, "alice", "192.0.2.2", 0).is_err(), "only a password that was right");
    assert!(attempt(&t, "alice", "192.0.2.3", 0).is_err(), "only of this account");
    hold_off(30 * DAY);
    attempt(&t, "alice", "192.0.2.1", 30 * DAY).expect("30 days").give_back(&t);
    hold_off(31 * DAY);
    assert!(attempt(&t, "alice", "192.0.2.1", 31 * DAY).is_err(), "longer");
}

// B09
#[test]
fn familiar_sources_and_refusals_stay_bounded() {
    let t = throttle();
    for n in 0..2 * MOST as u32 {
        from(&t, &format!("u{n}"), place(1), n.into()).unwrap().succeed(&t, n.into());
        t.refuse(&Source::address(place(n)), n.into()).unwrap();
        t.revoke(Revoker::Client(&format!("c{n}")), n.into()).unwrap();
    }
    let state = t.lock();
    assert!(state.familiar.len() <= MOST && state.refusals.len() <= MOST);
    assert!(state.revocations.len() <= MOST);
    assert_eq!(state.pairs.len() + state.accounts.len(), 0, "a success leaves no counter");
}

#[test]
fn signing_in_from_everywhere_makes_only_ones_own_sources_forgotten() {
    let t = throttle();
    attempt(&t, "alice", "192.0.2.1", 0).unwrap().succeed(&t, 0);
    for n in 0..MOST as u32 {
        from(&t, "mallory", place(n), 0).unwrap().succeed(&t, 0);
    }
    (0..10).for_each(|n| _ = fail_all(&t, "alice", place(n), 0));
    attempt(&t, "alice", "192.0.2.1", 0).expect("still familiar").keep();
}

// B08
#[test]
fn a_success_gives_back_its_own_charge_only() {
    let t = throttle();
    for n in 0..99 {
        attempt(&t, &format!("user{}", n % 11), "10.0.0.1", 0).unwrap().keep();
    }
    for _ in 0..100 {
        attempt(&t, "user0", "10.0.0.1", 0).unwrap().succeed(&t, 0);
    }
    attempt(&t, "user0", "10.0.0.1", 0).unwrap().keep();
    assert!(attempt(&t, "user0", "10.0.0.1", 0).is_err(), "the account's ten are still there");
    assert!(attempt(&t, "another", "10.0.0.1", 0).is_err(), "and the address's hundred");
}

#[test]
fn a_success_after_a_wait_begins_no_new_one() {
    let t = throttle();
    waits(15, |_, now| attempt(&t, "alice", "10.0.0.1", now));
    let later = HOUR - MINUTE;
    for now in [later, later + 1] {
        attempt(&t, "alice", "10.0.0.1", now).unwrap().succeed(&t, now);
    }
}

#[test]
fn failures_are_forgotten_after_an_hour_without_another() {
    let t = throttle();
    assert_eq!(fail_all(&t, "alice", place(1), 0), 10);
    assert_eq!(fail_all(&t, "alice", place(1), HOUR), 1, "one more, and longer waits");
    assert_eq!(fail_all(&t, "alice", place(1), 2 * HOUR + SECOND), 10);
}

// B03
#[test]
fn all_spellings_of_a_name_share_one_counter() {
    let t = throttle();
    let spellings = ["ali\u{e7}e", "ALI\u{c7}E", "alic\u{327}e", "\u{ff21}li\u{e7}e"];
    for n in 0..10 {
        attempt(&t, spellings[n % 4], "10.0.0.1", 0).unwrap().keep();
    }
    for spelling in spellings {
        assert!(attempt(&t, spelling, "10.0.0.1", 0).is_err(), "{spelling}");
    }
}

// B06
#[test]
fn one_ipv6_subscriber_is_one_address() {
    let t = throttle();
    for n in 0..100 {
        attempt(&t, &format!("user{n}"), &format!("2001:db8::{n:x}"), 0).unwrap().keep();
    }
    assert!(attempt(&t, "other", "2001:db8::ffff:1", 0).is_err());
    assert!(attempt(&t, "other", "2001:db8:0:1::1", 0).is_ok());
}

// B06
#[test]
fn an_ipv6_network_is_limited_as_a_whole() {
    let t = throttle();
    for n in 0..1000 {
        let ip = Ipv6Addr::new(0x2001, 0xdb8, 0, n, 0, 0, 0, 1);
        from(&t, &format!("user{n}"), ip.into(), 0).unwrap().keep();
    }
    let wait = attempt(&t, "other", "2001:db8:0:ffff::1", 0).err();
    assert_eq!(wait, Some(Duration::from_secs(1)));
    assert!(attempt(&t, "other", "2001:db8:1::1", 0).is_ok(), "the next network");
}

// B06
#[test]
fn an_address_is_one_in_all_its_forms() {
    for [a, b] in [
        ["10.0.0.1", "::ffff:10.0.0.1"],
        ["10.0.0.1", "::ffff:a00:1"],
        ["10.0.0.1", "0:0:0:0:0:FFFF:0A00:0001"],
        ["2001:db8::1", "2001:0DB8:0:0:0:0:0:1"],
        ["2001:db8::1", "2001:db8::192.0.2.1"],
    ] {
        let t = throttle();
        assert_eq!(fail_all(&t, "alice", a.parse().unwrap(), 0), 10);
        assert!(attempt(&t, "alice", b, 0).is_err(), "{a} {b}");
    }
}

// B10
#[test]
fn refused_requests_are_limited_per_address_and_wait_at_most_10_seconds() {
    let t = throttle();
    let source = Source::address(place(1));
    let mut waited = Vec::new();
    let mut now = 0;
    for _ in 0..310 {
        if let Err(wait) = t.refuse(&source, now) {
            waited.push(retry_after(wait));
            now += micros(wait);
            t.refuse(&source, now).unwrap();
        }
    }
    assert_eq!(waited, [1, 2, 4, 8, 10, 10, 10, 10, 10, 10]);
    assert!(t.refuse(&Source::address(place(2)), now).is_ok(), "another address");
    assert!(from(&t, "alice", place(1), now).is_ok(), "sign-ins have counters of their own");
}

// V08
#[test]
fn tokens_are_taken_back_at_a_rate_that_honest_use_never_reaches() {
    let t = throttle();
    let alice = || Revoker::Account(Sub::from_bytes([1; 16]));
    let (mut now, mut done) = (0, 0);
    while now < DAY {
        match t.revoke(alice(), now) {
            Ok(()) => done += 1,
            Err(wait) => now += micros(wait),
        }
    }
    assert_eq!(done, 100 + 24 * 60 - 1, "as often as it may");
    // A token each five minutes, for as long as anybody likes.
    for n in 0..10_000 {
        assert_eq!(t.revoke(Revoker::Client("posts-back"), n * 5 * MINUTE), Ok(()));
    }
}

// B11
#[test]
fn the_wait_that_is_told_is_never_too_short() {
    let millis = Duration::from_millis;
    let told = [millis(1), millis(999), millis(1000), millis(1001), millis(59_001)];
    assert_eq!(told.map(retry_after), [1, 1, 1, 2, 60]);
    let t = throttle();
    fail_all(&t, "alice", place(1), 0);
    let now = 300_000;
    let told = retry_after(from(&t, "alice", place(1), now).err().unwrap());
    assert!(from(&t, "alice", place(1), now + told * SECOND).is_ok());
}

// B09
#[test]
fn a_million_names_from_a_million_addresses_stay_bounded() {
    let t = throttle();
    for n in 0..1_000_000_u32 {
        // Each IPv6 address is in a network of its own.
        let ip = match n % 4 {
            0 => Ipv6Addr::new(0x2001, (n >> 16) as u16, n as u16, 0, 0, 0, 0, 1).into(),
            _ => place(n),
        };
        let name = Name::new(&format!("u{n}")).unwrap();
        let charge = t.charge(&name, None, &Source::address(ip), n.into()).unwrap();
        charge.keep();
    }
    let state = t.lock();
    let counters = [&state.pairs, &state.accounts, &state.addresses, &state.networks];
    for len in counters.map(Recent::len).into_iter().chain([state.shares.len()]) {
        assert!((MOST / 2..=MOST).contains(&len), "{len}");
    }
}

// B09
#[test]
fn what_was_counted_lately_outlives_a_flood() {
    let t = throttle();
    let second = |n: u32| u64::from(n) * SECOND;
    for n in 0..150_000 {
        if n % 1000 == 0 {
            fail_all(&t, "alice", place(1), second(n));
        }
        from(&t, &format!("u{n}"), place(2 + n), second(n)).unwrap().keep();
    }
    assert!(from(&t, "alice", place(1), second(149_001)).is_err());
}

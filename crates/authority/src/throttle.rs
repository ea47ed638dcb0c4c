//! Brute force: failed sign-ins per account and per address, charged *before* the hash is computed, so
//! that many at once count as many. Past the free failures each next one waits longer, up to a limit
//! that is short enough not to lock a stranger out. Bounded in memory.

use crate::name::Name;
use crate::settings::{ThrottleLimits, micros};
use rescind_wire::sha256;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// Most accounts and most addresses that are remembered; past that the longest untouched go.
const MOST: usize = 100_000;

/// Where a request came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source(Option<IpAddr>);

impl Source {
    /// A network address, in its canonical form (an IPv4 address mapped into IPv6 is the IPv4 one).
    pub fn address(address: IpAddr) -> Self {
        Self(Some(address.to_canonical()))
    }

    /// The local socket of the administrator.
    pub fn local() -> Self {
        Self(None)
    }

    /// The address as text.
    pub fn address_text(&self) -> Option<String> {
        self.0.map(|address| address.to_string())
    }

    /// What is limited: an IPv4 address, or the /64 that one IPv6 subscriber has.
    fn key(&self) -> Key {
        match self.0 {
            None => key(b"local"),
            Some(IpAddr::V4(v4)) => key(&v4.octets()),
            Some(IpAddr::V6(v6)) => key(&v6.octets()[..8]),
        }
    }
}

type Key = [u8; 16];

fn key(bytes: &[u8]) -> Key {
    let mut out = [0; 16];
    out.copy_from_slice(&sha256(&[bytes])[..16]);
    out
}

#[derive(Debug, Clone, Copy, Default)]
struct Counter {
    failures: u32,
    /// Boot time of the last charge, in microseconds.
    last_at: u64,
}

/// The counters.
pub struct Throttle {
    limits: ThrottleLimits,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    accounts: HashMap<Key, Counter>,
    addresses: HashMap<Key, Counter>,
}

/// One attempt that has been counted as a failure, until it is given back.
#[must_use]
pub(crate) struct Charge {
    account: Key,
    address: Key,
    shown: String,
}

impl Throttle {
    pub(crate) fn new(limits: ThrottleLimits) -> Self {
        Self { limits, state: Mutex::default() }
    }

    /// Counts an attempt on both counters, or says how long to wait. `now` is boot time.
    pub(crate) fn charge(
        &self,
        name: &Name,
        source: &Source,
        now: u64,
    ) -> Result<Charge, Duration> {
        let (account, address) = (key(name.as_str().as_bytes()), source.key());
        let mut state = self.lock();
        let l = &self.limits;
        let waits = [
            self.wait(state.accounts.get(&account), l.per_account, now),
            self.wait(state.addresses.get(&address), l.per_address, now),
        ];
        if let Some(wait) = waits.into_iter().flatten().max() {
            return Err(wait);
        }
        self.count(&mut state.accounts, account, now);
        self.count(&mut state.addresses, address, now);
        let shown = source.address_text().unwrap_or_else(|| "local".into());
        Ok(Charge { account, address, shown })
    }

    fn wait(&self, counter: Option<&Counter>, free: u32, now: u64) -> Option<Duration> {
        let counter = counter.filter(|c| !self.forgotten(c, now))?;
        let over = counter.failures.checked_sub(free)?;
        let longest = self.limits.longest_wait;
        let delay = Duration::from_secs(1 << over.min(20)).min(longest);
        let ready_at = counter.last_at.saturating_add(micros(delay));
        (now < ready_at).then(|| Duration::from_micros(ready_at - now))
    }

    fn forgotten(&self, counter: &Counter, now: u64) -> bool {
        counter.failures == 0
            || now.saturating_sub(counter.last_at) > micros(self.limits.forget_after)
    }

    fn count(&self, counters: &mut HashMap<Key, Counter>, key: Key, now: u64) {
        if counters.len() >= MOST && !counters.contains_key(&key) {
            counters.retain(|_, c| !self.forgotten(c, now));
            if counters.len() >= MOST {
                let mut ages: Vec<u64> = counters.values().map(|c| c.last_at).collect();
                let (_, median, _) = ages.select_nth_unstable(MOST / 2);
                let median = *median;
                counters.retain(|_, c| c.last_at > median);
            }
        }
        let counter = counters.entry(key).or_default();
        if self.forgotten(counter, now) {
            counter.failures = 0;
        }
        counter.failures = counter.failures.saturating_add(1);
        counter.last_at = now;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Charge {
    /// The attempt was no failure: takes back its own count on both, and no earlier one.
    pub(crate) fn give_back(self, throttle: &Throttle) {
        let mut state = throttle.lock();
        let State { accounts, addresses } = &mut *state;
        for (counters, key) in [(accounts, self.account), (addresses, self.address)] {
            if let Some(counter) = counters.get_mut(&key) {
                counter.failures = counter.failures.saturating_sub(1);
                if counter.failures == 0 {
                    counters.remove(&key);
                }
            }
        }
    }

    /// The attempt was a failure: its count stays.
    pub(crate) fn keep(self) {}

    /// Where it came from, for the log.
    pub(crate) fn address(&self) -> &str {
        &self.shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn throttle() -> Throttle {
        Throttle::new(Settings::new("https://a").throttle)
    }

    fn attempt(t: &Throttle, name: &str, ip: &str, now: u64) -> Result<Charge, Duration> {
        t.charge(&Name::new(name).unwrap(), &Source::address(ip.parse().unwrap()), now)
    }

    #[test]
    fn attempts_count_before_their_outcome_is_known() {
        let t = throttle();
        let held: Vec<_> = (0..10).map(|_| attempt(&t, "alice", "10.0.0.1", 0).unwrap()).collect();
        assert!(attempt(&t, "Alice", "10.0.0.2", 0).is_err(), "ten under way count as ten");
        assert!(attempt(&t, "bob", "10.0.0.1", 0).is_ok(), "another account is free");
        drop(held);
    }

    #[test]
    fn waiting_grows_and_stays_short() {
        let t = throttle();
        let mut now = 0;
        let mut waits = Vec::new();
        for _ in 0..30 {
            match attempt(&t, "alice", "10.0.0.1", now) {
                Ok(charge) => charge.keep(),
                Err(wait) => {
                    waits.push(wait.as_secs());
                    now += micros(wait);
                }
            }
        }
        assert_eq!(waits[..7], [1, 2, 4, 8, 16, 32, 60]);
        assert!(waits[7..].iter().all(|w| *w == 60));
    }

    #[test]
    fn a_success_gives_back_its_own_charge_only() {
        let t = throttle();
        for _ in 0..9 {
            attempt(&t, "alice", "10.0.0.1", 0).unwrap().keep();
        }
        for _ in 0..100 {
            attempt(&t, "alice", "10.0.0.1", 0).unwrap().give_back(&t);
        }
        attempt(&t, "alice", "10.0.0.1", 0).unwrap().keep();
        assert!(attempt(&t, "alice", "10.0.0.1", 0).is_err());
    }

    #[test]
    fn one_ipv6_subscriber_is_one_address() {
        let t = throttle();
        for n in 0..100 {
            attempt(&t, &format!("user{n}"), &format!("2001:db8::{n:x}"), 0).unwrap().keep();
        }
        assert!(attempt(&t, "other", "2001:db8::ffff:1", 0).is_err());
        assert!(attempt(&t, "other", "2001:db8:0:1::1", 0).is_ok());
    }

    #[test]
    fn memory_is_bounded() {
        let t = throttle();
        for n in 0..MOST + 10 {
            let ip = IpAddr::from((n as u32).to_be_bytes());
            t.charge(&Name::new(&format!("u{n}")).unwrap(), &Source::address(ip), n as u64)
                .unwrap()
                .keep();
        }
        assert!(t.lock().accounts.len() <= MOST);
        assert!(t.lock().addresses.len() <= MOST);
    }
}

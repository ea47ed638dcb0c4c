//! Brute force: failed sign-ins are counted *before* the hash is computed, so that many at once count
//! as many. Past the free ones each next one waits longer. Counted is
//!
//! - per account and source: harms only who guesses there;
//! - per account over all sources that it has never signed in from: holds many strangers off together,
//!   and never the owner at a *familiar* source, one that the account has signed in from;
//! - per address (an IPv4 address, an IPv6 /64) and per IPv6 /48, over all accounts.
//!
//! Tokens that are taken back one by one are counted as well, per account and per client, since each
//! stands in the log.
//!
//! All in bounded memory ([`counters`]): a restart forgets it, but for the places where open sessions were
//! signed in, which are in the store. The names of accounts are counted whether they exist or not.

mod counters;

use crate::Authority;
use crate::name::Name;
use crate::session::Session;
use crate::settings::{Limit, ThrottleLimits};
use crate::store::StoreError;
use counters::{Counter, Counters, Familiar, Key, Paces, Recent, Taken, give_back, key, take};
use rescind_wire::id::Sub;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

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

    /// The address; `None` for the administrator's socket.
    pub fn ip(&self) -> Option<IpAddr> {
        self.0
    }

    /// The address as text.
    pub fn address_text(&self) -> Option<String> {
        self.0.map(|address| address.to_string())
    }

    /// The same for the log, where the administrator's socket is `local`.
    pub fn text(&self) -> String {
        self.address_text().unwrap_or_else(|| "local".into())
    }

    /// What is limited: an IPv4 address, or the /64 that one IPv6 subscriber has at least.
    fn key(&self) -> Key {
        match self.0 {
            None => key(&[b"local"]),
            Some(IpAddr::V4(v4)) => key(&[&v4.octets()]),
            Some(IpAddr::V6(v6)) => key(&[&v6.octets()[..8]]),
        }
    }

    /// The /48 that one IPv6 subscriber has at most.
    fn network_key(&self) -> Option<Key> {
        match self.0 {
            Some(IpAddr::V6(v6)) => Some(key(&[&v6.octets()[..6]])),
            _ => None,
        }
    }
}

/// Whole seconds after which the wait is over.
pub(crate) fn retry_after(wait: Duration) -> u64 {
    u64::try_from(wait.as_nanos().div_ceil(1_000_000_000)).unwrap_or(u64::MAX).max(1)
}

/// The counters.
pub struct Throttle {
    limits: ThrottleLimits,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    pairs: Counters,
    /// What each account's source, of IPv6 its /48, has added to its account's counter.
    shares: Recent<Share>,
    accounts: Counters,
    addresses: Counters,
    networks: Counters,
    refusals: Counters,
    revocations: Paces,
    familiar: Familiar,
}

#[derive(Debug, Default, Clone, Copy)]
struct Share {
    failures: u32,
    /// The beginning of the account's counter that they are in.
    of: u64,
}

/// What an attempt is counted under.
struct Keys {
    /// The account by its name, whether there is one or not.
    account: Key,
    /// The account by its id: at home where this one was, and no other of its name.
    home: Option<Key>,
    source: Key,
    pair: Key,
    /// The account and the most that one subscriber has: its share is not one of each /64.
    share: Key,
    network: Option<Key>,
}

impl Keys {
    fn of(name: &Name, sub: Option<Sub>, source: &Source) -> Self {
        let (account, place) = (key(&[name.as_str().as_bytes()]), source.key());
        let pair = key(&[&account.to_be_bytes(), &place.to_be_bytes()]);
        let network = source.network_key();
        let subscriber = network.unwrap_or(place);
        let share = key(&[&account.to_be_bytes(), &subscriber.to_be_bytes()]);
        let home = sub.map(|sub| key(&[sub.as_bytes()]));
        Self { account, home, source: place, pair, share, network }
    }
}

/// Whose revocations are counted together.
pub(crate) enum Revoker<'a> {
    Account(Sub),
    Client(&'a str),
}

/// One attempt that has been counted as a failure, until it is given back. Dropped, it stays one.
#[must_use]
pub(crate) struct Charge {
    keys: Keys,
    pair: Taken,
    account: Option<Taken>,
    address: Taken,
    network: Option<Taken>,
}

impl Throttle {
    pub(crate) fn new(limits: ThrottleLimits) -> Self {
        Self { limits, state: Mutex::default() }
    }

    /// Counts an attempt wherever it counts, or says how long to wait. `sub` is the account of this name,
    /// if there is one; `now` is boot time.
    pub(crate) fn charge(
        &self,
        name: &Name,
        sub: Option<Sub>,
        source: &Source,
        now: u64,
    ) -> Result<Charge, Duration> {
        let keys = Keys::of(name, sub, source);
        let (home, place, pair) = (keys.home, keys.source, keys.pair);
        let mut state = self.lock();
        let l = &self.limits;
        let at_home = |home| state.familiar.holds(&home, &place, now, l.familiar_for);
        let stranger = !home.is_some_and(at_home);
        if let Some(wait) = state.wait(l, &keys, stranger, now) {
            return Err(wait);
        }
        let forget = l.forget_after;
        Ok(Charge {
            account: if stranger { state.take_share(l, &keys, now) } else { None },
            pair: take(&mut state.pairs, pair, now, forget),
            address: take(&mut state.addresses, place, now, forget),
            network: keys.network.map(|network| take(&mut state.networks, network, now, forget)),
            keys,
        })
    }

    /// Whether an attempt has to wait whoever's account this is: for its source, and for this name from there.
    pub(crate) fn waits(&self, name: &Name, source: &Source, now: u64) -> Result<(), Duration> {
        let keys = Keys::of(name, None, source);
        self.lock().wait(&self.limits, &keys, false, now).map_or(Ok(()), Err)
    }

    /// Counts a refused request, or says that this address has had too many.
    fn refuse(&self, source: &Source, now: u64) -> Result<(), Duration> {
        let (place, forget) = (source.key(), self.limits.forget_after);
        let mut state = self.lock();
        let counter = seen(&state.refusals, &place, now, forget);
        match counter.wait(self.limits.refusals, now) {
            Some(wait) => Err(wait),
            None => {
                let _ = take(&mut state.refusals, place, now, forget);
                Ok(())
            }
        }
    }

    /// Counts a token that is taken back by its account's own app, or by an API server; or says how long
    /// to wait.
    pub(crate) fn revoke(&self, by: Revoker<'_>, now: u64) -> Result<(), Duration> {
        let (key, rate) = match by {
            Revoker::Account(sub) => {
                (key(&[b"a", sub.as_bytes()]), self.limits.account_revocations)
            }
            Revoker::Client(id) => (key(&[b"c", id.as_bytes()]), self.limits.client_revocations),
        };
        self.lock().revocations.take(key, rate, now)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl State {
    fn wait(&self, l: &ThrottleLimits, keys: &Keys, stranger: bool, now: u64) -> Option<Duration> {
        let held = |counters: &Counters, key: &Key, limit: Limit| {
            seen(counters, key, now, l.forget_after).wait(limit, now)
        };
        let account = || {
            let counter = seen(&self.accounts, &keys.account, now, l.forget_after);
            match counter.failures >= l.many_failures {
                true => counter.wait_for(l.many_wait, now),
                false => counter.wait(l.account, now),
            }
        };
        let waits = [
            held(&self.pairs, &keys.pair, l.pair),
            held(&self.addresses, &keys.source, l.address),
            keys.network.and_then(|network| held(&self.networks, &network, l.network)),
            if stranger { account() } else { None },
        ];
        waits.into_iter().flatten().max()
    }

    /// Counts an attempt of a stranger on the account, unless its source has added its share already:
    /// one source alone never makes others wait. The share is of one life of the account's counter, so
    /// that sources that have used theirs up count again once that is forgotten.
    fn take_share(&mut self, l: &ThrottleLimits, keys: &Keys, now: u64) -> Option<Taken> {
        let account = seen(&self.accounts, &keys.account, now, l.forget_after);
        let of = if account.failures == 0 { now } else { account.began_at };
        let added = self.shares.get(&keys.share).filter(|share| share.of == of);
        let failures = added.map_or(0, |share| share.failures);
        if failures >= l.share() {
            return None;
        }
        *self.shares.touch(keys.share) = Share { failures: failures + 1, of };
        Some(take(&mut self.accounts, keys.account, now, l.forget_after))
    }
}

fn seen(counters: &Counters, key: &Key, now: u64, forget_after: Duration) -> Counter {
    counters.get(key).copied().unwrap_or_default().at(now, forget_after)
}

impl Charge {
    /// The password was right: takes back its own count everywhere, and no earlier one. The account is
    /// at home here from now on.
    pub(crate) fn succeed(self, throttle: &Throttle, now: u64) {
        let mut state = throttle.lock();
        if let Some(home) = self.keys.home {
            state.familiar.remember(home, [(self.keys.source, now.cast_signed())]);
        }
        self.undo(&mut state);
    }

    /// Nobody knows whether the password was right: takes back its own count everywhere.
    pub(crate) fn give_back(self, throttle: &Throttle) {
        self.undo(&mut throttle.lock());
    }

    fn undo(self, state: &mut State) {
        give_back(&mut state.pairs, &self.pair);
        give_back(&mut state.addresses, &self.address);
        if let Some(network) = &self.network {
            give_back(&mut state.networks, network);
        }
        if let Some(account) = &self.account {
            give_back(&mut state.accounts, account);
            if let Some(share) = state.shares.get_mut(&self.keys.share) {
                share.failures = share.failures.saturating_sub(1);
            }
        }
    }

    /// The attempt was a failure: its count stays.
    pub(crate) fn keep(self) {}
}

impl Authority {
    /// Remembers where the open sessions of an account were signed in, if nothing is remembered of it:
    /// after a restart, or when others have displaced it.
    pub(crate) async fn recall_home(
        &self,
        name: &Name,
        sub: Option<Sub>,
    ) -> Result<(), StoreError> {
        // A name that nobody has is looked up as one that somebody has: the time tells no difference.
        let home = match sub {
            Some(sub) => key(&[sub.as_bytes()]),
            None => key(&[b"nobody", name.as_str().as_bytes()]),
        };
        let sub = sub.unwrap_or(Sub::from_bytes([0; 16]));
        if self.throttle.lock().familiar.knows(&home) {
            return Ok(());
        }
        let (sessions, now) = (self.sessions(sub).await?, self.clock.now());
        let place = |session: &Session| {
            let address = session.address.as_ref()?.parse().ok()?;
            let age = now.wall.saturating_sub(session.created_at);
            Some((
                Source::address(address).key(),
                now.boot.cast_signed().saturating_sub_unsigned(age),
            ))
        };
        self.throttle.lock().familiar.remember(home, sessions.iter().filter_map(place));
        Ok(())
    }

    /// Counts a request that was refused for what it presented (a client's secret, a refresh token, a
    /// CSRF value). Past the free ones of its address: the seconds to wait.
    pub fn count_refusal(&self, source: &Source) -> Result<(), u64> {
        self.throttle.refuse(source, self.clock.now().boot).map_err(|wait| {
            tracing::info!(event = "refusal_throttled", address = source.text());
            retry_after(wait)
        })
    }
}

#[cfg(test)]
mod tests;

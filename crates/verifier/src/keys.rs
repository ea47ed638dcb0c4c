//! The keys that verify tokens, and when they are fetched.
//!
//! Owns the loaded set and what the authority last said is in force. An unknown `kid` causes no fetch while
//! both are equal: 10,000 tokens with random kids cause none. Otherwise there is one fetch at a time, for all
//! tokens together, a second after the last. Where the answer does not help, they are further apart each time: at
//! most 7 in the first minute, then one in 30 s; where nobody answers, they are not. A fetch that fails leaves the
//! last good set, for [`HARD_EXPIRY`] at most: then nothing is judged by a set that is known to be outdated. Secrets
//! shared with the authority are given, never fetched, and then no document counts. The requests themselves are in
//! [`crate::fetch`].

use crate::check::Facts;
use crate::entropy::spread;
use crate::trouble::FetchError;
use arc_swap::ArcSwap;
use bytes::Bytes;
use rescind_wire::frame::KeysMark;
use rescind_wire::jwk::{KeySet, SetRefused, SharedKey};
use rescind_wire::jws::Alg;
use rescind_wire::sha256;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

/// For how long a set that is known to be outdated still judges.
const HARD_EXPIRY: Duration = Duration::from_secs(10 * 60);
/// Shortest pause between two fetches.
const SECOND: Duration = Duration::from_secs(1);

/// A key set as it was fetched.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) set: KeySet,
    /// Rises with each load: what was verified under another set is verified anew.
    pub(crate) version: u64,
    hash: [u8; 32],
}

/// Why a fetched document is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeysRefused {
    #[error(transparent)]
    Set(#[from] SetRefused),
    #[error("the JWKS holds no key of an accepted algorithm")]
    Empty,
}

#[derive(Debug)]
pub(crate) struct KeyRing {
    accepted: Vec<Alg>,
    /// Whether the set is fetched; if not, it was given and stays.
    fetched: bool,
    loaded: ArcSwap<Loaded>,
    /// The version of what is loaded, raised after it was.
    version: AtomicU64,
    in_force: Mutex<Option<KeysMark>>,
    /// Boot time since which the set is known to be outdated; 0 while it is not.
    outdated_since: AtomicU64,
    wanted: Notify,
    attempts: watch::Sender<u64>,
}

impl KeyRing {
    pub(crate) fn new(accepted: Vec<Alg>) -> Self {
        Self {
            accepted,
            fetched: true,
            loaded: ArcSwap::default(),
            version: AtomicU64::new(0),
            in_force: Mutex::default(),
            outdated_since: AtomicU64::new(0),
            wanted: Notify::new(),
            attempts: watch::Sender::new(0),
        }
    }

    /// Exactly these secrets, and nothing that the authority publishes.
    pub(crate) fn shared(secrets: impl IntoIterator<Item = SharedKey>) -> Self {
        let set = KeySet::new(None, secrets);
        let loaded = ArcSwap::from_pointee(Loaded { set, version: 1, ..Loaded::default() });
        Self { fetched: false, loaded, version: AtomicU64::new(1), ..Self::new(Vec::new()) }
    }

    /// Whether the set comes from the authority.
    pub(crate) fn fetched(&self) -> bool {
        self.fetched
    }

    /// Whether the key under which these facts were verified is still held.
    pub(crate) fn holds(&self, facts: &Facts) -> bool {
        let loaded = self.load();
        loaded.version == facts.key_set || loaded.set.find(&facts.kid).is_some()
    }

    pub(crate) fn load(&self) -> arc_swap::Guard<Arc<Loaded>> {
        self.loaded.load()
    }

    /// The version of the loaded set.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Replaces the set by the one in a JWKS document, unless that is no good.
    pub(crate) fn install(&self, document: &[u8]) -> Result<(), KeysRefused> {
        let (set, refused) = KeySet::from_jwks(document, &self.accepted)?;
        for (place, reason) in refused {
            tracing::warn!(place, %reason, "a key of the authority is not used");
        }
        if set.is_empty() {
            return Err(KeysRefused::Empty);
        }
        let (version, hash) = (self.load().version + 1, sha256(&[document]));
        if hash == self.load().hash {
            return Ok(());
        }
        self.loaded.store(Arc::new(Loaded { set, version, hash }));
        self.version.store(version, Ordering::Release);
        if !self.outdated() {
            self.outdated_since.store(0, Ordering::SeqCst);
        }
        Ok(())
    }

    /// The authority says which set is in force: a head, which answers a question, always; a frame of the
    /// feed only if it is not older. `now` is boot time.
    pub(crate) fn announce(&self, mark: KeysMark, answers: bool, now: u64) {
        {
            let mut in_force = self.in_force.lock().unwrap_or_else(PoisonError::into_inner);
            if answers || in_force.is_none_or(|known| known.version <= mark.version) {
                *in_force = Some(mark);
            }
        }
        if self.outdated() {
            let begins = (0, now.max(1));
            let (order, known) = (Ordering::SeqCst, Ordering::SeqCst);
            // Where it was outdated already, it stays so since then.
            let _ = self.outdated_since.compare_exchange(begins.0, begins.1, order, known);
            self.wanted.notify_one();
        } else {
            self.outdated_since.store(0, Ordering::SeqCst);
        }
    }

    /// Boot time since which the set is outdated.
    fn outdated_since(&self) -> Option<u64> {
        Some(self.outdated_since.load(Ordering::Relaxed)).filter(|since| *since != 0)
    }

    /// Whether the set has been outdated for too long to judge by it. The clock is asked only if it is.
    pub(crate) fn expired(&self, now: impl FnOnce() -> u64) -> bool {
        let longest = HARD_EXPIRY.as_micros() as u64;
        self.outdated_since().is_some_and(|since| now().saturating_sub(since) > longest)
    }

    /// Whether another set than the loaded one is in force.
    pub(crate) fn outdated(&self) -> bool {
        let in_force = *self.in_force.lock().unwrap_or_else(PoisonError::into_inner);
        self.fetched && in_force.is_some_and(|mark| mark.hash != self.load().hash)
    }

    /// Waits until the next attempt to fetch has ended, or nothing newer is in force.
    pub(crate) async fn next_attempt(&self) {
        let mut attempts = self.attempts.subscribe();
        if self.outdated() {
            // The sender is held here, so it cannot be gone.
            let _ = attempts.changed().await;
        }
    }

    /// Fetches whenever the set is outdated; for ever. The only place that fetches after the start: so
    /// there is never more than one fetch under way. `back` changes when the authority answers again: then what
    /// was asked for in vain is asked for anew, at once.
    pub(crate) async fn keep<F>(&self, mut fetch: impl FnMut() -> F, mut back: watch::Receiver<u32>)
    where
        F: Future<Output = Result<Bytes, FetchError>>,
    {
        let mut pause = SECOND;
        loop {
            while !self.outdated() {
                pause = SECOND;
                self.wanted.notified().await;
            }
            let fetched = tokio::select! {
                fetched = fetch() => fetched,
                _ = back.changed() => continue,
            };
            let before = self.load().hash;
            let nobody = matches!(fetched, Err(FetchError::Transport(_) | FetchError::Timeout));
            match fetched {
                Ok(document) => match self.install(&document) {
                    Ok(()) => tracing::info!(keys = self.load().set.len(), "key set loaded"),
                    Err(reason) => {
                        tracing::warn!(%reason, "key set refused; the last good one stays")
                    }
                },
                Err(error) => {
                    tracing::warn!(%error, "key set not fetched; the last good one stays");
                }
            }
            self.attempts.send_modify(|n| *n += 1);
            // What helped is no reason to wait longer, also where keys have changed again meanwhile; nor is that nobody
            // answered: as soon as the way is free, every token of a new key waits for this.
            let in_vain = !nobody && self.outdated() && self.load().hash == before;
            if !in_vain {
                pause = SECOND;
            }
            tokio::select! {
                // All verifiers hear of a new set at once.
                () = sleep(pause + spread(pause / 4)) => if in_vain {
                    pause = (pause * 2).min(Duration::from_secs(30));
                },
                _ = back.changed() => pause = SECOND,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::signing_key;
    use http::StatusCode;
    use rescind_wire::jwk::jwks;
    use std::sync::atomic::AtomicU32;

    fn mark(document: &str, version: u64) -> KeysMark {
        KeysMark { version, hash: sha256(&[document.as_bytes()]) }
    }

    // K08
    #[test]
    fn a_set_that_is_no_good_leaves_the_last_good_one() {
        let (ring, key) = (KeyRing::new(vec![Alg::Es256]), signing_key());
        ring.install(jwks(key.public()).as_bytes()).unwrap();
        for bad in ["", "{}", r#"{"keys":[]}"#, &" ".repeat(70_000)] {
            assert!(ring.install(bad.as_bytes()).is_err());
        }
        assert!(ring.load().set.find(key.kid()).is_some());
        assert_eq!(ring.load().version, 1);
    }

    #[test]
    fn a_set_is_outdated_only_while_the_authority_says_so() {
        let ring = KeyRing::new(vec![Alg::Es256]);
        let (old, new) = (jwks(signing_key().public()), jwks(signing_key().public()));
        ring.install(old.as_bytes()).unwrap();
        assert!(!ring.outdated());
        ring.announce(mark(&old, 1), true, 7);
        assert!(!ring.outdated());
        ring.announce(mark(&new, 2), false, 7);
        assert!(ring.outdated());
        ring.announce(mark(&old, 1), false, 7);
        assert!(ring.outdated(), "a frame of the past changes nothing");
        ring.install(new.as_bytes()).unwrap();
        assert!(!ring.outdated());
    }

    /// How often it is fetched in a minute in which another set is in force.
    async fn fetches_in_a_minute(fetched: impl Fn() -> Result<Bytes, FetchError>) -> u32 {
        let ring = KeyRing::new(vec![Alg::Es256]);
        ring.announce(mark(&jwks(signing_key().public()), 2), true, 7);
        let (fetches, back) = (AtomicU32::new(0), watch::Sender::new(0));
        let fetch = || {
            fetches.fetch_add(1, Ordering::Relaxed);
            std::future::ready(fetched())
        };
        let keep = ring.keep(fetch, back.subscribe());
        let _ = tokio::time::timeout(Duration::from_secs(60), keep).await;
        fetches.load(Ordering::Relaxed)
    }

    // K07
    #[tokio::test(start_paused = true)]
    async fn fetches_whose_answer_does_not_help_grow_further_apart() {
        let old = jwks(signing_key().public());
        let the_old_one = fetches_in_a_minute(|| Ok(old.clone().into())).await;
        let refused =
            fetches_in_a_minute(|| Err(FetchError::Status(StatusCode::BAD_GATEWAY))).await;
        for fetches in [the_old_one, refused] {
            assert!((2..=7).contains(&fetches), "{fetches} fetches in a minute");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn fetches_that_bring_other_keys_do_not_grow_further_apart() {
        let ring = KeyRing::new(vec![Alg::Es256]);
        let (fetches, back) = (AtomicU32::new(0), watch::Sender::new(0));
        let fetch = || {
            let version = u64::from(fetches.fetch_add(1, Ordering::Relaxed)) + 1;
            let documents = [0, 1].map(|_| jwks(signing_key().public()));
            // By the time that it comes, another one is in force.
            ring.announce(mark(&documents[1], version), true, 7);
            async { Ok(documents.into_iter().next().unwrap_or_default().into()) }
        };
        ring.announce(mark("other", 0), true, 7);
        let _ =
            tokio::time::timeout(Duration::from_secs(60), ring.keep(fetch, back.subscribe())).await;
        assert!((48..=60).contains(&fetches.load(Ordering::Relaxed)));
    }

    #[tokio::test(start_paused = true)]
    async fn where_nobody_answers_it_is_asked_again_after_a_second_each_time() {
        let fetches = fetches_in_a_minute(|| Err(FetchError::Timeout)).await;
        assert!((48..=60).contains(&fetches), "{fetches} fetches in a minute");
    }

    #[tokio::test(start_paused = true)]
    async fn a_fetch_in_vain_is_repeated_as_soon_as_the_authority_is_back() {
        let ring = KeyRing::new(vec![Alg::Es256]);
        ring.announce(mark(&jwks(signing_key().public()), 2), true, 7);
        let (fetches, back) = (AtomicU32::new(0), watch::Sender::new(0));
        let fetch = || {
            fetches.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Err(FetchError::Status(StatusCode::BAD_GATEWAY)))
        };
        let comes_back = async {
            tokio::time::sleep(Duration::from_secs(50)).await;
            let before = fetches.load(Ordering::Relaxed);
            back.send_replace(1);
            tokio::time::sleep(Duration::from_millis(1)).await;
            assert_eq!(fetches.load(Ordering::Relaxed), before + 1);
        };
        tokio::select! {
            () = ring.keep(fetch, back.subscribe()) => unreachable!("it keeps for ever"),
            () = comes_back => {}
        }
    }

    #[test]
    fn the_same_document_once_more_lets_what_is_known_stand() {
        let (ring, document) = (KeyRing::new(vec![Alg::Es256]), jwks(signing_key().public()));
        ring.install(document.as_bytes()).unwrap();
        ring.install(document.as_bytes()).unwrap();
        assert_eq!(ring.version(), 1);
    }

    // K08
    #[test]
    fn a_set_that_stays_outdated_judges_for_ten_minutes_and_no_longer() {
        let ring = KeyRing::new(vec![Alg::Es256]);
        let (old, new) = (jwks(signing_key().public()), jwks(signing_key().public()));
        let minutes = |n: u64| move || 7 + n * 60_000_000;
        ring.install(old.as_bytes()).unwrap();
        ring.announce(mark(&old, 1), true, 7);
        assert!(!ring.expired(minutes(60)));
        ring.announce(mark(&new, 2), true, 7);
        ring.announce(mark(&new, 2), true, 7 + 300_000_000);
        assert!(!ring.expired(minutes(10)));
        assert!(ring.expired(minutes(11)), "counted from the first time that it was heard");
        ring.install(new.as_bytes()).unwrap();
        assert!(!ring.expired(minutes(60)));
    }
}

//! The authority: what every operation can reach, and how a rule is run in a transaction.

use crate::clock::{Clock, Entropy};
use crate::hash::HashPool;
use crate::keyring::Keyring;
use crate::settings::Settings;
use crate::store::{Head, Load, Loaded, Store, StoreError, Write};
use crate::throttle::Throttle;
use std::sync::{Arc, Mutex};

/// One realm's authority. Cheap to share by reference count; holds no global state.
pub struct Authority {
    pub(crate) settings: Settings,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) keyring: Keyring,
    pub(crate) hasher: HashPool,
    pub(crate) throttle: Throttle,
}

impl Authority {
    /// Puts an authority together. The store must hold the realm already, with a
    /// [`Head::longest_life`] of at least the access tokens' life.
    pub fn new(
        settings: Settings,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        keyring: Keyring,
    ) -> Self {
        let hasher = HashPool::new(&settings, &*entropy);
        let throttle = Throttle::new(settings.throttle);
        Self { settings, store, clock, entropy, keyring, hasher, throttle }
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The store, for the feed and the jobs.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The source of randomness.
    pub fn entropy(&self) -> &Arc<dyn Entropy> {
        &self.entropy
    }

    /// The keys.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// The threads that hash passwords.
    pub fn hasher(&self) -> &HashPool {
        &self.hasher
    }
}

/// Runs a rule in one transaction and gives its answer back once the writes are durable. If the
/// transaction fails, so does the answer: what the rule has minted is dropped with it.
pub(crate) async fn transact<T: Send + 'static>(
    store: &dyn Store,
    load: Load,
    rule: impl FnOnce(&Loaded) -> (Vec<Write>, T) + Send + 'static,
) -> Result<T, StoreError> {
    transact_at(store, load, rule).await.map(|(answer, _)| answer)
}

/// [`transact`], with the head after the commit.
pub(crate) async fn transact_at<T: Send + 'static>(
    store: &dyn Store,
    load: Load,
    rule: impl FnOnce(&Loaded) -> (Vec<Write>, T) + Send + 'static,
) -> Result<(T, Head), StoreError> {
    let slot = Arc::new(Mutex::new(None));
    let filled = Arc::clone(&slot);
    let decide = Box::new(move |loaded: &Loaded| {
        let (writes, answer) = rule(loaded);
        *filled.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(answer);
        writes
    });
    let head = store.transact(load, decide).await?;
    let answer = slot.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
    let missing = || StoreError::Failed("the store committed without asking the rule".into());
    Ok((answer.ok_or_else(missing)?, head))
}

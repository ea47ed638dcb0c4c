//! The authority: what every operation can reach, and how a rule is run in a transaction.

use crate::clock::{Clock, Entropy};
use crate::hash::HashPool;
use crate::keyring::Keyring;
use crate::keys::{Purpose, feed_ever};
use crate::master::MasterKey;
use crate::rotate::{Keeper, RotateError};
use crate::settings::Settings;
use crate::store::{Head, Load, Loaded, Store, StoreError, Write};
use crate::throttle::Throttle;
use crate::touched::Touched;
use arc_swap::{ArcSwap, Guard};
use rescind_wire::frame::{self, Frame};
use rescind_wire::id::Sid;
use rescind_wire::jwk::PublicKey;
use rescind_wire::jws::Alg;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use tokio::sync::watch;
use zeroize::Zeroizing;

/// One realm's authority. Cheap to share by reference count; holds no global state.
pub struct Authority {
    pub(crate) settings: Settings,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) keeper: Keeper,
    keyring: ArcSwap<Keyring>,
    changed: watch::Sender<u64>,
    pub(crate) tended: AtomicBool,
    feed_ever: OnceLock<Vec<PublicKey>>,
    pub(crate) hasher: HashPool,
    pub(crate) throttle: Arc<Throttle>,
    pub(crate) touched: Touched,
}

impl Authority {
    /// Puts an authority together. The store must hold the realm already, with a
    /// [`Head::longest_life`] of at least the access tokens' life. Keys that are missing are made;
    /// `found` are private keys that an earlier version kept as files.
    pub async fn open(
        settings: Settings,
        store: Arc<dyn Store>,
        (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>),
        master: MasterKey,
        found: Vec<(Purpose, Alg, Zeroizing<Vec<u8>>)>,
    ) -> Result<Self, RotateError> {
        let master = Arc::new(master);
        let keeper = Keeper { settings, store, clock, entropy, master };
        if !found.is_empty() {
            keeper.adopt(found).await?;
        }
        keeper.tend().await?;
        let keyring = keeper.keyring().await?;
        Ok(Self::with(keeper, keyring))
    }

    /// Puts an authority together with keys that were opened before; it looks after none by itself.
    pub fn with_keyring(
        settings: Settings,
        store: Arc<dyn Store>,
        (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>),
        master: Arc<MasterKey>,
        keyring: Keyring,
    ) -> Self {
        Self::with(Keeper { settings, store, clock, entropy, master }, keyring)
    }

    fn with(keeper: Keeper, keyring: Keyring) -> Self {
        Self {
            settings: keeper.settings.clone(),
            store: Arc::clone(&keeper.store),
            clock: Arc::clone(&keeper.clock),
            entropy: Arc::clone(&keeper.entropy),
            hasher: HashPool::new(&keeper.settings, &*keeper.entropy),
            throttle: Arc::new(Throttle::new(keeper.settings.throttle)),
            keyring: ArcSwap::from_pointee(keyring),
            changed: watch::Sender::new(0),
            touched: Touched::default(),
            tended: AtomicBool::new(true),
            feed_ever: OnceLock::new(),
            keeper,
        }
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

    /// The keys as they are now.
    pub fn keyring(&self) -> Arc<Keyring> {
        self.keyring.load_full()
    }

    /// The same for a moment: cheaper, and not to be kept.
    pub(crate) fn keys_now(&self) -> Guard<Arc<Keyring>> {
        self.keyring.load()
    }

    /// The CSRF value of a session ([`Keyring::csrf_value`]).
    pub fn csrf_value(&self, sid: Sid) -> String {
        self.keys_now().csrf_value(sid)
    }

    /// Opens a frame that a key of our feed has signed, also one that the store has lost. `None` for any
    /// other, and for one that a compromised key has signed.
    pub fn open_own_frame(&self, sealed: &[u8]) -> Option<Frame> {
        let (keyring, issuer) = (self.keyring(), &self.settings.issuer);
        if let Ok(frame) = frame::open(sealed, issuer, keyring.feed_public()) {
            return Some(frame);
        }
        let ever = self.feed_ever.get_or_init(|| feed_ever(&self.keeper.master));
        let sound = ever.iter().filter(|key| !keyring.is_compromised(&key.thumbprint()));
        let sound: Vec<PublicKey> = sound.cloned().collect();
        frame::open(sealed, issuer, &sound).ok()
    }

    /// Takes the keys that the store holds now.
    pub(crate) async fn reload_keys(&self) -> Result<(), RotateError> {
        let fresh = Arc::new(self.keeper.keyring().await?);
        self.keyring.rcu(|held| match held.version() < fresh.version() {
            true => Arc::clone(&fresh),
            false => Arc::clone(held),
        });
        self.changed();
        Ok(())
    }

    /// Tells whoever follows [`Authority::changes`].
    pub(crate) fn changed(&self) {
        self.changed.send_modify(|n| *n += 1);
    }

    /// Rises whenever keys or clients were changed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Makes something durable that changes nothing else: no token gets a later `iat` than it would have.
    pub async fn try_store(&self) -> Result<(), StoreError> {
        let rule = |loaded: &Loaded| {
            let limit = loaded.head.iat_limit.saturating_add(1);
            (vec![Write::RaiseIatLimit(limit)], ())
        };
        transact(&*self.store, Load::default(), rule).await
    }

    /// Whether the keys in use were those that the store held when they were last looked after.
    pub fn keys_tended(&self) -> bool {
        self.tended.load(Ordering::Relaxed)
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

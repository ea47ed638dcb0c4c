//! Keys that take over from one another. Each act is one transaction: the keys' states, the entry that
//! kills what a compromised one has signed, and the record of who did it. What is written is decided in
//! [`rules`].

mod rules;

use crate::Authority;
use crate::audit::{Action, Actor, Operator, Record};
use crate::authority::{transact, transact_at};
use crate::clock::{Clock, Entropy};
use crate::keyring::Keyring;
use crate::keys::{self, Fresh, KeyState, Plan, Purpose, StoredKey, StoredKeys, overlap, plan};
use crate::master::{KeyFailure, MasterKey};
use crate::secret::Secret;
use crate::settings::{Settings, micros};
use crate::store::{Head, Load, Loaded, Store, StoreError, Write};
use rescind_wire::b64;
use rescind_wire::jws::Alg;
use rescind_wire::revocation::Target;
pub(crate) use rules::outlaw;
use rules::{carry_out, condemn, put, refuse, retire, rotate};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use zeroize::Zeroizing;

/// Why no key took over. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RotateError {
    /// The next key has not been published for as long as anybody may cache the key set.
    #[error("the next key is not yet known everywhere: try again in {wait} s")]
    Early {
        /// Seconds.
        wait: u64,
    },
    /// There is no such key, or none that could take over.
    #[error("no such key")]
    NotFound,
    /// It is retired already.
    #[error("the key is retired already")]
    Retired,
    /// A shared secret has no successor yet.
    #[error("this audience has no next secret: draw one first, and give it to its server")]
    NoNext,
    /// No number of the line key is left for this.
    #[error("no line keys are left for this: the last ones are kept for when one is stolen")]
    UsedUp,
    /// The store holds the change, but the keys could not be read again: that is tried at each tending.
    #[error("the change is in the store, and not yet in use")]
    Late,
    /// No client answers for this audience.
    #[error("no client answers for this audience: register it first")]
    Audience,
    /// A key could not be made or opened.
    #[error(transparent)]
    Key(#[from] KeyFailure),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A secret shared with one audience, as it is told this once.
#[derive(Debug)]
pub struct Shared {
    /// Its id.
    pub kid: String,
    /// 64 random bytes in base64url.
    pub secret: Secret,
    /// Active at once if it is the audience's first, else next.
    pub state: KeyState,
}

fn with_keys() -> Load {
    Load { keys: true, ..Load::default() }
}

/// What makes and keeps keys, before there is a keyring and after.
pub(crate) struct Keeper {
    pub(crate) settings: Settings,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) master: Arc<MasterKey>,
}

impl Keeper {
    pub(crate) async fn stored(&self) -> Result<StoredKeys, StoreError> {
        Ok(self.store.read(with_keys()).await?.keys)
    }

    /// The stored keys, opened.
    pub(crate) async fn keyring(&self) -> Result<Keyring, RotateError> {
        Ok(Keyring::open(&self.master, &self.settings.issuer, &self.stored().await?)?)
    }

    /// Makes what is missing and drops what has passed; says whether there was anything to do.
    pub(crate) async fn tend(&self) -> Result<bool, RotateError> {
        let loaded = self.store.read(with_keys()).await?;
        let (settings, now) = (self.settings.clone(), self.clock.now().wall);
        let planned = plan(&loaded.keys, &settings, &loaded.head, now);
        if planned == Plan::default() {
            return Ok(false);
        }
        let mut drawn = Vec::new();
        for (purpose, alg, state) in planned.make {
            if let Some(alg) = alg {
                drawn.push(self.draw(purpose, alg, state).await?.stored);
            }
        }
        transact(&*self.store, with_keys(), move |loaded| {
            // Another process may have been quicker: only what is still missing is written.
            let planned = plan(&loaded.keys, &settings, &loaded.head, now);
            (carry_out(planned, drawn, now), ())
        })
        .await?;
        Ok(true)
    }

    /// Draws a key on a thread of its own: an RSA key takes a while.
    async fn draw(&self, purpose: Purpose, alg: Alg, state: KeyState) -> Result<Fresh, KeyFailure> {
        let (master, entropy) = (Arc::clone(&self.master), Arc::clone(&self.entropy));
        let (issuer, now) = (self.settings.issuer.clone(), self.clock.now().wall);
        let at = (state, now, now.saturating_add(micros(overlap(&self.settings))));
        let draw = move || {
            let secret = keys::draw(&master, &purpose, alg)?;
            keys::adopt(&master, &issuer, (purpose, alg), secret, at, &*entropy)
        };
        tokio::task::spawn_blocking(draw).await.map_err(|_| KeyFailure)?
    }

    /// The key that could follow the next one of this kind. Shared secrets are drawn by hand, numbered
    /// keys need no drawing.
    async fn successor(&self, kind: &Purpose) -> Result<Option<StoredKey>, RotateError> {
        let (purpose, alg) = match kind {
            Purpose::Token => {
                let alg = match self.settings.token_alg {
                    Some(alg) => alg,
                    None => self.stored().await?.token_alg(),
                };
                (Purpose::Token, alg)
            }
            Purpose::Feed(_) => {
                (Purpose::Feed(self.stored().await?.next_number(kind)), Alg::Ed25519)
            }
            _ => return Ok(None),
        };
        Ok(Some(self.draw(purpose, alg, KeyState::Next).await?.stored))
    }

    /// Takes private keys into the store that an earlier version kept as files.
    pub(crate) async fn adopt(
        &self,
        found: Vec<(Purpose, Alg, Zeroizing<Vec<u8>>)>,
    ) -> Result<(), RotateError> {
        let (issuer, now) = (&self.settings.issuer, self.clock.now().wall);
        let at = (KeyState::Active, now, now);
        let mut adopted = Vec::new();
        for (purpose, alg, secret) in found {
            let what = (purpose, alg);
            adopted
                .push(keys::adopt(&self.master, issuer, what, secret, at, &*self.entropy)?.stored);
        }
        transact(&*self.store, with_keys(), move |loaded| {
            let missing =
                |k: &StoredKey| loaded.keys.of(&k.purpose, KeyState::Active).next().is_none();
            (adopted.into_iter().filter(missing).map(put).collect(), ())
        })
        .await?;
        Ok(())
    }
}

impl Authority {
    /// All keys, as the store keeps them.
    pub async fn stored_keys(&self) -> Result<StoredKeys, StoreError> {
        self.keeper.stored().await
    }

    /// Makes what is missing and drops what has passed, by the clock; and takes up what is stored, if that
    /// has changed.
    pub async fn tend_keys(&self) -> Result<(), RotateError> {
        let tended = self.tend().await;
        self.tended.store(tended.is_ok(), Ordering::Relaxed);
        tended
    }

    async fn tend(&self) -> Result<(), RotateError> {
        self.keeper.tend().await?;
        match self.stored_keys().await?.version == self.keyring().version() {
            true => Ok(()),
            false => self.reload_keys().await,
        }
    }

    /// After a commit: what is stored comes into use.
    pub(crate) async fn take_up(&self) -> Result<(), RotateError> {
        self.reload_keys().await.map_err(|error| {
            self.tended.store(false, Ordering::Relaxed);
            tracing::error!(event = "keys_not_tended", alarm = true, %error);
            RotateError::Late
        })
    }

    /// Lets the next key of this kind take over from the active one, and draws the one after it. The
    /// old one stays understood until nothing it has made is alive.
    pub async fn rotate_key(&self, kind: Purpose, operator: Operator) -> Result<Head, RotateError> {
        let fresh = self.keeper.successor(&kind).await?;
        let (now, ripe) = (self.clock.now(), micros(overlap(&self.settings)));
        let (by, purpose) = (operator.actor.text(), kind.name());
        let rule = move |loaded: &Loaded| {
            let (mut writes, done) = rotate(&loaded.keys, &kind, fresh, now.wall, ripe);
            if done.is_ok() {
                let record = Record::of(&operator, Action::KeyRotated, now).to(kind.name());
                let record = record.of_succession(&writes);
                writes.push(record.write());
            }
            (writes, done)
        };
        let (done, head) = transact_at(&*self.store, with_keys(), rule).await?;
        done?;
        tracing::info!(event = "key_rotated", by, purpose, pos = head.pos);
        self.take_up().await?;
        Ok(head)
    }

    /// Retires a key. One that is compromised is refused everywhere at once with all that it has
    /// signed, whatever that says of itself; its successor takes over at once.
    pub async fn retire_key(
        &self,
        kid: &str,
        compromised: bool,
        operator: Operator,
    ) -> Result<Head, RotateError> {
        let stored = self.stored_keys().await?;
        let kind = stored.find(kid).ok_or(RotateError::NotFound)?.purpose.clone();
        let fresh = self.keeper.successor(&kind).await?;
        let (now, ripe) = (self.clock.now(), micros(overlap(&self.settings)));
        let (id, by) = (kid.to_owned(), operator.actor.text());
        let rule = move |loaded: &Loaded| {
            let Some(key) = loaded.keys.find(&id) else { return refuse(RotateError::NotFound) };
            let (mut writes, done) = match compromised {
                true => condemn(&loaded.keys, key, fresh, now.wall),
                false => retire(&loaded.keys, key, fresh, now.wall, ripe),
            };
            if done.is_ok() {
                let after = if compromised { KeyState::Compromised } else { KeyState::Retired };
                let record = Record::of(&operator, Action::KeyRetired, now).to(&id);
                writes.push(record.change(key.state.name(), after.name()).write());
            }
            (writes, done)
        };
        let (done, head) = transact_at(&*self.store, with_keys(), rule).await?;
        // Also if it was retired before: perhaps nobody waited for the end of that.
        let taken_up = self.take_up().await;
        done?;
        taken_up?;
        tracing::warn!(event = "key_retired", by, kid, compromised, pos = head.pos);
        Ok(head)
    }

    /// Keys that were known to be compromised before the store was put back by an older one: they are so
    /// again, also those that this store has never seen, so that none of them is made again.
    pub async fn condemn_again(&self, stolen: &[StoredKey]) -> Result<(), RotateError> {
        let now = self.clock.now().wall;
        let unseen = stolen.to_vec();
        transact(&*self.store, with_keys(), move |loaded| {
            let unseen = unseen.into_iter().filter(|key| loaded.keys.find(&key.kid).is_none());
            let writes = unseen.flat_map(|key| {
                let target = Target::Key(key.kid.clone());
                let signs = matches!(key.purpose, Purpose::Token | Purpose::Shared(_));
                let entry = signs.then_some(Write::Revoke(target));
                std::iter::once(put(StoredKey { since: now, ..key })).chain(entry)
            });
            (writes.collect(), ())
        })
        .await?;
        for key in stolen {
            let known = self.stored_keys().await?.find(&key.kid).map(|k| k.state);
            if known.is_some_and(|state| state != KeyState::Compromised) {
                let reason = Some("compromised before the store was put back".to_owned());
                let operator = Operator { actor: Actor::Rule, reason };
                self.retire_key(&key.kid, true, operator).await?;
            }
        }
        self.reload_keys().await
    }

    /// Draws the secret of an audience, whose tokens are then signed with it (HS256) instead of by the
    /// realm's key. Its second one waits until it is rotated in.
    pub async fn share_key(
        &self,
        audience: &str,
        operator: Operator,
    ) -> Result<Shared, RotateError> {
        let kind = Purpose::Shared(audience.to_owned());
        let Fresh { stored, secret } =
            self.keeper.draw(kind.clone(), Alg::Hs256, KeyState::Next).await?;
        let (kid, now, by) = (stored.kid.clone(), self.clock.now(), operator.actor.text());
        let answered = audience.to_owned();
        let rule = move |loaded: &Loaded| {
            if !loaded.clients.iter().any(|client| client.audiences.contains(&answered)) {
                return refuse(RotateError::Audience);
            }
            let first = loaded.keys.of(&kind, KeyState::Active).next().is_none();
            let state = if first { KeyState::Active } else { KeyState::Next };
            let mut writes = Vec::new();
            let waiting = loaded.keys.of(&kind, KeyState::Next);
            writes.extend(waiting.map(|k| Write::DropKey(k.kid.clone())));
            let record = Record::of(&operator, Action::KeyMade, now).to(&stored.kid);
            writes.extend([put(StoredKey { state, ..stored }), record.write()]);
            (writes, Ok(state))
        };
        let load = Load { clients: true, ..with_keys() };
        let state = transact(&*self.store, load, rule).await??;
        tracing::info!(event = "key_made", by, kid, audience, state = state.name());
        if self.take_up().await.is_err() {
            // Its secret is told all the same: nobody can ask for it again.
            tracing::warn!(event = "key_late", kid);
        }
        Ok(Shared { kid, secret: Secret::new(b64::encode(&secret)), state })
    }
}

//! Keys that take over from one another. Each act is one transaction: the keys' states, the entry that
//! kills what a compromised one has signed, and the record of who did it.

use crate::Authority;
use crate::audit::{Action, Actor, Operator, Record};
use crate::authority::{transact, transact_at};
use crate::clock::{Clock, Entropy};
use crate::keyring::Keyring;
use crate::keys::{
    self, Fresh, KeyState, MAX_LINE_KEY, Plan, Purpose, StoredKey, StoredKeys, overlap, plan,
};
use crate::master::{KeyFailure, MasterKey};
use crate::secret::Secret;
use crate::settings::{Settings, micros};
use crate::store::{Head, Load, Loaded, Store, StoreError, Write};
use rescind_wire::b64;
use rescind_wire::jws::Alg;
use rescind_wire::revocation::Target;
use std::sync::Arc;
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
    /// All 255 numbers of the line key are used up.
    #[error("all 255 line keys are used up")]
    UsedUp,
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

type Outcome<T> = (Vec<Write>, Result<T, RotateError>);

fn refuse<T>(error: RotateError) -> Outcome<T> {
    (Vec::new(), Err(error))
}

fn with_keys() -> Load {
    Load { keys: true, ..Load::default() }
}

fn step(key: &StoredKey, to: KeyState, at: u64) -> Write {
    Write::MoveKey { kid: key.kid.clone(), from: key.state, to, at }
}

fn put(key: StoredKey) -> Write {
    Write::PutKey(Box::new(key))
}

/// The number after the highest of this kind.
fn successor(stored: &StoredKeys, kind: &Purpose, now: u64) -> Result<StoredKey, RotateError> {
    let number = stored.next_number(kind);
    match kind {
        Purpose::Line(_) if number > MAX_LINE_KEY => Err(RotateError::UsedUp),
        Purpose::Line(_) => Ok(keys::numbered(Purpose::Line(number), now)),
        _ => Ok(keys::numbered(Purpose::Csrf(number), now)),
    }
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
        let planned = plan(&loaded.keys, &settings, loaded.head.longest_life, now);
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
            let planned = plan(&loaded.keys, &settings, loaded.head.longest_life, now);
            (carry_out(planned, drawn, now), ())
        })
        .await?;
        Ok(true)
    }

    /// Draws a key on a thread of its own: an RSA key takes a while.
    async fn draw(&self, purpose: Purpose, alg: Alg, state: KeyState) -> Result<Fresh, KeyFailure> {
        let (master, entropy) = (Arc::clone(&self.master), Arc::clone(&self.entropy));
        let (issuer, now) = (self.settings.issuer.clone(), self.clock.now().wall);
        let draw = move || {
            let secret = keys::draw(&master, &purpose, alg)?;
            keys::adopt(&master, &issuer, (purpose, alg), secret, (state, now), &*entropy)
        };
        tokio::task::spawn_blocking(draw).await.map_err(|_| KeyFailure)?
    }

    /// The key that could follow the next one of this kind. Shared secrets are drawn by hand, numbered
    /// keys need no drawing.
    async fn successor(&self, kind: &Purpose) -> Result<Option<StoredKey>, RotateError> {
        let (purpose, alg) = match kind {
            Purpose::Token => (Purpose::Token, self.settings.token_alg),
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
        let (issuer, at) = (&self.settings.issuer, (KeyState::Active, self.clock.now().wall));
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

    /// Makes what is missing and drops what has passed; by the clock.
    pub async fn tend_keys(&self) -> Result<(), RotateError> {
        match self.keeper.tend().await? {
            true => self.reload_keys().await,
            false => Ok(()),
        }
    }

    /// Lets the next key of this kind take over from the active one, and draws the one after it. The
    /// old one stays understood until nothing it has made is alive.
    pub async fn rotate_key(&self, kind: Purpose, operator: Operator) -> Result<Head, RotateError> {
        let fresh = self.keeper.successor(&kind).await?;
        let (now, ripe) = (self.clock.now(), micros(overlap(&self.settings)));
        let rule = move |loaded: &Loaded| {
            let (mut writes, done) = rotate(&loaded.keys, &kind, fresh, now.wall, ripe);
            if done.is_ok() {
                let record = Record::of(&operator, Action::KeyRotated, now).to(kind.name());
                writes.push(record.write());
            }
            (writes, done)
        };
        let (done, head) = transact_at(&*self.store, with_keys(), rule).await?;
        done?;
        tracing::info!(event = "key_rotated");
        self.reload_keys().await?;
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
        let id = kid.to_owned();
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
        done?;
        tracing::warn!(event = "key_retired", kid, compromised, pos = head.pos);
        self.reload_keys().await?;
        Ok(head)
    }

    /// Draws the secret of an audience, whose tokens are then signed with it (HS256) instead of by the
    /// realm's key. Its second one waits until it is rotated in.
    pub async fn share_key(
        &self,
        audience: &str,
        operator: Operator,
    ) -> Result<Shared, RotateError> {
        if !self.audiences().await?.iter().any(|a| a == audience) {
            return Err(RotateError::Audience);
        }
        let kind = Purpose::Shared(audience.to_owned());
        let Fresh { stored, secret } =
            self.keeper.draw(kind.clone(), Alg::Hs256, KeyState::Next).await?;
        let (kid, now) = (stored.kid.clone(), self.clock.now());
        let rule = move |loaded: &Loaded| {
            let first = loaded.keys.of(&kind, KeyState::Active).next().is_none();
            let state = if first { KeyState::Active } else { KeyState::Next };
            let mut writes = Vec::new();
            let waiting = loaded.keys.of(&kind, KeyState::Next);
            writes.extend(waiting.map(|k| Write::DropKey(k.kid.clone())));
            let record = Record::of(&operator, Action::KeyMade, now).to(&stored.kid);
            writes.extend([put(StoredKey { state, ..stored }), record.write()]);
            (writes, state)
        };
        let state = transact(&*self.store, with_keys(), rule).await?;
        self.reload_keys().await?;
        Ok(Shared { kid, secret: Secret::new(b64::encode(&secret)), state })
    }
}

/// The writes of a plan, with keys that were drawn for it.
fn carry_out(planned: Plan, mut drawn: Vec<StoredKey>, now: u64) -> Vec<Write> {
    let mut writes: Vec<Write> = planned.drop.into_iter().map(Write::DropKey).collect();
    for (purpose, alg, state) in planned.make {
        let fits = |k: &StoredKey| k.purpose == purpose && k.state == state;
        let made = match alg {
            None => Some(keys::numbered(purpose, now)),
            Some(_) => drawn.iter().position(fits).map(|at| drawn.swap_remove(at)),
        };
        if let Some(key) = made {
            let record = Record::by(&Actor::Rule, Action::KeyMade, now).to(&key.kid);
            writes.extend([put(key), record.write()]);
        }
    }
    writes
}

/// `fresh` is the key after the next one, for kinds that have one.
fn rotate(
    stored: &StoredKeys,
    kind: &Purpose,
    fresh: Option<StoredKey>,
    now: u64,
    ripe: u64,
) -> Outcome<()> {
    let Some(active) = stored.of(kind, KeyState::Active).next() else {
        return refuse(RotateError::NotFound);
    };
    let mut writes = vec![step(active, KeyState::Retired, now)];
    match kind {
        Purpose::Line(_) | Purpose::Csrf(_) => match successor(stored, kind, now) {
            Ok(key) => writes.push(put(key)),
            Err(error) => return refuse(error),
        },
        _ => {
            let Some(next) = stored.of(kind, KeyState::Next).next() else {
                return refuse(RotateError::NoNext);
            };
            let from = next.created_at.saturating_add(ripe);
            // Whether a shared secret has reached its server, the operator knows.
            if !matches!(kind, Purpose::Shared(_)) && now < from {
                return refuse(RotateError::Early { wait: (from - now).div_ceil(1_000_000) });
            }
            writes.push(step(next, KeyState::Active, now));
        }
    }
    writes.extend(fresh.map(put));
    (writes, Ok(()))
}

fn retire(
    stored: &StoredKeys,
    key: &StoredKey,
    fresh: Option<StoredKey>,
    now: u64,
    ripe: u64,
) -> Outcome<()> {
    match (key.state, &key.purpose) {
        (KeyState::Retired | KeyState::Compromised, _) => refuse(RotateError::Retired),
        (KeyState::Next, _) => {
            let drop = Write::DropKey(key.kid.clone());
            (std::iter::once(drop).chain(fresh.map(put)).collect(), Ok(()))
        }
        (KeyState::Active, Purpose::Shared(_)) => {
            // Without a successor the audience's tokens are signed by the realm's key again.
            let next = stored.of(&key.purpose, KeyState::Next).next();
            let mut writes = vec![step(key, KeyState::Retired, now)];
            writes.extend(next.map(|next| step(next, KeyState::Active, now)));
            (writes, Ok(()))
        }
        (KeyState::Active, kind) => rotate(stored, kind, fresh, now, ripe),
    }
}

fn condemn(
    stored: &StoredKeys,
    key: &StoredKey,
    fresh: Option<StoredKey>,
    now: u64,
) -> Outcome<()> {
    if key.state == KeyState::Compromised {
        return refuse(RotateError::Retired);
    }
    let mut writes = vec![step(key, KeyState::Compromised, now)];
    match key.purpose {
        Purpose::Token | Purpose::Shared(_) => {
            writes.push(Write::Revoke(Target::Key(key.kid.clone())));
        }
        // Who has it can write the credential of any session, and may have moved some already.
        Purpose::Line(_) => writes.push(Write::Revoke(Target::Everything)),
        Purpose::Feed(_) | Purpose::Csrf(_) => {}
    }
    let signs = matches!(key.purpose, Purpose::Token | Purpose::Feed(_) | Purpose::Shared(_));
    if key.state == KeyState::Active && signs {
        let next = stored.of(&key.purpose, KeyState::Next).next();
        writes.extend(next.map(|next| step(next, KeyState::Active, now)));
    } else if key.state == KeyState::Active {
        match successor(stored, &key.purpose, now) {
            Ok(key) => writes.push(put(key)),
            Err(error) => return refuse(error),
        }
    }
    if matches!(key.state, KeyState::Active | KeyState::Next) {
        writes.extend(fresh.map(put));
    }
    (writes, Ok(()))
}

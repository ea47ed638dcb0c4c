//! The realm's keys, ready for use: one per purpose, with those before and after it. Made from what the
//! store keeps, and replaced whole when that changes.

use crate::keys::{self, KeyState, Purpose, StoredKey, StoredKeys};
use crate::line::{Carrier, Line, LineKey};
use crate::master::{KeyFailure, MasterKey};
use crate::secret::Secret;
use aws_lc_rs::hmac;
use rescind_wire::b64;
use rescind_wire::frame::KeysMark;
use rescind_wire::id::Sid;
use rescind_wire::jwk::{KeySet, PublicKey, SharedKey, SigningKey, jwks};
use rescind_wire::sha256;
use std::collections::BTreeMap;
use std::fmt;

/// The keys of one realm. `Debug` shows key ids only.
pub struct Keyring {
    version: u64,
    lines: Numbered<LineKey>,
    csrf: Numbered<hmac::Key>,
    sign_in: hmac::Key,
    idempotency: hmac::Key,
    token: SigningKey,
    shared: BTreeMap<String, SigningKey>,
    /// The audience of each shared secret, by `kid`.
    sharers: BTreeMap<String, String>,
    verifying: KeySet,
    feed: SigningKey,
    feed_public: Vec<PublicKey>,
    /// Keys that are compromised, by id.
    compromised: Vec<String>,
    jwks: String,
}

/// Keys that are drawn from the master key: one makes, all are understood.
struct Numbered<K> {
    current: K,
    before: Vec<K>,
}

impl<K> Numbered<K> {
    fn all(&self) -> impl Iterator<Item = &K> {
        std::iter::once(&self.current).chain(&self.before)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Keyring");
        shown.field("version", &self.version).field("token", &self.token);
        shown.field("feed", &self.feed).finish_non_exhaustive()
    }
}

fn mac(master: &MasterKey, label: &[u8]) -> Result<hmac::Key, KeyFailure> {
    Ok(hmac::Key::new(hmac::HMAC_SHA256, master.derive(label)?.as_slice()))
}

/// The label of a numbered key. The first has none, as it had before there were others.
fn label(name: &str, number: u32) -> String {
    match number {
        1 => name.to_owned(),
        n => format!("{name} {n}"),
    }
}

fn line_key(master: &MasterKey, number: u32) -> Result<LineKey, KeyFailure> {
    let id = u8::try_from(number).map_err(|_| KeyFailure)?;
    Ok(LineKey::new(id, &*master.derive(label("line", number).as_bytes())?))
}

/// The active key of a kind, and those that are still understood.
fn numbered<K>(
    stored: &StoredKeys,
    kind: &Purpose,
    make: impl Fn(u32) -> Result<K, KeyFailure>,
) -> Result<Numbered<K>, KeyFailure> {
    let key = |k: &StoredKey| match k.purpose {
        Purpose::Line(n) | Purpose::Csrf(n) => make(n),
        _ => Err(KeyFailure),
    };
    let current = key(stored.of(kind, KeyState::Active).next().ok_or(KeyFailure)?)?;
    let before = stored.of(kind, KeyState::Retired).map(key).collect::<Result<_, _>>()?;
    Ok(Numbered { current, before })
}

/// The keys that sign, opened.
struct Opened {
    token: SigningKey,
    feed: SigningKey,
    shared: BTreeMap<String, SigningKey>,
    sharers: BTreeMap<String, String>,
    token_public: Vec<PublicKey>,
    feed_public: Vec<PublicKey>,
    shared_keys: Vec<SharedKey>,
}

fn open_all(master: &MasterKey, issuer: &str, stored: &StoredKeys) -> Result<Opened, KeyFailure> {
    let (mut token, mut feed) = (None, None);
    let (mut shared, mut sharers) = (BTreeMap::new(), BTreeMap::new());
    let (mut token_public, mut feed_public, mut shared_keys) = (Vec::new(), Vec::new(), Vec::new());
    for key in stored.keys.iter().filter(|k| k.state != KeyState::Compromised) {
        let Some((opened, secret)) = keys::open(master, issuer, key)? else { continue };
        let public = opened.public().cloned();
        let active = key.state == KeyState::Active;
        match &key.purpose {
            Purpose::Token => {
                token_public.push(public.ok_or(KeyFailure)?);
                token = if active { Some(opened) } else { token };
            }
            Purpose::Feed(_) => {
                feed_public.push(public.ok_or(KeyFailure)?);
                feed = if active { Some(opened) } else { feed };
            }
            Purpose::Shared(audience) => {
                shared_keys.push(SharedKey::new(&secret).map_err(|_| KeyFailure)?);
                sharers.insert(key.kid.clone(), audience.clone());
                if active {
                    shared.insert(audience.clone(), opened);
                }
            }
            Purpose::Line(_) | Purpose::Csrf(_) => {}
        }
    }
    let (token, feed) = (token.ok_or(KeyFailure)?, feed.ok_or(KeyFailure)?);
    Ok(Opened { token, feed, shared, sharers, token_public, feed_public, shared_keys })
}

impl Keyring {
    /// Opens the stored keys. Fails if one of them is another master key's, was changed, or is missing.
    pub fn open(master: &MasterKey, issuer: &str, stored: &StoredKeys) -> Result<Self, KeyFailure> {
        let opened = open_all(master, issuer, stored)?;
        Ok(Self {
            version: stored.version,
            lines: numbered(stored, &Purpose::Line(1), |n| line_key(master, n))?,
            csrf: numbered(stored, &Purpose::Csrf(1), |n| {
                mac(master, label("csrf", n).as_bytes())
            })?,
            sign_in: mac(master, b"sign-in page")?,
            idempotency: mac(master, b"idempotency")?,
            jwks: jwks(&opened.token_public),
            verifying: KeySet::new(opened.token_public, opened.shared_keys),
            token: opened.token,
            shared: opened.shared,
            sharers: opened.sharers,
            feed: opened.feed,
            feed_public: opened.feed_public,
            compromised: stored
                .keys
                .iter()
                .filter(|k| k.state == KeyState::Compromised)
                .map(|k| k.kid.clone())
                .collect(),
        })
    }

    /// Rises with each change of the stored keys.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Writes a credential line.
    pub fn seal(&self, line: Line) -> Secret {
        self.lines.current.seal(line)
    }

    /// Reads a credential line that this carrier brought; `None` for one that no key of ours has written.
    pub fn open_line(&self, carrier: Carrier, text: &str) -> Option<Line> {
        self.lines.all().find_map(|key| key.open(carrier, text))
    }

    /// The CSRF value of a session: bound to it, stable over its generations.
    pub fn csrf_value(&self, sid: Sid) -> String {
        b64::encode(hmac::sign(&self.csrf.current, sid.as_bytes()))
    }

    /// Whether a CSRF value is that of this session; in constant time.
    pub fn csrf_fits(&self, sid: Sid, value: &str) -> bool {
        let Some(value) = b64::decode(value) else { return false };
        self.csrf.all().any(|key| hmac::verify(key, sid.as_bytes(), &value).is_ok())
    }

    /// The form value that goes with a sign-in page's own random cookie.
    pub fn sign_in_value(&self, cookie: &str) -> String {
        b64::encode(hmac::sign(&self.sign_in, cookie.as_bytes()))
    }

    /// Whether the form value goes with this sign-in cookie; in constant time.
    pub fn sign_in_fits(&self, cookie: &str, value: &str) -> bool {
        b64::decode(value)
            .is_some_and(|v| hmac::verify(&self.sign_in, cookie.as_bytes(), &v).is_ok())
    }

    /// How an Idempotency-Key is remembered with the move it made.
    pub(crate) fn move_key(&self, sid: Sid, idempotency_key: &str) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.idempotency);
        context.update(sid.as_bytes());
        context.update(idempotency_key.as_bytes());
        let mut out = [0; 32];
        out.copy_from_slice(context.sign().as_ref());
        out
    }

    /// The key that signs access tokens which are for more than one server.
    pub fn token_key(&self) -> &SigningKey {
        &self.token
    }

    /// The key that signs a token for these audiences: the secret shared with the one of them, if it has
    /// one.
    pub fn signer(&self, audiences: &[String]) -> &SigningKey {
        match audiences {
            [one] => self.shared.get(one).unwrap_or(&self.token),
            _ => &self.token,
        }
    }

    /// Whether this audience has a shared secret, so that its tokens are for nobody else.
    pub fn is_shared(&self, audience: &str) -> bool {
        self.shared.contains_key(audience)
    }

    /// The audience that shares the secret of this `kid`.
    pub fn sharer(&self, kid: &str) -> Option<&str> {
        self.sharers.get(kid).map(String::as_str)
    }

    /// All keys that verify access tokens here: those of the JWKS and the shared secrets.
    pub fn verifying(&self) -> &KeySet {
        &self.verifying
    }

    /// The key that signs frames. Never in the JWKS.
    pub fn feed_key(&self) -> &SigningKey {
        &self.feed
    }

    /// The keys of the feed as the metadata names them: its successor and those before it, too.
    pub fn feed_public(&self) -> &[PublicKey] {
        &self.feed_public
    }

    /// Whether what this key has signed proves nothing any more.
    pub fn is_compromised(&self, kid: &str) -> bool {
        self.compromised.iter().any(|known| known == kid)
    }

    /// The JWKS document, as served.
    pub fn jwks(&self) -> &str {
        &self.jwks
    }

    /// Names the key set, as the feed does.
    pub fn mark(&self) -> KeysMark {
        KeysMark { version: self.version, hash: sha256(&[self.jwks.as_bytes()]) }
    }
}

//! The realm's keys, one per purpose. Those of credentials, CSRF values, sign-in pages and
//! idempotency keys are drawn from the master key by HKDF-SHA256 with one label each; the keys that
//! sign tokens and feed frames are key pairs of their own.

use crate::line::LineKey;
use aws_lc_rs::{hkdf, hmac};
use rescind_wire::b64;
use rescind_wire::frame::KeysMark;
use rescind_wire::id::Sid;
use rescind_wire::jwk::{SigningKey, jwks};
use rescind_wire::sha256;

/// The keys of one realm. `Debug` shows key ids only.
#[derive(Debug)]
pub struct Keyring {
    pub(crate) line: Redacted<LineKey>,
    csrf: Redacted<hmac::Key>,
    sign_in: Redacted<hmac::Key>,
    idempotency: Redacted<hmac::Key>,
    token: SigningKey,
    feed: SigningKey,
    jwks: String,
}

/// Keeps a key out of `Debug`.
pub(crate) struct Redacted<T>(pub(crate) T);

impl<T> std::fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// Keys that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the master key is a placeholder (all bytes alike); draw 32 random bytes")]
pub struct BadMasterKey;

/// One purpose of the master key. Each has its own label, so that no value made for one fits another.
fn derive(master: &[u8; 32], label: &[u8]) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    hkdf::Salt::new(hkdf::HKDF_SHA256, b"rescind master v1")
        .extract(master)
        .expand(&[label], hkdf::HKDF_SHA256)
        .ok()?
        .fill(&mut out)
        .ok()?;
    Some(out)
}

impl Keyring {
    /// Derives the realm's keys. `token` signs access tokens, `feed` signs frames.
    pub fn new(
        master: &[u8; 32],
        token: SigningKey,
        feed: SigningKey,
    ) -> Result<Self, BadMasterKey> {
        if master.iter().all(|byte| *byte == master[0]) {
            return Err(BadMasterKey);
        }
        let purpose = |label: &[u8]| derive(master, label).ok_or(BadMasterKey);
        let mac = |label: &[u8]| {
            purpose(label).map(|key| Redacted(hmac::Key::new(hmac::HMAC_SHA256, &key)))
        };
        Ok(Self {
            line: Redacted(LineKey::new(1, &purpose(b"line")?)),
            csrf: mac(b"csrf")?,
            sign_in: mac(b"sign-in page")?,
            idempotency: mac(b"idempotency")?,
            jwks: jwks(token.public()),
            token,
            feed,
        })
    }

    /// The CSRF value of a session: bound to it, stable over its generations.
    pub fn csrf_value(&self, sid: Sid) -> String {
        b64::encode(hmac::sign(&self.csrf.0, sid.as_bytes()))
    }

    /// Whether a CSRF value is that of this session; in constant time.
    pub fn csrf_fits(&self, sid: Sid, value: &str) -> bool {
        b64::decode(value).is_some_and(|v| hmac::verify(&self.csrf.0, sid.as_bytes(), &v).is_ok())
    }

    /// The form value that goes with a sign-in page's own random cookie.
    pub fn sign_in_value(&self, cookie: &str) -> String {
        b64::encode(hmac::sign(&self.sign_in.0, cookie.as_bytes()))
    }

    /// Whether the form value goes with this sign-in cookie; in constant time.
    pub fn sign_in_fits(&self, cookie: &str, value: &str) -> bool {
        b64::decode(value)
            .is_some_and(|v| hmac::verify(&self.sign_in.0, cookie.as_bytes(), &v).is_ok())
    }

    /// How an Idempotency-Key is remembered with the move it made.
    pub(crate) fn move_key(&self, sid: Sid, idempotency_key: &str) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.idempotency.0);
        context.update(sid.as_bytes());
        context.update(idempotency_key.as_bytes());
        let mut out = [0; 32];
        out.copy_from_slice(context.sign().as_ref());
        out
    }

    /// The key that signs access tokens.
    pub fn token_key(&self) -> &SigningKey {
        &self.token
    }

    /// The key that signs frames. Never in the JWKS.
    pub fn feed_key(&self) -> &SigningKey {
        &self.feed
    }

    /// The JWKS document, as served.
    pub fn jwks(&self) -> &str {
        &self.jwks
    }

    /// Names the key set, as the feed does.
    pub fn mark(&self) -> KeysMark {
        KeysMark { version: 1, hash: sha256(&[self.jwks.as_bytes()]) }
    }
}

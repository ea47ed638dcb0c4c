//! The keys that may verify, by `kid`: from a JWKS, or from what is already held.

use super::{KeyRefused, MAX_JWKS, PublicKey, SharedKey};
use crate::jws::Alg;
use crate::{json, token};
use serde_json::Value;
use std::collections::HashMap;

/// A key that verifies, of either kind.
#[derive(Debug, Clone)]
pub enum VerifyingKey {
    /// The public half of a key pair.
    Public(PublicKey),
    /// A secret that the signer holds too.
    Shared(SharedKey),
}

impl VerifyingKey {
    /// The one algorithm of this key.
    pub fn alg(&self) -> Alg {
        match self {
            Self::Public(key) => key.alg(),
            Self::Shared(_) => Alg::Hs256,
        }
    }

    /// Verifies a signature in its JWS form (RFC 7518 §3).
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Public(key) => key.verify(message, signature),
            Self::Shared(key) => key.verify(message, signature),
        }
    }
}

/// The keys that may verify access tokens, by `kid`.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: HashMap<String, VerifyingKey>,
    /// The `kid` by the header that the issuer writes for that key.
    headers: HashMap<String, String>,
}

/// Why a whole JWKS is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetRefused {
    /// Over [`MAX_JWKS`] bytes, or not strict JSON with an array `keys` of objects.
    #[error("the JWKS is malformed")]
    Malformed,
    /// Two keys share a `kid`.
    #[error("the JWKS names two keys with one kid")]
    DuplicateKid,
}

impl KeySet {
    /// A set of keys that are already held, each under its thumbprint. Of two with one thumbprint the
    /// first stays.
    pub fn new(
        public: impl IntoIterator<Item = PublicKey>,
        shared: impl IntoIterator<Item = SharedKey>,
    ) -> Self {
        let public = public.into_iter().map(|k| (k.thumbprint(), VerifyingKey::Public(k)));
        let shared = shared.into_iter().map(|k| (k.kid().to_owned(), VerifyingKey::Shared(k)));
        let mut keys = HashMap::new();
        for (kid, key) in public.chain(shared) {
            keys.entry(kid).or_insert(key);
        }
        Self::of(keys)
    }

    fn of(keys: HashMap<String, VerifyingKey>) -> Self {
        let plain =
            |kid: &str| kid.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        let written = keys.iter().filter(|(kid, _)| plain(kid));
        let headers = written.map(|(kid, key)| (token::header(key.alg(), kid), kid.clone()));
        Self { headers: headers.collect(), keys }
    }

    /// Reads a JWKS. Keys of another kind, without `kid`, or of an algorithm that is not `accepted` are
    /// left out; each is given back with its place in the set and the reason. A secret is never taken
    /// from a document, whatever is accepted.
    pub fn from_jwks(
        bytes: &[u8],
        accepted: &[Alg],
    ) -> Result<(Self, Vec<(usize, KeyRefused)>), SetRefused> {
        if bytes.len() > MAX_JWKS {
            return Err(SetRefused::Malformed);
        }
        let set = json::object(bytes).map_err(|_| SetRefused::Malformed)?;
        let list = set.get("keys").and_then(Value::as_array).ok_or(SetRefused::Malformed)?;
        let (mut keys, mut refused) = (HashMap::new(), Vec::new());
        let mut kids = std::collections::HashSet::new();
        for (place, jwk) in list.iter().enumerate() {
            let jwk = jwk.as_object().ok_or(SetRefused::Malformed)?;
            let kid = match jwk.get("kid") {
                Some(Value::String(kid)) if !kid.is_empty() && kid.len() <= 128 => kid,
                _ => {
                    refused.push((place, KeyRefused::Malformed));
                    continue;
                }
            };
            if !kids.insert(kid) {
                return Err(SetRefused::DuplicateKid);
            }
            match PublicKey::from_jwk(jwk) {
                Ok(key) if accepted.contains(&key.alg()) => {
                    keys.insert(kid.clone(), VerifyingKey::Public(key));
                }
                Ok(_) => refused.push((place, KeyRefused::Unsupported)),
                Err(reason) => refused.push((place, reason)),
            }
        }
        Ok((Self::of(keys), refused))
    }

    /// The key of this `kid`.
    pub fn find(&self, kid: &str) -> Option<&VerifyingKey> {
        self.keys.get(kid)
    }

    /// The key of an access token with this header, and its `kid`: if the header is written as the issuer
    /// writes it for a key of this set, to the letter. Any other must be read.
    pub(crate) fn find_by_header(&self, header: &str) -> Option<(&str, &VerifyingKey)> {
        let kid = self.headers.get(header)?;
        Some((kid, self.find(kid)?))
    }

    /// How many keys may verify.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether nothing can be verified.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

//! The secret of HS256: whoever verifies with it could sign as well. It stands in no JWKS and is taken from
//! none.

use super::BadKey;
use crate::{b64, sha256};
use aws_lc_rs::hmac;
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Length of a shared secret in bytes: the block of SHA-256, and twice what RFC 7518 §3.2 demands.
pub(super) const LENGTH: usize = 64;

/// Fewer distinct values are no random bytes: 64 of those have 57, and below 24 practically never.
const LEAST_DISTINCT: usize = 24;

/// The verifying side of HS256. `Debug` shows the `kid` only; wiped when the last clone is dropped.
#[derive(Clone)]
pub struct SharedKey {
    mac: Arc<hmac::Key>,
    kid: String,
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedKey({})", self.kid)
    }
}

impl SharedKey {
    /// Takes 64 bytes that were drawn at random. Refuses what is plainly a placeholder: few distinct
    /// values, or text.
    pub fn new(secret: &[u8]) -> Result<Self, BadKey> {
        if secret.len() != LENGTH || is_placeholder(secret) {
            return Err(BadKey);
        }
        let mac = Arc::new(hmac::Key::new(hmac::HMAC_SHA256, secret));
        Ok(Self { mac, kid: thumbprint(secret) })
    }

    /// Its `kid`: the RFC 7638 thumbprint of its `oct` JWK. Gives nothing away of a random secret.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Verifies a MAC, in constant time.
    pub fn verify(&self, message: &[u8], mac: &[u8]) -> bool {
        hmac::verify(&self.mac, message, mac).is_ok()
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        hmac::sign(&self.mac, message).as_ref().to_vec()
    }
}

fn is_placeholder(secret: &[u8]) -> bool {
    let distinct: std::collections::HashSet<&u8> = secret.iter().collect();
    distinct.len() < LEAST_DISTINCT || secret.iter().all(|b| matches!(b, b' '..=b'~'))
}

fn thumbprint(secret: &[u8]) -> String {
    let k = Zeroizing::new(b64::encode(secret));
    b64::encode(sha256(&[br#"{"k":""#, k.as_bytes(), br#"","kty":"oct"}"#]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwk::SigningKey;
    use crate::jws::Alg;

    fn secret() -> Zeroizing<Vec<u8>> {
        SigningKey::generate(Alg::Hs256).unwrap()
    }

    // K10
    #[test]
    fn a_placeholder_or_another_length_is_no_shared_secret() {
        let good = secret();
        assert!(SharedKey::new(&good).is_ok());
        let text = *b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/";
        let few: [u8; 64] = std::array::from_fn(|at| 200 + (at % 23) as u8);
        let enough: [u8; 64] = std::array::from_fn(|at| 200 + (at % 24) as u8);
        assert!(SharedKey::new(&enough).is_ok());
        for bad in [&text[..], &few, &[0; 64], &good[..63], &[&good[..], &[0]].concat(), &[]] {
            assert!(SharedKey::new(bad).is_err(), "{bad:?}");
            assert!(SigningKey::from_secret(Alg::Hs256, bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn its_kid_is_the_thumbprint_of_its_jwk() {
        let bytes: [u8; 64] = std::array::from_fn(|at| at as u8 | 0x80);
        let jwk = format!(r#"{{"k":"{}","kty":"oct"}}"#, b64::encode(bytes));
        let key = SharedKey::new(&bytes).unwrap();
        assert_eq!(key.kid(), b64::encode(sha256(&[jwk.as_bytes()])));
        assert_eq!(SigningKey::from_secret(Alg::Hs256, &bytes).unwrap().kid(), key.kid());
    }

    // K01
    #[test]
    fn nothing_shows_the_secret() {
        let secret = secret();
        let key = SharedKey::new(&secret).unwrap();
        assert_eq!(format!("{key:?}"), format!("SharedKey({})", key.kid()));
        let signing = SigningKey::from_secret(Alg::Hs256, &secret).unwrap();
        assert_eq!(format!("{signing:?}"), format!("SigningKey(HS256 {})", key.kid()));
        assert!(signing.public().is_none());
    }

    #[test]
    fn a_mac_of_another_secret_message_or_length_is_refused() {
        let (one, other) = (secret(), secret());
        let signing = SigningKey::from_secret(Alg::Hs256, &one).unwrap();
        let mac = signing.sign(b"m").unwrap();
        let key = SharedKey::new(&one).unwrap();
        assert!(key.verify(b"m", &mac));
        assert!(!key.verify(b"n", &mac));
        assert!(!key.verify(b"m", &mac[..31]));
        assert!(!key.verify(b"m", &[]));
        assert!(!SharedKey::new(&other).unwrap().verify(b"m", &mac));
    }
}

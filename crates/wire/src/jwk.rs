//! Public keys (RFC 7517); with their set, the keys that sign and the secrets that two sides share.
//!
//! A key has exactly one algorithm. A set ([`KeySet`]) is looked up by `kid` only; a token's header never
//! brings a key, and its `alg` never chooses one. [`SigningKey`] signs, [`SharedKey`] is the verifying side
//! of HS256 and comes from no document.

mod set;
mod shared;
mod signing;

pub use set::{KeySet, SetRefused, VerifyingKey};
pub use shared::SharedKey;
pub use signing::{BadKey, SigningKey};

use crate::jws::Alg;
use crate::{b64, sha256, weak};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RsaPublicKeyComponents,
};
use serde_json::{Map, Value, json};
use std::fmt;

/// Largest JWKS that is parsed, in bytes.
pub const MAX_JWKS: usize = 64 * 1024;

/// A key that verifies. A clone shares the parsed key.
#[derive(Clone)]
pub struct PublicKey {
    alg: Alg,
    jwk: Map<String, Value>,
    material: ParsedPublicKey,
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({} {})", self.alg.name(), self.thumbprint())
    }
}

/// Why a JWK is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRefused {
    /// A private or symmetric member is present.
    #[error("the JWK holds secret members; publish public keys only")]
    Secret,
    /// `kty`, `crv`, `alg`, `use` or `key_ops` is not one that is used here.
    #[error("the JWK is of a kind that is not used here")]
    Unsupported,
    /// A member is missing, of the wrong type, or not canonical.
    #[error("the JWK is malformed")]
    Malformed,
    /// The key is weak or not a point of its curve.
    #[error("the JWK's key material is invalid or too weak")]
    Weak,
}

impl PublicKey {
    /// Reads one JWK. `alg` may be absent where `kty` and `crv` name just one; an Ed25519 key is of
    /// [`Alg::EdDsa`] only if its `alg` says so.
    pub fn from_jwk(jwk: &Map<String, Value>) -> Result<Self, KeyRefused> {
        const SECRET: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
        if SECRET.iter().any(|m| jwk.contains_key(*m)) || text(jwk, "kty")? == Some("oct") {
            return Err(KeyRefused::Secret);
        }
        if text(jwk, "use")?.is_some_and(|u| u != "sig") {
            return Err(KeyRefused::Unsupported);
        }
        if let Some(ops) = jwk.get("key_ops") {
            let ops = ops.as_array().ok_or(KeyRefused::Malformed)?;
            if !ops.iter().any(|op| op == "verify") {
                return Err(KeyRefused::Unsupported);
            }
        }
        let (alg, material, names) = match (text(jwk, "kty")?, text(jwk, "crv")?) {
            (Some("EC"), Some("P-256")) => (Alg::Es256, p256(jwk)?, &["crv", "kty", "x", "y"][..]),
            (Some("OKP"), Some("Ed25519")) => {
                (Alg::Ed25519, ed25519(jwk)?, &["crv", "kty", "x"][..])
            }
            (Some("RSA"), None) => (Alg::Rs256, rsa(jwk)?, &["e", "kty", "n"][..]),
            _ => return Err(KeyRefused::Unsupported),
        };
        let alg = match text(jwk, "alg")? {
            None => alg,
            Some(name) => match Alg::from_name(name) {
                Some(named) if named == alg => alg,
                Some(Alg::EdDsa) if alg == Alg::Ed25519 => Alg::EdDsa,
                _ => return Err(KeyRefused::Unsupported),
            },
        };
        let required = names.iter().filter_map(|n| Some((n.to_string(), jwk.get(*n)?.clone())));
        Ok(Self { alg, jwk: required.collect(), material })
    }

    /// The one algorithm of this key.
    pub fn alg(&self) -> Alg {
        self.alg
    }

    /// RFC 7638 thumbprint: base64url SHA-256 over the required members in order.
    pub fn thumbprint(&self) -> String {
        // The map is sorted by name and holds only base64url and fixed names: its compact form is
        // the canonical one.
        b64::encode(sha256(&[Value::Object(self.jwk.clone()).to_string().as_bytes()]))
    }

    /// The public JWK with `kid` (its thumbprint), `alg` and `use`.
    pub fn to_jwk(&self) -> Value {
        let mut jwk = self.jwk.clone();
        jwk.insert("kid".into(), self.thumbprint().into());
        jwk.insert("alg".into(), self.alg.name().into());
        jwk.insert("use".into(), "sig".into());
        Value::Object(jwk)
    }

    /// Verifies a signature in its JWS form (RFC 7518 §3).
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.material.verify_sig(message, signature).is_ok()
    }
}

fn text<'a>(jwk: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, KeyRefused> {
    match jwk.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(KeyRefused::Malformed),
    }
}

fn bytes(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, KeyRefused> {
    text(jwk, name)?.and_then(b64::decode).ok_or(KeyRefused::Malformed)
}

fn p256(jwk: &Map<String, Value>) -> Result<ParsedPublicKey, KeyRefused> {
    let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
    if x.len() != 32 || y.len() != 32 {
        return Err(KeyRefused::Malformed);
    }
    let point = [&[4][..], &x, &y].concat();
    ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).map_err(|_| KeyRefused::Weak)
}

fn ed25519(jwk: &Map<String, Value>) -> Result<ParsedPublicKey, KeyRefused> {
    let x: [u8; 32] = bytes(jwk, "x")?.try_into().map_err(|_| KeyRefused::Malformed)?;
    if !weak::canonical(&x) || weak::small_order(&x) {
        return Err(KeyRefused::Weak);
    }
    ParsedPublicKey::new(&ED25519, x).map_err(|_| KeyRefused::Weak)
}

fn rsa(jwk: &Map<String, Value>) -> Result<ParsedPublicKey, KeyRefused> {
    let (n, e) = (bytes(jwk, "n")?, bytes(jwk, "e")?);
    let leading_zero = n.first() == Some(&0) || e.first() == Some(&0);
    let odd = |number: &[u8]| number.last().is_some_and(|b| b & 1 == 1);
    let bits = n.len() * 8 - n.first().map_or(0, |b| b.leading_zeros() as usize);
    let exponent = odd(&e) && e != [1] && e.len() <= 4;
    if leading_zero || !exponent || !odd(&n) || !(2048..=8192).contains(&bits) || weak::roca(&n) {
        return Err(KeyRefused::Weak);
    }
    RsaPublicKeyComponents { n, e }
        .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
        .map_err(|_| KeyRefused::Weak)
}

/// A JWKS document of these public keys.
pub fn jwks<'a>(keys: impl IntoIterator<Item = &'a PublicKey>) -> String {
    json!({ "keys": keys.into_iter().map(PublicKey::to_jwk).collect::<Vec<_>>() }).to_string()
}

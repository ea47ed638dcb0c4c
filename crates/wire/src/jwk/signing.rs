//! The keys that sign: made, loaded from their secret form, and used.

use super::shared::LENGTH;
use super::{PublicKey, SharedKey};
use crate::b64;
use crate::jws::Alg;
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use serde_json::{Value, json};
use std::fmt;
use zeroize::Zeroizing;

/// A key that signs, and the one algorithm it signs with. `Debug` shows the `kid` only.
pub struct SigningKey {
    alg: Alg,
    pair: Pair,
    public: Option<PublicKey>,
    kid: String,
}

enum Pair {
    Es256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rs256(RsaKeyPair),
    Hs256(SharedKey),
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({} {})", self.alg.name(), self.kid)
    }
}

/// Bytes that are not a usable key of the algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a key of this algorithm: a PKCS#8 document (RSA: 2048 bits or more), for HS256 64 random bytes"
)]
pub struct BadKey;

impl SigningKey {
    /// Draws a new key from the operating system's generator and gives its secret form, which the
    /// caller keeps secret: PKCS#8 (RSA of 2048 bits), or 64 bytes for HS256.
    #[expect(
        clippy::disallowed_methods,
        reason = "aws-lc-rs makes keys from its own generator only, which the system seeds"
    )]
    pub fn generate(alg: Alg) -> Result<Zeroizing<Vec<u8>>, BadKey> {
        let random = SystemRandom::new();
        let document = match alg {
            Alg::Es256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random),
            Alg::Ed25519 | Alg::EdDsa => Ed25519KeyPair::generate_pkcs8(&random),
            Alg::Rs256 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| BadKey)?;
                let document: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| BadKey)?;
                return Ok(Zeroizing::new(document.as_ref().to_vec()));
            }
            Alg::Hs256 => {
                let mut secret = Zeroizing::new(vec![0; LENGTH]);
                rand::fill(&mut secret).map_err(|_| BadKey)?;
                return Ok(secret);
            }
        };
        Ok(Zeroizing::new(document.map_err(|_| BadKey)?.as_ref().to_vec()))
    }

    /// Loads a key from its secret form: PKCS#8, or for HS256 exactly 64 bytes.
    pub fn from_secret(alg: Alg, secret: &[u8]) -> Result<Self, BadKey> {
        let (pair, jwk) = match alg {
            Alg::Es256 => es256(secret)?,
            Alg::Ed25519 | Alg::EdDsa => ed25519(alg, secret)?,
            Alg::Rs256 => rs256(secret)?,
            Alg::Hs256 => {
                let shared = SharedKey::new(secret)?;
                let kid = shared.kid().to_owned();
                return Ok(Self { alg, pair: Pair::Hs256(shared), public: None, kid });
            }
        };
        let public = PublicKey::from_jwk(jwk.as_object().ok_or(BadKey)?).map_err(|_| BadKey)?;
        let kid = public.thumbprint();
        Ok(Self { alg, pair, public: Some(public), kid })
    }

    /// The one algorithm of this key.
    pub fn alg(&self) -> Alg {
        self.alg
    }

    /// Its `kid`: the thumbprint of the public key, or of the shared secret.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Its public half; a shared secret has none.
    pub fn public(&self) -> Option<&PublicKey> {
        self.public.as_ref()
    }

    /// Signs in the JWS form. Fails only if the operating system gives no randomness.
    #[expect(
        clippy::disallowed_methods,
        reason = "the nonce of ECDSA: aws-lc-rs draws it, and takes no other source"
    )]
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, BadKey> {
        match &self.pair {
            Pair::Es256(pair) => pair
                .sign(&SystemRandom::new(), message)
                .map(|s| s.as_ref().to_vec())
                .map_err(|_| BadKey),
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let random = SystemRandom::new();
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .map_err(|_| BadKey)?;
                Ok(signature)
            }
            Pair::Hs256(shared) => Ok(shared.sign(message)),
        }
    }
}

fn es256(pkcs8: &[u8]) -> Result<(Pair, Value), BadKey> {
    let pair =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map_err(|_| BadKey)?;
    let point = pair.public_key().as_ref().get(1..).and_then(|p| p.split_at_checked(32));
    let (x, y) = point.ok_or(BadKey)?;
    let jwk = json!({"kty":"EC","crv":"P-256","x":b64::encode(x),"y":b64::encode(y)});
    Ok((Pair::Es256(pair), jwk))
}

fn ed25519(alg: Alg, pkcs8: &[u8]) -> Result<(Pair, Value), BadKey> {
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| BadKey)?;
    let x = b64::encode(pair.public_key().as_ref());
    Ok((Pair::Ed25519(pair), json!({"kty":"OKP","crv":"Ed25519","x":x,"alg":alg.name()})))
}

fn rs256(pkcs8: &[u8]) -> Result<(Pair, Value), BadKey> {
    let pair = RsaKeyPair::from_pkcs8(pkcs8).map_err(|_| BadKey)?;
    let (n, e) = modulus_and_exponent(pair.public_key().as_ref()).ok_or(BadKey)?;
    let jwk = json!({"kty":"RSA","n":b64::encode(n),"e":b64::encode(e)});
    Ok((Pair::Rs256(pair), jwk))
}

/// The two numbers of an `RSAPublicKey` (RFC 8017 §A.1.1), without the zero that keeps them positive. The
/// crypto library has written it.
fn modulus_and_exponent(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (sequence, []) = value(0x30, der)? else { return None };
    let (n, rest) = value(0x02, sequence)?;
    let (e, []) = value(0x02, rest)? else { return None };
    let positive = |number| <[u8]>::strip_prefix(number, &[0]).unwrap_or(number);
    Some((positive(n), positive(e)))
}

/// Splits the value of this tag off the front of DER.
fn value(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, rest) = der.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match *length {
        short @ 0..=0x7f => (usize::from(short), rest),
        long => {
            let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            let number = digits
                .iter()
                .try_fold(0usize, |n, digit| Some(n.checked_mul(256)? + usize::from(*digit)));
            (number?, rest)
        }
    };
    if *first == tag { rest.split_at_checked(length) } else { None }
}

//! Public keys and their set (RFC 7517), and the private keys that sign.
//!
//! A key has exactly one algorithm. A set is looked up by `kid` only; a token's header never brings a
//! key, and its `alg` never chooses one.

use crate::jws::Alg;
use crate::{b64, json, sha256, weak};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair,
    Ed25519KeyPair, KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
    RsaKeyPair, RsaPublicKeyComponents,
};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::fmt;
use zeroize::Zeroizing;

/// Largest JWKS that is parsed, in bytes.
pub const MAX_JWKS: usize = 64 * 1024;

/// A key that verifies, and that anybody may know.
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
    /// Reads one JWK. `alg` may be absent where `kty` and `crv` name just one.
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
        let alg = match (text(jwk, "alg")?.map(Alg::from_name), alg) {
            (None, alg) => alg,
            (Some(Some(named)), alg) if named == alg => alg,
            (Some(Some(Alg::EdDsa)), Alg::Ed25519) => Alg::EdDsa,
            _ => return Err(KeyRefused::Unsupported),
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

/// The verifying side of a secret shared with one audience: whoever holds it can also sign. Never comes out
/// of a JWKS. `Debug` shows the `kid` only.
#[derive(Clone)]
pub struct SharedKey {
    key: hmac::Key,
    kid: String,
}

/// Bytes of a shared secret.
const SHARED: usize = 64;

impl SharedKey {
    /// A secret of 64 random bytes. One that looks like a placeholder or a passphrase is refused.
    pub fn new(secret: &[u8]) -> Result<Self, BadKey> {
        let distinct = secret.iter().collect::<std::collections::HashSet<_>>().len();
        let text = secret.iter().all(|b| b.is_ascii_graphic() || *b == b' ');
        if secret.len() != SHARED || distinct < 24 || text {
            return Err(BadKey);
        }
        let encoded = Zeroizing::new(b64::encode(secret));
        let jwk = Zeroizing::new(format!(r#"{{"k":"{}","kty":"oct"}}"#, *encoded));
        let kid = b64::encode(sha256(&[jwk.as_bytes()]));
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret), kid })
    }

    /// RFC 7638 thumbprint of the secret as a JWK.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Verifies a MAC, in constant time.
    pub fn verify(&self, message: &[u8], mac: &[u8]) -> bool {
        hmac::verify(&self.key, message, mac).is_ok()
    }
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedKey({})", self.kid)
    }
}

/// A key that verifies access tokens.
#[derive(Debug, Clone)]
pub enum VerifyingKey {
    /// One that anybody may know.
    Public(PublicKey),
    /// A secret shared with this audience.
    Shared(SharedKey),
}

impl VerifyingKey {
    /// Its one algorithm.
    pub fn alg(&self) -> Alg {
        match self {
            VerifyingKey::Public(key) => key.alg(),
            VerifyingKey::Shared(_) => Alg::Hs256,
        }
    }

    /// Verifies a signature in its JWS form.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            VerifyingKey::Public(key) => key.verify(message, signature),
            VerifyingKey::Shared(key) => key.verify(message, signature),
        }
    }
}

/// The keys that may verify access tokens, by `kid`.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: HashMap<String, VerifyingKey>,
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
    /// These keys, each under its thumbprint.
    pub fn new(
        public: impl IntoIterator<Item = PublicKey>,
        shared: impl IntoIterator<Item = SharedKey>,
    ) -> Self {
        let public = public.into_iter().map(|k| (k.thumbprint(), VerifyingKey::Public(k)));
        let shared = shared.into_iter().map(|k| (k.kid.clone(), VerifyingKey::Shared(k)));
        Self { keys: public.chain(shared).collect() }
    }

    /// Reads a JWKS. Keys of another kind, without `kid`, or of an algorithm that is not `accepted` are
    /// left out; each is given back with its place in the set and the reason.
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
                Ok(key) if accepted.contains(&key.alg) => {
                    keys.insert(kid.clone(), VerifyingKey::Public(key));
                }
                Ok(_) => refused.push((place, KeyRefused::Unsupported)),
                Err(reason) => refused.push((place, reason)),
            }
        }
        Ok((Self { keys }, refused))
    }

    /// The key of this `kid`.
    pub fn find(&self, kid: &str) -> Option<&VerifyingKey> {
        self.keys.get(kid)
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

/// A JWKS document of these public keys.
pub fn jwks<'a>(keys: impl IntoIterator<Item = &'a PublicKey>) -> String {
    json!({ "keys": keys.into_iter().map(PublicKey::to_jwk).collect::<Vec<_>>() }).to_string()
}

/// A private key and the algorithm it signs with. `Debug` shows the `kid` only.
pub struct SigningKey {
    pair: Pair,
    alg: Alg,
    public: Option<PublicKey>,
    kid: String,
}

enum Pair {
    Ecdsa(Box<EcdsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
    Rsa(Box<RsaKeyPair>),
    Mac(hmac::Key),
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({} {})", self.alg.name(), self.kid)
    }
}

/// Bytes that are not a usable private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a private key of this algorithm")]
pub struct BadKey;

impl SigningKey {
    /// Draws a new key from the operating system's generator and gives its secret form, which the caller
    /// keeps: PKCS#8, for HS256 64 bytes. RSA keys have 2048 bits.
    #[expect(
        clippy::disallowed_methods,
        reason = "aws-lc-rs makes keys from its own generator only, which the system seeds"
    )]
    pub fn generate(alg: Alg) -> Result<Zeroizing<Vec<u8>>, BadKey> {
        let random = SystemRandom::new();
        let secret = match alg {
            Alg::Es256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
                .map(|document| document.as_ref().to_vec()),
            Alg::Ed25519 | Alg::EdDsa => Ed25519KeyPair::generate_pkcs8(&random)
                .map(|document| document.as_ref().to_vec()),
            Alg::Rs256 => RsaKeyPair::generate(KeySize::Rsa2048).and_then(|pair| {
                let document: Pkcs8V1Der<'_> = pair.as_der()?;
                Ok(document.as_ref().to_vec())
            }),
            Alg::Hs256 => {
                let mut secret = vec![0; SHARED];
                random.fill(&mut secret).map(|()| secret)
            }
        };
        secret.map(Zeroizing::new).map_err(|_| BadKey)
    }

    /// Loads what [`SigningKey::generate`] gave.
    pub fn from_secret(alg: Alg, secret: &[u8]) -> Result<Self, BadKey> {
        let (pair, jwk) = match alg {
            Alg::Es256 => es256(secret)?,
            Alg::Ed25519 | Alg::EdDsa => eddsa(secret, alg)?,
            Alg::Rs256 => rs256(secret)?,
            Alg::Hs256 => {
                let kid = SharedKey::new(secret)?.kid;
                let pair = Pair::Mac(hmac::Key::new(hmac::HMAC_SHA256, secret));
                return Ok(Self { pair, alg, public: None, kid });
            }
        };
        let jwk = jwk.as_object().ok_or(BadKey)?;
        let public = PublicKey::from_jwk(jwk).map_err(|_| BadKey)?;
        let kid = public.thumbprint();
        Ok(Self { pair, alg, public: Some(public), kid })
    }

    /// What it signs with.
    pub fn alg(&self) -> Alg {
        self.alg
    }

    /// Its `kid`: the RFC 7638 thumbprint.
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
            Pair::Ecdsa(pair) => pair
                .sign(&SystemRandom::new(), message)
                .map(|s| s.as_ref().to_vec())
                .map_err(|_| BadKey),
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
                    .map(|()| signature)
                    .map_err(|_| BadKey)
            }
            Pair::Mac(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
        }
    }
}

fn es256(pkcs8: &[u8]) -> Result<(Pair, Value), BadKey> {
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)
        .map_err(|_| BadKey)?;
    let point = pair.public_key().as_ref().get(1..).filter(|p| p.len() == 64).ok_or(BadKey)?;
    let (x, y) = point.split_at(32);
    let jwk = json!({"kty":"EC","crv":"P-256","x":b64::encode(x),"y":b64::encode(y)});
    Ok((Pair::Ecdsa(Box::new(pair)), jwk))
}

fn eddsa(pkcs8: &[u8], alg: Alg) -> Result<(Pair, Value), BadKey> {
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| BadKey)?;
    let x = b64::encode(pair.public_key().as_ref());
    let jwk = json!({"kty":"OKP","crv":"Ed25519","x":x,"alg":alg.name()});
    Ok((Pair::Ed25519(Box::new(pair)), jwk))
}

fn rs256(pkcs8: &[u8]) -> Result<(Pair, Value), BadKey> {
    let pair = RsaKeyPair::from_pkcs8(pkcs8).map_err(|_| BadKey)?;
    let public = pair.public_key();
    let (n, e) = (public.modulus(), public.exponent());
    let n = b64::encode(n.big_endian_without_leading_zero());
    let e = b64::encode(e.big_endian_without_leading_zero());
    // A modulus under 2048 bits is refused where the public half is read.
    Ok((Pair::Rsa(Box::new(pair)), json!({"kty":"RSA","n":n,"e":e})))
}

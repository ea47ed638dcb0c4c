//! Hand-built tokens: any header and payload bytes, signed with a real key of the realm. What the
//! library's own `sign` would never write can be written here.
#![allow(dead_code, reason = "each test program uses a part of this")]
#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it says")]

use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rescind_wire::b64;
use rescind_wire::id::{Jti, Sid, Sub};
use rescind_wire::jwk::{KeySet, PublicKey, SigningKey, jwks};
use rescind_wire::jws::Alg;
use rescind_wire::token::{Claims, Expected, InvalidToken, Verified, verify};
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://auth.example.com";
pub(crate) const AUDIENCE: &str = "posts-api";
pub(crate) const NOW: u64 = 1_800_000_000;
pub(crate) const ALL: [Alg; 5] = Alg::ALL;

/// One issuer with a key of each algorithm that it can sign with, and the set its verifiers hold.
pub(crate) struct Realm {
    pub(crate) es256: SigningKey,
    pub(crate) ed25519: SigningKey,
    pub(crate) keys: KeySet,
    pub(crate) expected: Expected,
}

impl Realm {
    pub(crate) fn new() -> Self {
        let (es256, ed25519) = (new_key(Alg::Es256), new_key(Alg::Ed25519));
        let keys = key_set(&jwks([&es256, &ed25519].into_iter().filter_map(SigningKey::public)));
        let expected =
            Expected { issuer: ISSUER.into(), audience: AUDIENCE.into(), max_lifetime: 300 };
        Self { es256, ed25519, keys, expected }
    }

    pub(crate) fn judge(&self, token: &str) -> Result<Verified, InvalidToken> {
        verify(token, &self.keys, &self.expected)
    }

    /// Why the token is refused. Stops the test if it is not.
    pub(crate) fn refusal(&self, token: &str) -> InvalidToken {
        match self.judge(token) {
            Ok(_) => panic!("accepted: {}", token.get(..400).unwrap_or(token)),
            Err(reason) => reason,
        }
    }

    /// A token with this header, the usual claims and a true ES256 signature over both.
    pub(crate) fn with_header(&self, header: &str) -> String {
        signed(&self.es256, header.as_bytes(), &payload())
    }

    /// The same with the usual members of the header and these more, written as JSON.
    pub(crate) fn with_member(&self, member: &str) -> String {
        let kid = self.es256.kid();
        self.with_header(&format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{kid}",{member}}}"#))
    }

    /// A token with this payload, the usual header and a true ES256 signature.
    pub(crate) fn with_payload(&self, payload: &[u8]) -> String {
        signed(&self.es256, header(&self.es256).as_bytes(), payload)
    }

    /// The usual claims with some set to other values, truly signed.
    pub(crate) fn with_claims(&self, changes: Value) -> String {
        let mut claims = claims_json();
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        self.with_payload(claims.to_string().as_bytes())
    }

    /// A good token.
    pub(crate) fn good(&self) -> String {
        self.with_payload(&payload())
    }
}

pub(crate) fn new_key(alg: Alg) -> SigningKey {
    SigningKey::from_secret(alg, &SigningKey::generate(alg).unwrap()).unwrap()
}

pub(crate) fn key_set(document: &str) -> KeySet {
    let (keys, refused) = KeySet::from_jwks(document.as_bytes(), &ALL).unwrap();
    assert_eq!(refused, []);
    keys
}

pub(crate) fn public_key(jwk: &Value) -> PublicKey {
    PublicKey::from_jwk(jwk.as_object().unwrap()).unwrap()
}

/// The public JWK of a key that has one.
pub(crate) fn jwk(key: &SigningKey) -> Value {
    key.public().unwrap().to_jwk()
}

pub(crate) fn header(key: &SigningKey) -> String {
    format!(r#"{{"alg":"{}","typ":"at+jwt","kid":"{}"}}"#, key.alg().name(), key.kid())
}

pub(crate) fn claims() -> Claims {
    Claims {
        iss: ISSUER.into(),
        sub: Sub::from_bytes([1; 16]),
        aud: vec![AUDIENCE.into()],
        exp: NOW + 300,
        iat: NOW,
        nbf: None,
        jti: Jti::from_bytes([2; 16]),
        sid: Sid::from_bytes([3; 16]),
        client_id: "first-party".into(),
        scope: "read write".into(),
        roles: vec!["user".into()],
        auth_time: NOW - 60,
        amr: vec!["pwd".into()],
        rv: 42,
    }
}

pub(crate) fn claims_json() -> Value {
    serde_json::to_value(claims()).unwrap()
}

pub(crate) fn payload() -> Vec<u8> {
    serde_json::to_vec(&claims()).unwrap()
}

/// `header.payload` in base64url.
pub(crate) fn unsigned(header: &[u8], payload: &[u8]) -> String {
    format!("{}.{}", b64::encode(header), b64::encode(payload))
}

pub(crate) fn signed(key: &SigningKey, header: &[u8], payload: &[u8]) -> String {
    let input = unsigned(header, payload);
    let signature = key.sign(input.as_bytes()).unwrap();
    with_signature(&input, &signature)
}

pub(crate) fn with_signature(input: &str, signature: &[u8]) -> String {
    format!("{input}.{}", b64::encode(signature))
}

/// The three parts of a compact token.
pub(crate) fn parts(token: &str) -> [&str; 3] {
    token.split('.').collect::<Vec<_>>().try_into().unwrap()
}

/// An RSA key that was not made by the library under test, and its JWK.
pub(crate) fn new_rsa_key() -> (RsaKeyPair, Value) {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    // RSAPublicKey in DER (RFC 8017 §A.1.1): nine bytes come before a modulus of 2048 bits.
    let der = aws_lc_rs::signature::KeyPair::public_key(&pair).as_ref();
    assert_eq!(der[der.len() - 5..], [2, 3, 1, 0, 1]);
    let jwk = json!({
        "kty": "RSA",
        "kid": "rsa",
        "alg": "RS256",
        "use": "sig",
        "n": b64::encode(&der[9..der.len() - 5]),
        "e": "AQAB",
    });
    (pair, jwk)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a signature that the library under test did not make"
)]
pub(crate) fn rsa_sign(pair: &RsaKeyPair, message: &[u8]) -> Vec<u8> {
    let mut signature = vec![0; pair.public_modulus_len()];
    let random = aws_lc_rs::rand::SystemRandom::new();
    pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
    signature
}

pub(crate) fn ec() -> Value {
    jwk(&new_key(Alg::Es256))
}

pub(crate) fn ed() -> Value {
    jwk(&new_key(Alg::Ed25519))
}

/// The JWK with one member set to another value.
pub(crate) fn with(jwk: &Value, name: &str, value: impl Into<Value>) -> Value {
    let mut jwk = jwk.clone();
    jwk[name] = value.into();
    jwk
}

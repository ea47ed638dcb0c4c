//! JWS in its compact form (RFC 7515 §7.1), strictly: three non-empty canonical base64url parts, a
//! small known header, one signature. What is not understood is refused, never skipped.

use crate::{b64, json};
use serde_json::Value;
use std::fmt;

/// Longest token that is looked at, in bytes.
pub const MAX_TOKEN: usize = 8 * 1024;

/// Algorithms, as the header names them (RFC 7518 §3.1, RFC 9864). A key has exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alg {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    Ed25519,
    /// Ed25519 under its old name, which does not say which curve (RFC 8037 §3.1, deprecated by RFC 9864).
    /// Only for who names it explicitly.
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// HMAC with SHA-256: who can verify can also sign.
    Hs256,
}

impl Alg {
    /// All algorithms.
    pub const ALL: [Alg; 5] = [Alg::Es256, Alg::Ed25519, Alg::EdDsa, Alg::Rs256, Alg::Hs256];

    /// The registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Alg::Es256 => "ES256",
            Alg::Ed25519 => "Ed25519",
            Alg::EdDsa => "EdDSA",
            Alg::Rs256 => "RS256",
            Alg::Hs256 => "HS256",
        }
    }

    /// The algorithm of exactly this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.name() == name)
    }

    /// Whether both sides hold the same secret, so that there is no public key.
    pub const fn is_shared(self) -> bool {
        matches!(self, Alg::Hs256)
    }
}

/// A compact JWS taken apart. Nothing in it may be believed before its signature was verified. Its `Debug` tells
/// nothing that could be presented.
pub struct Unverified<'a> {
    /// Header `alg`.
    pub alg: Alg,
    /// Header `kid`.
    pub kid: Option<String>,
    /// Header `typ`.
    pub typ: Option<String>,
    /// The decoded payload.
    pub payload: Vec<u8>,
    /// What was signed.
    pub signing_input: &'a [u8],
    /// The decoded signature.
    pub signature: Vec<u8>,
}

impl fmt::Debug for Unverified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unverified").field("alg", &self.alg).finish_non_exhaustive()
    }
}

/// Why text is not a JWS that could be verified here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Over [`MAX_TOKEN`] bytes.
    #[error("the token is too long")]
    TooLong,
    /// Not three non-empty parts of canonical base64url.
    #[error("the token is not a compact JWS")]
    NotCompact,
    /// The header is not strict JSON, has a member of the wrong type, or names no key.
    #[error("the token's header is malformed")]
    Header,
    /// The header has a member that is not understood (`crit`, `b64`, `zip`, `jwk`, …).
    #[error("the token's header has a member that is not accepted")]
    UnknownHeader,
    /// `alg` is missing, `none`, or not one of [`Alg`].
    #[error("the token's algorithm is not accepted")]
    Algorithm,
}

/// A header as it is written here, in base64url. `kid` needs no escapes.
pub(crate) fn header(alg: Alg, typ: &str, kid: &str) -> String {
    b64::encode(format!(r#"{{"alg":"{}","typ":"{typ}","kid":"{kid}"}}"#, alg.name()))
}

/// The three parts of a compact JWS; the header as it is written, the others decoded.
pub(crate) struct Parts<'a> {
    pub(crate) header: &'a str,
    pub(crate) payload: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    pub(crate) signing_input: &'a [u8],
}

/// Takes a compact JWS apart. The header may hold `alg`, `kid`, `typ` and nothing else.
pub fn split(token: &str) -> Result<Unverified<'_>, Malformed> {
    let Parts { header, payload, signature, signing_input } = parts(token)?;
    let Header { alg, kid, typ } = read_header(header)?;
    Ok(Unverified { alg, kid, typ, payload, signing_input, signature })
}

/// Finds the parts.
pub(crate) fn parts(token: &str) -> Result<Parts<'_>, Malformed> {
    if token.len() > MAX_TOKEN {
        return Err(Malformed::TooLong);
    }
    let (signing_input, signature) = token.rsplit_once('.').ok_or(Malformed::NotCompact)?;
    let (header, payload) = signing_input.split_once('.').ok_or(Malformed::NotCompact)?;
    if header.is_empty() || payload.is_empty() || signature.is_empty() {
        return Err(Malformed::NotCompact);
    }
    // A fourth part would leave a dot in the payload, which base64url does not have.
    let decode = |part: &str| b64::decode(part).ok_or(Malformed::NotCompact);
    let (payload, signature) = (decode(payload)?, decode(signature)?);
    Ok(Parts { header, payload, signature, signing_input: signing_input.as_bytes() })
}

/// What a header says.
pub(crate) struct Header {
    pub(crate) alg: Alg,
    pub(crate) kid: Option<String>,
    pub(crate) typ: Option<String>,
}

/// Reads a header.
pub(crate) fn read_header(header: &str) -> Result<Header, Malformed> {
    let header = b64::decode(header).ok_or(Malformed::NotCompact)?;
    let (mut alg, mut kid, mut typ) = (None, None, None);
    for (name, value) in json::object(&header).map_err(|_| Malformed::Header)? {
        let slot = match name.as_str() {
            "alg" => &mut alg,
            "kid" => &mut kid,
            "typ" => &mut typ,
            _ => return Err(Malformed::UnknownHeader),
        };
        match value {
            Value::String(text) => *slot = Some(text),
            _ => return Err(Malformed::Header),
        }
    }
    let alg = alg.as_deref().and_then(Alg::from_name).ok_or(Malformed::Algorithm)?;
    Ok(Header { alg, kid, typ })
}

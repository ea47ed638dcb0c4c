//! The access token: a JWT of type `at+jwt` (RFC 9068) with one private claim, `rv`.
//!
//! [`sign`] makes one; [`verify`] judges everything that does not change with time, and
//! [`Claims::check_time`] the rest, so that a verified token can be kept and judged again.

use crate::b64;
use crate::id::{Jti, Sid, Sub};
use crate::json;
use crate::jwk::{BadKey, KeySet, SigningKey};
use crate::jws::{self, Malformed};
use serde::Serialize;
use serde_json::{Map, Value};

/// Largest leeway for `exp`, `iat` and `nbf`, in seconds.
pub const MAX_LEEWAY: u64 = 30;

/// The claims of an access token. Absence never means "no check": only `nbf` may be missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Claims {
    /// The issuer's URL, byte for byte.
    pub iss: String,
    /// The account.
    pub sub: Sub,
    /// Who the token is for; never empty.
    pub aud: Vec<String>,
    /// UTC second from which the token is dead.
    pub exp: u64,
    /// UTC second of issue.
    pub iat: u64,
    /// UTC second before which the token is not yet good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// The token.
    pub jti: Jti,
    /// The session.
    pub sid: Sid,
    /// The client it was issued to.
    pub client_id: String,
    /// Space-separated scopes; empty if none.
    pub scope: String,
    /// Roles of the account.
    pub roles: Vec<String>,
    /// UTC second of the last real authentication.
    pub auth_time: u64,
    /// Authentication methods (RFC 8176).
    pub amr: Vec<String>,
    /// Log time (microseconds) that the issuer had read before it checked the session.
    pub rv: u64,
}

/// What a verifier expects of every token.
#[derive(Debug, Clone)]
pub struct Expected {
    /// The one issuer, byte for byte.
    pub issuer: String,
    /// The audience that must be among the token's.
    pub audience: String,
    /// Longest `exp - iat` that is accepted, in seconds.
    pub max_lifetime: u64,
}

/// A token whose signature and fixed claims are good. Whether it is alive now is another question.
#[derive(Debug, Clone)]
pub struct Verified {
    /// The claims.
    pub claims: Claims,
    /// The key that signed.
    pub kid: String,
}

/// Why a token is refused. For logs and metrics: callers of an API all get `invalid_token`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidToken {
    /// Not a JWS that could be verified.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// `typ` is not `at+jwt`.
    #[error("the token is not an access token")]
    Type,
    /// No key of this `kid` is held.
    #[error("the token's key is unknown")]
    UnknownKey,
    /// The key is of another algorithm, or the signature is wrong.
    #[error("the token's signature is wrong")]
    Signature,
    /// A claim is missing, of the wrong type or out of range.
    #[error("the token's claims are malformed")]
    Claims,
    /// Another issuer.
    #[error("the token is of another issuer")]
    Issuer,
    /// Not for this audience.
    #[error("the token is for another audience")]
    Audience,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `iat` or `nbf` lies in the future.
    #[error("the token is not yet valid")]
    NotYetValid,
}

/// Signs an access token.
pub fn sign(claims: &Claims, key: &SigningKey) -> Result<String, BadKey> {
    let header =
        format!(r#"{{"alg":"{}","typ":"at+jwt","kid":"{}"}}"#, key.alg().name(), key.kid());
    let payload = serde_json::to_vec(claims).map_err(|_| BadKey)?;
    let mut token = b64::encode(header);
    token.push('.');
    token.push_str(&b64::encode(payload));
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    token.push_str(&b64::encode(signature));
    Ok(token)
}

/// Verifies form, key, signature and the claims that do not depend on time.
pub fn verify(token: &str, keys: &KeySet, expected: &Expected) -> Result<Verified, InvalidToken> {
    let verified = verify_own(token, keys, &expected.issuer)?;
    let claims = &verified.claims;
    if !claims.aud.contains(&expected.audience) {
        return Err(InvalidToken::Audience);
    }
    let lifetime = claims.exp.checked_sub(claims.iat).ok_or(InvalidToken::Claims)?;
    if lifetime > expected.max_lifetime {
        return Err(InvalidToken::Claims);
    }
    Ok(verified)
}

/// The same for the issuer itself, which issues for every audience: whom the token is for, and how long it
/// lives, is not looked at. Never for a server that protects something.
pub fn verify_own(token: &str, keys: &KeySet, issuer: &str) -> Result<Verified, InvalidToken> {
    let parts = jws::split(token)?;
    if !parts.typ.as_deref().is_some_and(is_access_token_type) {
        return Err(InvalidToken::Type);
    }
    let kid = parts.kid.ok_or(InvalidToken::UnknownKey)?;
    let key = keys.find(&kid).ok_or(InvalidToken::UnknownKey)?;
    if key.alg() != parts.alg || !key.verify(parts.signing_input, &parts.signature) {
        return Err(InvalidToken::Signature);
    }
    let members = json::object(&parts.payload).map_err(|_| InvalidToken::Claims)?;
    let claims = Claims::from_members(members).ok_or(InvalidToken::Claims)?;
    if claims.iss != issuer {
        return Err(InvalidToken::Issuer);
    }
    Ok(Verified { claims, kid })
}

/// `at+jwt` or `application/at+jwt`, in any case (RFC 9068 §4).
fn is_access_token_type(typ: &str) -> bool {
    typ.eq_ignore_ascii_case("at+jwt") || typ.eq_ignore_ascii_case("application/at+jwt")
}

impl Claims {
    fn from_members(mut members: Map<String, Value>) -> Option<Self> {
        let mut take = |name: &str| members.remove(name);
        let nbf = match take("nbf") {
            None => None,
            Some(value) => Some(value.as_u64()?),
        };
        let aud = match take("aud")? {
            Value::String(one) => vec![one],
            list => strings(list)?,
        };
        Some(Self {
            iss: string(take("iss")?)?,
            sub: string(take("sub")?)?.parse().ok()?,
            aud,
            exp: take("exp")?.as_u64()?,
            iat: take("iat")?.as_u64()?,
            nbf,
            jti: string(take("jti")?)?.parse().ok()?,
            sid: string(take("sid")?)?.parse().ok()?,
            client_id: string(take("client_id")?)?,
            scope: take("scope").map_or(Some(String::new()), string)?,
            roles: take("roles").map_or(Some(Vec::new()), strings)?,
            auth_time: take("auth_time")?.as_u64()?,
            amr: take("amr").map_or(Some(Vec::new()), strings)?,
            rv: take("rv")?.as_u64()?,
        })
    }

    /// Judges `exp`, `iat` and `nbf` at `now` (UTC seconds). `leeway` is at most [`MAX_LEEWAY`].
    pub fn check_time(&self, now: u64, leeway: u64) -> Result<(), InvalidToken> {
        let leeway = leeway.min(MAX_LEEWAY);
        if now >= self.exp.saturating_add(leeway) {
            return Err(InvalidToken::Expired);
        }
        let begins = self.iat.max(self.nbf.unwrap_or(0));
        if begins > now.saturating_add(leeway) {
            return Err(InvalidToken::NotYetValid);
        }
        Ok(())
    }
}

fn string(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn strings(value: Value) -> Option<Vec<String>> {
    match value {
        Value::Array(items) => items.into_iter().map(string).collect(),
        _ => None,
    }
}

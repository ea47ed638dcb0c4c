//! The access token: a JWT of type `at+jwt` (RFC 9068) with one private claim, `rv`.
//!
//! [`sign`] makes one; [`verify`] judges everything that does not change with time, and
//! [`Claims::check_time`] the rest, so that a verified token can be kept and judged again.

mod read;

use crate::b64;
use crate::id::{Jti, Sid, Sub};
use crate::jwk::{BadKey, KeySet, SigningKey, VerifyingKey};
use crate::jws::{self, Alg, Malformed, Parts};
use serde::Serialize;
use std::borrow::Cow;
use std::fmt;

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

/// The header of an access token, as it is written here.
pub(crate) fn header(alg: Alg, kid: &str) -> String {
    jws::header(alg, "at+jwt", kid)
}

/// Signs an access token.
pub fn sign(claims: &Claims, key: &SigningKey) -> Result<String, BadKey> {
    let payload = serde_json::to_vec(claims).map_err(|_| BadKey)?;
    let mut token = header(key.alg(), key.kid());
    token.push('.');
    token.push_str(&b64::encode(payload));
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    token.push_str(&b64::encode(signature));
    Ok(token)
}

/// Verifies form, key, signature and the claims that do not depend on time.
pub fn verify(token: &str, keys: &KeySet, expected: &Expected) -> Result<Verified, InvalidToken> {
    Unproven::read(token)?.prove(keys, expected)
}

/// The same for the issuer itself, which issues for every audience: whom the token is for, and how long it
/// lives, is not looked at. Never for a server that protects something.
pub fn verify_own(token: &str, keys: &KeySet, issuer: &str) -> Result<Verified, InvalidToken> {
    Unproven::read(token)?.prove_own(keys, issuer)
}

/// The id of the key that a token says it was signed with. Nothing of it is proven.
pub fn claimed_kid(token: &str) -> Option<String> {
    jws::read_header(jws::parts(token).ok()?.header).ok()?.kid
}

/// A token that was taken apart, whose signature is still to be verified: nearly all that a check costs.
pub struct Unproven<'a>(Parts<'a>);

impl fmt::Debug for Unproven<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unproven")
    }
}

impl<'a> Unproven<'a> {
    /// Takes a token apart.
    pub fn read(token: &'a str) -> Result<Self, InvalidToken> {
        Ok(Self(jws::parts(token)?))
    }

    /// The key that it says it was signed with, if it is held.
    pub fn key<'k>(
        &self,
        keys: &'k KeySet,
    ) -> Result<(Cow<'k, str>, &'k VerifyingKey), InvalidToken> {
        if let Some((kid, key)) = keys.find_by_header(self.0.header) {
            return Ok((kid.into(), key));
        }
        let header = jws::read_header(self.0.header)?;
        if !header.typ.as_deref().is_some_and(is_access_token_type) {
            return Err(InvalidToken::Type);
        }
        // One that names none can be of none.
        let kid = header.kid.ok_or(Malformed::Header)?;
        let key = keys.find(&kid).ok_or(InvalidToken::UnknownKey)?;
        if key.alg() != header.alg {
            return Err(InvalidToken::Signature);
        }
        Ok((kid.into(), key))
    }

    /// The rest of [`verify`].
    pub fn prove(&self, keys: &KeySet, expected: &Expected) -> Result<Verified, InvalidToken> {
        let verified = self.prove_own(keys, &expected.issuer)?;
        expected.suits(&verified.claims)?;
        Ok(verified)
    }

    fn prove_own(&self, keys: &KeySet, issuer: &str) -> Result<Verified, InvalidToken> {
        let (kid, key) = self.key(keys)?;
        if !key.verify(self.0.signing_input, &self.0.signature) {
            return Err(InvalidToken::Signature);
        }
        let claims = read::claims(&self.0.payload).ok_or(InvalidToken::Claims)?;
        if claims.iss != issuer {
            return Err(InvalidToken::Issuer);
        }
        Ok(Verified { claims, kid: kid.into_owned() })
    }
}

impl Expected {
    fn suits(&self, claims: &Claims) -> Result<(), InvalidToken> {
        if !claims.aud.contains(&self.audience) {
            return Err(InvalidToken::Audience);
        }
        let lifetime = claims.exp.checked_sub(claims.iat).ok_or(InvalidToken::Claims)?;
        if lifetime > self.max_lifetime {
            return Err(InvalidToken::Claims);
        }
        Ok(())
    }
}

/// `at+jwt` or `application/at+jwt`, in any case (RFC 9068 §4).
fn is_access_token_type(typ: &str) -> bool {
    typ.eq_ignore_ascii_case("at+jwt") || typ.eq_ignore_ascii_case("application/at+jwt")
}

impl Claims {
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

//! What the unit tests share: claims, keys, tokens.

use rescind_wire::id::{Jti, Sid, Sub};
use rescind_wire::jwk::SigningKey;
use rescind_wire::jws::Alg;
use rescind_wire::token::Claims;

/// When the fixture's tokens are issued, in UTC seconds.
pub(crate) const ISSUED: u64 = 1_000_000;

pub(crate) fn claims(issuer: &str) -> Claims {
    Claims {
        iss: issuer.into(),
        sub: Sub::from_bytes([1; 16]),
        aud: vec!["posts-api".into()],
        exp: ISSUED + 300,
        iat: ISSUED,
        nbf: None,
        jti: Jti::from_bytes([2; 16]),
        sid: Sid::from_bytes([3; 16]),
        client_id: "app".into(),
        scope: "read write".into(),
        roles: vec!["owner".into()],
        auth_time: ISSUED - 60,
        amr: vec!["pwd".into()],
        rv: 50,
    }
}

pub(crate) fn signing_key() -> SigningKey {
    SigningKey::from_secret(Alg::Es256, &SigningKey::generate(Alg::Es256).unwrap()).unwrap()
}

//! What the unit tests share: claims, keys, tokens, a verifier without an authority.

use crate::builder::Settings;
use crate::clock::Clock;
use crate::keys::KeyRing;
use crate::shared::Core;

use rescind_wire::id::{Jti, Sid, Sub};
use rescind_wire::jwk::SigningKey;
use rescind_wire::jws::Alg;
use rescind_wire::token::{Claims, Expected};
use std::sync::Arc;

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

/// A verifier that hears of an authority only by hand.
pub(crate) fn core(issuer: &str, clock: Arc<dyn Clock>) -> Arc<Core> {
    let settings = Settings {
        expected: Expected {
            issuer: issuer.into(),
            audience: "posts-api".into(),
            max_lifetime: 3600,
        },
        algorithms: vec![Alg::Es256],
        leeway: 0,
        staleness: None,
        cache_bytes: 1 << 20,
        new_at_once: 1,
        max_snapshot: 1 << 20,
        monitor: false,
    };
    Arc::new(Core::new(settings, KeyRing::new(vec![Alg::Es256]), clock))
}

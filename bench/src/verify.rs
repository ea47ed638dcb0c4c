//! What it costs to check an access token: seen for the first time, and known already; with many live
//! revocations and with none.

use crate::Outcome;
use crate::bench::{Bench, say};
use crate::realm::{Realm, drawn};
use crate::report::{Series, Unit};
use crate::stopwatch::Stopwatch;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use foldhash::fast::RandomState;
use rescind_verifier::Verifier;
use rescind_wire::b64;
use rescind_wire::id::{Jti, Sid, Sub};
use rescind_wire::token::{self, Claims};
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;

/// What is measured, for the page.
pub(crate) const METHOD: &str = "\
- **Check of a new access token**: `Verifier::check` of tokens that it has never seen. Floor: the bare verification of
  their signatures by aws-lc-rs, with key and signature decoded before.
- **Check of a known access token**: `Verifier::check` of 4096 tokens in turn that it has seen. Floor: the look-up of the
  same tokens in a `HashMap` with a fast seeded hash.
";

/// Tokens that are known already: together too many for the caches next to a core.
const KNOWN: usize = 4096;
/// Tokens of one round that are new: with those of all rounds the cache still holds what is known.
const NEW: usize = 500;
/// How often the known ones are checked in one round.
const PASSES: usize = 25;
/// How long the tokens live, in seconds.
const LIFE: u64 = 3600;

/// A realm with so many live revocations, and what is measured in it.
struct Subject {
    realm: Realm,
    verifier: Verifier,
    revocations: usize,
    like: Claims,
    key: ParsedPublicKey,
    known: Vec<String>,
    map: HashMap<Box<str>, Arc<Claims>, RandomState>,
    new: Series,
    cached: Series,
}

/// The measurement.
pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Series>> {
    let sizes = bench.choose([0, 100_000, 1_000_000], [0, 1000, 10_000]);
    let mut subjects = Vec::new();
    for size in sizes {
        say(&format!("checks: a realm with {size} live revocations"));
        subjects.push(Subject::new(bench, size)?);
    }
    for round in 1..=bench.rounds {
        say(&format!("checks: round {round} of {}", bench.rounds));
        for subject in &mut subjects {
            subject.round(bench)?;
        }
    }
    let (mut new, mut cached) = (Vec::new(), Vec::new());
    for subject in subjects {
        let held = subject.verifier.status().entries;
        if held < subject.revocations {
            return Err(format!("only {held} revocations were held to the end").into());
        }
        new.push(subject.new);
        cached.push(subject.cached);
    }
    new.extend(cached);
    Ok(new)
}

impl Subject {
    fn new(bench: &Bench, revocations: usize) -> Outcome<Self> {
        let realm = Realm::start(bench)?;
        realm.take_back(bench, revocations)?;
        let (token, _) = bench.clients.block_on(realm.sign_in())?;
        let like = realm.claims(&token)?;
        let with = |what: &str| format!("{what}, {revocations} live revocations");
        let mut subject = Self {
            verifier: realm.verifier_beside(bench)?,
            key: bare_key(&realm)?,
            new: Series::new(with("Check of a new access token (ES256)"), Unit::Micros),
            cached: Series::new(with("Check of a known access token"), Unit::Nanos),
            known: Vec::new(),
            map: HashMap::default(),
            realm,
            revocations,
            like,
        };
        subject.known = subject.tokens(bench.choose(KNOWN, 64))?;
        let claims = Arc::new(subject.like.clone());
        subject.map =
            subject.known.iter().map(|t| (t.as_str().into(), Arc::clone(&claims))).collect();
        subject.check(&subject.known)?;
        Ok(subject)
    }

    /// New tokens, each of an account and a session of its own, otherwise as the realm issues them.
    fn tokens(&self, count: usize) -> Outcome<Vec<String>> {
        let keyring = self.realm.app.authority.keyring();
        let sign = |_| {
            let like = self.like.clone();
            let claims = Claims {
                sub: Sub::from_bytes(drawn()),
                sid: Sid::from_bytes(drawn()),
                jti: Jti::from_bytes(drawn()),
                exp: like.iat + LIFE,
                ..like
            };
            Ok(token::sign(&claims, keyring.token_key())?)
        };
        (0..count).map(sign).collect()
    }

    fn round(&mut self, bench: &Bench) -> Outcome {
        let tokens = self.tokens(bench.choose(NEW, 64))?;
        let parts = tokens.iter().map(|token| signed_parts(token)).collect::<Outcome<Vec<_>>>()?;
        let floor = Stopwatch::start();
        for (message, signature) in &parts {
            self.key.verify_sig(message, signature)?;
        }
        let floor = floor.each(parts.len());
        let watch = Stopwatch::start();
        self.check(&tokens)?;
        self.new.add(floor, watch.each(tokens.len()));

        let passes = bench.choose(PASSES, 1);
        let floor = Stopwatch::start();
        for token in self.known.iter().cycle().take(passes * self.known.len()) {
            let claims = self.map.get(token.as_str()).ok_or("a token is not in the map")?;
            black_box(Arc::clone(claims));
        }
        let floor = floor.each(passes * self.known.len());
        let watch = Stopwatch::start();
        for _ in 0..passes {
            self.check(&self.known)?;
        }
        self.cached.add(floor, watch.each(passes * self.known.len()));
        Ok(())
    }

    fn check(&self, tokens: &[String]) -> Outcome {
        for token in tokens {
            black_box(self.verifier.check(token)?);
        }
        Ok(())
    }
}

/// The realm's key as the crypto library itself takes it.
fn bare_key(realm: &Realm) -> Outcome<ParsedPublicKey> {
    let keyring = realm.app.authority.keyring();
    let jwk = keyring.token_key().public().ok_or("the realm's key is not public")?.to_jwk();
    let coordinate = |name: &str| jwk[name].as_str().and_then(b64::decode);
    let (x, y) = coordinate("x").zip(coordinate("y")).ok_or("the realm's key is not ES256")?;
    Ok(ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, [&[4][..], &x, &y].concat())?)
}

/// What is signed, and the signature, decoded.
fn signed_parts(token: &str) -> Outcome<(Vec<u8>, Vec<u8>)> {
    let (message, signature) = token.rsplit_once('.').ok_or("no token")?;
    let signature = b64::decode(signature).ok_or("no signature")?;
    Ok((message.as_bytes().to_vec(), signature))
}

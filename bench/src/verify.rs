//! What it costs to check an access token: seen for the first time, and known already; with many live
//! revocations and with none.

use crate::Outcome;
use crate::bench::{Bench, say};
use crate::promise::Row;
use crate::realm::{Realm, drawn};
use crate::report::{Series, Unit};
use crate::stopwatch::Stopwatch;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey};
use foldhash::fast::RandomState;
use rescind_verifier::Verifier;
use rescind_wire::b64;
use rescind_wire::id::{Jti, Sid, Sub};
use rescind_wire::jws::Alg;
use rescind_wire::token::{self, Claims};
use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::hint::black_box;
use std::sync::Arc;

/// What is measured, for the page.
pub(crate) const METHOD: &str = "\
- **Check of a new access token**: `Verifier::check` of tokens that it has never seen. Floor: the bare verification of
  their signatures by aws-lc-rs, with key and signature decoded before.
- **Check of a known access token**: `Verifier::check` of tokens that it has seen: *hot*, 64 in turn; *cold*, 100,000 in an
  order of chance, of which none is in a cache of the processor when its turn comes. Floor: the look-up of the same tokens
  in a `HashMap` with a fast seeded hash, which gives the claims of each by reference count.
";

/// Tokens that are known already.
const KNOWN: usize = 100_000;
/// Those of them that are hot: one for each connection elsewhere.
const HOT: usize = 64;
/// How often the hot ones are checked in one round.
const PASSES: usize = 2000;
/// Tokens of one round that are new.
const NEW: usize = 500;
/// How long the tokens live, in seconds.
const LIFE: u64 = 3600;

/// A realm, a verifier that knows it, and the tokens of both.
pub(crate) struct Checked {
    realm: Realm,
    pub(crate) verifier: Verifier,
    like: Claims,
    pub(crate) key: ParsedPublicKey,
}

/// What is measured of one algorithm with so many live revocations.
struct Subject {
    checked: Checked,
    revocations: usize,
    known: Vec<String>,
    map: HashMap<Box<str>, Arc<Claims>, RandomState>,
    new: Series,
    hot: Series,
    cold: Series,
}

/// The measurement.
pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Series>> {
    let many = bench.choose(1_000_000, 10_000);
    let mut subjects = Vec::new();
    let known = bench.choose(KNOWN, 2 * HOT);
    // By which algorithm a known token was signed makes no difference.
    for (alg, revocations, known) in
        [(Alg::Es256, 0, known), (Alg::Es256, many, known), (Alg::Ed25519, many, 0)]
    {
        say(&format!("checks: {}, {revocations} live revocations", alg.name()));
        subjects.push(Subject::new(bench, alg, revocations, known)?);
    }
    for round in 1..=bench.rounds {
        say(&format!("checks: round {round} of {}", bench.rounds));
        for subject in &mut subjects {
            subject.round(bench)?;
        }
    }
    let mut all = Vec::new();
    for Subject { checked, revocations, known, new, hot, cold, .. } in subjects {
        let held = checked.verifier.status().entries;
        if held < revocations {
            return Err(format!("only {held} revocations were held to the end").into());
        }
        all.push(new);
        if !known.is_empty() {
            all.extend([hot, cold]);
        }
    }
    Ok(all)
}

impl Checked {
    pub(crate) fn new(bench: &Bench, alg: Alg, revocations: usize) -> Outcome<Self> {
        let realm = Realm::with_tokens_of(bench, alg)?;
        realm.take_back(bench, revocations)?;
        let (token, _) = bench.clients.block_on(realm.sign_in())?;
        let like = realm.claims(&token)?;
        let builder = realm.verifier().algorithms(&[alg]).cache_bytes(1 << 30);
        let verifier = bench.on_servers(async move { Ok(builder.build().await?) })?;
        Ok(Self { verifier, key: bare_key(&realm, alg)?, like, realm })
    }

    /// New tokens, each of an account and a session of its own, otherwise as the realm issues them.
    pub(crate) fn tokens(&self, count: usize) -> Outcome<Vec<String>> {
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

    fn check(&self, tokens: &[String]) -> Outcome {
        for token in tokens {
            black_box(self.verifier.check(token)?);
        }
        Ok(())
    }
}

impl Subject {
    fn new(bench: &Bench, alg: Alg, revocations: usize, known: usize) -> Outcome<Self> {
        let checked = Checked::new(bench, alg, revocations)?;
        let series = |what: &str, unit| {
            let alg = alg.name();
            Series::new(format!("Check of {what} ({alg}), {revocations} live revocations"), unit)
        };
        let mut known = checked.tokens(known)?;
        checked.check(&known)?;
        let claims = |token: &String| (token.as_str().into(), Arc::new(checked.like.clone()));
        let map = known.iter().map(claims).collect();
        // Neither side finds them in the order in which their memory was taken.
        let chance = RandomState::default();
        known.sort_by_cached_key(|token| chance.hash_one(token));
        Ok(Self {
            checked,
            revocations,
            known,
            map,
            new: series("a new access token", Unit::Micros).at_most(Row::Verification, 1.08),
            hot: series("a known access token, hot", Unit::Nanos).ours_at_most(Row::Hit, 250e-9),
            cold: series("a known access token, cold", Unit::Nanos).at_most(Row::Hit, 2.0),
        })
    }

    fn round(&mut self, bench: &Bench) -> Outcome {
        let tokens = self.checked.tokens(bench.choose(NEW, 64))?;
        let parts = tokens.iter().map(|token| signed_parts(token)).collect::<Outcome<Vec<_>>>()?;
        let floor = Stopwatch::start();
        for (message, signature) in &parts {
            self.checked.key.verify_sig(message, signature)?;
        }
        let floor = floor.each(parts.len());
        let watch = Stopwatch::start();
        self.checked.check(&tokens)?;
        self.new.add(floor, watch.each(tokens.len()));

        if self.known.is_empty() {
            return Ok(());
        }
        let hot = &self.known[..HOT];
        let passes = bench.choose(PASSES, 1);
        self.look_up(hot, 1)?;
        let floor = self.look_up(hot, passes)?;
        self.hot.add(floor, self.check_known(hot, passes)?);
        let floor = self.look_up(&self.known, 1)?;
        self.cold.add(floor, self.check_known(&self.known, 1)?);
        Ok(())
    }

    /// Seconds that each look-up in the bare map takes.
    fn look_up(&self, tokens: &[String], passes: usize) -> Outcome<f64> {
        let watch = Stopwatch::start();
        for token in (0..passes).flat_map(|_| tokens) {
            let claims = self.map.get(token.as_str()).ok_or("a token is not in the map")?;
            black_box(Arc::clone(claims));
        }
        Ok(watch.each(passes * tokens.len()))
    }

    /// Seconds that each check takes.
    fn check_known(&self, tokens: &[String], passes: usize) -> Outcome<f64> {
        let watch = Stopwatch::start();
        for _ in 0..passes {
            self.checked.check(tokens)?;
        }
        Ok(watch.each(passes * tokens.len()))
    }
}

/// The realm's key as the crypto library itself takes it.
fn bare_key(realm: &Realm, alg: Alg) -> Outcome<ParsedPublicKey> {
    let keyring = realm.app.authority.keyring();
    let jwk = keyring.token_key().public().ok_or("the realm's key is not public")?.to_jwk();
    let part = |name: &str| jwk[name].as_str().and_then(b64::decode).ok_or("a part is missing");
    Ok(match alg {
        Alg::Ed25519 => ParsedPublicKey::new(&ED25519, part("x")?)?,
        _ => {
            let point = [&[4][..], &part("x")?, &part("y")?].concat();
            ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)?
        }
    })
}

/// What is signed, and the signature, decoded.
pub(crate) fn signed_parts(token: &str) -> Outcome<(Vec<u8>, Vec<u8>)> {
    let (message, signature) = token.rsplit_once('.').ok_or("no token")?;
    let signature = b64::decode(signature).ok_or("no signature")?;
    Ok((message.as_bytes().to_vec(), signature))
}

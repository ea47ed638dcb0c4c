//! Minting access tokens. A [`Reading`] is the only way to a signature: the log time is read first,
//! the session is checked after it, and only then is it decided what a token says ([`Unsigned`]). It
//! therefore dies with every revocation that its check has not seen. Signed is what has been committed
//! (`docs/decisions/0022`).

use crate::Authority;
use crate::account::Account;
use crate::clients::{Client, audiences_of};
use crate::clock::{Now, random};
use crate::keyring::Keyring;
use crate::secret::Secret;
use crate::session::Session;
use crate::store::{Head, StoreError, Write};
use rescind_wire::id::Jti;
use rescind_wire::token::{Claims, sign};
use std::sync::Arc;

/// Of a reading older than this no token is made.
const MAX_AGE: u64 = 5_000_000;
/// How far ahead of the clock the limit for `iat` is raised, in seconds, so that it is seldom written.
const IAT_STEP: u64 = 10;

/// What was read of the log before the facts were checked that a token will state.
///
/// Two constructors, which must not be mixed: the head of the primary store with facts from memory
/// would claim a freshness that the facts have not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    rv: u64,
    longest_life: u64,
    iat_limit: u64,
    taken_at: u64,
}

impl Reading {
    /// From the store: `head` was read first, the facts after it or in the same snapshot. `taken` is
    /// the clock before that.
    pub fn of_store(head: &Head, taken: Now) -> Self {
        Self {
            rv: head.ts,
            longest_life: head.longest_life,
            iat_limit: head.iat_limit,
            taken_at: taken.boot,
        }
    }

    /// From this node's memory: `applied` is the head that this node has *applied*, never one that it
    /// only heard of; `stamp` is the log time that was read before the facts were loaded. `None` where
    /// an applied entry that matches the session, CLAIMS included, is newer than the facts: then a
    /// store reading is needed.
    pub fn of_memory(
        applied: &Head,
        stamp: u64,
        newest_match: Option<u64>,
        taken: Now,
    ) -> Option<Self> {
        if newest_match.is_some_and(|ts| ts > stamp) {
            return None;
        }
        Some(Self::of_store(applied, taken))
    }

    /// The log time that a token of this session carries: never below the session's own.
    pub fn rv(&self, session_rv: u64) -> u64 {
        self.rv.max(session_rv)
    }

    /// What a token of this reading says, for a session that was found alive after it, and the writes that
    /// it needs. `now` is the clock at the signing.
    pub fn claims(
        &self,
        session: &Session,
        account: &Account,
        issue: &Issue<'_>,
        now: Now,
    ) -> Result<(Claims, Vec<Write>), MintError> {
        if now.boot.saturating_sub(self.taken_at) > MAX_AGE {
            return Err(MintError::TooOld);
        }
        if issue.audiences.is_empty() {
            return Err(MintError::Audience);
        }
        let iat = now.seconds();
        let ends = iat.saturating_add(issue.life.min(self.longest_life));
        let claims = Claims {
            iss: issue.issuer.to_owned(),
            sub: session.sub,
            aud: issue.audiences.to_vec(),
            exp: ends.min(session.expires_at / 1_000_000),
            iat,
            nbf: None,
            jti: issue.jti,
            sid: session.sid,
            client_id: session.client_id.clone(),
            scope: String::new(),
            roles: account.roles.clone(),
            auth_time: session.auth_time / 1_000_000,
            amr: session.amr.clone(),
            rv: self.rv(session.rv),
        };
        let raise = (iat > self.iat_limit).then(|| Write::RaiseIatLimit(iat + IAT_STEP));
        Ok((claims, raise.into_iter().collect()))
    }
}

/// What a token says beside its session and its account.
#[derive(Debug, Clone, Copy)]
pub struct Issue<'a> {
    /// The issuer's URL.
    pub issuer: &'a str,
    /// Life of an access token, in seconds.
    pub life: u64,
    /// Who it is for.
    pub audiences: &'a [String],
    /// Its id, drawn for it.
    pub jti: Jti,
}

/// An access token with what its receiver needs to know.
#[derive(Debug, Clone)]
pub struct AccessToken {
    /// The token.
    pub token: Secret,
    /// Seconds until it expires.
    pub expires_in: u64,
    /// The audiences it is for.
    pub audiences: Vec<String>,
}

/// A token in everything but its signature: what it says, and the keys of the moment in which that was
/// decided. Whoever has got it out of a transaction knows that it was committed.
#[derive(Debug)]
#[must_use]
pub(crate) struct Unsigned {
    claims: Claims,
    keyring: Arc<Keyring>,
}

impl Unsigned {
    /// Signs it.
    pub(crate) fn sign(self) -> Result<AccessToken, StoreError> {
        let Self { claims, keyring } = self;
        let token = sign(&claims, keyring.signer(&claims.aud)).map_err(|_| MintError::Signing)?;
        let expires_in = claims.exp.saturating_sub(claims.iat);
        Ok(AccessToken { token: Secret::new(token), expires_in, audiences: claims.aud })
    }
}

impl From<MintError> for StoreError {
    fn from(error: MintError) -> Self {
        StoreError::Failed(error.to_string())
    }
}

/// Why no token was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MintError {
    /// The reading is older than 5 s: read again.
    #[error("the reading is too old to sign")]
    TooOld,
    /// No audience is left: none is registered, or the one asked for is not.
    #[error("the audience is not one that this client may ask for")]
    Audience,
    /// The key could not sign.
    #[error("signing failed")]
    Signing,
}

impl Authority {
    /// Decides on a token for a session that was found alive after `reading` was taken. The writes it needs
    /// belong to the same transaction; it may be signed only if that commits.
    pub(crate) fn mint(
        &self,
        reading: &Reading,
        session: &Session,
        account: &Account,
        audiences: &[String],
    ) -> Result<(Unsigned, Vec<Write>), MintError> {
        let issue = Issue {
            issuer: &self.settings.issuer,
            life: self.settings.access_life.as_secs(),
            audiences,
            jti: Jti::from_bytes(random(&*self.entropy)),
        };
        let (claims, writes) = reading.claims(session, account, &issue, self.clock.now())?;
        Ok((Unsigned { claims, keyring: self.keyring() }, writes))
    }

    /// What a session's tokens may be for: all audiences of the realm, or those its sign-in asked for.
    pub(crate) fn granted<'a>(clients: &'a [Client], session: &Session) -> Vec<&'a str> {
        let mut all = audiences_of(clients);
        all.retain(|a| session.audiences.is_empty() || session.audiences.iter().any(|s| s == a));
        all
    }

    /// The audiences of a token: all that are granted, or the asked ones if all of them are granted. One
    /// with a shared secret is asked for by itself: what it can verify, it could also have signed.
    pub(crate) fn narrow(&self, all: &[&str], asked: &[String]) -> Result<Vec<String>, MintError> {
        let keyring = self.keyring();
        if asked.is_empty() {
            let owned = |a: &&str| (*a).to_owned();
            let public: Vec<String> =
                all.iter().filter(|a| !keyring.is_shared(a)).map(owned).collect();
            // A sign-in for one such audience alone need not name it each time.
            let alone = public.is_empty() && all.len() == 1;
            return Ok(if alone { all.iter().map(owned).collect() } else { public });
        }
        let mut asked = asked.to_vec();
        asked.sort();
        asked.dedup();
        let alone = asked.len() == 1 || !asked.iter().any(|a| keyring.is_shared(a));
        match alone && asked.iter().all(|a| all.contains(&a.as_str())) {
            true => Ok(asked),
            false => Err(MintError::Audience),
        }
    }
}

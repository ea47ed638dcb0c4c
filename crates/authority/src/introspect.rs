//! A token as an OAuth client sees it: what it says and whether it lives (RFC 7662), and the end of it
//! (RFC 7009). Both judge by the store, from a read begun after the call.

use crate::Authority;
use crate::audit::{Action, Actor, Record};
use crate::authority::transact;
use crate::clients::{Client, FIRST_PARTY, Permission};
use crate::line::Carrier;
use crate::refresh::end;
use crate::secret::Secret;
use crate::session::{SessionState, Why};
use crate::store::{Load, Loaded, StoreError, Write};
use crate::throttle::{Revoker, retry_after};
use rescind_wire::id::{Sid, Sub};
use rescind_wire::revocation::{Target, TokenKeys, kills};
use rescind_wire::token::{self, Claims, Verified};
use std::sync::Arc;

/// Who calls.
#[derive(Debug, Clone)]
pub enum Caller {
    /// The realm's own apps, which have no secret.
    FirstParty,
    /// A confidential client that has proven itself.
    Confidential(Client),
}

impl Caller {
    /// Its client id.
    pub fn client_id(&self) -> &str {
        match self {
            Caller::FirstParty => FIRST_PARTY,
            Caller::Confidential(client) => &client.client_id,
        }
    }

    /// Whose revocations of this account's tokens are counted together.
    fn counted_as(&self, sub: Sub) -> Revoker<'_> {
        match self {
            Caller::FirstParty => Revoker::Account(sub),
            Caller::Confidential(client) => Revoker::Client(&client.client_id),
        }
    }

    /// Who goes into the record. A person's own app does what its person does: that is in the log alone.
    fn actor(&self) -> Option<Actor> {
        match self {
            Caller::FirstParty => None,
            Caller::Confidential(client) => Some(Actor::Client(client.client_id.clone())),
        }
    }
}

/// Why a token was not taken back, although it is one of this realm.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RevokeTokenError {
    /// It was issued to another client, and the caller may not take back tokens for its audiences.
    #[error("the token was issued to another client")]
    NotYours,
    /// It is signed with a shared secret, so its audience could have made it by itself: that is no proof
    /// that it was issued. Its session's refresh token is taken back instead.
    #[error("tokens of this kind are taken back by their audience's server alone")]
    Shared,
    /// Too many were taken back one by one: wait so many seconds.
    #[error("too many tokens taken back one by one")]
    Throttled {
        /// Seconds.
        retry_after: u64,
    },
    /// The store failed; nothing was changed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Authority {
    /// A token that a key of ours has signed for any of our audiences, dead or alive. One that is signed
    /// with a shared secret counts only for the audience that shares it.
    fn ours(&self, text: &Secret) -> Option<Verified> {
        let keyring = self.keyring();
        let issuer = &self.settings.issuer;
        let verified = token::verify_own(text.expose(), keyring.verifying(), issuer).ok()?;
        let fits = match keyring.sharer(&verified.kid) {
            Some(sharer) => verified.claims.aud == [sharer],
            None => true,
        };
        fits.then_some(verified)
    }

    /// Whether a token lives, and what it says, for a client that answers for one of its audiences: the
    /// others are left out. `None` for every other token, whatever the cause.
    pub async fn introspect(
        &self,
        caller: &Client,
        text: &Secret,
    ) -> Result<Option<Claims>, StoreError> {
        let Some(Verified { mut claims, kid }) = self.ours(text) else { return Ok(None) };
        let loaded = self.store.read(of_token(&claims, &kid)).await?;
        claims.aud.retain(|a| caller.audiences.contains(a));
        let lives = !claims.aud.is_empty() && self.lives(&loaded, &claims, &kid);
        Ok(lives.then_some(claims))
    }

    fn lives(&self, loaded: &Loaded, claims: &Claims, kid: &str) -> bool {
        let now = self.clock.now().wall;
        let session = of_living_session(loaded, claims, now);
        let ahead = claims.rv > loaded.head.ts;
        // Whoever shares a secret can write what he likes: that is no sign of a rollback.
        if ahead && self.keyring().sharer(kid).is_none() {
            let jti = claims.jti;
            tracing::error!(event = "token_ahead", alarm = true, %jti, "a token knows more than the log");
        }
        let in_time = claims.check_time(now / 1_000_000, 0).is_ok();
        session && !ahead && in_time && !killed(loaded, claims)
    }

    /// Takes a token back: of a refresh token the whole session, of an access token that one. What is no
    /// token of ours, or dead already, is as good as taken back. Of access tokens anybody can have as
    /// many as he likes made, so they are taken back at a rate; sessions always are.
    pub async fn revoke_token(
        &self,
        caller: Caller,
        text: &Secret,
    ) -> Result<(), RevokeTokenError> {
        let by = format!("client:{}", caller.client_id());
        let taken_back = |sub: Sub, sid: Sid| {
            tracing::info!(event = "token_revoked", by, %sub, %sid);
        };
        if let Some(line) = self.keyring().open_line(Carrier::Token, text.expose()) {
            let now = self.clock.now().wall;
            let rule = move |loaded: &Loaded| revoke_session(loaded, &caller, now);
            let ended = transact(&*self.store, Load::session(line.sid), rule).await??;
            if let Some(sub) = ended {
                taken_back(sub, line.sid);
            }
            return Ok(());
        }
        let Some(Verified { claims, kid }) = self.ours(text) else { return Ok(()) };
        let shared = self.keyring().sharer(&kid).is_some();
        let own = claims.client_id == caller.client_id();
        let addressed = match &caller {
            Caller::FirstParty => false,
            Caller::Confidential(client) => {
                client.may(Permission::Revoke)
                    && claims.aud.iter().any(|a| client.audiences.contains(a))
            }
        };
        if shared && !addressed {
            return Err(RevokeTokenError::Shared);
        }
        if !own && !addressed {
            return Err(RevokeTokenError::NotYours);
        }
        let (now, sub, sid) = (self.clock.now(), claims.sub, claims.sid);
        let throttle = Arc::clone(&self.throttle);
        let done = transact(&*self.store, of_token(&claims, &kid), move |loaded| {
            // A verifier may have as much leeway, no more. What is of no living session is dead already.
            let over = now.seconds() >= claims.exp.saturating_add(token::MAX_LEEWAY);
            if over || killed(loaded, &claims) || !of_living_session(loaded, &claims, now.wall) {
                return (Vec::new(), Ok(false));
            }
            if let Err(wait) = throttle.revoke(caller.counted_as(claims.sub), now.boot) {
                let retry_after = retry_after(wait);
                return (Vec::new(), Err(RevokeTokenError::Throttled { retry_after }));
            }
            let mut writes = vec![Write::Revoke(Target::Token(claims.jti))];
            if let Some(actor) = caller.actor() {
                let record = Record::by(&actor, Action::Revoked, now.wall).about(claims.sub);
                writes.push(record.to(format!("token {}", claims.jti)).write());
            }
            (writes, Ok(true))
        })
        .await??;
        if done {
            taken_back(sub, sid);
        }
        Ok(())
    }
}

/// What judges a token: its session, and the entries of all its keys.
fn of_token(claims: &Claims, kid: &str) -> Load {
    let revocations = TokenKeys::of(claims, kid).iter().map(|(_, key)| key).collect();
    Load { session: Some(claims.sid), revocations, ..Load::default() }
}

/// Whether the session that a token names is its own, and lives.
fn of_living_session(loaded: &Loaded, claims: &Claims, now: u64) -> bool {
    loaded.session.as_ref().is_some_and(|judged| {
        let session = &judged.session;
        let same = session.sub == claims.sub && session.client_id == claims.client_id;
        same && session.check(loaded.account.as_ref(), &judged.cutoffs, now).is_ok()
    })
}

fn killed(loaded: &Loaded, claims: &Claims) -> bool {
    loaded.revocations.iter().any(|c| kills(c.scope, c.ts, claims.rv))
}

/// Ends the session; says whose it was, if it was not over already.
fn revoke_session(
    loaded: &Loaded,
    caller: &Caller,
    now: u64,
) -> (Vec<Write>, Result<Option<Sub>, RevokeTokenError>) {
    let Some(judged) = &loaded.session else { return (Vec::new(), Ok(None)) };
    let session = &judged.session;
    if session.client_id != caller.client_id() {
        return (Vec::new(), Err(RevokeTokenError::NotYours));
    }
    if session.state != SessionState::Live {
        return (Vec::new(), Ok(None));
    }
    let mut writes = end(session, now, Why::SignedOut);
    if let Some(actor) = caller.actor() {
        let record = Record::by(&actor, Action::SessionEnded, now);
        writes.push(record.about(session.sub).to(session.sid).write());
    }
    (writes, Ok(Some(session.sub)))
}

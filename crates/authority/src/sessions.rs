//! A person's own sessions: seen, named, ended; and a short access token for a page.

use crate::Authority;
use crate::audit::{Action, Actor, Record};
use crate::authority::{transact, transact_at};
use crate::mint::{AccessToken, MintError, Reading, Unsigned};
use crate::present::Present;
use crate::refresh::end;
use crate::session::{Session, Why};
use crate::store::{AccountRef, Head, Judged, Load, Loaded, StoreError, Write};
use rescind_wire::id::{Sid, Sub};
use std::sync::Arc;

/// Longest name of a session, in characters.
pub const MAX_DEVICE: usize = 60;

/// Why nothing was done to a session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// No such session, or somebody else's: the same answer.
    #[error("no such session")]
    NotFound,
    /// An audience was asked for that the client does not have.
    #[error("the audience is not one that this client may ask for")]
    Audience,
    /// The session ended while the request was under way.
    #[error("the session has ended")]
    Ended,
    /// The store or the signing failed; nothing was changed.
    #[error("the change could not be made durable")]
    Unavailable(#[source] StoreError),
}

fn of_account(sub: Sub) -> Load {
    Load { account: Some(AccountRef::Sub(sub)), siblings: true, ..Load::default() }
}

/// Whether there is anything to end: nothing but time has ended it. What ends does not ask the clock, for a request
/// that keeps a session alive may not be written yet.
fn may_live(judged: &Judged, loaded: &Loaded) -> bool {
    judged.session.check(loaded.account.as_ref(), &judged.cutoffs, 0).is_ok()
}

/// The session of a view, if it lives and is this account's.
fn owned(loaded: &Loaded, sub: Sub, now: u64) -> Option<&Session> {
    loaded.alive(now).map(|(session, _)| session).filter(|session| session.sub == sub)
}

/// The sessions of a view that live at `now` (wall microseconds).
pub(crate) fn living(loaded: &Loaded, now: u64) -> impl Iterator<Item = &Session> {
    let alive =
        move |j: &&Judged| j.session.check(loaded.account.as_ref(), &j.cutoffs, now).is_ok();
    loaded.siblings.iter().filter(alive).map(|j| &j.session)
}

/// The writes that end a session from another one of its account, with the record of it.
fn end_elsewhere(session: &Session, now: u64) -> Vec<Write> {
    let actor = Actor::Account(session.sub);
    let record = Record::by(&actor, Action::SessionEnded, now).about(session.sub).to(session.sid);
    let mut writes = end(session, now, Why::EndedElsewhere);
    writes.push(record.write());
    writes
}

impl Authority {
    /// The live sessions of an account, newest first.
    pub async fn sessions(&self, sub: Sub) -> Result<Vec<Session>, StoreError> {
        let loaded = self.store.read(of_account(sub)).await?;
        let mut sessions: Vec<Session> = living(&loaded, self.clock.now().wall).cloned().collect();
        for session in &mut sessions {
            let touched = self.touched.of(session.sid).unwrap_or(0);
            session.last_seen_at = session.last_seen_at.max(touched);
        }
        Ok(sessions)
    }

    /// Ends one session of an account. Another account's session is not found.
    pub async fn end_session(&self, sub: Sub, sid: Sid) -> Result<Head, SessionError> {
        let now = self.clock.now().wall;
        let rule = move |loaded: &Loaded| {
            let found = loaded.session.as_ref().filter(|judged| may_live(judged, loaded));
            match found.map(|judged| &judged.session).filter(|session| session.sub == sub) {
                Some(session) => (end_elsewhere(session, now), Ok(())),
                None => (Vec::new(), Err(SessionError::NotFound)),
            }
        };
        let (found, head) = transact_at(&*self.store, Load::session(sid), rule)
            .await
            .map_err(SessionError::Unavailable)?;
        found?;
        tracing::info!(event = "session_ended", %sub, %sid);
        Ok(head)
    }

    /// Ends all sessions of an account but the present one; says how many. Nothing is ended if the
    /// present one is over: another may have taken its place in the same browser.
    pub async fn end_others(&self, present: &Present) -> Result<(usize, Head), SessionError> {
        let now = self.clock.now().wall;
        let (sub, keep) = (present.session.sub, present.session.sid);
        let (ended, head) = transact_at(&*self.store, of_account(sub), move |loaded| {
            let all = loaded.siblings.iter().filter(|judged| may_live(judged, loaded));
            let (kept, others): (Vec<_>, Vec<_>) =
                all.map(|judged| &judged.session).partition(|session| session.sid == keep);
            if kept.is_empty() {
                return (Vec::new(), Err(SessionError::Ended));
            }
            let writes = others.iter().flat_map(|session| end_elsewhere(session, now)).collect();
            (writes, Ok(others.len()))
        })
        .await
        .map_err(SessionError::Unavailable)?;
        let ended = ended?;
        tracing::info!(event = "other_sessions_ended", %sub, ended);
        Ok((ended, head))
    }

    /// Names one session of an account, or takes its name away.
    pub async fn name_session(
        &self,
        sub: Sub,
        sid: Sid,
        device: Option<String>,
    ) -> Result<(), SessionError> {
        let now = self.clock.now().wall;
        let rule = move |loaded: &Loaded| match owned(loaded, sub, now) {
            Some(_) => (vec![Write::NameSession { sid, device }], Ok(())),
            None => (Vec::new(), Err(SessionError::NotFound)),
        };
        let (found, _) = transact_at(&*self.store, Load::session(sid), rule)
            .await
            .map_err(SessionError::Unavailable)?;
        found
    }

    /// Mints an access token for the page of a cookie session. The line does not move; the session is
    /// checked anew, after the reading.
    pub async fn session_token(
        self: &Arc<Self>,
        present: &Present,
        asked: Vec<String>,
    ) -> Result<AccessToken, SessionError> {
        let me = Arc::clone(self);
        let rule = move |loaded: &Loaded| me.session_token_in(loaded, &asked);
        let load = Load { clients: true, ..Load::session(present.session.sid) };
        let minted = transact(&*self.store, load, rule).await;
        minted.map_err(SessionError::Unavailable)??.sign().map_err(SessionError::Unavailable)
    }

    fn session_token_in(
        &self,
        loaded: &Loaded,
        asked: &[String],
    ) -> (Vec<Write>, Result<Unsigned, SessionError>) {
        let now = self.clock.now();
        let Some((session, account)) = loaded.alive(now.wall) else {
            return (Vec::new(), Err(SessionError::Ended));
        };
        let granted = Self::granted(&loaded.clients, session);
        let Ok(audiences) = self.narrow(&granted, asked) else {
            return (Vec::new(), Err(SessionError::Audience));
        };
        let reading = Reading::of_store(&loaded.head, now);
        match self.mint(&reading, session, account, &audiences) {
            Ok((access, writes)) => (writes, Ok(access)),
            Err(MintError::Audience) => (Vec::new(), Err(SessionError::Audience)),
            Err(other) => (Vec::new(), Err(SessionError::Unavailable(other.into()))),
        }
    }
}

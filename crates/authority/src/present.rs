//! Whoever presents a session's own credential on an account route: the cookie, whose line moves on
//! ordinary requests, or a first-party refresh token as Bearer, which does not move there. What a
//! cookie is worth is decided in [`judge_cookie`], a pure function.

use crate::Authority;
use crate::account::Account;
use crate::authority::transact;
use crate::clients::FIRST_PARTY;
use crate::line::{Carrier, Line};
use crate::refresh::{CLOCK_ERROR, alarm, end_for_reuse};
use crate::secret::Secret;
use crate::session::{Session, Why};
use crate::settings::{Settings, micros};
use crate::store::{Head, Load, Loaded, StoreError, Write};
use std::sync::Arc;
use std::time::Duration;

/// A session that was just proven by its own credential.
#[derive(Debug, Clone)]
pub struct Present {
    /// The session, as it stands after this request.
    pub session: Session,
    /// Its account.
    pub account: Account,
    /// The head that was read before.
    pub head: Head,
    /// A cookie to set with the answer.
    pub set_cookie: Option<FreshCookie>,
}

/// A cookie value to hand out, unless the answer leaves too late: by then the next generation may
/// have been seen, and an older value in the jar would look like theft.
#[derive(Debug, Clone)]
pub struct FreshCookie {
    /// The line.
    pub value: Secret,
    /// Wall microseconds after which it must not be set any more.
    pub drop_after: u64,
}

/// Why a credential proves nothing.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PresentError {
    /// It is not good (any more). The caller learns nothing else.
    #[error("the credential is not valid")]
    Refused,
    /// A spent one, or one that was never given out: its session was ended. The caller learns nothing
    /// of that.
    #[error("the credential was spent: its session is ended")]
    Reuse(Box<Session>, Why),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a cookie is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CookieWorth {
    /// The current one. `first` time it is seen: that is written at once.
    Current {
        /// Never presented before.
        first: bool,
    },
    /// The current one, and due: the line moves and the new value is set.
    Due,
    /// The one before, and the current one was never seen: its Set-Cookie was lost. Served; set again.
    Again,
    /// The one before, from a request under way while the line moved. Served; nothing is set.
    UnderWay,
    /// A spent one: somebody has a copy.
    Theft,
    /// One that was never given out.
    FromTheFuture,
}

/// Judges a generation of a live session's cookie. A line moves only from a generation that was first
/// *seen* at least twice the grace time ago, so that requests still under way with the one before are
/// no theft. `now` is the wall clock in microseconds.
pub fn judge_cookie(
    session: &Session,
    generation: u32,
    grace: Duration,
    move_after: Duration,
    now: u64,
) -> CookieWorth {
    let due_after = micros(move_after).max(2 * micros(grace));
    if generation > session.generation {
        CookieWorth::FromTheFuture
    } else if generation == session.generation {
        match session.seen_at {
            None => CookieWorth::Current { first: true },
            Some(seen) if now.saturating_sub(seen) >= due_after => CookieWorth::Due,
            Some(_) => CookieWorth::Current { first: false },
        }
    } else if session.generation - generation > 1 {
        CookieWorth::Theft
    } else {
        match session.seen_at {
            None => CookieWorth::Again,
            Some(seen) if now <= seen.saturating_add(micros(grace)) => CookieWorth::UnderWay,
            Some(_) => CookieWorth::Theft,
        }
    }
}

/// What a cookie's request does: the writes, why it is refused, and the generation to set.
struct Step {
    writes: Vec<Write>,
    refused: Option<Why>,
    set: Option<u32>,
}

fn cookie_step(session: &Session, generation: u32, settings: &Settings, now: u64) -> Step {
    let sid = session.sid;
    let touch = session.worth_recording(now).then_some(Write::Touch { sid, at: now });
    let mut writes: Vec<Write> = touch.into_iter().collect();
    let current = session.generation;
    let worth = judge_cookie(session, generation, settings.grace, settings.move_after, now);
    match worth {
        CookieWorth::Current { first } => {
            if first {
                writes.push(Write::Seen { sid, generation, at: now });
            }
            Step { writes, refused: None, set: None }
        }
        CookieWorth::Due => {
            writes.push(Write::MoveLine { sid, from: current, at: now, move_key: None });
            Step { writes, refused: None, set: Some(current + 1) }
        }
        CookieWorth::Again => Step { writes, refused: None, set: Some(current) },
        CookieWorth::UnderWay => Step { writes, refused: None, set: None },
        CookieWorth::Theft | CookieWorth::FromTheFuture => {
            let theft = worth == CookieWorth::Theft;
            let why = if theft { Why::Reuse } else { Why::Rollback };
            Step { writes: end_for_reuse(session, now, why), refused: Some(why), set: None }
        }
    }
}

impl Authority {
    /// Judges a session cookie. Most requests cost one read; one that must write is decided again
    /// inside the transaction.
    pub async fn present_cookie(self: &Arc<Self>, value: &Secret) -> Result<Present, PresentError> {
        let opened = self.keyring().open_line(Carrier::Cookie, value.expose());
        let line = opened.ok_or(PresentError::Refused)?;
        let loaded = self.store.read(Load::session(line.sid)).await?;
        let (writes, answer) = self.cookie_in(&loaded, line);
        if writes.is_empty() {
            return answer;
        }
        let me = Arc::clone(self);
        let rule = move |loaded: &Loaded| me.cookie_in(loaded, line);
        let answer = transact(&*self.store, Load::session(line.sid), rule).await?;
        if let Err(PresentError::Reuse(session, why)) = &answer {
            alarm(session, *why);
        }
        answer
    }

    fn cookie_in(
        &self,
        loaded: &Loaded,
        line: Line,
    ) -> (Vec<Write>, Result<Present, PresentError>) {
        let now = self.clock.now().wall;
        let Some((session, account)) = self.alive(loaded, Carrier::Cookie, now) else {
            return (Vec::new(), Err(PresentError::Refused));
        };
        let step = cookie_step(session, line.generation, &self.settings, now);
        if let Some(why) = step.refused {
            return (step.writes, Err(PresentError::Reuse(Box::new(session.clone()), why)));
        }
        let set_cookie = step.set.map(|generation| FreshCookie {
            value: self.keyring().seal(Line { generation, ..line }),
            drop_after: now.saturating_add(micros(self.settings.grace)),
        });
        let present = Present {
            session: session.clone(),
            account: account.clone(),
            head: loaded.head,
            set_cookie,
        };
        (step.writes, Ok(present))
    }

    /// Judges a first-party refresh token as Bearer: the current one, or the one before within the
    /// grace time. Anything else is refused and ends nothing; theft is judged where tokens are spent.
    pub async fn present_bearer(&self, value: &Secret) -> Result<Present, PresentError> {
        let opened = self.keyring().open_line(Carrier::Token, value.expose());
        let line = opened.ok_or(PresentError::Refused)?;
        let loaded = self.store.read(Load::session(line.sid)).await?;
        let now = self.clock.now().wall;
        let (session, account) =
            self.alive(&loaded, Carrier::Token, now).ok_or(PresentError::Refused)?;
        let within_grace = session.reached_at <= now.saturating_add(CLOCK_ERROR)
            && now <= session.reached_at.saturating_add(micros(self.settings.grace));
        let current = line.generation == session.generation;
        let before = line.generation.checked_add(1) == Some(session.generation) && within_grace;
        if session.client_id != FIRST_PARTY || !(current || before) {
            return Err(PresentError::Refused);
        }
        Ok(Present {
            session: session.clone(),
            account: account.clone(),
            head: loaded.head,
            set_cookie: None,
        })
    }

    /// The session and account of a view, if the session lives.
    fn alive<'a>(
        &self,
        loaded: &'a Loaded,
        carrier: Carrier,
        now: u64,
    ) -> Option<(&'a Session, &'a Account)> {
        loaded.alive(now).filter(|(session, _)| session.carrier == carrier)
    }
}

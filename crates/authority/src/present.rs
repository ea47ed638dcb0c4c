//! Whoever presents a session's own credential on an account route: the cookie, whose line moves on
//! ordinary requests, or a first-party refresh token as Bearer, which does not move there. What a
//! cookie is worth is decided in [`judge_cookie`], a pure function.

use crate::Authority;
use crate::account::Account;
use crate::authority::transact;
use crate::clients::FIRST_PARTY;
use crate::held::Held;
use crate::line::{Carrier, Line};
use crate::refresh::{CLOCK_ERROR, alarm, end_for_reuse};
use crate::secret::Secret;
use crate::session::{Session, Standing, Why};
use crate::settings::{Settings, micros};
use crate::store::{Load, Loaded, StoreError, Write};
use std::sync::Arc;
use std::time::Duration;

/// A session that was just proven by its own credential.
#[derive(Debug, Clone)]
pub struct Present {
    /// The session with its account, as this request was judged by.
    pub session: Arc<Held>,
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
    stands: &Standing,
    generation: u32,
    grace: Duration,
    move_after: Duration,
    now: u64,
) -> CookieWorth {
    let due_after = micros(move_after).max(2 * micros(grace));
    if generation > stands.generation {
        CookieWorth::FromTheFuture
    } else if generation == stands.generation {
        match stands.seen_at {
            None => CookieWorth::Current { first: true },
            Some(seen) if now.saturating_sub(seen) >= due_after => CookieWorth::Due,
            Some(_) => CookieWorth::Current { first: false },
        }
    } else if stands.generation - generation > 1 {
        CookieWorth::Theft
    } else {
        match stands.seen_at {
            None => CookieWorth::Again,
            Some(seen) if now <= seen.saturating_add(micros(grace)) => CookieWorth::UnderWay,
            Some(_) => CookieWorth::Theft,
        }
    }
}

/// What a cookie's request does: what must be durable before it is answered, and the generation to set.
struct Step {
    write: Option<Write>,
    set: Option<u32>,
}

/// The step, or why the session is to be ended.
fn cookie_step(
    Line { sid, generation, .. }: Line,
    stands: &Standing,
    settings: &Settings,
    now: u64,
) -> Result<Step, Why> {
    let from = stands.generation;
    match judge_cookie(stands, generation, settings.grace, settings.move_after, now) {
        CookieWorth::Current { first } => {
            let write = first.then_some(Write::Seen { sid, generation, at: now });
            Ok(Step { write, set: None })
        }
        CookieWorth::Due => {
            let write = Some(Write::MoveLine { sid, from, at: now, move_key: None });
            Ok(Step { write, set: Some(from + 1) })
        }
        CookieWorth::Again => Ok(Step { write: None, set: Some(from) }),
        CookieWorth::UnderWay => Ok(Step { write: None, set: None }),
        CookieWorth::Theft => Err(Why::Reuse),
        CookieWorth::FromTheFuture => Err(Why::Rollback),
    }
}

/// Writes, and what is answered once they are durable.
type Decided = (Vec<Write>, Result<Present, PresentError>);

impl Authority {
    /// Judges a session cookie. Most requests are answered from memory; one that must write is decided
    /// inside the transaction.
    pub async fn present_cookie(self: &Arc<Self>, value: &Secret) -> Result<Present, PresentError> {
        let opened = self.keys_now().open_line(Carrier::Cookie, value.expose());
        let line = opened.ok_or(PresentError::Refused)?;
        let now = self.clock.now().wall;
        match self.held(line, now).map(|session| self.cookie_of(session, line, now)) {
            Some(Ok((None, present))) => return Ok(present),
            Some(_) => {}
            None => {
                let loaded = self.store.read(Load::session(line.sid)).await?;
                let (writes, answer) = self.cookie_in(&loaded, line);
                if writes.is_empty() {
                    return answer;
                }
            }
        }
        let me = Arc::clone(self);
        let rule = move |loaded: &Loaded| me.cookie_in(loaded, line);
        let answer = transact(&*self.store, Load::session(line.sid), rule).await?;
        if let Err(PresentError::Reuse(session, why)) = &answer {
            alarm(session, *why);
        }
        answer
    }

    /// The session of a line from memory, if it lives and is where this line is. Whatever else is presented, the
    /// store decides.
    fn held(&self, line: Line, now: u64) -> Option<Arc<Held>> {
        self.store.held(line.sid).filter(|session| {
            let stands = session.standing();
            session.kind.carrier == line.carrier
                && stands.generation == line.generation
                && now < stands.ends_at()
        })
    }

    fn cookie_in(&self, loaded: &Loaded, line: Line) -> Decided {
        let now = self.clock.now().wall;
        let Some((session, account)) = self.alive(loaded, Carrier::Cookie, now) else {
            return (Vec::new(), Err(PresentError::Refused));
        };
        match self.cookie_of(Held::alone(&session, account), line, now) {
            Ok((write, present)) => (write.into_iter().collect(), Ok(present)),
            Err(why) => {
                let writes = end_for_reuse(&session, now, why);
                (writes, Err(PresentError::Reuse(Box::new(session), why)))
            }
        }
    }

    /// The session and account of a view, if the session lives and has this carrier. Its last request may still be
    /// to be written.
    fn alive<'a>(
        &self,
        loaded: &'a Loaded,
        carrier: Carrier,
        now: u64,
    ) -> Option<(Session, &'a Account)> {
        let (judged, account) = (loaded.session.as_ref()?, loaded.account.as_ref()?);
        let mut session = judged.session.clone();
        let touched = self.touched.of(session.sid).unwrap_or(0);
        session.last_seen_at = session.last_seen_at.max(touched);
        session.check(Some(account), &judged.cutoffs, now).ok()?;
        (session.carrier == carrier).then_some((session, account))
    }

    /// What must be durable before the answer, and the answer; or why the session is to be ended.
    fn cookie_of(
        &self,
        session: Arc<Held>,
        line: Line,
        now: u64,
    ) -> Result<(Option<Write>, Present), Why> {
        let stands = session.standing();
        let step = cookie_step(line, &stands, &self.settings, now)?;
        self.touch(&session, now);
        let set_cookie = step.set.map(|generation| FreshCookie {
            value: self.keys_now().seal(Line { generation, ..line }),
            drop_after: now.saturating_add(micros(self.settings.grace)),
        });
        Ok((step.write, Present { session, set_cookie }))
    }

    /// Judges a first-party refresh token as Bearer: the current one, or the one before within the
    /// grace time. Anything else is refused and ends nothing; theft is judged where tokens are spent.
    pub async fn present_bearer(&self, value: &Secret) -> Result<Present, PresentError> {
        let opened = self.keys_now().open_line(Carrier::Token, value.expose());
        let line = opened.ok_or(PresentError::Refused)?;
        let now = self.clock.now().wall;
        if let Some(session) = self.held(line, now) {
            return of_first_party(session);
        }
        let loaded = self.store.read(Load::session(line.sid)).await?;
        let now = self.clock.now().wall;
        let (session, account) =
            self.alive(&loaded, Carrier::Token, now).ok_or(PresentError::Refused)?;
        let within_grace = session.reached_at <= now.saturating_add(CLOCK_ERROR)
            && now <= session.reached_at.saturating_add(micros(self.settings.grace));
        let current = line.generation == session.generation;
        let before = line.generation.checked_add(1) == Some(session.generation) && within_grace;
        match current || before {
            true => of_first_party(Held::alone(&session, account)),
            false => Err(PresentError::Refused),
        }
    }
}

fn of_first_party(session: Arc<Held>) -> Result<Present, PresentError> {
    match session.kind.client_id == FIRST_PARTY {
        true => Ok(Present { session, set_cookie: None }),
        false => Err(PresentError::Refused),
    }
}

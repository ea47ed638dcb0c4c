//! `grant_type=refresh_token`: a refresh token is judged, the line moves to its next generation, and a
//! fresh access token is minted. What a token used twice means is decided in [`judge`], a pure
//! function; why so stands in `docs/attacks.md`.

use crate::Authority;
use crate::audit::{Action, Actor, Record};
use crate::authority::transact;
use crate::line::{Carrier, Line};
use crate::mint::{AccessToken, MintError, Reading, Unsigned};
use crate::secret::Secret;
use crate::session::{Session, Why};
use crate::settings::micros;
use crate::store::{Load, Loaded, StoreError, Write};
use rescind_wire::equal_in_constant_time;
use rescind_wire::id::Sub;
use rescind_wire::revocation::Target;
use std::sync::Arc;
use std::time::Duration;

/// Shortest Idempotency-Key, in characters: 128 random bits in base64url.
pub const MIN_IDEMPOTENCY_KEY: usize = 22;
/// Longest Idempotency-Key, in characters.
pub const MAX_IDEMPOTENCY_KEY: usize = 255;

/// How far two readings of the wall clock may be out of order, in microseconds.
pub(crate) const CLOCK_ERROR: u64 = 5_000_000;

/// A request to refresh.
#[derive(Debug)]
pub struct RefreshCommand {
    /// The refresh token as it came.
    pub refresh_token: Secret,
    /// The client that asks; authenticated if it is confidential.
    pub client_id: String,
    /// The Idempotency-Key header.
    pub idempotency_key: Option<Secret>,
    /// Audiences asked for; empty for all.
    pub audiences: Vec<String>,
}

/// What a refresh gives.
#[derive(Debug)]
pub struct Refreshed {
    /// The access token.
    pub access: AccessToken,
    /// The one current refresh token.
    pub refresh_token: Secret,
}

/// Why a refresh gives nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RefreshError {
    /// The token is not good (any more). The caller learns nothing else.
    #[error("the refresh token is not valid")]
    InvalidGrant,
    /// A spent one, or one that was never given out: its session was ended. The caller is told the same
    /// as [`RefreshError::InvalidGrant`].
    #[error("the refresh token was spent: its session is ended")]
    Reuse(Box<Session>, Why),
    /// A quicker request of the same client has refreshed: its answer has the current token.
    #[error("another request has just refreshed this session: use the token it was given")]
    Superseded,
    /// The Idempotency-Key is malformed, or was used for the move that led to this very token.
    #[error("draw a new Idempotency-Key of 22 to 255 characters for each refresh")]
    BadIdempotencyKey,
    /// An audience was asked for that the client does not have.
    #[error("the audience is not one that this client may ask for")]
    Audience,
    /// The store failed, and nothing was changed. Or the signing did: then it is as if the answer were lost.
    #[error("the refresh could not be made durable")]
    Unavailable(#[source] StoreError),
}

/// What a refresh token is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worth {
    /// The current one: the line moves.
    Move,
    /// The one before, sent again by the client that spent it: the same successor.
    Repeat,
    /// The one before, from another request of the session's client: nothing given, nothing ended.
    Superseded,
    /// The current one with the key of the move that led to it.
    SpentKey,
    /// A spent one: somebody has a copy.
    Theft,
    /// One that was never given out: the store was rolled back, or a key is stolen.
    FromTheFuture,
}

impl Worth {
    /// Its name in the log.
    fn name(self) -> &'static str {
        match self {
            Worth::Move => "move",
            Worth::Repeat => "repeat",
            Worth::Superseded => "superseded",
            Worth::SpentKey => "spent_key",
            Worth::Theft => "theft",
            Worth::FromTheFuture => "from_the_future",
        }
    }
}

/// Judges a generation of a live session's refresh token. First matching row of the table in
/// `docs/architecture.md`. `now` is the wall clock in microseconds.
pub fn judge(
    session: &Session,
    generation: u32,
    move_key: Option<&[u8; 32]>,
    grace: Duration,
    now: u64,
) -> Worth {
    let key_fits = match (&session.move_key, move_key) {
        (Some(stored), Some(sent)) => equal_in_constant_time(stored, sent),
        _ => false,
    };
    if generation > session.generation {
        return Worth::FromTheFuture;
    }
    if generation == session.generation {
        return if key_fits { Worth::SpentKey } else { Worth::Move };
    }
    // A clock that was set back must not stretch the grace time: before the move nothing is repeated.
    let clock_went_back = session.reached_at > now.saturating_add(CLOCK_ERROR);
    let within_grace = now <= session.reached_at.saturating_add(micros(grace));
    let neither_has_a_key = session.move_key.is_none() && move_key.is_none();
    if session.generation - generation > 1 {
        Worth::Theft
    } else if key_fits || (neither_has_a_key && within_grace && !clock_went_back) {
        Worth::Repeat
    } else if within_grace {
        Worth::Superseded
    } else {
        Worth::Theft
    }
}

/// A refresh token whose tag is good, as a client presents it.
#[derive(Debug)]
pub struct Presented<'a> {
    /// Its generation.
    pub generation: u32,
    /// The client.
    pub client_id: &'a str,
    /// Keyed hash of the Idempotency-Key.
    pub move_key: Option<[u8; 32]>,
}

/// Decides a refresh in the transaction: the generation to give out and what the token was worth, or why
/// nothing is given; with the writes in either case. `now` is the wall clock in microseconds.
pub fn decide(
    loaded: &Loaded,
    presented: &Presented<'_>,
    grace: Duration,
    now: u64,
) -> (Vec<Write>, Result<(u32, Worth), Refused>) {
    let refused = |error| (Vec::new(), Err(because(error)));
    let invalid = |why| (Vec::new(), Err((RefreshError::InvalidGrant, why)));
    let Some(judged) = &loaded.session else { return invalid("gone") };
    let session = &judged.session;
    if session.client_id != presented.client_id || session.carrier != Carrier::Token {
        return invalid("client");
    }
    if let Err(dead) = session.check(loaded.account.as_ref(), &judged.cutoffs, now) {
        return invalid(dead.name());
    }
    let Presented { generation, move_key, .. } = *presented;
    let worth = judge(session, generation, move_key.as_ref(), grace, now);
    match worth {
        Worth::Move => {
            let (sid, from) = (session.sid, session.generation);
            (vec![Write::MoveLine { sid, from, at: now, move_key }], Ok((from + 1, worth)))
        }
        Worth::Repeat => (Vec::new(), Ok((session.generation, worth))),
        Worth::Superseded => refused(RefreshError::Superseded),
        Worth::SpentKey => refused(RefreshError::BadIdempotencyKey),
        Worth::Theft | Worth::FromTheFuture => {
            let why = if worth == Worth::Theft { Why::Reuse } else { Why::Rollback };
            let spent = RefreshError::Reuse(Box::new(session.clone()), why);
            (end_for_reuse(session, now, why), Err(because(spent)))
        }
    }
}

/// The writes that end a session and tell every verifier.
pub(crate) fn end(session: &Session, at: u64, why: Why) -> Vec<Write> {
    vec![
        Write::EndSession { sid: session.sid, at, why },
        Write::Revoke(Target::Session(session.sid)),
    ]
}

/// The writes that end a session whose spent or never given credential came, with the record of it.
pub(crate) fn end_for_reuse(session: &Session, at: u64, why: Why) -> Vec<Write> {
    let record = Record::by(&Actor::Rule, Action::Reuse, at).about(session.sub).to(session.sid);
    let mut writes = end(session, at, why);
    writes.push(record.write());
    writes
}

impl Authority {
    /// Refreshes. A spent token ends the session in the same transaction although the request fails.
    pub async fn refresh(
        self: &Arc<Self>,
        command: RefreshCommand,
    ) -> Result<Refreshed, RefreshError> {
        let opened = self.keyring().open_line(Carrier::Token, command.refresh_token.expose());
        let sid = opened.map(|line| tracing::field::display(line.sid));
        let done = match opened {
            Some(line) => self.refresh_line(command, line).await,
            None => Err((RefreshError::InvalidGrant, "unknown")),
        };
        match done {
            Ok((refreshed, sub, worth)) => {
                tracing::info!(event = "refreshed", sid, %sub, worth = worth.name());
                Ok(refreshed)
            }
            Err((error, why)) => {
                tracing::info!(event = "refresh_refused", sid, why);
                if let RefreshError::Reuse(session, why) = &error {
                    alarm(session, *why);
                }
                Err(error)
            }
        }
    }

    async fn refresh_line(
        self: &Arc<Self>,
        command: RefreshCommand,
        line: Line,
    ) -> Result<(Refreshed, Sub, Worth), Refused> {
        let unavailable = |error| because(RefreshError::Unavailable(error));
        let move_key = match &command.idempotency_key {
            None => None,
            Some(key) if usable_idempotency_key(key.expose()) => {
                Some(self.keyring().move_key(line.sid, key.expose()))
            }
            Some(_) => return Err(because(RefreshError::BadIdempotencyKey)),
        };
        let me = Arc::clone(self);
        let load = Load { clients: true, ..Load::session(line.sid) };
        let rule = move |loaded: &Loaded| me.refresh_in(loaded, line, &command, move_key);
        let decided = transact(&*self.store, load, rule).await.map_err(unavailable)?;
        let Granted { access, generation, sub, worth } = decided?;
        let access = access.sign().map_err(unavailable)?;
        let refresh_token = self.keyring().seal(Line { generation, ..line });
        Ok((Refreshed { access, refresh_token }, sub, worth))
    }

    fn refresh_in(
        &self,
        loaded: &Loaded,
        line: Line,
        command: &RefreshCommand,
        move_key: Option<[u8; 32]>,
    ) -> (Vec<Write>, Result<Granted, Refused>) {
        let now = self.clock.now();
        let refused = |error| (Vec::new(), Err(because(error)));
        let Line { generation, .. } = line;
        let presented = Presented { generation, client_id: &command.client_id, move_key };
        let (mut writes, decided) = decide(loaded, &presented, self.settings.grace, now.wall);
        let (generation, worth) = match decided {
            Ok(decided) => decided,
            Err(why_not) => return (writes, Err(why_not)),
        };
        let Some((session, account)) = loaded.alive(now.wall) else {
            return refused(RefreshError::InvalidGrant);
        };
        // After the judgement: a spent token is theft, whatever else the request asks for.
        let granted = Self::granted(&loaded.clients, session);
        let Ok(audiences) = self.narrow(&granted, &command.audiences) else {
            return refused(RefreshError::Audience);
        };
        let reading = Reading::of_store(&loaded.head, now);
        match self.mint(&reading, session, account, &audiences) {
            Err(error) => refused(minting_failed(error)),
            Ok((access, more)) => {
                writes.extend(more);
                (writes, Ok(Granted { access, generation, sub: session.sub, worth }))
            }
        }
    }
}

/// What was decided in the transaction, with what the log says of it.
struct Granted {
    access: Unsigned,
    generation: u32,
    sub: Sub,
    worth: Worth,
}

/// Why nothing is given, and what the log says of it.
pub type Refused = (RefreshError, &'static str);

fn because(error: RefreshError) -> Refused {
    let why = match &error {
        RefreshError::InvalidGrant => "unknown",
        RefreshError::Reuse(..) => "reuse",
        RefreshError::Superseded => "superseded",
        RefreshError::BadIdempotencyKey => "idempotency_key",
        RefreshError::Audience => "audience",
        RefreshError::Unavailable(_) => "unavailable",
    };
    (error, why)
}

fn usable_idempotency_key(key: &str) -> bool {
    (MIN_IDEMPOTENCY_KEY..=MAX_IDEMPOTENCY_KEY).contains(&key.len())
        && key.bytes().all(|b| b.is_ascii_graphic())
}

fn minting_failed(error: MintError) -> RefreshError {
    match error {
        MintError::Audience => RefreshError::Audience,
        other => RefreshError::Unavailable(other.into()),
    }
}

/// A credential was used that only a copy or a rollback can explain.
pub(crate) fn alarm(session: &Session, why: Why) {
    tracing::warn!(
        event = "credential_reuse",
        alarm = true,
        sid = %session.sid,
        sub = %session.sub,
        why = why.name(),
        "a spent credential was presented: the session is ended"
    );
}

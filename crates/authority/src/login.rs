//! Signing in: throttle, hash, then one transaction that reads the head, reads the account again and
//! inserts the session. A sign-in that commits after a ban is refused; one before it is dead by its
//! entry.

use crate::Authority;
use crate::account::{Account, AccountState};
use crate::authority::transact;
use crate::clients::FIRST_PARTY;
use crate::clock::{Now, random};
use crate::hash::{Busy, Verdict};
use crate::line::{Carrier, Line};
use crate::mint::{AccessToken, MintError, Reading, Unsigned};
use crate::name::Name;
use crate::password::Password;
use crate::refresh::end;
use crate::secret::Secret;
use crate::session::{Session, SessionState, Why};
use crate::sessions::living;
use crate::settings::micros;
use crate::store::{AccountRef, Load, Loaded, StoreError, Write};
use crate::throttle::{Charge, Source, retry_after};
use rescind_wire::id::{Sid, Sub};
use std::sync::Arc;

/// Longest text that a client may say of itself, in characters.
pub const MAX_LABEL: usize = 200;

/// A request to sign in, already parsed and bounded.
#[derive(Debug)]
pub struct LoginCommand {
    /// Who.
    pub name: Name,
    /// The password.
    pub password: Password,
    /// Cookie, or tokens in the body.
    pub carrier: Carrier,
    /// Whether a cookie session shall outlive the day.
    pub remember: bool,
    /// The client; only the first-party one signs in with a password.
    pub client_id: String,
    /// Audiences asked for; empty for all.
    pub audiences: Vec<String>,
    /// A name for the device.
    pub device: Option<String>,
    /// How the program calls itself.
    pub user_agent: Option<String>,
    /// Where the request came from.
    pub source: Source,
    /// A session cookie that came along: its session is ended, never adopted.
    pub presented: Option<Secret>,
}

/// A new session.
#[derive(Debug)]
pub struct LoggedIn {
    /// The session.
    pub session: Session,
    /// Its account.
    pub account: Account,
    /// Its credential: the cookie's value or the refresh token.
    pub credential: Secret,
    /// An access token, if tokens were asked for.
    pub access: Option<AccessToken>,
}

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// Name or password is wrong, or the account may not sign in. The caller learns nothing else.
    #[error("name or password is wrong")]
    Credentials,
    /// Too many failures: wait so many seconds.
    #[error("too many attempts")]
    Throttled {
        /// Seconds.
        retry_after: u64,
    },
    /// All hashing threads are busy and the queue is full.
    #[error("too many sign-ins at this moment")]
    Busy,
    /// Another client than the first-party one.
    #[error("only first-party clients sign in with a password")]
    Client,
    /// Tokens were asked for, but for an audience that does not exist.
    #[error("no such audience: register the API server with `rescind client add`")]
    Audience,
    /// The store failed, and nothing was changed. Or the signing did: then a session is open that nobody has.
    #[error("the sign-in could not be made durable")]
    Unavailable(#[source] StoreError),
}

impl LoginError {
    /// Its name in the log.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            LoginError::Credentials => "credentials",
            LoginError::Throttled { .. } => "throttled",
            LoginError::Busy => "busy",
            LoginError::Client => "client",
            LoginError::Audience => "audience",
            LoginError::Unavailable(_) => "unavailable",
        }
    }
}

impl From<Busy> for LoginError {
    fn from(_: Busy) -> Self {
        LoginError::Busy
    }
}

/// What was decided in the transaction.
struct Opened {
    session: Session,
    account: Account,
    access: Option<Unsigned>,
}

/// What the password check has found out before the transaction.
pub struct Checked {
    /// Whose password it is.
    pub sub: Sub,
    /// Which password it was checked against.
    pub version: u32,
    /// A better hash of it, if the stored one is outdated.
    pub rehashed: Option<String>,
}

/// Opens a session in the transaction: born at the head, for an account that is active and whose password is
/// still the checked one; `None` otherwise. A session that is presented is ended, and the account's oldest
/// beyond `most`. `now` is the wall clock in microseconds.
pub fn open(
    loaded: &Loaded,
    session: Session,
    checked: &Checked,
    most: usize,
    now: u64,
) -> Option<(Vec<Write>, Session)> {
    let unchanged = |account: &&Account| {
        account.state == AccountState::Active && account.password_version == checked.version
    };
    let account = loaded.account.as_ref().filter(unchanged)?;
    let session = Session { rv: loaded.head.ts, ..session };
    let mut writes = vec![Write::InsertSession(Box::new(session.clone()))];
    if let Some(password_hash) = checked.rehashed.clone() {
        let if_version = checked.version;
        writes.push(Write::Rehash { sub: account.sub, if_version, password_hash });
    }
    if let Some(old) = &loaded.session {
        writes.extend(end(&old.session, now, Why::NewSignIn));
    }
    let presented = loaded.session.as_ref().map(|old| old.session.sid);
    let kept = living(loaded, now).filter(|s| Some(s.sid) != presented);
    for oldest in kept.skip(most.max(1) - 1) {
        writes.extend(end(oldest, now, Why::TooMany));
    }
    Some((writes, session))
}

impl Authority {
    /// Signs in.
    pub async fn login(self: &Arc<Self>, command: LoginCommand) -> Result<LoggedIn, LoginError> {
        let address = command.source.text();
        let outcome = self.try_login(command).await;
        match &outcome {
            Ok(LoggedIn { session, .. }) => {
                tracing::info!(event = "signed_in", sub = %session.sub, sid = %session.sid);
            }
            Err(error) => tracing::info!(event = "sign_in_failed", why = error.name(), address),
        }
        outcome
    }

    async fn try_login(self: &Arc<Self>, command: LoginCommand) -> Result<LoggedIn, LoginError> {
        if command.client_id != FIRST_PARTY {
            return Err(LoginError::Client);
        }
        // Before the store is read: who has to wait anyway costs it nothing, and learns nothing by the time.
        self.throttle
            .waits(&command.name, &command.source, self.clock.now().boot)
            .map_err(|wait| LoginError::Throttled { retry_after: retry_after(wait) })?;
        self.hasher.admit()?;
        let load =
            Load { account: Some(AccountRef::Name(command.name.clone())), ..Load::default() };
        let found = self.store.read(load).await.map_err(LoginError::Unavailable)?.account;
        let charge = self.charge(&command.name, found.as_ref(), &command.source).await?;
        let outcome = self.login_charged(command, found).await;
        match &outcome {
            Ok(_) => charge.succeed(&self.throttle, self.clock.now().boot),
            Err(LoginError::Credentials) => Charge::keep(charge),
            Err(_) => charge.give_back(&self.throttle),
        }
        outcome
    }

    /// Counts an attempt as a failure before anything is computed for it.
    pub(crate) async fn charge(
        &self,
        name: &Name,
        account: Option<&Account>,
        source: &Source,
    ) -> Result<Charge, LoginError> {
        let sub = account.map(|account| account.sub);
        self.recall_home(name, sub).await.map_err(LoginError::Unavailable)?;
        self.throttle
            .charge(name, sub, source, self.clock.now().boot)
            .map_err(|wait| LoginError::Throttled { retry_after: retry_after(wait) })
    }

    async fn login_charged(
        self: &Arc<Self>,
        command: LoginCommand,
        found: Option<Account>,
    ) -> Result<LoggedIn, LoginError> {
        let checked = self.check_password(found, &command.password).await?;
        let session = self.new_session(&command, checked.sub);
        let presented = command
            .presented
            .as_ref()
            .and_then(|text| self.keyring().open_line(Carrier::Cookie, text.expose()))
            .map(|line| line.sid);
        let load = Load {
            account: Some(AccountRef::Sub(checked.sub)),
            session: presented,
            siblings: true,
            clients: command.carrier == Carrier::Token,
            ..Load::default()
        };
        let me = Arc::clone(self);
        let rule = move |loaded: &Loaded| me.login_in(loaded, session, &checked);
        let opened =
            transact(&*self.store, load, rule).await.map_err(LoginError::Unavailable)??;
        let Opened { session, account, access } = opened;
        let access = access.map(Unsigned::sign).transpose().map_err(LoginError::Unavailable)?;
        let line = Line { carrier: session.carrier, sid: session.sid, generation: 0 };
        let credential = self.keyring().seal(line);
        Ok(LoggedIn { session, account, credential, access })
    }

    /// Verifies the password against the account's hash, or a dummy hash of the same cost.
    pub(crate) async fn check_password(
        &self,
        found: Option<Account>,
        password: &Password,
    ) -> Result<Checked, LoginError> {
        let stored = found.as_ref().map(|account| account.password_hash.clone());
        let verdict = self.hasher.verify(stored, password).await?;
        let (Some(account), Verdict::Right { outdated }) = (found, verdict) else {
            return Err(LoginError::Credentials);
        };
        let rehashed = match outdated {
            true => Some(self.hasher.hash(password, random(&*self.entropy)).await?),
            false => None,
        };
        Ok(Checked { sub: account.sub, version: account.password_version, rehashed })
    }

    fn new_session(&self, command: &LoginCommand, sub: Sub) -> Session {
        let now = self.clock.now().wall;
        let long = command.remember || command.carrier == Carrier::Token;
        let life = if long { self.settings.long_life } else { self.settings.cookie_life };
        Session {
            sid: Sid::from_bytes(random(&*self.entropy)),
            sub,
            client_id: command.client_id.clone(),
            audiences: command.audiences.clone(),
            carrier: command.carrier,
            rv: 0,
            created_at: now,
            auth_time: now,
            amr: vec!["pwd".into()],
            idle: micros(life.idle),
            expires_at: now.saturating_add(micros(life.absolute)),
            last_seen_at: now,
            generation: 0,
            reached_at: now,
            seen_at: None,
            move_key: None,
            state: SessionState::Live,
            device: command.device.clone(),
            user_agent: command.user_agent.clone(),
            address: command.source.address_text(),
            remembered: command.remember,
        }
    }

    fn login_in(
        &self,
        loaded: &Loaded,
        session: Session,
        checked: &Checked,
    ) -> (Vec<Write>, Result<Opened, LoginError>) {
        let now = self.clock.now();
        let opened = open(loaded, session, checked, self.settings.max_sessions, now.wall);
        let (Some((mut writes, session)), Some(account)) = (opened, &loaded.account) else {
            return (Vec::new(), Err(LoginError::Credentials));
        };
        let access = match session.carrier {
            Carrier::Cookie => Ok(None),
            Carrier::Token => self.first_token(loaded, &session, account, now).map(Some),
        };
        match access {
            Ok(access) => {
                let access = access.map(|(access, more)| {
                    writes.extend(more);
                    access
                });
                (writes, Ok(Opened { session, account: account.clone(), access }))
            }
            Err(MintError::Audience) => (Vec::new(), Err(LoginError::Audience)),
            Err(other) => (Vec::new(), Err(LoginError::Unavailable(other.into()))),
        }
    }

    fn first_token(
        &self,
        loaded: &Loaded,
        session: &Session,
        account: &Account,
        now: Now,
    ) -> Result<(Unsigned, Vec<Write>), MintError> {
        let granted = Self::granted(&loaded.clients, session);
        let audiences = self.narrow(&granted, &session.audiences)?;
        self.mint(&Reading::of_store(&loaded.head, now), session, account, &audiences)
    }
}

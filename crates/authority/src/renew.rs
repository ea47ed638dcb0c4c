//! Proving oneself again, and changing the password: both put a new session in the old one's place, so
//! that whoever has copied the old credential has nothing. The new session is born at its own entry's
//! log time, after account and cut-offs were checked again in the same transaction.

use crate::Authority;
use crate::account::Account;
use crate::audit::{Action, Actor, Record};
use crate::authority::transact;
use crate::clock::random;
use crate::line::Line;
use crate::login::{Checked, LoginError};
use crate::password::Password;
use crate::present::Present;
use crate::secret::Secret;
use crate::session::Session;
use crate::store::{AccountRef, Load, Loaded, StoreError, Write};
use crate::throttle::{Charge, Source};
use rescind_wire::id::Sid;
use rescind_wire::revocation::Target;
use std::sync::Arc;

/// A session in the place of another.
#[derive(Debug)]
pub struct Renewed {
    /// The new session.
    pub session: Session,
    /// Its credential: the cookie's value or the refresh token.
    pub credential: Secret,
}

/// Why nothing was renewed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenewError {
    /// The present password is wrong, or must wait, or the store failed: as at sign-in.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The new password is among the first that anybody would guess.
    #[error("the new password is too easy to guess")]
    Guessable,
    /// The session ended while the password was checked.
    #[error("the session has ended")]
    Ended,
}

impl From<StoreError> for RenewError {
    fn from(error: StoreError) -> Self {
        RenewError::Login(LoginError::Unavailable(error))
    }
}

/// Puts a new session in the place of the loaded one, if that lives and the password is still the checked
/// one; `None` otherwise. With a new password everything else that the account holds is taken back. `now`
/// is the wall clock in microseconds.
pub fn replace(
    loaded: &Loaded,
    new_sid: Sid,
    checked: &Checked,
    new_hash: Option<String>,
    now: u64,
) -> Option<(Vec<Write>, Session)> {
    let unchanged = |account: &Account| account.password_version == checked.version;
    let (old, _) = loaded.alive(now).filter(|(_, account)| unchanged(account))?;
    let session = Session {
        sid: new_sid,
        auth_time: now,
        last_seen_at: now,
        generation: 0,
        reached_at: now,
        seen_at: None,
        move_key: None,
        ..old.clone()
    };
    let mut writes = vec![Write::Revoke(Target::Session(old.sid))];
    let (sub, if_version) = (old.sub, checked.version);
    if let Some(password_hash) = new_hash {
        writes.push(Write::SetPassword { sub, if_version, password_hash });
        writes.push(Write::Revoke(Target::Subject(sub)));
        let record = Record::by(&Actor::Account(sub), Action::Password, now).about(sub);
        writes.push(record.write());
    } else if let Some(password_hash) = checked.rehashed.clone() {
        writes.push(Write::Rehash { sub, if_version, password_hash });
    }
    let new = Box::new(session.clone());
    writes.push(Write::ReplaceSession { old: old.sid, at: now, new });
    Some((writes, session))
}

impl Authority {
    /// Checks the password again: `auth_time` is now, the session's id and credential are new, its
    /// absolute end stays.
    pub async fn reauthenticate(
        self: &Arc<Self>,
        present: &Present,
        password: &Password,
        source: &Source,
    ) -> Result<Renewed, RenewError> {
        let checked = self.check_present_password(present, password, source).await?;
        let renewed = self.replace(present, checked, None).await?;
        tracing::info!(event = "reauthenticated", sub = %present.session.sub, sid = %renewed.session.sid);
        Ok(renewed)
    }

    /// Changes the password. Everything the account holds is taken back but the new session that is
    /// returned.
    pub async fn change_password(
        self: &Arc<Self>,
        present: &Present,
        password: &Password,
        new: &Password,
        source: &Source,
    ) -> Result<Renewed, RenewError> {
        let checked = self.check_present_password(present, password, source).await?;
        let account = self.account_of(present).await?;
        let easy = self.hasher.is_guessable(new, &account.name, &self.settings.issuer).await;
        if easy.map_err(LoginError::from)? {
            // Counts like a wrong one: it costs the hashing threads as much or more.
            Charge::keep(self.charge(&account.name, Some(&account), source).await?);
            return Err(RenewError::Guessable);
        }
        let hashed = self.hasher.hash(new, random(&*self.entropy)).await;
        let hashed = hashed.map_err(LoginError::from)?;
        let renewed = self.replace(present, checked, Some(hashed)).await?;
        tracing::info!(event = "password_changed", sub = %present.session.sub, sid = %renewed.session.sid);
        Ok(renewed)
    }

    /// Shares the counters of sign-in: a stolen session cannot be used to guess the password.
    async fn check_present_password(
        &self,
        present: &Present,
        password: &Password,
        source: &Source,
    ) -> Result<Checked, LoginError> {
        let checked = self.try_present_password(present, password, source).await;
        if let Err(error) = &checked {
            let (why, address) = (error.name(), source.text());
            let sub = present.session.sub;
            tracing::info!(event = "reauthentication_failed", why, %sub, address);
        }
        checked
    }

    async fn try_present_password(
        &self,
        present: &Present,
        password: &Password,
        source: &Source,
    ) -> Result<Checked, LoginError> {
        let account = self.account_of(present).await?;
        let charge = self.charge(&account.name, Some(&account), source).await?;
        let outcome = self.check_password(Some(account), password).await;
        match &outcome {
            Err(LoginError::Credentials) => Charge::keep(charge),
            Ok(_) => charge.succeed(&self.throttle, self.clock.now().boot),
            Err(_) => charge.give_back(&self.throttle),
        }
        outcome
    }

    /// With its password's hash, which no session is held with. One that was deleted has none.
    async fn account_of(&self, present: &Present) -> Result<Account, LoginError> {
        let account = Some(AccountRef::Sub(present.session.sub));
        let loaded = self.store.read(Load { account, ..Load::default() }).await;
        loaded.map_err(LoginError::Unavailable)?.account.ok_or(LoginError::Credentials)
    }

    async fn replace(
        self: &Arc<Self>,
        present: &Present,
        checked: Checked,
        new_hash: Option<String>,
    ) -> Result<Renewed, RenewError> {
        let old = present.session.sid;
        let new_sid = Sid::from_bytes(random(&*self.entropy));
        let me = Arc::clone(self);
        let rule = move |loaded: &Loaded| me.replace_in(loaded, new_sid, &checked, new_hash);
        transact(&*self.store, Load::session(old), rule).await?
    }

    fn replace_in(
        &self,
        loaded: &Loaded,
        new_sid: Sid,
        checked: &Checked,
        new_hash: Option<String>,
    ) -> (Vec<Write>, Result<Renewed, RenewError>) {
        let now = self.clock.now().wall;
        let Some((writes, session)) = replace(loaded, new_sid, checked, new_hash, now) else {
            return (Vec::new(), Err(RenewError::Ended));
        };
        let line = Line { carrier: session.carrier, sid: new_sid, generation: 0 };
        let credential = self.keyring().seal(line);
        (writes, Ok(Renewed { session, credential }))
    }
}

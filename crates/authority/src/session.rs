//! A session as the store keeps it, and what decides whether it lives.

use crate::account::{Account, AccountState};
use crate::line::Carrier;
use rescind_wire::id::{Sid, Sub};
use rescind_wire::revocation::{RevocationKey, Scope, Target, kills};

/// How long the row of a session that is over is kept, in microseconds.
pub const KEPT_WHEN_OVER: u64 = 24 * 3600 * 1_000_000;

/// One session. Times are microseconds since 1970 UTC.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Session {
    /// Its id.
    pub sid: Sid,
    /// Whose it is.
    pub sub: Sub,
    /// The client it was opened by.
    pub client_id: String,
    /// The audiences its tokens may be for, as asked for at sign-in; empty for all of the realm.
    pub audiences: Vec<String>,
    /// What carries its line.
    pub carrier: Carrier,
    /// Log time that was read before the session was born: it lives iff no cut-off is newer.
    pub rv: u64,
    /// When it was opened.
    pub created_at: u64,
    /// When the person last proved who they are.
    pub auth_time: u64,
    /// How (RFC 8176).
    pub amr: Vec<String>,
    /// Idle life, in microseconds.
    pub idle: u64,
    /// Absolute end. Never moves.
    pub expires_at: u64,
    /// Last request that was recorded.
    pub last_seen_at: u64,
    /// Current generation of the line.
    pub generation: u32,
    /// When the line reached it.
    pub reached_at: u64,
    /// When a credential of it was first presented.
    pub seen_at: Option<u64>,
    /// Keyed hash of the Idempotency-Key of the last move.
    pub move_key: Option<[u8; 32]>,
    /// Live, or why not.
    pub state: SessionState,
    /// The name its owner or device gave it.
    pub device: Option<String>,
    /// Browser or program, as it called itself, cut to 200 characters.
    pub user_agent: Option<String>,
    /// Network address at sign-in.
    pub address: Option<String>,
    /// Whether "remember me" was asked for.
    pub remembered: bool,
}

/// The life of a session. It never goes back to `Live`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionState {
    /// Credentials of it are judged.
    Live,
    /// Another session took its place.
    Replaced {
        /// The new one.
        by: Sid,
        /// When.
        at: u64,
    },
    /// It is over.
    Ended {
        /// When.
        at: u64,
        /// Why.
        why: Why,
    },
}

/// Why a session was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// Its owner signed out.
    SignedOut,
    /// Its owner ended it from another session.
    EndedElsewhere,
    /// A spent credential was presented: somebody has a copy.
    Reuse,
    /// A credential from the future was presented: the store was rolled back, or a key is stolen.
    Rollback,
    /// The same browser signed in anew.
    NewSignIn,
    /// An administrator ended it.
    Administrator,
    /// The account had more sessions than it may have, and this was the oldest.
    TooMany,
}

impl Why {
    /// All reasons with their names in the store and the logs.
    pub const NAMES: [(Why, &'static str); 7] = [
        (Why::SignedOut, "signed_out"),
        (Why::EndedElsewhere, "ended_elsewhere"),
        (Why::Reuse, "reuse"),
        (Why::Rollback, "rollback"),
        (Why::NewSignIn, "new_sign_in"),
        (Why::Administrator, "administrator"),
        (Why::TooMany, "too_many"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(w, _)| *w == self).map_or("", |(_, name)| name)
    }

    /// The reason of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, n)| *n == name).map(|(w, _)| *w)
    }
}

/// A durable cut-off that matches a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cutoff {
    /// Its scope.
    pub scope: Scope,
    /// The newest log time.
    pub ts: u64,
}

/// Why a session is not alive. For logs and tests: callers learn nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dead {
    /// Ended or replaced.
    Over,
    /// Idle for too long, or past its absolute end.
    Expired,
    /// A cut-off is newer than its birth.
    CutOff,
    /// Its account may not sign in, or is gone.
    Account,
}

impl Dead {
    /// Its name in the log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Dead::Over => "over",
            Dead::Expired => "expired",
            Dead::CutOff => "cut_off",
            Dead::Account => "account",
        }
    }
}

impl Session {
    /// The keys of the durable cut-offs that judge this session.
    pub fn cutoff_keys(&self, issuer: &str) -> [RevocationKey; 5] {
        [
            Target::Session(self.sid),
            Target::Subject(self.sub),
            Target::Grant(self.sub, self.client_id.clone()),
            Target::Client(self.client_id.clone()),
            Target::Everything,
        ]
        .map(|target| target.key(issuer))
    }

    /// Whether it lives at `now` (wall microseconds): not over, not expired, born after every matching
    /// cut-off, and its account active. The log's own entries are not asked: they die earlier.
    pub fn check(
        &self,
        account: Option<&Account>,
        cutoffs: &[Cutoff],
        now: u64,
    ) -> Result<(), Dead> {
        if self.state != SessionState::Live {
            return Err(Dead::Over);
        }
        if self.is_cut_off(cutoffs) {
            return Err(Dead::CutOff);
        }
        if now >= self.ends_at() {
            return Err(Dead::Expired);
        }
        match account {
            Some(a) if a.sub == self.sub && a.state == AccountState::Active => Ok(()),
            _ => Err(Dead::Account),
        }
    }

    /// Whether one of these ended it.
    pub fn is_cut_off(&self, cutoffs: &[Cutoff]) -> bool {
        cutoffs.iter().any(|c| c.scope.judges_sessions() && kills(c.scope, c.ts, self.rv))
    }

    /// When it ends without another request: the earlier of idle and absolute end.
    pub fn ends_at(&self) -> u64 {
        self.standing().ends_at()
    }

    /// Where its line stands, and until when it lives.
    pub fn standing(&self) -> Standing {
        Standing {
            generation: self.generation,
            reached_at: self.reached_at,
            seen_at: self.seen_at,
            last_seen_at: self.last_seen_at,
            idle: self.idle,
            expires_at: self.expires_at,
        }
    }

    /// Whether it has been over for a day: then its row is no better than an unknown one.
    pub fn is_long_over(&self, now: u64) -> bool {
        match self.state {
            SessionState::Live => false,
            SessionState::Replaced { at, .. } | SessionState::Ended { at, .. } => {
                at.saturating_add(KEPT_WHEN_OVER) <= now
            }
        }
    }
}

/// Where a session's line stands, and until when it lives: what a request of it is judged by, beside what may
/// have ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Current generation of the line.
    pub generation: u32,
    /// When the line reached it.
    pub reached_at: u64,
    /// When a credential of it was first presented.
    pub seen_at: Option<u64>,
    /// Last request that was recorded.
    pub last_seen_at: u64,
    /// Idle life, in microseconds.
    pub idle: u64,
    /// Absolute end.
    pub expires_at: u64,
}

impl Standing {
    /// When it ends without another request: the earlier of idle and absolute end.
    pub fn ends_at(&self) -> u64 {
        self.expires_at.min(self.last_seen_at.saturating_add(self.idle))
    }

    /// Whether a request at `now` is worth recording: not each is, so that being seen does not cost a write per request.
    pub fn worth_recording(&self, now: u64) -> bool {
        now.saturating_sub(self.last_seen_at) > recorded_every(self.idle)
    }
}

/// How far apart requests are that are recorded, in microseconds as the idle life is: five minutes; in a short idle life
/// a twelfth of it, in one of many hours a sixtieth. By so much it may end early, and never late.
pub fn recorded_every(idle: u64) -> u64 {
    const FIVE_MINUTES: u64 = 300_000_000;
    (idle / 12).min(FIVE_MINUTES).max(idle / 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Name;

    const NOW: u64 = 1_800_000_000_000_000;

    fn account(state: AccountState) -> Account {
        Account {
            sub: Sub::from_bytes([2; 16]),
            name: Name::new("alice").unwrap(),
            password_hash: String::new(),
            password_version: 1,
            roles: Vec::new(),
            state,
            created_at: 0,
        }
    }

    fn session() -> Session {
        Session {
            sid: Sid::from_bytes([1; 16]),
            sub: Sub::from_bytes([2; 16]),
            client_id: "first-party".into(),
            audiences: Vec::new(),
            carrier: Carrier::Cookie,
            rv: 100,
            created_at: NOW,
            auth_time: NOW,
            amr: Vec::new(),
            idle: 10,
            expires_at: NOW + 100,
            last_seen_at: NOW,
            generation: 0,
            reached_at: NOW,
            seen_at: None,
            move_key: None,
            state: SessionState::Live,
            device: None,
            user_agent: None,
            address: None,
            remembered: false,
        }
    }

    #[test]
    fn a_session_needs_an_account_of_its_own_that_is_open() {
        let active = account(AccountState::Active);
        assert_eq!(session().check(Some(&active), &[], NOW), Ok(()));
        let suspended = account(AccountState::Suspended);
        assert_eq!(session().check(Some(&suspended), &[], NOW), Err(Dead::Account));
        assert_eq!(session().check(None, &[], NOW), Err(Dead::Account));
        let other = Account { sub: Sub::from_bytes([3; 16]), ..active };
        assert_eq!(session().check(Some(&other), &[], NOW), Err(Dead::Account));
    }

    // S05
    #[test]
    fn a_session_ends_at_the_earlier_of_its_idle_and_its_absolute_end() {
        let active = account(AccountState::Active);
        for (last_seen_at, at, expected) in [
            (NOW, NOW + 9, Ok(())),
            (NOW, NOW + 10, Err(Dead::Expired)),
            (NOW + 95, NOW + 99, Ok(())),
            (NOW + 95, NOW + 100, Err(Dead::Expired)),
        ] {
            let session = Session { last_seen_at, ..session() };
            assert_eq!(session.check(Some(&active), &[], at), expected);
        }
    }

    #[test]
    fn being_seen_is_recorded_seldom_and_often_enough() {
        let minute = 60_000_000;
        for (idle, every) in
            [(minute, minute / 12), (60 * minute, 5 * minute), (3_000 * minute, 50 * minute)]
        {
            assert_eq!(recorded_every(idle), every);
        }
    }

    #[test]
    fn a_cutoff_kills_what_was_born_before_it_and_only_where_sessions_are_judged_by_its_scope() {
        let active = account(AccountState::Active);
        let check = |scope, ts| session().check(Some(&active), &[Cutoff { scope, ts }], NOW);
        for scope in [Scope::Subject, Scope::Grant, Scope::Client, Scope::Everything] {
            assert_eq!(check(scope, 100), Ok(()), "born at it");
            assert_eq!(check(scope, 101), Err(Dead::CutOff));
        }
        assert_eq!(check(Scope::Session, 1), Err(Dead::CutOff), "whenever it was born");
        for scope in [Scope::Token, Scope::Key, Scope::Audience, Scope::Claims] {
            assert_eq!(check(scope, 101), Ok(()));
        }
    }
}

//! The record of who did what to whom: written in the transaction that does it, or not at all. Holds
//! ids, roles and states; never a name, a secret or what somebody typed but for the operator's reason.

use crate::clock::Now;
use crate::keys::KeyState;
use crate::store::Write;
use rescind_wire::id::Sub;

/// Longest reason, in characters.
pub const MAX_REASON: usize = 200;

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// Somebody at the administrator's socket, by the user id of the process.
    Administrator {
        /// As the operating system says it.
        uid: u32,
    },
    /// A person, for their own account.
    Account(Sub),
    /// An API server or an app, by its client id.
    Client(String),
    /// A rule, such as the one against spent credentials.
    Rule,
}

impl Actor {
    /// Its text in the store: `uid:0`, `sub:…`, `client:…`, `rule`.
    pub fn text(&self) -> String {
        match self {
            Actor::Administrator { uid } => format!("uid:{uid}"),
            Actor::Account(sub) => format!("sub:{sub}"),
            Actor::Client(id) => format!("client:{id}"),
            Actor::Rule => "rule".into(),
        }
    }
}

/// An administrator's hand: who, and why if they say so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Who.
    pub actor: Actor,
    /// Why, in at most [`MAX_REASON`] characters without controls.
    pub reason: Option<String>,
}

/// A reason that is too long or holds control characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a reason has at most 200 characters, without control characters")]
pub struct BadReason;

impl Operator {
    /// An administrator, by the user id of the process that asks.
    pub fn administrator(uid: u32, reason: Option<String>) -> Result<Self, BadReason> {
        let usable = |text: &String| {
            text.chars().count() <= MAX_REASON && !text.chars().any(char::is_control)
        };
        if !reason.iter().all(usable) {
            return Err(BadReason);
        }
        Ok(Self { actor: Actor::Administrator { uid }, reason })
    }
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// An account was made.
    AccountMade,
    /// An account's state was set.
    AccountState,
    /// An account was deleted.
    AccountDeleted,
    /// An account's roles were set.
    Roles,
    /// The password was changed by its owner.
    Password,
    /// All sessions and tokens of an account were taken back.
    AccountRevoked,
    /// One session was ended by somebody else than its own credential.
    SessionEnded,
    /// A spent credential was presented: its session was ended.
    Reuse,
    /// Something else was taken back.
    Revoked,
    /// A client was registered.
    ClientMade,
    /// A client was given a new secret.
    ClientSecret,
    /// A client was removed.
    ClientRemoved,
    /// A key was made.
    KeyMade,
    /// A key took over from another.
    KeyRotated,
    /// A key was retired.
    KeyRetired,
    /// A new epoch began: the store may be older than one that was.
    EpochOpened,
}

impl Action {
    /// All actions with their names in the store.
    pub const NAMES: [(Action, &'static str); 16] = [
        (Action::AccountMade, "account_made"),
        (Action::AccountState, "account_state"),
        (Action::AccountDeleted, "account_deleted"),
        (Action::Roles, "roles"),
        (Action::Password, "password"),
        (Action::AccountRevoked, "account_revoked"),
        (Action::SessionEnded, "session_ended"),
        (Action::Reuse, "reuse"),
        (Action::Revoked, "revoked"),
        (Action::ClientMade, "client_made"),
        (Action::ClientSecret, "client_secret"),
        (Action::ClientRemoved, "client_removed"),
        (Action::KeyMade, "key_made"),
        (Action::KeyRotated, "key_rotated"),
        (Action::KeyRetired, "key_retired"),
        (Action::EpochOpened, "epoch_opened"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(a, _)| *a == self).map_or("", |(_, name)| name)
    }

    /// The action of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, n)| *n == name).map(|(a, _)| *a)
    }
}

/// One record. Never changed, never removed with what it speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// When, in microseconds since 1970 UTC.
    pub at: u64,
    /// Who, as [`Actor::text`] writes it.
    pub actor: String,
    /// What.
    pub action: Action,
    /// Whose account it concerns, if one.
    pub sub: Option<Sub>,
    /// What it was done to: the id of a session, token, key, client or audience.
    pub target: Option<String>,
    /// Why, in the operator's words.
    pub reason: Option<String>,
    /// What was before, where there was something.
    pub before: Option<String>,
    /// What is now.
    pub after: Option<String>,
}

impl Record {
    /// A record of an operator's act.
    pub fn of(operator: &Operator, action: Action, now: Now) -> Self {
        let reason = operator.reason.clone();
        Self { reason, ..Self::by(&operator.actor, action, now.wall) }
    }

    /// A record of somebody's act; `at` in microseconds since 1970 UTC.
    pub fn by(actor: &Actor, action: Action, at: u64) -> Self {
        Self {
            at,
            actor: actor.text(),
            action,
            sub: None,
            target: None,
            reason: None,
            before: None,
            after: None,
        }
    }

    /// Concerns this account.
    pub fn about(self, sub: Sub) -> Self {
        Self { sub: Some(sub), ..self }
    }

    /// Was done to this.
    pub fn to(self, target: impl ToString) -> Self {
        Self { target: Some(target.to_string()), ..self }
    }

    /// Made this, where there was nothing before.
    pub fn becomes(self, after: impl Into<String>) -> Self {
        Self { after: Some(after.into()), ..self }
    }

    /// Changed one thing to another.
    pub fn change(self, before: impl Into<String>, after: impl Into<String>) -> Self {
        Self { before: Some(before.into()), after: Some(after.into()), ..self }
    }

    /// Says which key takes over from which in these writes.
    pub(crate) fn of_succession(self, writes: &[Write]) -> Self {
        let moved = |state| {
            writes.iter().find_map(|write| match write {
                Write::MoveKey { kid, to, .. } if *to == state => Some(kid),
                Write::PutKey(key) if key.state == state => Some(&key.kid),
                _ => None,
            })
        };
        match (moved(KeyState::Retired), moved(KeyState::Active)) {
            (Some(before), Some(after)) => self.change(before, after),
            _ => self,
        }
    }

    /// As a write of the same transaction.
    pub fn write(self) -> Write {
        Write::Audit(Box::new(self))
    }
}

/// In which order records are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// From the first one after this number on.
    After(u64),
    /// From the last one back.
    #[default]
    NewestFirst,
}

/// What records are asked for: all that is named must fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// From where, and in which direction.
    pub order: Order,
    /// Who acted, as [`Actor::text`] writes it.
    pub actor: Option<String>,
    /// What was done.
    pub action: Option<Action>,
    /// Whose account it concerns.
    pub sub: Option<Sub>,
    /// What it was done to, as the record says it.
    pub target: Option<String>,
    /// Not earlier than this, in microseconds since 1970 UTC.
    pub since: Option<u64>,
    /// Earlier than this, in microseconds since 1970 UTC.
    pub until: Option<u64>,
}

impl Search {
    /// Whether a record of this number is one of those asked for.
    pub fn fits(&self, number: u64, record: &Record) -> bool {
        let after = matches!(self.order, Order::After(after) if number <= after);
        !after
            && self.actor.iter().all(|actor| *actor == record.actor)
            && self.action.iter().all(|action| *action == record.action)
            && (self.sub.is_none() || self.sub == record.sub)
            && (self.target.is_none() || self.target == record.target)
            && self.since.iter().all(|since| record.at >= *since)
            && self.until.iter().all(|until| record.at < *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_a_name_of_its_own() {
        for (action, name) in Action::NAMES {
            assert_eq!(Action::from_name(name), Some(action));
            assert_eq!(action.name(), name);
        }
    }

    // G03
    #[test]
    fn a_reason_is_short_and_one_line() {
        let by = |reason: &str| Operator::administrator(0, Some(reason.into()));
        assert!(by("asked by support, case 12").is_ok());
        assert_eq!(by("a\nb"), Err(BadReason));
        assert_eq!(by("\u{1b}[31m"), Err(BadReason));
        assert_eq!(by(&"x".repeat(MAX_REASON + 1)), Err(BadReason));
    }
}

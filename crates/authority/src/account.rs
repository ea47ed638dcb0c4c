//! Accounts as the store keeps them.

use crate::name::Name;
use rescind_wire::id::Sub;

/// Whether an account may sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccountState {
    /// It may.
    Active,
    /// An administrator has closed it for a time.
    Suspended,
    /// An administrator has closed it for good.
    Banned,
}

impl AccountState {
    /// All states with their names in the store and on the command line.
    pub const NAMES: [(AccountState, &'static str); 3] = [
        (AccountState::Active, "active"),
        (AccountState::Suspended, "suspended"),
        (AccountState::Banned, "banned"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(s, _)| *s == self).map_or("", |(_, name)| name)
    }

    /// The state of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, n)| *n == name).map(|(s, _)| *s)
    }
}

/// One account. `Debug` leaves the password hash out.
#[derive(Clone)]
pub struct Account {
    /// Its id; never given to another.
    pub sub: Sub,
    /// Its canonical name; unique.
    pub name: Name,
    /// The password's hash as a PHC string.
    pub password_hash: String,
    /// Rises with each new password; a re-hash of the same password keeps it.
    pub password_version: u32,
    /// Roles that tokens carry.
    pub roles: Vec<String>,
    /// Whether it may sign in.
    pub state: AccountState,
    /// When it was made, in microseconds since 1970 UTC.
    pub created_at: u64,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account")
            .field("sub", &self.sub)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

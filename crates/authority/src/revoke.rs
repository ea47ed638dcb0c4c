//! What an administrator does: accounts made and closed, anything taken back.

use crate::Authority;
use crate::account::{Account, AccountState};
use crate::authority::{transact, transact_at};
use crate::clock::random;
use crate::foreign::ImportedHash;
use crate::hash::Busy;
use crate::name::Name;
use crate::password::Password;
use crate::session::Why;
use crate::store::{AccountRef, Head, Load, StoreError, Write};
use rescind_wire::id::Sub;
use rescind_wire::revocation::Target;

/// Why an account was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddAccountError {
    /// The name is taken, perhaps in another spelling of the same canonical form.
    #[error("an account of this name exists already")]
    Taken,
    /// All hashing threads are busy.
    #[error("too many sign-ins at this moment: try again")]
    Busy(#[from] Busy),
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
}

/// Why nothing was taken back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RevokeError {
    /// No account of this name.
    #[error("no account of this name")]
    NotFound,
    /// The store failed; nothing was changed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Authority {
    /// Makes an account.
    pub async fn add_account(
        &self,
        name: Name,
        password: &Password,
        roles: Vec<String>,
    ) -> Result<Account, AddAccountError> {
        let hash = self.hasher.hash(password, random(&*self.entropy)).await?;
        self.insert_account(name, hash, roles).await
    }

    /// Makes an account with the password hash of another system. It becomes Argon2id with the cost in
    /// force when its owner signs in.
    pub async fn import_account(
        &self,
        name: Name,
        hash: &ImportedHash,
        roles: Vec<String>,
    ) -> Result<Account, AddAccountError> {
        self.insert_account(name, hash.text(), roles).await
    }

    async fn insert_account(
        &self,
        name: Name,
        password_hash: String,
        roles: Vec<String>,
    ) -> Result<Account, AddAccountError> {
        let account = Account {
            sub: Sub::from_bytes(random(&*self.entropy)),
            name,
            password_hash,
            password_version: 1,
            roles,
            state: AccountState::Active,
            created_at: self.clock.now().wall,
        };
        let inserted = account.clone();
        transact(&*self.store, Load::default(), move |_| {
            (vec![Write::InsertAccount(Box::new(inserted))], ())
        })
        .await
        .map_err(|error| match error {
            StoreError::Conflict => AddAccountError::Taken,
            other => AddAccountError::Store(other),
        })?;
        tracing::info!(event = "account_made", sub = %account.sub);
        Ok(account)
    }

    /// Takes something back. The head it returns is that of the durable entry.
    pub async fn revoke(&self, target: Target) -> Result<Head, StoreError> {
        let at = self.clock.now().wall;
        let why = Why::Administrator;
        let scope = target.scope();
        let ((), head) = transact_at(&*self.store, Load::default(), move |_| {
            let mut writes = Vec::new();
            if let Target::Session(sid) = target {
                writes.push(Write::EndSession { sid, at, why });
            }
            writes.push(Write::Revoke(target));
            (writes, ())
        })
        .await?;
        tracing::info!(event = "revoked", ?scope, pos = head.pos);
        Ok(head)
    }

    /// Takes back everything an account holds.
    pub async fn revoke_account(&self, name: Name) -> Result<Head, RevokeError> {
        let load = Load { account: Some(AccountRef::Name(name)), ..Load::default() };
        let (found, head) = transact_at(&*self.store, load, |loaded| match &loaded.account {
            Some(a) => (vec![Write::Revoke(Target::Subject(a.sub))], Some(a.sub)),
            None => (Vec::new(), None),
        })
        .await?;
        let sub = found.ok_or(RevokeError::NotFound)?;
        tracing::info!(event = "revoked", scope = "Subject", %sub, pos = head.pos);
        Ok(head)
    }

    /// Closes an account, or opens it again. Closing takes back everything it holds.
    pub async fn set_account_state(
        &self,
        name: Name,
        state: AccountState,
    ) -> Result<Head, RevokeError> {
        let load = Load { account: Some(AccountRef::Name(name)), ..Load::default() };
        let (found, head) = transact_at(&*self.store, load, move |loaded| {
            let Some(account) = &loaded.account else { return (Vec::new(), None) };
            let sub = account.sub;
            let mut writes = vec![Write::SetAccountState { sub, state }];
            if state == AccountState::Suspended {
                writes.push(Write::Revoke(Target::Subject(sub)));
            }
            (writes, Some(sub))
        })
        .await?;
        let sub = found.ok_or(RevokeError::NotFound)?;
        tracing::info!(event = "account_state", %sub, ?state, pos = head.pos);
        Ok(head)
    }
}

//! What an administrator does: accounts made and closed, anything taken back.

use crate::Authority;
use crate::account::{Account, AccountState};
use crate::audit::{Action, Operator, Record};
use crate::authority::{transact, transact_at};
use crate::clock::{Now, random};
use crate::foreign::ImportedHash;
use crate::hash::Busy;
use crate::name::Name;
use crate::password::Password;
use crate::refresh::end;
use crate::session::{SessionState, Why};
use crate::store::{AccountRef, Head, Load, Loaded, StoreError, Write};
use rescind_wire::id::{Jti, Sid, Sub};
use rescind_wire::revocation::Target;

/// Most roles of an account, and longest one, in characters.
const MOST_ROLES: usize = 64;
const LONGEST_ROLE: usize = 64;

/// Why an account was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddAccountError {
    /// The name is taken, perhaps in another spelling of the same canonical form.
    #[error("an account of this name exists already")]
    Taken,
    /// A role has characters that it must not have, or there are too many.
    #[error("a role has 1 to 64 printable characters without spaces; an account has at most 64")]
    BadRole,
    /// The password is among the first that anybody would guess.
    #[error("the password is too easy to guess")]
    Guessable,
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
    /// No account of this name, or nothing of this id.
    #[error("no account of this name")]
    NotFound,
    /// A role has characters that it must not have, or there are too many.
    #[error("a role has 1 to 64 printable characters without spaces; an account has at most 64")]
    BadRole,
    /// A suspension is less than the ban that is in force.
    #[error("the account is banned: open it first")]
    Banned,
    /// The store failed; nothing was changed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Roles as tokens carry them: each once, in order.
fn usable_roles(mut roles: Vec<String>) -> Option<Vec<String>> {
    roles.sort();
    roles.dedup();
    let usable = |role: &String| {
        (1..=LONGEST_ROLE).contains(&role.chars().count())
            && !role.chars().any(|c| c.is_control() || c.is_whitespace())
    };
    (roles.len() <= MOST_ROLES && roles.iter().all(usable)).then_some(roles)
}

/// The writes that open or close an account. Closing takes back everything it holds; a ban ends only by
/// opening it.
pub fn to_state(account: &Account, state: AccountState) -> Result<Vec<Write>, RevokeError> {
    if (account.state, state) == (AccountState::Banned, AccountState::Suspended) {
        return Err(RevokeError::Banned);
    }
    let sub = account.sub;
    let mut writes = vec![Write::SetAccountState { sub, state }];
    if state != AccountState::Active {
        writes.push(Write::Revoke(Target::Subject(sub)));
    }
    Ok(writes)
}

/// The writes that give an account other roles: its access tokens are taken back, its sessions live.
pub fn to_roles(sub: Sub, roles: Vec<String>) -> Vec<Write> {
    vec![Write::SetRoles { sub, roles }, Write::Revoke(Target::Claims(sub))]
}

fn named(name: Name) -> Load {
    Load { account: Some(AccountRef::Name(name)), ..Load::default() }
}

impl Authority {
    /// Makes an account.
    pub async fn add_account(
        &self,
        name: Name,
        password: &Password,
        roles: Vec<String>,
        operator: &Operator,
    ) -> Result<Account, AddAccountError> {
        if self.hasher.is_guessable(password, &name, &self.settings.issuer).await? {
            return Err(AddAccountError::Guessable);
        }
        let hash = self.hasher.hash(password, random(&*self.entropy)).await?;
        self.insert_account(name, hash, roles, operator).await
    }

    /// Makes an account with the password hash of another system. It becomes Argon2id with the cost in
    /// force when its owner signs in.
    pub async fn import_account(
        &self,
        name: Name,
        hash: &ImportedHash,
        roles: Vec<String>,
        operator: &Operator,
    ) -> Result<Account, AddAccountError> {
        self.insert_account(name, hash.text(), roles, operator).await
    }

    async fn insert_account(
        &self,
        name: Name,
        password_hash: String,
        roles: Vec<String>,
        operator: &Operator,
    ) -> Result<Account, AddAccountError> {
        let now = self.clock.now();
        let account = Account {
            sub: Sub::from_bytes(random(&*self.entropy)),
            name,
            password_hash,
            password_version: 1,
            roles: usable_roles(roles).ok_or(AddAccountError::BadRole)?,
            state: AccountState::Active,
            created_at: now.wall,
        };
        let inserted = account.clone();
        let record = Record::of(operator, Action::AccountMade, now)
            .about(account.sub)
            .becomes(account.roles.join(" "));
        transact(&*self.store, Load::default(), move |_| {
            (vec![Write::InsertAccount(Box::new(inserted)), record.write()], ())
        })
        .await
        .map_err(|error| match error {
            StoreError::Conflict => AddAccountError::Taken,
            other => AddAccountError::Store(other),
        })?;
        tracing::info!(event = "account_made", by = operator.actor.text(), sub = %account.sub);
        Ok(account)
    }

    /// Takes something back that is named by its id. The head it returns is that of the durable entry.
    /// A session is ended as well; it must exist.
    pub async fn revoke(&self, target: Target, operator: Operator) -> Result<Head, RevokeError> {
        let now = self.clock.now();
        let (scope, by) = (target.scope(), operator.actor.text());
        let load = match target {
            Target::Session(sid) => Load::session(sid),
            _ => Load::default(),
        };
        let rule = move |loaded: &Loaded| match &target {
            Target::Session(sid) => end_by_operator(loaded, *sid, &operator, now),
            _ => {
                let record = Record::of(&operator, Action::Revoked, now).to(described(&target));
                (vec![Write::Revoke(target), record.write()], Ok(()))
            }
        };
        let (done, head) = transact_at(&*self.store, load, rule).await?;
        done?;
        tracing::info!(event = "revoked", by, scope = scope.name(), pos = head.pos);
        Ok(head)
    }

    /// Takes back a token that was never issued, for whoever measures how long it takes until all refuse it. An
    /// entry like any other, which is forgotten by itself; nothing is recorded.
    pub async fn revoke_canary(&self) -> Result<Head, StoreError> {
        let jti = Jti::from_bytes(random(&*self.entropy));
        let rule = move |_: &Loaded| (vec![Write::Revoke(Target::Token(jti))], ());
        transact_at(&*self.store, Load::default(), rule).await.map(|((), head)| head)
    }

    /// Does something to the account of this name, in one transaction. The rule gives the writes, and
    /// completes the record, or refuses.
    async fn change_account(
        &self,
        name: Name,
        (operator, action): (Operator, Action),
        rule: impl FnOnce(&Account, Record) -> Result<(Vec<Write>, Record), RevokeError>
        + Send
        + 'static,
    ) -> Result<Head, RevokeError> {
        let (now, by) = (self.clock.now(), operator.actor.text());
        let (found, head) = transact_at(&*self.store, named(name), move |loaded| {
            let Some(account) = &loaded.account else {
                return (Vec::new(), Err(RevokeError::NotFound));
            };
            let record = Record::of(&operator, action, now).about(account.sub);
            match rule(account, record) {
                Ok((mut writes, record)) => {
                    writes.push(record.write());
                    (writes, Ok(account.sub))
                }
                Err(refused) => (Vec::new(), Err(refused)),
            }
        })
        .await?;
        let sub = found?;
        tracing::info!(event = action.name(), by, %sub, pos = head.pos);
        Ok(head)
    }

    /// Takes back everything an account holds.
    pub async fn revoke_account(&self, name: Name, by: Operator) -> Result<Head, RevokeError> {
        let rule = |a: &Account, r| Ok((vec![Write::Revoke(Target::Subject(a.sub))], r));
        self.change_account(name, (by, Action::AccountRevoked), rule).await
    }

    /// Takes back what an account holds at one client.
    pub async fn revoke_grant(
        &self,
        name: Name,
        client_id: String,
        by: Operator,
    ) -> Result<Head, RevokeError> {
        let rule = move |a: &Account, record: Record| {
            let record = record.to(format!("client {client_id}"));
            Ok((vec![Write::Revoke(Target::Grant(a.sub, client_id))], record))
        };
        self.change_account(name, (by, Action::AccountRevoked), rule).await
    }

    /// Closes an account, or opens it again. Closing takes back everything it holds. A ban ends only by
    /// opening it, never by a suspension.
    pub async fn set_account_state(
        &self,
        name: Name,
        state: AccountState,
        by: Operator,
    ) -> Result<Head, RevokeError> {
        let rule = move |account: &Account, record: Record| {
            let writes = to_state(account, state)?;
            Ok((writes, record.change(account.state.name(), state.name())))
        };
        self.change_account(name, (by, Action::AccountState), rule).await
    }

    /// Sets the roles of an account. Its access tokens are taken back, its sessions live: clients refresh
    /// and go on with the new roles.
    pub async fn set_roles(
        &self,
        name: Name,
        roles: Vec<String>,
        by: Operator,
    ) -> Result<Head, RevokeError> {
        let roles = usable_roles(roles).ok_or(RevokeError::BadRole)?;
        let rule = move |account: &Account, record: Record| {
            let record = record.change(account.roles.join(" "), roles.join(" "));
            Ok((to_roles(account.sub, roles), record))
        };
        self.change_account(name, (by, Action::Roles), rule).await
    }

    /// Deletes an account with its sessions, and takes back everything it held. Its id is never given
    /// out again; its name is free.
    pub async fn delete_account(&self, name: Name, by: Operator) -> Result<Head, RevokeError> {
        let rule = |account: &Account, record: Record| {
            let sub = account.sub;
            let record = record.change(account.state.name(), "deleted");
            Ok((vec![Write::Revoke(Target::Subject(sub)), Write::DeleteAccount(sub)], record))
        };
        self.change_account(name, (by, Action::AccountDeleted), rule).await
    }
}

/// Ends a session; one that is over already stays as it is, and its tokens are taken back all the same.
fn end_by_operator(
    loaded: &Loaded,
    sid: Sid,
    operator: &Operator,
    now: Now,
) -> (Vec<Write>, Result<(), RevokeError>) {
    let Some(judged) = &loaded.session else { return (Vec::new(), Err(RevokeError::NotFound)) };
    let session = &judged.session;
    let mut writes = match session.state {
        SessionState::Live => end(session, now.wall, Why::Administrator),
        _ => vec![Write::Revoke(Target::Session(sid))],
    };
    let record = Record::of(operator, Action::SessionEnded, now).about(session.sub).to(sid);
    writes.push(record.write());
    (writes, Ok(()))
}

/// What a target is called in the record.
fn described(target: &Target) -> String {
    match target {
        Target::Token(id) => format!("token {id}"),
        Target::Session(id) => format!("session {id}"),
        Target::Key(id) => format!("key {id}"),
        Target::Subject(id) => format!("account {id}"),
        Target::Grant(id, client) => format!("account {id} at client {client}"),
        Target::Client(id) => format!("client {id}"),
        Target::Audience(id) => format!("audience {id}"),
        Target::Everything => "everything".into(),
        Target::Claims(id) => format!("claims of account {id}"),
    }
}

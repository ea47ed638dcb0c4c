//! Clients: the built-in first-party one that people sign in with, and the API servers that verify.

use crate::Authority;
use crate::audit::{Action, Operator, Record};
use crate::authority::{transact, transact_at};
use crate::clock::{Entropy, random};
use crate::keys::{KeyState, Purpose, StoredKey};
use crate::rotate::outlaw;
use crate::secret::Secret;
use crate::store::{Head, Load, StoreError, Write};
use rescind_wire::id::Sub;
use rescind_wire::revocation::Target;
use rescind_wire::{b64, equal_in_constant_time, sha256};

/// The built-in public client of the realm's own pages and apps.
pub const FIRST_PARTY: &str = "first-party";
/// Prefix of client secrets, so that people and secret scanners know them.
pub const SECRET_PREFIX: &str = "rsc_cs_";

/// What a client may do beside verifying tokens from the public keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Read the snapshot, the feed and the head.
    Feed,
    /// Ask what a token for one of its audiences says, and whether it lives (RFC 7662).
    Introspect,
    /// Take back tokens for its audiences, whoever they were issued to (RFC 7009).
    Revoke,
}

impl Permission {
    /// All permissions with their names in the store and on the command line.
    pub const NAMES: [(Permission, &'static str); 3] = [
        (Permission::Feed, "feed"),
        (Permission::Introspect, "introspect"),
        (Permission::Revoke, "revoke"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(p, _)| *p == self).map_or("", |(_, name)| name)
    }

    /// The permission of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, n)| *n == name).map(|(p, _)| *p)
    }
}

/// A confidential client: an API server with its audiences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its id.
    pub client_id: String,
    /// SHA-256 of its secret, which has 256 random bits.
    pub secret_hash: [u8; 32],
    /// The audiences it answers for.
    pub audiences: Vec<String>,
    /// What it may do.
    pub permissions: Vec<Permission>,
    /// When it was registered, in microseconds since 1970 UTC.
    pub created_at: u64,
}

/// Why a client was not registered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddClientError {
    /// The id or an audience is not usable.
    #[error(
        "client ids and audiences are 1 to 128 printable ASCII characters without spaces, quotes or \
         backslashes, may not be \"first-party\" or the issuer, and may not look like an account's id"
    )]
    BadName,
    /// The id is taken.
    #[error("a client of this id exists already")]
    Taken,
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
}

fn hash(secret: &str) -> [u8; 32] {
    sha256(&[b"rescind client secret v1\0", secret.as_bytes()])
}

fn draw_secret(entropy: &dyn Entropy) -> Secret {
    Secret::new(format!("{SECRET_PREFIX}{}", b64::encode(random::<32>(entropy))))
}

/// Why nothing was done to a client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No client of this id.
    #[error("no client of this id")]
    NotFound,
    /// The store holds the change, but the keys could not be read again: that is tried at each tending.
    #[error("the change is in the store, and not yet in use")]
    Late,
    /// The store failed; nothing was changed.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for ClientError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => ClientError::NotFound,
            other => ClientError::Store(other),
        }
    }
}

impl Client {
    /// Whether it may do this.
    pub fn may(&self, permission: Permission) -> bool {
        self.permissions.contains(&permission)
    }

    /// Whether this is a secret that it may have been given.
    fn may_know(&self, key: &StoredKey) -> bool {
        matches!(&key.purpose, Purpose::Shared(audience) if self.audiences.contains(audience))
    }
}

impl Authority {
    /// Registers an API server and draws its secret, which is returned this once and not kept.
    pub async fn add_client(
        &self,
        client_id: &str,
        audiences: Vec<String>,
        permissions: Vec<Permission>,
        operator: &Operator,
    ) -> Result<Secret, AddClientError> {
        let usable = |name: &str| {
            (1..=128).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
        };
        let good_audience = |a: &String| usable(a) && *a != self.settings.issuer;
        // A client must never be taken for a person (RFC 9700 §4.15).
        let good_id =
            usable(client_id) && client_id != FIRST_PARTY && client_id.parse::<Sub>().is_err();
        if !good_id || !audiences.iter().all(good_audience) {
            return Err(AddClientError::BadName);
        }
        let (secret, now) = (draw_secret(&*self.entropy), self.clock.now());
        let client = Client {
            client_id: client_id.to_owned(),
            secret_hash: hash(secret.expose()),
            audiences,
            permissions,
            created_at: now.wall,
        };
        let permissions: Vec<_> = client.permissions.iter().map(|p| p.name()).collect();
        let record = Record::of(operator, Action::ClientMade, now).to(client_id).becomes(format!(
            "audiences: {}; permissions: {}",
            client.audiences.join(" "),
            permissions.join(" ")
        ));
        transact(&*self.store, Load::default(), |_| {
            (vec![Write::InsertClient(Box::new(client)), record.write()], ())
        })
        .await
        .map_err(|error| match error {
            StoreError::Conflict => AddClientError::Taken,
            other => AddClientError::Store(other),
        })?;
        tracing::info!(event = "client_made", by = operator.actor.text(), client_id);
        self.changed();
        Ok(secret)
    }

    /// Draws another secret for a client. The old one is refused at once, and what was opened with it is
    /// closed.
    pub async fn renew_client_secret(
        &self,
        client_id: &str,
        operator: &Operator,
    ) -> Result<Secret, ClientError> {
        let (secret, now) = (draw_secret(&*self.entropy), self.clock.now());
        let (id, secret_hash) = (client_id.to_owned(), hash(secret.expose()));
        let record = Record::of(operator, Action::ClientSecret, now).to(client_id);
        transact(&*self.store, Load::default(), move |_| {
            (vec![Write::SetClientSecret { client_id: id, secret_hash }, record.write()], ())
        })
        .await?;
        tracing::info!(event = "client_secret", by = operator.actor.text(), client_id);
        self.changed();
        Ok(secret)
    }

    /// Removes a client, and takes back every session and token that was issued to it. All secrets of its
    /// audiences are compromised by that, for it was given them, also those that are not used yet.
    pub async fn remove_client(
        &self,
        client_id: &str,
        operator: Operator,
    ) -> Result<Head, ClientError> {
        let (id, now) = (client_id.to_owned(), self.clock.now());
        let by = operator.actor.text();
        let load = Load { keys: true, clients: true, ..Load::default() };
        let (known, head) = transact_at(&*self.store, load, move |loaded| {
            let Some(client) = loaded.clients.iter().find(|c| c.client_id == id) else {
                return (Vec::new(), Err(ClientError::NotFound));
            };
            let record = Record::of(&operator, Action::ClientRemoved, now).to(&id);
            let revoke = Write::Revoke(Target::Client(id.clone()));
            let mut writes = vec![Write::DeleteClient(id), revoke, record.write()];
            let (sound, to) =
                (|k: &&StoredKey| k.state != KeyState::Compromised, KeyState::Compromised);
            let mut known = Vec::new();
            for key in loaded.keys.keys.iter().filter(sound).filter(|k| client.may_know(k)) {
                let record = Record::of(&operator, Action::KeyRetired, now).to(&key.kid);
                writes.extend(outlaw(key, now.wall));
                writes.push(record.change(key.state.name(), to.name()).write());
                known.push(key.kid.clone());
            }
            (writes, Ok(known))
        })
        .await?;
        // Also if it was removed before: perhaps nobody waited for the end of that.
        let taken_up = self.take_up().await;
        for kid in known? {
            tracing::warn!(event = "key_retired", by, kid, compromised = true, pos = head.pos);
        }
        tracing::info!(event = "client_removed", by, client_id, pos = head.pos);
        taken_up.map_err(|_| ClientError::Late)?;
        Ok(head)
    }

    /// The client of this id, if the secret is its own. An unknown id costs the same comparison.
    pub async fn authenticate_client(
        &self,
        client_id: &str,
        secret: &str,
    ) -> Result<Option<Client>, StoreError> {
        let clients = self.store.clients().await?;
        let client = clients.into_iter().find(|c| c.client_id == client_id);
        let expected = client.as_ref().map_or([0; 32], |c| c.secret_hash);
        let fits = equal_in_constant_time(&expected, &hash(secret));
        Ok(client.filter(|_| fits))
    }

    /// All audiences of the realm: what the first-party client's tokens may be for.
    pub async fn audiences(&self) -> Result<Vec<String>, StoreError> {
        let clients = self.store.clients().await?;
        Ok(audiences_of(&clients).into_iter().map(str::to_owned).collect())
    }
}

/// All audiences of these clients, in order.
pub(crate) fn audiences_of(clients: &[Client]) -> Vec<&str> {
    let mut all: Vec<&str> =
        clients.iter().flat_map(|c| &c.audiences).map(String::as_str).collect();
    all.sort_unstable();
    all.dedup();
    all
}

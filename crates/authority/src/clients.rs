//! Clients: the built-in first-party one that people sign in with, and the API servers that verify.

use crate::clock::{Entropy, random};
use crate::secret::Secret;
use crate::store::{Load, StoreError, Write};
use crate::{Authority, authority::transact};
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
}

impl Permission {
    /// Its name in the store and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Permission::Feed => "feed",
        }
    }

    /// The permission of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Permission::Feed].into_iter().find(|p| p.name() == name)
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
         backslashes, and may not be \"first-party\" or the issuer"
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

impl Authority {
    /// Registers an API server and draws its secret, which is returned this once and not kept.
    pub async fn add_client(
        &self,
        client_id: &str,
        audiences: Vec<String>,
        permissions: Vec<Permission>,
    ) -> Result<Secret, AddClientError> {
        let usable = |name: &str| {
            (1..=128).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
        };
        let good_audience = |a: &String| usable(a) && *a != self.settings.issuer;
        if !usable(client_id) || client_id == FIRST_PARTY || !audiences.iter().all(good_audience) {
            return Err(AddClientError::BadName);
        }
        let secret = draw_secret(&*self.entropy);
        let client = Client {
            client_id: client_id.to_owned(),
            secret_hash: hash(secret.expose()),
            audiences,
            permissions,
            created_at: self.clock.now().wall,
        };
        transact(&*self.store, Load::default(), |_| {
            (vec![Write::InsertClient(Box::new(client))], ())
        })
        .await
        .map_err(|error| match error {
            StoreError::Conflict => AddClientError::Taken,
            other => AddClientError::Store(other),
        })?;
        Ok(secret)
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
        let mut all: Vec<String> = clients.into_iter().flat_map(|c| c.audiences).collect();
        all.sort();
        all.dedup();
        Ok(all)
    }
}

//! The feed's source at the authority: its own log, read from the store, and signed.

use super::hub::{Beyond, Next, Source};
use bytes::Bytes;
use rescind_authority::Authority;
use rescind_authority::clients::{Client, Permission};
use rescind_authority::store::{Store, StoreError};
use rescind_wire::frame::{Frame, MAX_DELTA, seal};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Clients that may follow, with the hash of their secret.
type Allowed = Arc<HashMap<String, [u8; 32]>>;

/// A client that follows, and the hash of the secret with which it came.
pub(crate) struct Reader {
    id: String,
    secret_hash: [u8; 32],
}

impl From<&Client> for Reader {
    fn from(client: &Client) -> Self {
        Self { id: client.client_id.clone(), secret_hash: client.secret_hash }
    }
}

impl Reader {
    fn is_in(&self, allowed: &Allowed) -> bool {
        allowed.get(&self.id) == Some(&self.secret_hash)
    }
}

/// The log of this authority.
pub(crate) struct Log {
    pub(super) authority: Arc<Authority>,
    /// Who may follow, as it was told last.
    allowed: Mutex<Allowed>,
}

impl Log {
    pub(super) async fn new(authority: Arc<Authority>) -> Result<Self, StoreError> {
        let allowed = Mutex::new(allowed(&authority).await?);
        Ok(Self { authority, allowed })
    }

    pub(super) fn store(&self) -> &dyn Store {
        &**self.authority.store()
    }

    pub(super) fn seal(&self, frame: &Frame) -> Result<Bytes, StoreError> {
        let issuer = &self.authority.settings().issuer;
        seal(frame, issuer, self.authority.keyring().feed_key())
            .map(Bytes::from)
            .map_err(|_| StoreError::Failed("the feed key could not sign".into()))
    }

    /// Looks anew at who may follow.
    pub(super) async fn look(&self) -> Result<(), StoreError> {
        let allowed = allowed(&self.authority).await?;
        *self.allowed.lock().unwrap_or_else(PoisonError::into_inner) = allowed;
        Ok(())
    }

    async fn next_from_store(&self, at: Beyond) -> Result<Next, StoreError> {
        let (epoch, from) = (at.epoch, at.from);
        let part = self.store().log(from, MAX_DELTA).await?;
        let head = part.head;
        if head.epoch == epoch && from > head.pos {
            let had = from;
            tracing::error!(
                event = "feed_ahead",
                alarm = true,
                had,
                has = head.pos,
                "a verifier has entries that the store does not: it was rolled back"
            );
        }
        match part.entries {
            // The store is ahead of the ring: whoever has its snapshot waits for what comes next.
            Some(_) if head.epoch == epoch && from == head.pos => Ok(Next::UpToDate),
            Some(entries)
                if head.epoch == epoch && entries.last().is_some_and(|e| e.pos == head.pos) =>
            {
                let frame = self.seal(&Frame::Delta { position: head.position(), entries })?;
                Ok(Next::Frame(frame, head.pos))
            }
            _ => self.seal(&Frame::Resync).map(Next::Resync),
        }
    }
}

impl Source for Log {
    type Reader = Reader;

    async fn allows(&self, reader: &Reader) -> bool {
        let told = Arc::clone(&self.allowed.lock().unwrap_or_else(PoisonError::into_inner));
        if reader.is_in(&told) {
            return true;
        }
        // What was told last may be older than the client: only the store says that it is gone. Where it
        // cannot be asked, nobody is let.
        match allowed(&self.authority).await {
            Ok(allowed) => reader.is_in(&allowed),
            Err(error) => {
                tracing::error!(event = "feed_failed", %error);
                false
            }
        }
    }

    fn cut_off(&self, reader: &Reader) {
        tracing::info!(event = "feed_closed", client_id = reader.id);
    }

    async fn elsewhere(&self, at: Beyond) -> Option<Next> {
        let next = self.next_from_store(at).await;
        next.inspect_err(|error| tracing::error!(event = "feed_failed", %error)).ok()
    }
}

async fn allowed(authority: &Authority) -> Result<Allowed, StoreError> {
    let clients = authority.store().clients().await?;
    let following = clients.into_iter().filter(|c| c.may(Permission::Feed));
    Ok(Arc::new(following.map(|c| (c.client_id, c.secret_hash)).collect()))
}

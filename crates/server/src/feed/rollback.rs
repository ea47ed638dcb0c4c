//! Where the log stands, answered on demand; and whether the store has lost what it once signed.

use super::FeedHub;
use crate::past::{self, Sign};
use bytes::Bytes;
use rescind_authority::rollback;
use rescind_authority::store::{Head as LogHead, StoreError};
use rescind_wire::frame::{Frame, Head, Position};

impl FeedHub {
    /// Answers a head request from a read begun now. `seen` is the last signed head of whoever asks:
    /// if the store has lost what it names, the store was rolled back, and a new epoch begins.
    pub async fn head(&self, nonce: [u8; 16], seen: Option<&[u8]>) -> Result<Bytes, StoreError> {
        let mut head = self.store().head().await?;
        if let Some(seen) = seen.and_then(|frame| self.signed_here(frame))
            && self.has_lost(&head, &seen).await?
        {
            head = self.open_epoch_after(&seen).await?;
        }
        let settings = self.authority.settings();
        self.seal(&Frame::Head(Head {
            nonce,
            position: head.position(),
            utc: self.authority.clock().now().wall,
            keys: self.authority.keyring().mark(),
            age: 0,
            staleness_ms: u32::try_from(settings.staleness.as_millis()).unwrap_or(u32::MAX),
        }))
    }

    /// The position of a head that this authority has signed.
    fn signed_here(&self, frame: &[u8]) -> Option<Position> {
        match self.authority.open_own_frame(frame) {
            Some(Frame::Head(seen)) => Some(seen.position),
            _ => None,
        }
    }

    /// Whether a position that was signed once is not in the store's log any more.
    async fn has_lost(&self, held: &LogHead, seen: &Position) -> Result<bool, StoreError> {
        let entries = match rollback::is_inside(held, seen) {
            true => self.store().log(seen.pos - 1, 1 + rollback::COMPARED).await?.entries,
            false => None,
        };
        Ok(rollback::has_lost(held, seen, entries.as_deref()))
    }

    /// Begins an epoch after a rollback, unless another request with the same proof already has.
    async fn open_epoch_after(&self, seen: &Position) -> Result<LogHead, StoreError> {
        let _alone = self.opening.lock().await;
        let head = self.store().head().await?;
        if !self.has_lost(&head, seen).await? {
            return Ok(head);
        }
        tracing::error!(
            event = "store_rolled_back",
            alarm = true,
            had = seen.pos,
            has = head.pos,
            "a verifier has seen entries that the store has lost: a new epoch begins"
        );
        let (clock, entropy) = (self.authority.clock(), self.authority.entropy());
        past::open_epoch_after(self.store(), seen.ts, Sign::Verifier, (&**clock, &**entropy)).await
    }
}

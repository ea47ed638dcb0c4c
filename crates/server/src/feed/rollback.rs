//! Where the log stands, answered on demand; and whether the store has lost what it once signed.

use super::FeedHub;
use crate::past::{self, Sign};
use bytes::Bytes;
use rescind_authority::rollback;
use rescind_authority::store::{Head as LogHead, StoreError};
use rescind_wire::frame::{Frame, Head, Position};

/// One who asks where the log stands.
#[derive(Debug, Clone)]
pub struct Question {
    /// Drawn at random for this question.
    pub nonce: [u8; 16],
    /// The last signed head of whoever asks.
    pub seen: Option<Vec<u8>>,
}

/// So many heads are signed before others get their turn.
const AT_ONCE: usize = 16;

impl FeedHub {
    /// Answers one question.
    pub async fn head(&self, nonce: [u8; 16], seen: Option<&[u8]>) -> Result<Bytes, StoreError> {
        let question = Question { nonce, seen: seen.map(<[u8]>::to_vec) };
        self.heads(&[question]).await.map(|heads| heads.concat().into())
    }

    /// Answers all questions in their order, from one read begun now. If the store has lost what somebody
    /// has `seen`, it was rolled back, and a new epoch begins.
    pub async fn heads(&self, questions: &[Question]) -> Result<Vec<Bytes>, StoreError> {
        let mut head = self.store().head().await?;
        let mut looked_at: Vec<Position> = Vec::new();
        for seen in questions.iter().filter_map(|question| question.seen.as_deref()) {
            let Some(seen) = self.signed_here(seen).filter(|seen| !looked_at.contains(seen)) else {
                continue;
            };
            let lost;
            (head, lost) = self.compared(head, &seen).await?;
            if lost {
                head = self.open_epoch_after(&seen).await?;
            }
            looked_at.push(seen);
        }
        let settings = self.authority.settings();
        let mut heads = Vec::with_capacity(questions.len());
        for some in questions.chunks(AT_ONCE) {
            for question in some {
                heads.push(self.seal(&Frame::Head(Head {
                    nonce: question.nonce,
                    position: head.position(),
                    utc: self.authority.clock().now().wall,
                    keys: self.authority.keyring().mark(),
                    age: 0,
                    staleness_ms: u32::try_from(settings.staleness.as_millis()).unwrap_or(u32::MAX),
                }))?);
            }
            tokio::task::yield_now().await;
        }
        Ok(heads)
    }

    /// The position of a head that this authority has signed.
    fn signed_here(&self, frame: &[u8]) -> Option<Position> {
        match self.authority.open_own_frame(frame) {
            Some(Frame::Head(seen)) => Some(seen.position),
            _ => None,
        }
    }

    /// Whether a position that was signed once is not in the store's log any more; with the later of the head and
    /// that of the log: when this is read another epoch may have begun, and what tells it may not have been told
    /// yet of what the head already counts.
    async fn compared(
        &self,
        head: LogHead,
        seen: &Position,
    ) -> Result<(LogHead, bool), StoreError> {
        if !rollback::is_inside(&head, seen) {
            return Ok((head, rollback::has_lost(&head, seen, None)));
        }
        let part = self.store().log(seen.pos - 1, 1 + rollback::COMPARED).await?;
        let lost = rollback::has_lost(&part.head, seen, part.entries.as_deref());
        Ok((if part.head.ts < head.ts { head } else { part.head }, lost))
    }

    /// Begins an epoch after a rollback, unless another request with the same proof already has.
    async fn open_epoch_after(&self, seen: &Position) -> Result<LogHead, StoreError> {
        let _alone = self.opening.lock().await;
        let (head, lost) = self.compared(self.store().head().await?, seen).await?;
        if !lost {
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

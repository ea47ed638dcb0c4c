//! What an act would hit, looked at before it is done.

use crate::Authority;
use crate::session::{Dead, Session};
use crate::store::StoreError;
use rescind_wire::id::Sub;
use std::collections::HashSet;

/// Sessions that are looked at in one read.
const PAGE: usize = 1_000;

/// How much an act would hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Affected {
    /// Accounts that have at least one of the sessions.
    pub accounts: usize,
    /// Live sessions.
    pub sessions: usize,
}

impl Authority {
    /// Counts the live sessions that `fit`. Reads page by page: what comes or goes meanwhile may be counted
    /// or not.
    pub async fn affected(
        &self,
        fit: impl Fn(&Session) -> bool + Send,
    ) -> Result<Affected, StoreError> {
        let now = self.clock.now().wall;
        let (mut owners, mut sessions, mut after) = (HashSet::<Sub>::new(), 0, None);
        loop {
            let page = self.store.sessions(after, PAGE).await?;
            let Some(last) = page.last() else {
                return Ok(Affected { accounts: owners.len(), sessions });
            };
            after = Some(last.session.sid);
            for judged in page {
                let session = &judged.session;
                // Only the account is not asked: a closed one has cut its sessions off.
                let lives = session.check(None, &judged.cutoffs, now) == Err(Dead::Account);
                if lives && fit(session) {
                    owners.insert(session.sub);
                    sessions += 1;
                }
            }
        }
    }
}

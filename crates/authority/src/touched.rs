//! When sessions were last used: gathered here, so that no request waits for that to be written, and written
//! together ([`Authority::record_touches`]).

use crate::Authority;
use crate::authority::transact;
use crate::held::Held;
use crate::store::{Load, StoreError, Write};
use rescind_wire::id::Sid;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most sessions that are remembered at a time: some megabytes. A further one is recorded at a later request.
const MOST: usize = 100_000;
/// Sessions in one transaction: other changes come in between.
const AT_ONCE: usize = 256;

/// The latest request of each session that is still to be written.
#[derive(Default)]
pub(crate) struct Touched(Mutex<HashMap<Sid, u64>>);

impl Touched {
    fn lock(&self) -> MutexGuard<'_, HashMap<Sid, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a request; `false` if there is no place.
    fn add(&self, sid: Sid, at: u64) -> bool {
        let mut all = self.lock();
        if all.len() >= MOST && !all.contains_key(&sid) {
            return false;
        }
        let latest = all.entry(sid).or_insert(at);
        *latest = at.max(*latest);
        true
    }

    /// The latest request of this session that is still to be written.
    pub(crate) fn of(&self, sid: Sid) -> Option<u64> {
        self.lock().get(&sid).copied()
    }
}

impl Authority {
    /// Remembers that a session was used, if that is worth recording.
    pub(crate) fn touch(&self, session: &Held, now: u64) {
        if session.standing().worth_recording(now) && self.touched.add(session.sid, now) {
            session.seen(now);
        }
    }

    /// Writes when sessions were last used. A process that is killed forgets what it has not written: those
    /// sessions then end a little earlier if nobody uses them.
    pub async fn record_touches(&self) -> Result<(), StoreError> {
        let mut all: Vec<(Sid, u64)> =
            self.touched.lock().iter().map(|(sid, at)| (*sid, *at)).collect();
        // In the order of the store's index: neighbours are on one page.
        all.sort_unstable();
        for part in all.chunks(AT_ONCE) {
            let touch = |&(sid, at): &(Sid, u64)| Write::Touch { sid, at };
            let writes: Vec<Write> = part.iter().map(touch).collect();
            transact(&*self.store, Load::default(), |_| (writes, ())).await?;
            // Not before: until then it is known here alone.
            let mut touched = self.touched.lock();
            for (sid, at) in part {
                if touched.get(sid) == Some(at) {
                    touched.remove(sid);
                }
            }
        }
        Ok(())
    }
}

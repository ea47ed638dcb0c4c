//! When entries expire, by the minute of their log time: no byte for each of them.
//!
//! An entry may be kept longer than it must be, as long as the last one of its minute; never shorter.

use rescind_wire::revocation::NEVER;
use std::collections::HashMap;

const MINUTE_US: u64 = 60_000_000;

/// The latest `until` of what was cut off in each minute. What never expires is not in it.
#[derive(Debug, Default)]
pub(super) struct Minutes(HashMap<u64, u64, foldhash::fast::RandomState>);

impl Minutes {
    /// Notes the `until` of a cut-off.
    pub(super) fn note(&mut self, ts: u64, until: u64) {
        if until != NEVER {
            let latest = self.0.entry(ts / MINUTE_US).or_default();
            *latest = until.max(*latest);
        }
    }

    /// A cut-off of this time has got a later one, and is kept as long as before.
    pub(super) fn follow(&mut self, ts: u64, later: u64) {
        if let Some(until) = self.0.get(&(ts / MINUTE_US)) {
            self.note(later, *until);
        }
    }

    /// Whether all that was cut off in the minute of this time has expired.
    pub(super) fn expired(&self, ts: u64, before: u64) -> bool {
        self.0.get(&(ts / MINUTE_US)).is_none_or(|until| *until <= before)
    }

    /// Whether there is a minute of which all has expired.
    pub(super) fn any_expired(&self, before: u64) -> bool {
        self.0.values().any(|until| *until <= before)
    }

    /// What has expired is not held any more.
    pub(super) fn forget(&mut self, before: u64) {
        self.0.retain(|_, until| *until > before);
    }
}

//! Mistakes that a verifier could make, for the torture rig to find. They exist only where the feature
//! `failpoints` is on, and do nothing unless their fail point is set.

use crate::clock::Now;
use crate::lease::{Anchor, Lease};
use crate::set::RevocationSet;
use crate::state::Event;
use arc_swap::ArcSwapOption;
use std::sync::Arc;

/// Makes the mistake that belongs to this event, if it is asked for.
pub(crate) fn plant(event: &Event, set: &RevocationSet, lease: &ArcSwapOption<Lease>, now: Now) {
    match event {
        Event::Beat(_) => beat_extends(lease, now),
        Event::Resync => resync_replaces(set),
        _ => {}
    }
}

/// A beat is taken for a proof of freshness.
fn beat_extends(lease: &ArcSwapOption<Lease>, now: Now) {
    fail::fail_point!("verifier::beat_extends_lease", |_| {
        if let Some(held) = lease.load().as_deref() {
            lease.store(Some(Arc::new(Lease { anchor: Anchor::new(now, 0), ..*held })));
        }
    });
}

/// Who is told to fetch a snapshot throws away what it holds.
fn resync_replaces(set: &RevocationSet) {
    fail::fail_point!("verifier::resync_replaces", |_| set.forget_all());
}

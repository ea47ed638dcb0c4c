//! Whether the store is the newest that there was, and has forgotten nothing too early, judged before
//! anything is served; and the new epoch of one that is not, or that nobody can vouch for. `feed` asks for one, too, when a verifier proves it.

use crate::marker::Marker;
use crate::run::{StartError, World};
use crate::store::sqlite::SqliteStore;
use rescind_authority::audit::{Action, Actor, Record};
use rescind_authority::clock::{Clock, Entropy, random};
use rescind_authority::rollback;
use rescind_authority::store::{Head, Store, StoreError};
use rescind_wire::id::Epoch;

/// By what a store shows that it may be older than one that was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// It was put in place by `rescind restore`.
    Restored,
    /// The marker has seen more than it holds.
    Marker,
    /// It has a past, and there is no marker.
    NoMarker,
    /// A verifier has been told more than it holds.
    Verifier,
    /// The clock is before the second up to which it has forgotten entries.
    Early,
}

impl Sign {
    fn of(store: &SqliteStore, head: &Head, marker: Option<&Marker>) -> Option<Self> {
        let opened = store.opened();
        match marker {
            _ if opened.restored => Some(Sign::Restored),
            Some(marker) => marker.is_ahead_of(head).then_some(Sign::Marker),
            None => opened.past.then_some(Sign::NoMarker),
        }
    }

    /// For the record.
    fn reason(self) -> &'static str {
        match self {
            Sign::Restored => "put in place by rescind restore",
            Sign::Marker => "the marker has seen more",
            Sign::NoMarker => "there is no marker",
            Sign::Verifier => "a verifier has seen more",
            Sign::Early => "the clock is before what was forgotten",
        }
    }
}

/// Begins a new epoch if the store may have lost something, or if it has forgotten too much for this clock
/// and that is accepted. Where the log stands then.
pub(crate) async fn judge(
    store: &SqliteStore,
    marker: Option<&Marker>,
    world: &World,
    accept_clock: bool,
) -> Result<Head, StartError> {
    let head = store.head().await?;
    let early = rollback::early_by(store.opened().swept_to, world.clock.now().wall);
    let sign = match Sign::of(store, &head, marker) {
        Some(sign) => sign,
        None if early == 0 => return Ok(head),
        None if accept_clock => Sign::Early,
        None => return Err(StartError::Early { early }),
    };
    let (had, has) = (marker.map(|marker| marker.pos), head.pos);
    match sign {
        Sign::Early => tracing::error!(
            event = "clock_early",
            alarm = true,
            early,
            "entries were forgotten whose tokens may be alive: a new epoch begins, and no access token of \
             before is accepted"
        ),
        Sign::Restored => tracing::error!(
            event = "store_restored",
            alarm = true,
            had,
            has,
            "an older store was put in place: a new epoch begins, everybody signs in again"
        ),
        Sign::NoMarker => tracing::error!(
            event = "marker_missing",
            alarm = true,
            has,
            "nobody knows whether the store is the newest: a new epoch begins, everybody signs in again"
        ),
        Sign::Marker | Sign::Verifier => tracing::error!(
            event = "store_rolled_back",
            alarm = true,
            had,
            has,
            "the store is older than it was: a new epoch begins, everybody signs in again"
        ),
    }
    let lost = marker.map_or(0, |marker| marker.ts);
    Ok(open_epoch_after(store, lost, sign, (&*world.clock, &*world.entropy)).await?)
}

/// Begins an epoch: later than `lost`, the last log time that is known to have been given out, by a margin
/// that covers those that are not known. Everybody signs in again, unless only entries were forgotten:
/// they are against tokens, and sessions are judged by rows that are all there.
pub(crate) async fn open_epoch_after(
    store: &dyn Store,
    lost: u64,
    sign: Sign,
    (clock, entropy): (&dyn Clock, &dyn Entropy),
) -> Result<Head, StoreError> {
    let (head, wall) = (store.head().await?, clock.now().wall);
    let ts = rollback::first_ts(&head, lost, wall);
    let epoch = Epoch::from_bytes(random(entropy));
    let record = Record::by(&Actor::Rule, Action::EpochOpened, wall).to(epoch);
    let record = Record {
        reason: Some(sign.reason().to_owned()),
        before: Some(format!("{} {}", head.epoch, head.pos)),
        ..record
    };
    let head = store.open_epoch(epoch, ts, sign != Sign::Early, record).await?;
    tracing::warn!(event = "epoch_opened", pos = head.pos);
    Ok(head)
}

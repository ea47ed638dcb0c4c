//! How keys take over from one another: pure functions from what is stored to what is written.

use super::RotateError;
use crate::audit::{Action, Actor, Record};
use crate::keys::{self, KeyState, MAX_LINE_KEY, Plan, Purpose, StoredKey, StoredKeys};
use crate::store::Write;
use rescind_wire::revocation::Target;

/// What is written, and what came of it. Nothing is written where nothing came.
pub(super) type Outcome<T> = (Vec<Write>, Result<T, RotateError>);

pub(super) fn refuse<T>(error: RotateError) -> Outcome<T> {
    (Vec::new(), Err(error))
}

fn step(key: &StoredKey, to: KeyState, at: u64) -> Write {
    Write::MoveKey { kid: key.kid.clone(), from: key.state, to, at }
}

pub(super) fn put(key: StoredKey) -> Write {
    Write::PutKey(Box::new(key))
}

/// Line keys that are kept for when one is stolen.
const RESERVE: u32 = 16;

/// The number after the highest of this kind, but for the last so many line keys.
fn successor(
    stored: &StoredKeys,
    kind: &Purpose,
    now: u64,
    spared: u32,
) -> Result<StoredKey, RotateError> {
    let number = stored.next_number(kind);
    match kind {
        Purpose::Line(_) if number > MAX_LINE_KEY - spared => Err(RotateError::UsedUp),
        Purpose::Line(_) => Ok(keys::numbered(Purpose::Line(number), now)),
        _ => Ok(keys::numbered(Purpose::Csrf(number), now)),
    }
}

/// The writes of a plan, with keys that were drawn for it.
pub(super) fn carry_out(planned: Plan, mut drawn: Vec<StoredKey>, now: u64) -> Vec<Write> {
    let mut writes: Vec<Write> = planned.drop.into_iter().map(Write::DropKey).collect();
    let (from, to) = (KeyState::Active, KeyState::Retired);
    let retire = |kid| Write::MoveKey { kid, from, to, at: now };
    writes.extend(planned.retire.into_iter().map(retire));
    for (purpose, alg, state) in planned.make {
        let fits = |k: &StoredKey| k.purpose == purpose && k.state == state;
        let made = match alg {
            None => Some(keys::numbered(purpose, now)),
            Some(_) => drawn.iter().position(fits).map(|at| drawn.swap_remove(at)),
        };
        if let Some(key) = made {
            let record = Record::by(&Actor::Rule, Action::KeyMade, now).to(&key.kid);
            writes.extend([put(key), record.write()]);
        }
    }
    writes
}

/// The next one takes over. `fresh` is the key after it, for kinds that have one.
pub(super) fn rotate(
    stored: &StoredKeys,
    kind: &Purpose,
    fresh: Option<StoredKey>,
    now: u64,
    ripe: u64,
) -> Outcome<()> {
    let Some(active) = stored.of(kind, KeyState::Active).next() else {
        return refuse(RotateError::NotFound);
    };
    let mut writes = vec![step(active, KeyState::Retired, now)];
    match kind {
        Purpose::Line(_) | Purpose::Csrf(_) => match successor(stored, kind, now, RESERVE) {
            Ok(key) => writes.push(put(key)),
            Err(error) => return refuse(error),
        },
        _ => {
            let Some(next) = stored.of(kind, KeyState::Next).next() else {
                return refuse(RotateError::NoNext);
            };
            // By what is in force now, and by what was when it was made: the later of both.
            let from = next.created_at.saturating_add(ripe).max(next.usable_from);
            // Whether a shared secret has reached its server, the operator knows.
            if !matches!(kind, Purpose::Shared(_)) && now < from {
                return refuse(RotateError::Early { wait: (from - now).div_ceil(1_000_000) });
            }
            writes.push(step(next, KeyState::Active, now));
        }
    }
    writes.extend(fresh.map(put));
    (writes, Ok(()))
}

/// A planned end: what the key has made is still taken.
pub(super) fn retire(
    stored: &StoredKeys,
    key: &StoredKey,
    fresh: Option<StoredKey>,
    now: u64,
    ripe: u64,
) -> Outcome<()> {
    match (key.state, &key.purpose) {
        (KeyState::Retired | KeyState::Compromised, _) => refuse(RotateError::Retired),
        (KeyState::Next, _) => {
            let drop = Write::DropKey(key.kid.clone());
            (std::iter::once(drop).chain(fresh.map(put)).collect(), Ok(()))
        }
        (KeyState::Active, Purpose::Shared(_)) => {
            // Without a successor the audience's tokens are signed by the realm's key again.
            let next = stored.of(&key.purpose, KeyState::Next).next();
            let mut writes = vec![step(key, KeyState::Retired, now)];
            writes.extend(next.map(|next| step(next, KeyState::Active, now)));
            (writes, Ok(()))
        }
        (KeyState::Active, kind) => rotate(stored, kind, fresh, now, ripe),
    }
}

/// Nothing that the key has made is taken any more. It has no successor by that.
pub(crate) fn outlaw(key: &StoredKey, now: u64) -> Vec<Write> {
    let entry = match key.purpose {
        Purpose::Token | Purpose::Shared(_) => Some(Target::Key(key.kid.clone())),
        // Who has it can write the credential of any session, and may have moved some already.
        Purpose::Line(_) => Some(Target::Everything),
        Purpose::Feed(_) | Purpose::Csrf(_) => None,
    };
    let step = step(key, KeyState::Compromised, now);
    std::iter::once(step).chain(entry.map(Write::Revoke)).collect()
}

/// An unplanned end, with what follows the key.
pub(super) fn condemn(
    stored: &StoredKeys,
    key: &StoredKey,
    fresh: Option<StoredKey>,
    now: u64,
) -> Outcome<()> {
    if key.state == KeyState::Compromised {
        return refuse(RotateError::Retired);
    }
    let mut writes = outlaw(key, now);
    let signs = matches!(key.purpose, Purpose::Token | Purpose::Feed(_) | Purpose::Shared(_));
    let next = stored.of(&key.purpose, KeyState::Next).next();
    match (key.state, next) {
        (KeyState::Active, Some(next)) => {
            writes.push(step(next, KeyState::Active, now));
            writes.extend(fresh.map(put));
        }
        // Without a next one the fresh one takes over; it is known to whoever asks for keys from now on.
        (KeyState::Active, None) if signs => {
            writes.extend(fresh.map(|fresh| put(StoredKey { state: KeyState::Active, ..fresh })));
        }
        (KeyState::Active, None) => match successor(stored, &key.purpose, now, 0) {
            Ok(key) => writes.push(put(key)),
            Err(error) => return refuse(error),
        },
        (KeyState::Next, _) => writes.extend(fresh.map(put)),
        _ => {}
    }
    (writes, Ok(()))
}

//! What has passed goes, in slices, so that no sign-in waits for a large sweep. A cut-off goes only when
//! the transaction that deletes it finds no session left that it judges.

use super::columns::{bytes, number};
use super::held::Change;
use super::rows::{Answer, all, clamped, int, one, run};
use rescind_authority::session::KEPT_WHEN_OVER;
use rescind_wire::id::Sid;
use rusqlite::{Connection, params};

/// Most rows that one slice looks at.
pub(super) const SLICE: u64 = 1_000;

/// One slice of a sweep.
#[derive(Debug, Clone, Copy)]
pub(super) enum Slice {
    /// Entries whose `until` has come. In UTC seconds.
    Entries {
        /// The wall clock.
        now: u64,
    },
    /// Sessions whose absolute end has come, or that are over for a day. In microseconds.
    Sessions {
        /// The wall clock.
        now: u64,
    },
    /// Cut-offs after this key that judge nothing.
    Cutoffs {
        /// The last key of the slice before.
        after: Option<[u8; 16]>,
    },
}

/// What a slice has done.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Part {
    /// Rows it removed.
    pub(super) removed: u64,
    /// Whether there may be more.
    pub(super) more: bool,
    /// The last key it looked at.
    pub(super) last: Option<[u8; 16]>,
}

/// Does one slice, and adds the sessions that it removes to `changes`.
pub(super) fn sweep(conn: &Connection, slice: Slice, changes: &mut Vec<Change>) -> Answer<Part> {
    match slice {
        Slice::Entries { now } => entries(conn, now),
        Slice::Sessions { now } => sessions(conn, now, changes),
        Slice::Cutoffs { after } => cutoffs(conn, after),
    }
}

/// The log can be told from the newest pruned position on: entries that never expire may stand below. How
/// far it was forgotten in time is kept, too: no clock before that may judge tokens.
fn entries(conn: &Connection, now: u64) -> Answer<Part> {
    let gone = all(
        conn,
        "DELETE FROM log WHERE pos IN \
         (SELECT pos FROM log WHERE until <= ?1 ORDER BY until LIMIT ?2) RETURNING pos, until",
        [clamped(now), clamped(SLICE)],
        |row| Ok((number(row, "pos")?, number(row, "until")?)),
    )?;
    let newest = gone.iter().map(|(pos, _)| pos).max();
    let latest = gone.iter().map(|(_, until)| until).max();
    if let (Some(newest), Some(latest)) = (newest, latest) {
        let sql =
            "UPDATE realm SET floor = max(floor, ?1), swept_to = max(swept_to, ?2) WHERE id = 1";
        run(conn, sql, [int(*newest)?, int(*latest)?])?;
    }
    Ok(Part { removed: gone.len() as u64, more: gone.len() as u64 == SLICE, last: None })
}

fn sessions(conn: &Connection, now: u64, changes: &mut Vec<Change>) -> Answer<Part> {
    let gone = all(
        conn,
        "DELETE FROM session WHERE rowid IN \
         (SELECT rowid FROM session WHERE expires_at <= ?1 OR over_at <= ?3 LIMIT ?2) RETURNING sid",
        [clamped(now), clamped(SLICE), clamped(now.saturating_sub(KEPT_WHEN_OVER))],
        |row| Ok(Change::Session(Sid::from_bytes(bytes(row, "sid")?))),
    )?;
    let removed = gone.len() as u64;
    changes.extend(gone);
    Ok(Part { removed, more: removed == SLICE, last: None })
}

/// One statement per scope (its number on the wire), each answered by an index.
const IDLE_CUTOFFS: [&str; 5] = [
    "DELETE FROM cutoff WHERE key > ?1 AND key <= ?2 AND scope = 2 AND NOT EXISTS \
     (SELECT 1 FROM session s WHERE s.sid = cutoff.sid)",
    "DELETE FROM cutoff WHERE key > ?1 AND key <= ?2 AND scope = 4 AND NOT EXISTS \
     (SELECT 1 FROM session s WHERE s.sub = cutoff.sub AND s.rv < cutoff.ts)",
    "DELETE FROM cutoff WHERE key > ?1 AND key <= ?2 AND scope = 5 AND NOT EXISTS \
     (SELECT 1 FROM session s WHERE s.sub = cutoff.sub AND s.client_id = cutoff.client_id \
      AND s.rv < cutoff.ts)",
    "DELETE FROM cutoff WHERE key > ?1 AND key <= ?2 AND scope = 6 AND NOT EXISTS \
     (SELECT 1 FROM session s WHERE s.client_id = cutoff.client_id AND s.rv < cutoff.ts)",
    "DELETE FROM cutoff WHERE key > ?1 AND key <= ?2 AND scope = 8 AND NOT EXISTS \
     (SELECT 1 FROM session s WHERE s.rv < cutoff.ts)",
];

fn cutoffs(conn: &Connection, after: Option<[u8; 16]>) -> Answer<Part> {
    // The empty key is before every key.
    let after: &[u8] = after.as_ref().map_or(&[], |key| key.as_slice());
    let slice = "SELECT max(key) AS last, count(*) AS rows FROM \
                 (SELECT key FROM cutoff WHERE key > ?1 ORDER BY key LIMIT ?2)";
    let found =
        one(conn, slice, params![after, clamped(SLICE)], |row| match number(row, "rows")? {
            0 => Ok(None),
            n => Ok(Some((bytes::<16>(row, "last")?, n))),
        })?;
    let Some((last, looked_at)) = found.flatten() else { return Ok(Part::default()) };
    let mut removed = 0;
    for sql in IDLE_CUTOFFS {
        removed += run(conn, sql, params![after, last])? as u64;
    }
    Ok(Part { removed, more: looked_at == SLICE, last: Some(last) })
}

//! Millions of accounts and sessions, written straight into the store's file while nobody has it open: in the order
//! of their keys and with the indexes made afterwards, so that ten million take minutes.
//!
//! Every id follows from its number, so who asks need remember none. The people share one hash.

use crate::Outcome;
use crate::bench::say;
use rescind_authority::clients::FIRST_PARTY;
use rescind_authority::line::{Carrier, Line};
use rescind_server::store::sqlite::FILE_NAME;
use rescind_testkit::server::AUDIENCE;
use rescind_wire::id::Sid;
use rusqlite::{Connection, params};
use std::fs::File;
use std::path::Path;

/// A day in microseconds: no session ends while it is measured.
const DAY: i64 = 86_400_000_000;
/// Sessions are not in the order of their accounts. It divides no count.
const STEP: usize = 7919;

/// So many accounts, each with one session: every fourth session has a refresh token, the next one a cookie, and the
/// accounts of the other two are for those who sign in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct People(pub(crate) usize);

impl People {
    /// The session of this number.
    pub(crate) fn sid(self, number: usize) -> Sid {
        Sid::from_bytes(self.spread(number, 1))
    }

    /// The line of a session that nobody has used yet.
    pub(crate) fn line(self, number: usize) -> Line {
        Line { carrier: carrier(number), sid: self.sid(number), generation: 0 }
    }

    /// The name of the account that this session belongs to.
    pub(crate) fn name(self, number: usize) -> String {
        name(number * STEP % self.0)
    }

    /// Sixteen bytes that are in order as the numbers are, and far apart.
    fn spread(self, number: usize, salt: u64) -> [u8; 16] {
        let high = ((number as u128) << 64) / self.0 as u128;
        let low = mixed(number as u64 ^ salt << 56);
        (high << 64 | u128::from(low)).to_be_bytes()
    }

    /// Writes all of them beside the account that is there, whose hash they share.
    pub(crate) fn write(self, data: &Path) -> Outcome {
        say(&format!("seed: {} accounts and sessions", self.0));
        let path = data.join(FILE_NAME);
        let mut conn = Connection::open(&path)?;
        conn.execute_batch(
            "PRAGMA journal_mode = DELETE; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; \
             PRAGMA cache_size = -500000;",
        )?;
        let dropped = drop_beside(&conn)?;
        let transaction = conn.transaction()?;
        self.accounts(&transaction)?;
        self.sessions(&transaction)?;
        transaction.commit()?;
        for made in dropped {
            conn.execute_batch(&made)?;
        }
        conn.execute_batch(
            "UPDATE amount SET accounts = (SELECT count(*) FROM account), \
             sessions = (SELECT count(*) FROM session)",
        )?;
        conn.close().map_err(|(_, error)| error)?;
        // What is measured afterwards does not wait for the disk to take all this.
        File::open(path)?.sync_all()?;
        Ok(())
    }

    fn accounts(self, conn: &Connection) -> Outcome {
        let mut insert = conn.prepare(
            "INSERT INTO account (sub, name, password_hash, password_version, roles, state, created_at, banned) \
             SELECT ?1, ?2, ?3, 1, '[\"author\"]', 'active', ?4, 0",
        )?;
        let (hash, now): (String, i64) =
            conn.query_row("SELECT password_hash, created_at FROM account LIMIT 1", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        for number in 0..self.0 {
            insert.execute(params![self.spread(number, 0), name(number), hash, now])?;
        }
        Ok(())
    }

    fn sessions(self, conn: &Connection) -> Outcome {
        let mut insert = conn.prepare(
            "INSERT INTO session (sid, sub, client_id, audiences, carrier, rv, created_at, auth_time, amr, idle, \
             expires_at, last_seen_at, generation, reached_at, seen_at, state, user_agent, address, remembered) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?6, '[\"pwd\"]', ?7, ?8, ?6, 0, ?6, ?6, 'live', \
             'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', '127.0.0.1', 0)",
        )?;
        let now: i64 = conn.query_row("SELECT ts FROM realm", [], |row| row.get(0))?;
        let audiences = format!("[\"{AUDIENCE}\"]");
        for number in 0..self.0 {
            let (carrier, audiences) = match carrier(number) {
                Carrier::Token => ("token", audiences.as_str()),
                Carrier::Cookie => ("cookie", "[]"),
            };
            let sub = self.spread(number * STEP % self.0, 0);
            let sid = self.spread(number, 1);
            let end = now + DAY + number as i64;
            insert.execute(params![sid, sub, FIRST_PARTY, audiences, carrier, now, DAY, end])?;
        }
        Ok(())
    }
}

fn carrier(number: usize) -> Carrier {
    if number.is_multiple_of(4) { Carrier::Token } else { Carrier::Cookie }
}

fn name(account: usize) -> String {
    format!("user{account:08}")
}

/// Drops the indexes and triggers of both tables, and gives the statements that make them again.
fn drop_beside(conn: &Connection) -> Outcome<Vec<String>> {
    let mut find = conn.prepare(
        "SELECT type || ' ' || name, sql FROM sqlite_master WHERE type IN ('index', 'trigger') \
         AND sql IS NOT NULL AND tbl_name IN ('account', 'session')",
    )?;
    let found = find.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
    let (dropped, made): (Vec<String>, Vec<String>) =
        found.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
    for name in dropped {
        conn.execute_batch(&format!("DROP {name}"))?;
    }
    Ok(made)
}

/// Numbers without any order, the same each time: SplitMix64.
pub(crate) fn mixed(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_in_order_and_differ() {
        let people = People(1000);
        let ids: Vec<Sid> = (0..1000).map(|number| people.sid(number)).collect();
        assert!(ids.is_sorted_by(|a, b| a.as_bytes() < b.as_bytes()));
        assert_ne!(people.spread(1, 0), people.spread(1, 1));
    }

    #[test]
    fn every_account_has_one_session() {
        let people = People(1000);
        let names: std::collections::BTreeSet<String> =
            (0..1000).map(|number| people.name(number)).collect();
        assert_eq!(names.len(), 1000);
    }
}

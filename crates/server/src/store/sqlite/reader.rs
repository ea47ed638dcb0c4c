//! Reads: each begins after it was asked for, inside one read transaction in which the head is selected
//! first, so that all of it is one snapshot. The same [`load`] serves the writer, inside its own
//! transaction.

use super::columns::{number, value};
use super::rows::{self, Answer, account_columns, all, clamped, failed, one, session_columns};
use super::schema;
use rescind_authority::account::Account;
use rescind_authority::audit::{Order, Record, Search};
use rescind_authority::clients::Client;
use rescind_authority::keys::StoredKeys;
use rescind_authority::session::{Cutoff, Session};
use rescind_authority::store::{
    AccountRef, Counts, Head, Judged, Load, Loaded, LogPart, MOST_SIBLINGS, StoreError,
};
use rescind_wire::id::{Sid, Sub};
use rescind_wire::revocation::{Entry, RevocationKey, Target};
use rusqlite::{Connection, Row, params};
use std::cmp::Reverse;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::Semaphore;

/// How many reads run at the same time; others wait.
const READERS: usize = 4;

/// A few read-only connections.
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    /// Opens all connections.
    pub(super) fn open(path: &Path) -> Result<Self, rusqlite::Error> {
        let idle = (0..READERS).map(|_| schema::connect_reader(path)).collect::<Result<_, _>>()?;
        let permits = Arc::new(Semaphore::new(READERS));
        Ok(Self { path: path.to_owned(), idle: Mutex::new(idle), permits })
    }

    /// Runs `work` in a read transaction, on a thread where waiting is allowed.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Connection) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        before_read()?;
        let gone = |_| StoreError::Failed("a read did not end".into());
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.map_err(|_| StoreError::Failed("the store is closed".into()))?;
        let me = Arc::clone(self);
        let reading = tokio::task::spawn_blocking(move || {
            let _until_given_back = permit;
            let mut conn = match me.lock().pop() {
                Some(conn) => conn,
                None => schema::connect_reader(&me.path).map_err(failed)?,
            };
            let transaction = conn.transaction().map_err(failed)?;
            let outcome = work(&transaction);
            transaction.finish().map_err(failed)?;
            me.lock().push(conn);
            outcome
        });
        reading.await.map_err(gone)?
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// A test may make it fail (`return`), panic, or count it.
fn before_read() -> Answer<()> {
    fail::fail_point!("store::before_read", |_| {
        Err(StoreError::Failed("a test stopped the read".into()))
    });
    Ok(())
}

/// The head.
pub(super) fn head(conn: &Connection) -> Answer<Head> {
    head_and_floor(conn).map(|(head, _)| head)
}

fn head_and_floor(conn: &Connection) -> Answer<(Head, u64)> {
    let sql = "SELECT epoch, pos, ts, digest, longest_life, iat_limit, floor FROM realm";
    let found = one(conn, sql, [], rows::head_and_floor)?;
    found.ok_or_else(|| StoreError::Failed("the database holds no realm".into()))
}

/// One view, the head first: it was read in this transaction. `known` are the clients, where somebody keeps
/// them; otherwise they are read.
pub(super) fn load(
    conn: &Connection,
    issuer: &str,
    load: &Load,
    head: Head,
    known: &mut Option<Arc<[Client]>>,
) -> Answer<Loaded> {
    let session = load.session.map(|sid| session(conn, sid)).transpose()?.flatten();
    let account = match (&load.account, &session) {
        (Some(AccountRef::Sub(sub)), _) => account(conn, "sub", sub.as_bytes())?,
        (Some(AccountRef::Name(name)), _) => account(conn, "name", name.as_str())?,
        (None, Some(session)) => account(conn, "sub", session.sub.as_bytes())?,
        (None, None) => None,
    };
    let siblings = match (load.siblings, &account) {
        (true, Some(account)) => siblings(conn, issuer, account.sub)?,
        _ => Vec::new(),
    };
    Ok(Loaded {
        head,
        account,
        session: session.map(|session| judged(conn, issuer, session)).transpose()?,
        siblings,
        keys: if load.keys { keys(conn)? } else { StoredKeys::default() },
        clients: if load.clients { known_clients(conn, known)? } else { Arc::default() },
        revocations: revocations(conn, &load.revocations)?,
    })
}

/// The newest sessions of an account that nothing has ended or cut off. Client by client: of each the index passes over
/// what was cut off, however much of it there is.
fn siblings(conn: &Connection, issuer: &str, sub: Sub) -> Answer<Vec<Judged>> {
    let sql = "SELECT DISTINCT client_id FROM session WHERE sub = ?1";
    let mut found = Vec::new();
    let clients: Vec<String> = all(conn, sql, [sub.as_bytes()], |row| value(row, "client_id"))?;
    for client_id in clients {
        let (grant, client) = (Target::Grant(sub, client_id.clone()), client_id.clone());
        let [a, b, c, d] =
            [Target::Subject(sub), grant, Target::Client(client), Target::Everything]
                .map(|target| target.key(issuer));
        let keys = params![a.as_bytes(), b.as_bytes(), c.as_bytes(), d.as_bytes()];
        let sql = "SELECT scope, ts FROM cutoff WHERE key IN (?1, ?2, ?3, ?4)";
        let cutoffs = all(conn, sql, keys, rows::cutoff)?;
        let born_since = clamped(cutoffs.iter().map(|cutoff| cutoff.ts).max().unwrap_or(0));
        let sql = concat!(
            "SELECT ",
            session_columns!(),
            " FROM session WHERE sub = ?1 AND client_id = ?2 AND rv >= ?3 AND state = 'live' \
             ORDER BY created_at DESC, sid LIMIT ?4"
        );
        let asked = params![sub.as_bytes(), client_id, born_since, MOST_SIBLINGS as i64];
        found.extend(all(conn, sql, asked, rows::session)?);
    }
    found.sort_by_key(|session| (Reverse(session.created_at), session.sid));
    found.truncate(MOST_SIBLINGS);
    let mut found: Vec<Judged> =
        found.into_iter().map(|session| judged(conn, issuer, session)).collect::<Answer<_>>()?;
    found.retain(|judged| !judged.session.is_cut_off(&judged.cutoffs));
    Ok(found)
}

/// All keys, by time of making: the order of the JWKS, which must not change with their states.
pub(super) fn keys(conn: &Connection) -> Answer<StoredKeys> {
    let read = |row: &Row<'_>| number(row, "keys_version");
    let version = one(conn, "SELECT keys_version FROM realm", [], read)?.unwrap_or(0);
    let keys = all(conn, "SELECT * FROM key ORDER BY created_at, kid", [], rows::key)?;
    Ok(StoredKeys { version, keys })
}

fn revocations(conn: &Connection, asked: &[RevocationKey]) -> Answer<Vec<Cutoff>> {
    let mut found = Vec::new();
    for key in asked {
        let sql = "SELECT scope, ts FROM log WHERE key = ?1";
        found.extend(all(conn, sql, [key.as_bytes()], rows::cutoff)?);
    }
    Ok(found)
}

/// The newest `most` records, of one account or of all.
pub(super) fn records(conn: &Connection, sub: Option<Sub>, most: usize) -> Answer<Vec<Record>> {
    let most = clamped(most as u64);
    match sub {
        Some(sub) => {
            let sql = "SELECT * FROM audit WHERE sub = ?1 ORDER BY id DESC LIMIT ?2";
            all(conn, sql, params![sub.as_bytes(), most], rows::record)
        }
        None => all(conn, "SELECT * FROM audit ORDER BY id DESC LIMIT ?1", [most], rows::record),
    }
}

/// At most `most` of the records that fit.
pub(super) fn search(conn: &Connection, asked: &Search, most: usize) -> Answer<Vec<(u64, Record)>> {
    const FITS: &str = "(?1 IS NULL OR actor = ?1) AND (?2 IS NULL OR action = ?2) \
        AND (?3 IS NULL OR sub = ?3) AND (?4 IS NULL OR target = ?4) \
        AND (?5 IS NULL OR at >= ?5) AND (?6 IS NULL OR at < ?6) AND id > ?7";
    let (after, order) = match asked.order {
        Order::After(number) => (number, "ASC"),
        Order::NewestFirst => (0, "DESC"),
    };
    let sql = format!("SELECT * FROM audit WHERE {FITS} ORDER BY id {order} LIMIT ?8");
    let (since, until) = (asked.since.map(clamped), asked.until.map(clamped));
    let sub = asked.sub.map(|sub| *sub.as_bytes());
    let action = asked.action.map(|action| action.name());
    let most = clamped(most as u64);
    let (actor, target, after) = (&asked.actor, &asked.target, clamped(after));
    all(conn, &sql, params![actor, action, sub, target, since, until, after, most], |row| {
        Ok((number(row, "id")?, rows::record(row)?))
    })
}

/// At most `most` sessions that nothing has ended, by id, after this one.
pub(super) fn sessions(
    conn: &Connection,
    issuer: &str,
    after: Option<Sid>,
    most: usize,
) -> Answer<Vec<Judged>> {
    let after = after.map(|sid| *sid.as_bytes());
    let sql = concat!(
        "SELECT ",
        session_columns!(),
        " FROM session WHERE state = 'live' AND (?1 IS NULL OR sid > ?1) ORDER BY sid LIMIT ?2"
    );
    let found = all(conn, sql, params![after, clamped(most as u64)], rows::session)?;
    found.into_iter().map(|session| judged(conn, issuer, session)).collect()
}

fn session(conn: &Connection, sid: Sid) -> Answer<Option<Session>> {
    let sql = concat!("SELECT ", session_columns!(), " FROM session WHERE sid = ?1");
    one(conn, sql, [sid.as_bytes()], rows::session)
}

fn account(
    conn: &Connection,
    column: &'static str,
    key: impl rusqlite::ToSql,
) -> Answer<Option<Account>> {
    let sql = match column {
        "name" => concat!("SELECT ", account_columns!(), " FROM account WHERE name = ?1"),
        _ => concat!("SELECT ", account_columns!(), " FROM account WHERE sub = ?1"),
    };
    one(conn, sql, [key], rows::account)
}

fn judged(conn: &Connection, issuer: &str, session: Session) -> Answer<Judged> {
    let [a, b, c, d, e] = session.cutoff_keys(issuer);
    let cutoffs = all(
        conn,
        judging_cutoffs(),
        params![a.as_bytes(), b.as_bytes(), c.as_bytes(), d.as_bytes(), e.as_bytes()],
        rows::cutoff,
    )?;
    Ok(Judged { session, cutoffs })
}

/// The durable rows, never the log: its entries die while sessions still live. A test may plant that mistake.
fn judging_cutoffs() -> &'static str {
    fail::fail_point!("store::sessions_by_entries", |_| {
        "SELECT scope, ts FROM log WHERE key IN (?1, ?2, ?3, ?4, ?5) ORDER BY scope"
    });
    "SELECT scope, ts FROM cutoff WHERE key IN (?1, ?2, ?3, ?4, ?5) ORDER BY scope"
}

/// At most `most` entries after `after`, unless some of them have been pruned.
pub(super) fn log(conn: &Connection, after: u64, most: usize) -> Answer<LogPart> {
    let (head, floor) = head_and_floor(conn)?;
    if !(floor..=head.pos).contains(&after) {
        return Ok(LogPart { head, entries: None });
    }
    let entries = all(
        conn,
        "SELECT * FROM log WHERE pos > ?1 ORDER BY pos LIMIT ?2",
        [clamped(after), clamped(most as u64)],
        rows::entry,
    )?;
    Ok(LogPart { head, entries: Some(entries) })
}

/// All entries that have not been pruned.
pub(super) fn snapshot(conn: &Connection) -> Answer<(Head, Vec<Entry>)> {
    let head = head(conn)?;
    Ok((head, all(conn, "SELECT * FROM log ORDER BY pos", [], rows::entry)?))
}

/// All accounts, by name.
pub(super) fn accounts(conn: &Connection) -> Answer<Vec<Account>> {
    let sql = concat!("SELECT ", account_columns!(), " FROM account ORDER BY name");
    all(conn, sql, [], rows::account)
}

/// How much there is, as it is kept with every change.
pub(super) fn counts(conn: &Connection) -> Answer<Counts> {
    let sql = "SELECT accounts, sessions FROM amount";
    let read = |row: &Row<'_>| {
        Ok(Counts { accounts: number(row, "accounts")?, sessions: number(row, "sessions")? })
    };
    let counted = one(conn, sql, [], read)?;
    counted.ok_or_else(|| StoreError::Failed("the database counts nothing".into()))
}

fn known_clients(conn: &Connection, known: &mut Option<Arc<[Client]>>) -> Answer<Arc<[Client]>> {
    if let Some(clients) = known {
        return Ok(Arc::clone(clients));
    }
    let clients: Arc<[Client]> = clients(conn)?.into();
    *known = Some(Arc::clone(&clients));
    Ok(clients)
}

/// All clients, by id.
pub(super) fn clients(conn: &Connection) -> Answer<Vec<Client>> {
    all(conn, "SELECT * FROM client ORDER BY client_id", [], rows::client)
}

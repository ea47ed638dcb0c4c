//! Values as SQLite keeps them, and back. Refuses what no rule has written: a damaged row is a failure,
//! never a guess. Error texts name columns and never carry values. Who asks for rows: `reader`; who
//! changes them: `apply`.

use super::columns::{Columns, InOrder, bytes, list, number, number_or_null, small, value};
use rescind_authority::account::{Account, AccountState};
use rescind_authority::audit::{Action, Record};
use rescind_authority::clients::{Client, Permission};
use rescind_authority::keys::{KeyState, Purpose, StoredKey};
use rescind_authority::line::Carrier;
use rescind_authority::name::Name;
use rescind_authority::session::{Cutoff, Session, SessionState, Why};
use rescind_authority::store::{Head, StoreError};
use rescind_wire::id::{Epoch, Sid, Sub};
use rescind_wire::jws::Alg;
use rescind_wire::revocation::{Digest, Entry, NEVER, RevocationKey, Scope};
use rusqlite::{Connection, Error, Params, Row};

/// A step inside a transaction.
pub(super) type Answer<T> = Result<T, StoreError>;

/// What the log of the process may say about an error of SQLite: codes, and texts that name tables and
/// columns. Errors that could carry a value are cut to their kind.
pub(super) fn failed(error: Error) -> StoreError {
    StoreError::Failed(match error {
        Error::SqliteFailure(code, text) => {
            let text = text.unwrap_or_else(|| code.to_string());
            format!("SQLite code {}: {text}", code.extended_code)
        }
        Error::SqlInputError { msg, .. } => format!("SQLite refused a statement: {msg}"),
        Error::InvalidColumnType(_, column, kind) => damaged_text(&format!("{column} ({kind})")),
        Error::InvalidColumnName(column) => format!("no column {column}"),
        _ => "SQLite: a value could not be read or bound".into(),
    })
}

/// As [`failed`], but a key that exists already, a row that is pointed to and does not exist, and what a
/// trigger refuses, is a guard that does not hold.
pub(super) fn refused(error: Error) -> StoreError {
    use rusqlite::ffi;
    let guard = |code: i32| {
        matches!(
            code,
            ffi::SQLITE_CONSTRAINT_PRIMARYKEY
                | ffi::SQLITE_CONSTRAINT_UNIQUE
                | ffi::SQLITE_CONSTRAINT_FOREIGNKEY
                | ffi::SQLITE_CONSTRAINT_TRIGGER
        )
    };
    match &error {
        Error::SqliteFailure(code, _) if guard(code.extended_code) => StoreError::Conflict,
        _ => failed(error),
    }
}

fn damaged_text(column: &str) -> String {
    format!("the database is damaged: column {column} holds what was never written")
}

/// A column that holds what no rule writes.
pub(super) fn damaged(column: &str) -> StoreError {
    StoreError::Failed(damaged_text(column))
}

/// A number as SQLite keeps it: 63 bits.
pub(super) fn int(value: u64) -> Answer<i64> {
    i64::try_from(value).map_err(|_| StoreError::Failed("a number is above 2^63 - 1".into()))
}

/// A limit or a moment to compare with: whatever is above 63 bits is above every stored number.
pub(super) fn clamped(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// An `until` as the log keeps it: never is NULL.
pub(super) fn until_column(until: u64) -> Answer<Option<i64>> {
    if until == NEVER { Ok(None) } else { int(until).map(Some) }
}

/// A list of texts as its column keeps it.
pub(super) fn json<T: AsRef<str>>(list: &[T]) -> Answer<String> {
    let texts: Vec<&str> = list.iter().map(AsRef::as_ref).collect();
    serde_json::to_string(&texts).map_err(|_| StoreError::Failed("a list is not JSON".into()))
}

/// Runs a statement; says how many rows it changed.
pub(super) fn run(conn: &Connection, sql: &str, params: impl Params) -> Answer<usize> {
    conn.prepare_cached(sql).and_then(|mut s| s.execute(params)).map_err(failed)
}

/// Runs a statement whose keys may be taken.
pub(super) fn insert(conn: &Connection, sql: &str, params: impl Params) -> Answer<()> {
    conn.prepare_cached(sql).and_then(|mut s| s.execute(params)).map_err(refused).map(drop)
}

/// The first row, if there is one.
pub(super) fn one<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> Answer<T>,
) -> Answer<Option<T>> {
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement.query(params).map_err(failed)?;
    rows.next().map_err(failed)?.map(read).transpose()
}

/// All rows.
pub(super) fn all<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    read: impl Fn(&Row<'_>) -> Answer<T>,
) -> Answer<Vec<T>> {
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement.query(params).map_err(failed)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        found.push(read(row)?);
    }
    Ok(found)
}

fn scope(row: &Row<'_>) -> Answer<Scope> {
    let n = u8::try_from(value::<i64>(row, "scope")?).map_err(|_| damaged("scope"))?;
    Scope::from_u8(n).ok_or_else(|| damaged("scope"))
}

/// The head and the floor, from the row of the realm, in this order.
pub(super) fn head_and_floor(row: &Row<'_>) -> Answer<(Head, u64)> {
    let row = &InOrder::of(row);
    let head = Head {
        epoch: Epoch::from_bytes(bytes(row, "epoch")?),
        pos: number(row, "pos")?,
        ts: number(row, "ts")?,
        digest: Digest(bytes(row, "digest")?),
        longest_life: number(row, "longest_life")?,
        iat_limit: number(row, "iat_limit")?,
    };
    Ok((head, number(row, "floor")?))
}

/// An entry of the log.
pub(super) fn entry(row: &Row<'_>) -> Answer<Entry> {
    Ok(Entry {
        pos: number(row, "pos")?,
        ts: number(row, "ts")?,
        scope: scope(row)?,
        key: RevocationKey::from_bytes(bytes(row, "key")?),
        until: number_or_null(row, "until")?.unwrap_or(NEVER),
    })
}

/// A cut-off.
pub(super) fn cutoff(row: &Row<'_>) -> Answer<Cutoff> {
    Ok(Cutoff { scope: scope(row)?, ts: number(row, "ts")? })
}

/// The columns of an account's state: `active` or `suspended`, and whether it is banned.
pub(super) fn account_state(state: AccountState) -> (&'static str, bool) {
    match state {
        AccountState::Active => ("active", false),
        AccountState::Suspended => ("suspended", false),
        AccountState::Banned => ("suspended", true),
    }
}

/// The columns of [`account`].
macro_rules! account_columns {
    () => {
        "sub, name, password_hash, password_version, roles, state, banned, created_at"
    };
}
pub(super) use account_columns;

fn name(row: &impl Columns) -> Answer<Name> {
    let text: String = value(row, "name")?;
    let name = Name::new(&text).ok().filter(|name| name.as_str() == text);
    name.ok_or_else(|| damaged("name"))
}

/// An account.
pub(super) fn account(row: &Row<'_>) -> Answer<Account> {
    let row = &InOrder::of(row);
    Ok(Account {
        sub: Sub::from_bytes(bytes(row, "sub")?),
        name: name(row)?,
        password_hash: value(row, "password_hash")?,
        password_version: small(row, "password_version")?,
        roles: list(row, "roles")?,
        state: match (value::<String>(row, "state")?.as_str(), value(row, "banned")?) {
            ("active", false) => AccountState::Active,
            ("suspended", false) => AccountState::Suspended,
            ("suspended", true) => AccountState::Banned,
            _ => return Err(damaged("state")),
        },
        created_at: number(row, "created_at")?,
    })
}

/// The name of a carrier.
pub(super) fn carrier_name(carrier: Carrier) -> &'static str {
    match carrier {
        Carrier::Cookie => "cookie",
        Carrier::Token => "token",
    }
}

fn carrier(row: &impl Columns) -> Answer<Carrier> {
    let name: String = value(row, "carrier")?;
    [Carrier::Cookie, Carrier::Token]
        .into_iter()
        .find(|carrier| carrier_name(*carrier) == name)
        .ok_or_else(|| damaged("carrier"))
}

/// The columns of a session's state.
pub(super) struct StateColumns {
    /// `live`, `replaced` or `ended`.
    pub(super) state: &'static str,
    /// When it was over.
    pub(super) over_at: Option<i64>,
    /// The session that took its place.
    pub(super) replaced_by: Option<[u8; 16]>,
    /// Why it ended.
    pub(super) why: Option<&'static str>,
}

impl StateColumns {
    /// Of this state.
    pub(super) fn of(state: SessionState) -> Answer<Self> {
        let live = Self { state: "live", over_at: None, replaced_by: None, why: None };
        Ok(match state {
            SessionState::Live => live,
            SessionState::Replaced { by, at } => Self {
                state: "replaced",
                over_at: Some(int(at)?),
                replaced_by: Some(*by.as_bytes()),
                ..live
            },
            SessionState::Ended { at, why } => {
                Self { state: "ended", over_at: Some(int(at)?), why: Some(why.name()), ..live }
            }
        })
    }
}

fn session_state(row: &impl Columns) -> Answer<SessionState> {
    let state: String = value(row, "state")?;
    let over_at = number_or_null(row, "over_at")?;
    let by: Option<[u8; 16]> = value(row, "replaced_by")?;
    let why: Option<String> = value(row, "why")?;
    match (state.as_str(), over_at, by, why) {
        ("live", None, None, None) => Ok(SessionState::Live),
        ("replaced", Some(at), Some(by), None) => {
            Ok(SessionState::Replaced { by: Sid::from_bytes(by), at })
        }
        ("ended", Some(at), None, Some(why)) => {
            let why = Why::from_name(&why).ok_or_else(|| damaged("why"))?;
            Ok(SessionState::Ended { at, why })
        }
        _ => Err(damaged("state")),
    }
}

/// The columns of [`session`].
macro_rules! session_columns {
    () => {
        "sid, sub, client_id, audiences, carrier, rv, created_at, auth_time, amr, idle, expires_at, \
         last_seen_at, generation, reached_at, seen_at, move_key, state, over_at, replaced_by, why, \
         device, user_agent, address, remembered"
    };
}
pub(super) use session_columns;

/// A session.
pub(super) fn session(row: &Row<'_>) -> Answer<Session> {
    let row = &InOrder::of(row);
    Ok(Session {
        sid: Sid::from_bytes(bytes(row, "sid")?),
        sub: Sub::from_bytes(bytes(row, "sub")?),
        client_id: value(row, "client_id")?,
        audiences: list(row, "audiences")?,
        carrier: carrier(row)?,
        rv: number(row, "rv")?,
        created_at: number(row, "created_at")?,
        auth_time: number(row, "auth_time")?,
        amr: list(row, "amr")?,
        idle: number(row, "idle")?,
        expires_at: number(row, "expires_at")?,
        last_seen_at: number(row, "last_seen_at")?,
        generation: small(row, "generation")?,
        reached_at: number(row, "reached_at")?,
        seen_at: number_or_null(row, "seen_at")?,
        move_key: value(row, "move_key")?,
        state: session_state(row)?,
        device: value(row, "device")?,
        user_agent: value(row, "user_agent")?,
        address: value(row, "address")?,
        remembered: value(row, "remembered")?,
    })
}

/// What tells apart keys of one purpose: the audience of a shared secret, the number of one that comes
/// from the master key.
pub(super) fn key_columns(purpose: &Purpose) -> (Option<&str>, Option<u32>) {
    match purpose {
        Purpose::Token => (None, None),
        Purpose::Shared(audience) => (Some(audience), None),
        Purpose::Feed(number) | Purpose::Line(number) | Purpose::Csrf(number) => {
            (None, Some(*number))
        }
    }
}

/// A key.
pub(super) fn key(row: &Row<'_>) -> Answer<StoredKey> {
    let purpose: String = value(row, "purpose")?;
    let alg: Option<String> = value(row, "alg")?;
    let state: String = value(row, "state")?;
    Ok(StoredKey {
        kid: value(row, "kid")?,
        purpose: match purpose.as_str() {
            "token" => Purpose::Token,
            "shared" => Purpose::Shared(value(row, "audience")?),
            "feed" => Purpose::Feed(small(row, "number")?),
            "line" => Purpose::Line(small(row, "number")?),
            "csrf" => Purpose::Csrf(small(row, "number")?),
            _ => return Err(damaged("purpose")),
        },
        alg: match alg {
            None => None,
            Some(name) => Some(Alg::from_name(&name).ok_or_else(|| damaged("alg"))?),
        },
        state: KeyState::from_name(&state).ok_or_else(|| damaged("state"))?,
        created_at: number(row, "created_at")?,
        since: number(row, "since")?,
        usable_from: number(row, "usable_from")?,
        wrapped: value(row, "wrapped")?,
    })
}

/// A record of who did what.
pub(super) fn record(row: &Row<'_>) -> Answer<Record> {
    let action: String = value(row, "action")?;
    let sub: Option<[u8; 16]> = value(row, "sub")?;
    Ok(Record {
        at: number(row, "at")?,
        actor: value(row, "actor")?,
        action: Action::from_name(&action).ok_or_else(|| damaged("action"))?,
        sub: sub.map(Sub::from_bytes),
        target: value(row, "target")?,
        reason: value(row, "reason")?,
        before: value(row, "before")?,
        after: value(row, "after")?,
    })
}

/// A client.
pub(super) fn client(row: &Row<'_>) -> Answer<Client> {
    let permission =
        |name: String| Permission::from_name(&name).ok_or_else(|| damaged("permissions"));
    Ok(Client {
        client_id: value(row, "client_id")?,
        secret_hash: bytes(row, "secret_hash")?,
        audiences: list(row, "audiences")?,
        permissions: list(row, "permissions")?
            .into_iter()
            .map(permission)
            .collect::<Answer<_>>()?,
        created_at: number(row, "created_at")?,
    })
}

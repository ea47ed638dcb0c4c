//! The writes of one job, inside its savepoint. Each guard stands in the statement itself; a guard that
//! does not hold refuses the job. Positions and log times come from [`Head::append`] alone.

use super::rows::{
    self, Answer, StateColumns, account_state, all, carrier_name, insert, int, json, key_columns,
    run, until_column,
};
use super::schema;
use rescind_authority::account::Account;
use rescind_authority::audit::Record;
use rescind_authority::clients::Client;
use rescind_authority::keys::{KeyState, StoredKey};
use rescind_authority::session::{Session, SessionState, Why};
use rescind_authority::store::{Head, StoreError, Write};
use rescind_wire::id::{Epoch, Sid, Sub};
use rescind_wire::revocation::{Entry, Scope, Target};
use rusqlite::{Connection, named_params, params};
use std::sync::Arc;

/// One job's hand on the database.
pub(super) struct Pen<'a> {
    /// The writer's connection, inside the job's savepoint.
    pub(super) conn: &'a Connection,
    /// The realm.
    pub(super) issuer: &'a str,
    /// Wall clock, read once for the job.
    pub(super) wall: u64,
    /// The newest log time that was ever given out, also to jobs that were undone.
    pub(super) ratchet: &'a mut u64,
    /// Takes the entries of this job.
    pub(super) appended: &'a mut Vec<Entry>,
    /// The clients that the writer keeps: forgotten when one of them changes.
    pub(super) clients: &'a mut Option<Arc<[Client]>>,
    /// The head as this job sees and moves it.
    pub(super) head: Head,
}

impl Pen<'_> {
    /// Makes the writes in their order, and the new head durable with them.
    pub(super) fn write_all(mut self, writes: Vec<Write>) -> Answer<Head> {
        let before = self.head;
        for write in writes {
            self.write(write)?;
        }
        if self.head != before {
            self.save_head()?;
        }
        Ok(self.head)
    }

    /// Begins an epoch; see [`rescind_authority::store::Store::open_epoch`].
    pub(super) fn open_epoch(
        mut self,
        epoch: Epoch,
        ts: u64,
        end_sessions: bool,
        record: Record,
    ) -> Answer<Head> {
        let against_keys = format!("SELECT * FROM log WHERE scope = {}", Scope::Key as u8);
        let against_keys = all(self.conn, &against_keys, [], rows::entry)?;
        run(self.conn, "DELETE FROM log", [])?;
        self.head.ts = self.head.ts.max(*self.ratchet);
        let entry = self.head.open_epoch(self.issuer, epoch, ts);
        self.keep(&entry)?;
        for old in against_keys {
            let again = self.head.append_again(old.scope, old.key, ts);
            self.keep(&again)?;
        }
        if end_sessions {
            self.cut_off(&entry, &Target::Everything)?;
        }
        self.audit(&record)?;
        // What `restore` has left for this moment.
        schema::sign(self.conn, schema::GROWN).map_err(rows::failed)?;
        self.save_head()?;
        Ok(self.head)
    }

    fn write(&mut self, write: Write) -> Answer<()> {
        match write {
            Write::InsertAccount(account) => self.insert_account(&account),
            Write::Rehash { sub, if_version, password_hash } => run(
                self.conn,
                "UPDATE account SET password_hash = ?3 WHERE sub = ?1 AND password_version = ?2",
                params![sub.as_bytes(), if_version, password_hash],
            )
            .map(drop),
            Write::SetPassword { sub, if_version, password_hash } => must_hold(run(
                self.conn,
                "UPDATE account SET password_hash = ?3, password_version = password_version + 1 \
                 WHERE sub = ?1 AND password_version = ?2",
                params![sub.as_bytes(), if_version, password_hash],
            )?),
            Write::SetAccountState { sub, state } => must_hold(run(
                self.conn,
                "UPDATE account SET state = ?2, banned = ?3 WHERE sub = ?1",
                params![sub.as_bytes(), account_state(state).0, account_state(state).1],
            )?),
            Write::SetRoles { sub, roles } => must_hold(run(
                self.conn,
                "UPDATE account SET roles = ?2 WHERE sub = ?1",
                params![sub.as_bytes(), json(&roles)?],
            )?),
            Write::DeleteAccount(sub) => self.delete_account(sub),
            Write::InsertSession(session) => self.insert_session(&session),
            Write::ReplaceSession { old, at, mut new } => {
                new.rv = self.head.ts;
                self.insert_session(&new)?;
                must_hold(run(
                    self.conn,
                    "UPDATE session SET state = 'replaced', over_at = ?2, replaced_by = ?3 \
                     WHERE sid = ?1 AND state = 'live'",
                    params![old.as_bytes(), int(at)?, new.sid.as_bytes()],
                )?)
            }
            Write::MoveLine { sid, from, at, move_key } => self.move_line(sid, from, at, move_key),
            Write::Seen { sid, generation, at } => must_hold(run(
                self.conn,
                "UPDATE session SET seen_at = CASE WHEN generation = ?2 \
                 THEN coalesce(seen_at, ?3) ELSE seen_at END WHERE sid = ?1 AND state = 'live'",
                params![sid.as_bytes(), generation, int(at)?],
            )?),
            Write::Touch { sid, at } => run(
                self.conn,
                "UPDATE session SET last_seen_at = max(last_seen_at, ?2) \
                 WHERE sid = ?1 AND state = 'live'",
                params![sid.as_bytes(), int(at)?],
            )
            .map(drop),
            Write::EndSession { sid, at, why } => self.end_session(sid, at, why),
            Write::NameSession { sid, device } => must_hold(run(
                self.conn,
                "UPDATE session SET device = ?2 WHERE sid = ?1 AND state = 'live'",
                params![sid.as_bytes(), device],
            )?),
            Write::Revoke(target) => self.revoke(&target),
            Write::RaiseIatLimit(limit) => {
                self.head.iat_limit = self.head.iat_limit.max(limit);
                Ok(())
            }
            Write::InsertClient(client) => {
                *self.clients = None;
                self.insert_client(&client)
            }
            Write::SetClientSecret { client_id, secret_hash } => {
                *self.clients = None;
                must_hold(run(
                    self.conn,
                    "UPDATE client SET secret_hash = ?2 WHERE client_id = ?1",
                    params![client_id, secret_hash],
                )?)
            }
            Write::DeleteClient(client_id) => {
                *self.clients = None;
                must_hold(run(self.conn, "DELETE FROM client WHERE client_id = ?1", [client_id])?)
            }
            Write::PutKey(key) => self.put_key(&key),
            Write::MoveKey { kid, from, to, at } => self.move_key(&kid, from, to, at),
            Write::DropKey(kid) => {
                let sql = "DELETE FROM key WHERE kid = ?1 AND state IN ('next', 'retired')";
                must_hold(run(self.conn, sql, [kid])?)?;
                self.raise_keys_version()
            }
            Write::Audit(record) => self.audit(&record),
        }
    }

    fn delete_account(&self, sub: Sub) -> Answer<()> {
        let sub = sub.as_bytes();
        run(self.conn, "DELETE FROM session WHERE sub = ?1", [sub])?;
        must_hold(run(self.conn, "DELETE FROM account WHERE sub = ?1", [sub])?)?;
        let sql = "INSERT INTO gone (sub, deleted_at) VALUES (?1, ?2)";
        insert(self.conn, sql, params![sub, int(self.wall)?])
    }

    fn put_key(&self, key: &StoredKey) -> Answer<()> {
        let (audience, number) = key_columns(&key.purpose);
        insert(
            self.conn,
            "INSERT INTO key (kid, purpose, audience, number, alg, state, created_at, since, \
             usable_from, wrapped) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                key.kid,
                key.purpose.name(),
                audience,
                number,
                key.alg.map(|alg| alg.name()),
                key.state.name(),
                int(key.created_at)?,
                int(key.since)?,
                int(key.usable_from)?,
                key.wrapped
            ],
        )?;
        self.raise_keys_version()
    }

    fn move_key(&self, kid: &str, from: KeyState, to: KeyState, at: u64) -> Answer<()> {
        if from >= to {
            return Err(StoreError::Conflict);
        }
        must_hold(run(
            self.conn,
            "UPDATE key SET state = ?3, since = ?4, \
             wrapped = CASE WHEN ?3 = 'compromised' THEN NULL ELSE wrapped END \
             WHERE kid = ?1 AND state = ?2",
            params![kid, from.name(), to.name(), int(at)?],
        )?)?;
        self.raise_keys_version()
    }

    fn raise_keys_version(&self) -> Answer<()> {
        let sql = "UPDATE realm SET keys_version = keys_version + 1 WHERE id = 1";
        must_hold(run(self.conn, sql, [])?)
    }

    fn audit(&self, record: &Record) -> Answer<()> {
        insert(
            self.conn,
            "INSERT INTO audit (at, actor, action, sub, target, reason, before, after) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                int(record.at)?,
                record.actor,
                record.action.name(),
                record.sub.as_ref().map(|sub| sub.as_bytes()),
                record.target,
                record.reason,
                record.before,
                record.after
            ],
        )
    }

    fn revoke(&mut self, target: &Target) -> Answer<()> {
        self.head.ts = self.head.ts.max(*self.ratchet);
        let entry = self.head.append(self.issuer, target, self.wall);
        self.keep(&entry)?;
        self.cut_off(&entry, target)
    }

    fn keep(&mut self, entry: &Entry) -> Answer<()> {
        *self.ratchet = entry.ts;
        self.appended.push(*entry);
        run(
            self.conn,
            "INSERT INTO log (pos, ts, scope, key, until) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                int(entry.pos)?,
                int(entry.ts)?,
                entry.scope as u8,
                entry.key.as_bytes(),
                until_column(entry.until)?
            ],
        )
        .map(drop)
    }

    fn cut_off(&self, entry: &Entry, target: &Target) -> Answer<()> {
        let (sid, sub, client_id) = match target {
            Target::Session(sid) => (Some(sid.as_bytes()), None, None),
            Target::Subject(sub) => (None, Some(sub.as_bytes()), None),
            Target::Grant(sub, client) => (None, Some(sub.as_bytes()), Some(client)),
            Target::Client(client) => (None, None, Some(client)),
            _ => (None, None, None),
        };
        if !entry.scope.judges_sessions() {
            return Ok(());
        }
        run(
            self.conn,
            "INSERT INTO cutoff (key, scope, ts, sid, sub, client_id) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (key) DO UPDATE SET ts = max(ts, excluded.ts)",
            params![entry.key.as_bytes(), entry.scope as u8, int(entry.ts)?, sid, sub, client_id],
        )
        .map(drop)
    }

    fn save_head(&self) -> Answer<()> {
        let head = &self.head;
        must_hold(run(
            self.conn,
            "UPDATE realm SET epoch = ?1, pos = ?2, ts = ?3, digest = ?4, iat_limit = ?5, \
             floor = CASE WHEN epoch = ?1 THEN floor ELSE 0 END, \
             swept_to = CASE WHEN epoch = ?1 THEN swept_to ELSE 0 END WHERE id = 1",
            params![
                head.epoch.as_bytes(),
                int(head.pos)?,
                int(head.ts)?,
                head.digest.0,
                int(head.iat_limit)?
            ],
        )?)
    }

    fn insert_account(&self, account: &Account) -> Answer<()> {
        insert(
            self.conn,
            "INSERT INTO account (sub, name, password_hash, password_version, roles, state, banned, \
             created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                account.sub.as_bytes(),
                account.name.as_str(),
                account.password_hash,
                account.password_version,
                json(&account.roles)?,
                account_state(account.state).0,
                account_state(account.state).1,
                int(account.created_at)?
            ],
        )
    }

    fn insert_session(&self, session: &Session) -> Answer<()> {
        let state = StateColumns::of(session.state)?;
        insert(
            self.conn,
            "INSERT INTO session (sid, sub, client_id, audiences, carrier, rv, created_at, auth_time, amr, \
             idle, expires_at, last_seen_at, generation, reached_at, seen_at, move_key, state, \
             over_at, replaced_by, why, device, user_agent, address, remembered) \
             VALUES (:sid, :sub, :client_id, :audiences, :carrier, :rv, :created_at, :auth_time, :amr, \
             :idle, :expires_at, :last_seen_at, :generation, :reached_at, :seen_at, :move_key, \
             :state, :over_at, :replaced_by, :why, :device, :user_agent, :address, :remembered)",
            named_params! {
                ":sid": session.sid.as_bytes(),
                ":sub": session.sub.as_bytes(),
                ":client_id": session.client_id,
                ":audiences": json(&session.audiences)?,
                ":carrier": carrier_name(session.carrier),
                ":rv": int(session.rv)?,
                ":created_at": int(session.created_at)?,
                ":auth_time": int(session.auth_time)?,
                ":amr": json(&session.amr)?,
                ":idle": int(session.idle)?,
                ":expires_at": int(session.expires_at)?,
                ":last_seen_at": int(session.last_seen_at)?,
                ":generation": session.generation,
                ":reached_at": int(session.reached_at)?,
                ":seen_at": session.seen_at.map(int).transpose()?,
                ":move_key": session.move_key,
                ":state": state.state,
                ":over_at": state.over_at,
                ":replaced_by": state.replaced_by,
                ":why": state.why,
                ":device": session.device,
                ":user_agent": session.user_agent,
                ":address": session.address,
                ":remembered": session.remembered,
            },
        )
    }

    fn move_line(&self, sid: Sid, from: u32, at: u64, move_key: Option<[u8; 32]>) -> Answer<()> {
        must_hold(run(
            self.conn,
            "UPDATE session SET generation = generation + 1, reached_at = ?3, \
             last_seen_at = max(last_seen_at, ?3), seen_at = NULL, move_key = ?4 \
             WHERE sid = ?1 AND generation = ?2 AND generation < 4294967295 AND state = 'live'",
            params![sid.as_bytes(), from, int(at)?, move_key],
        )?)
    }

    fn end_session(&self, sid: Sid, at: u64, why: Why) -> Answer<()> {
        let ended = StateColumns::of(SessionState::Ended { at, why })?;
        run(
            self.conn,
            "UPDATE session SET state = ?2, over_at = ?3, why = ?4 \
             WHERE sid = ?1 AND state = 'live'",
            params![sid.as_bytes(), ended.state, ended.over_at, ended.why],
        )
        .map(drop)
    }

    fn insert_client(&self, client: &Client) -> Answer<()> {
        let permissions: Vec<&str> = client.permissions.iter().map(|p| p.name()).collect();
        insert(
            self.conn,
            "INSERT INTO client (client_id, secret_hash, audiences, permissions, created_at) \
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                client.client_id,
                client.secret_hash,
                json(&client.audiences)?,
                json(&permissions)?,
                int(client.created_at)?
            ],
        )
    }
}

/// A guarded statement has changed its one row, or the job is refused.
fn must_hold(changed: usize) -> Answer<()> {
    if changed == 1 { Ok(()) } else { Err(StoreError::Conflict) }
}

-- Version 1. Times are microseconds since 1970 UTC where nothing else is said.

CREATE TABLE realm (
  id           INTEGER PRIMARY KEY CHECK (id = 1),
  issuer       TEXT    NOT NULL,
  keys         TEXT    NOT NULL,                                      -- thumbprint of the feed key
  epoch        BLOB    NOT NULL CHECK (length(epoch) = 16),
  pos          INTEGER NOT NULL CHECK (pos >= 0),
  ts           INTEGER NOT NULL CHECK (ts >= 0),
  digest       BLOB    NOT NULL CHECK (length(digest) = 32),
  longest_life INTEGER NOT NULL CHECK (longest_life >= 0),            -- seconds
  iat_limit    INTEGER NOT NULL CHECK (iat_limit >= 0),               -- seconds
  floor        INTEGER NOT NULL CHECK (floor BETWEEN 0 AND pos)       -- newest pruned position
) STRICT;

CREATE TRIGGER realm_only_rises BEFORE UPDATE ON realm
WHEN NEW.issuer IS NOT OLD.issuer
  OR NEW.keys IS NOT OLD.keys
  OR NEW.ts < OLD.ts
  OR NEW.longest_life < OLD.longest_life
  OR NEW.iat_limit < OLD.iat_limit
  OR (NEW.epoch = OLD.epoch AND (NEW.pos < OLD.pos OR NEW.floor < OLD.floor))
BEGIN
  SELECT RAISE(ABORT, 'the realm only rises');
END;

CREATE TABLE log (
  pos   INTEGER PRIMARY KEY CHECK (pos > 0),
  ts    INTEGER NOT NULL,
  scope INTEGER NOT NULL CHECK (scope BETWEEN 1 AND 9),
  key   BLOB    NOT NULL CHECK (length(key) = 16),
  until INTEGER                                                       -- seconds; NULL for never
) STRICT;
CREATE INDEX log_until ON log (until) WHERE until IS NOT NULL;

-- The ids stand beside the key so that pruning can ask for the sessions that a row still judges.
CREATE TABLE cutoff (
  key       BLOB    PRIMARY KEY NOT NULL CHECK (length(key) = 16),
  scope     INTEGER NOT NULL CHECK (scope IN (2, 4, 5, 6, 8)),
  ts        INTEGER NOT NULL,
  sid       BLOB CHECK ((sid IS NOT NULL) = (scope = 2)),
  sub       BLOB CHECK ((sub IS NOT NULL) = (scope IN (4, 5))),
  client_id TEXT CHECK ((client_id IS NOT NULL) = (scope IN (5, 6)))
) STRICT, WITHOUT ROWID;

CREATE TABLE account (
  sub              BLOB    PRIMARY KEY NOT NULL CHECK (length(sub) = 16),
  name             TEXT    NOT NULL UNIQUE,
  password_hash    TEXT    NOT NULL,
  password_version INTEGER NOT NULL CHECK (password_version >= 0),
  roles            TEXT    NOT NULL,                                  -- JSON array
  state            TEXT    NOT NULL CHECK (state IN ('active', 'suspended')),
  created_at       INTEGER NOT NULL
) STRICT;

CREATE TABLE session (
  sid          BLOB    PRIMARY KEY NOT NULL CHECK (length(sid) = 16),
  sub          BLOB    NOT NULL REFERENCES account (sub),
  client_id    TEXT    NOT NULL,
  audiences    TEXT    NOT NULL,                                      -- JSON array
  carrier      TEXT    NOT NULL CHECK (carrier IN ('cookie', 'token')),
  rv           INTEGER NOT NULL,
  created_at   INTEGER NOT NULL,
  auth_time    INTEGER NOT NULL,
  amr          TEXT    NOT NULL,                                      -- JSON array
  idle         INTEGER NOT NULL,
  expires_at   INTEGER NOT NULL,
  last_seen_at INTEGER NOT NULL,
  generation   INTEGER NOT NULL CHECK (generation BETWEEN 0 AND 4294967295),
  reached_at   INTEGER NOT NULL,
  seen_at      INTEGER,
  move_key     BLOB CHECK (move_key IS NULL OR length(move_key) = 32),
  state        TEXT    NOT NULL CHECK (state IN ('live', 'replaced', 'ended')),
  over_at      INTEGER CHECK ((over_at IS NULL) = (state = 'live')),
  replaced_by  BLOB    CHECK ((replaced_by IS NOT NULL) = (state = 'replaced')),
  why          TEXT    CHECK ((why IS NOT NULL) = (state = 'ended')),
  device       TEXT,
  user_agent   TEXT,
  address      TEXT,
  remembered   INTEGER NOT NULL CHECK (remembered IN (0, 1))
) STRICT;
CREATE INDEX session_account ON session (sub, client_id, rv);
CREATE INDEX session_client ON session (client_id, rv);
CREATE INDEX session_birth ON session (rv);
CREATE INDEX session_newest ON session (sub, created_at) WHERE state = 'live';
CREATE INDEX session_end ON session (expires_at);
CREATE INDEX session_over ON session (over_at) WHERE over_at IS NOT NULL;

CREATE TRIGGER session_never_revives BEFORE UPDATE OF state ON session
WHEN OLD.state <> 'live'
BEGIN
  SELECT RAISE(ABORT, 'a session that is over stays over');
END;

CREATE TRIGGER session_never_goes_back BEFORE UPDATE OF generation, expires_at ON session
WHEN NEW.generation < OLD.generation OR NEW.expires_at IS NOT OLD.expires_at
BEGIN
  SELECT RAISE(ABORT, 'a line only moves on, and its end stays');
END;

CREATE TABLE client (
  client_id   TEXT    PRIMARY KEY NOT NULL,
  secret_hash BLOB    NOT NULL CHECK (length(secret_hash) = 32),
  audiences   TEXT    NOT NULL,                                       -- JSON array
  permissions TEXT    NOT NULL,                                       -- JSON array
  created_at  INTEGER NOT NULL
) STRICT;

-- Version 2: keys in the store, wrapped under the master key; the record of who did what; bans;
-- deleted accounts. Times are microseconds since 1970 UTC.

-- `keys` names the master key from now on; the program checks that it belongs to the realm before it
-- changes it, once, from the name that version 1 had.
DROP TRIGGER realm_only_rises;
ALTER TABLE realm ADD COLUMN keys_version INTEGER NOT NULL DEFAULT 0 CHECK (keys_version >= 0);
CREATE TRIGGER realm_only_rises BEFORE UPDATE ON realm
WHEN NEW.issuer IS NOT OLD.issuer
  OR NEW.ts < OLD.ts
  OR NEW.longest_life < OLD.longest_life
  OR NEW.iat_limit < OLD.iat_limit
  OR NEW.keys_version < OLD.keys_version
  OR (NEW.epoch = OLD.epoch AND (NEW.pos < OLD.pos OR NEW.floor < OLD.floor))
BEGIN
  SELECT RAISE(ABORT, 'the realm only rises');
END;

CREATE INDEX log_key ON log (key);

-- A deleted account's id is never given out again.
CREATE TABLE gone (
  sub        BLOB    PRIMARY KEY NOT NULL CHECK (length(sub) = 16),
  deleted_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER account_never_returns BEFORE INSERT ON account
WHEN EXISTS (SELECT 1 FROM gone WHERE sub = NEW.sub)
BEGIN
  SELECT RAISE(ABORT, 'the id of a deleted account is never given out again');
END;

-- A banned account is one that is closed for good.
ALTER TABLE account ADD COLUMN banned INTEGER NOT NULL DEFAULT 0
  CHECK (banned = 0 OR (banned = 1 AND state = 'suspended'));

CREATE TABLE key (
  kid        TEXT    PRIMARY KEY NOT NULL,
  purpose    TEXT    NOT NULL CHECK (purpose IN ('token', 'shared', 'feed', 'line', 'csrf')),
  audience   TEXT    CHECK ((audience IS NOT NULL) = (purpose = 'shared')),
  number     INTEGER CHECK ((number IS NOT NULL) = (purpose IN ('feed', 'line', 'csrf'))),
  alg        TEXT    CHECK ((alg IS NULL) = (purpose IN ('line', 'csrf'))),
  state      TEXT    NOT NULL CHECK (state IN ('next', 'active', 'retired', 'compromised')),
  created_at INTEGER NOT NULL,
  since      INTEGER NOT NULL,
  wrapped    BLOB                                                     -- sealed under the master key
) STRICT;
CREATE UNIQUE INDEX key_one_active ON key (purpose, coalesce(audience, '')) WHERE state = 'active';

CREATE TRIGGER key_only_goes_forward BEFORE UPDATE ON key
WHEN NEW.kid IS NOT OLD.kid OR NEW.purpose IS NOT OLD.purpose OR NEW.audience IS NOT OLD.audience
  OR NEW.number IS NOT OLD.number OR NEW.alg IS NOT OLD.alg
  OR instr('next active retired compromised', NEW.state) <= instr('next active retired compromised', OLD.state)
  OR (NEW.wrapped IS NOT NULL AND NEW.wrapped IS NOT OLD.wrapped)
BEGIN
  SELECT RAISE(ABORT, 'a key only goes forward');
END;
CREATE TRIGGER key_stays_compromised BEFORE DELETE ON key
WHEN OLD.state IN ('active', 'compromised')
BEGIN
  SELECT RAISE(ABORT, 'a key that is in use or compromised stays');
END;

CREATE TABLE audit (
  id     INTEGER PRIMARY KEY AUTOINCREMENT,
  at     INTEGER NOT NULL,
  actor  TEXT    NOT NULL,
  action TEXT    NOT NULL,
  sub    BLOB    CHECK (sub IS NULL OR length(sub) = 16),
  target TEXT,
  reason TEXT,
  before TEXT,
  after  TEXT
) STRICT;
CREATE INDEX audit_account ON audit (sub, id) WHERE sub IS NOT NULL;

CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN
  SELECT RAISE(ABORT, 'the record is only appended to');
END;
CREATE TRIGGER audit_is_not_removed BEFORE DELETE ON audit
BEGIN
  SELECT RAISE(ABORT, 'the record is only appended to');
END;

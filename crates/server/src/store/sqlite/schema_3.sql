-- Version 3: how far entries were forgotten, in seconds since 1970 UTC: the latest `until` of those that a
-- sweep has removed. It rises in the transaction that removes them; a new epoch, which is against
-- everything, begins anew.
DROP TRIGGER realm_only_rises;
ALTER TABLE realm ADD COLUMN swept_to INTEGER NOT NULL DEFAULT 0 CHECK (swept_to >= 0);
CREATE TRIGGER realm_only_rises BEFORE UPDATE ON realm
WHEN NEW.issuer IS NOT OLD.issuer
  OR NEW.ts < OLD.ts
  OR NEW.longest_life < OLD.longest_life
  OR NEW.iat_limit < OLD.iat_limit
  OR NEW.keys_version < OLD.keys_version
  OR (NEW.epoch = OLD.epoch
      AND (NEW.pos < OLD.pos OR NEW.floor < OLD.floor OR NEW.swept_to < OLD.swept_to))
BEGIN
  SELECT RAISE(ABORT, 'the realm only rises');
END;

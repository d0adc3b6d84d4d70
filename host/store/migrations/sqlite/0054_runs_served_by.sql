-- The digest of the version of a plugin whose step moved the run last.
ALTER TABLE runs ADD COLUMN served_by TEXT;

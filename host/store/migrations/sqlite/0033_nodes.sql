-- Whether a node lives is one row a node, by the database's clock; partitions have an owner and a fence only.
CREATE TABLE nodes (
    session     TEXT   NOT NULL PRIMARY KEY,
    name        TEXT   NOT NULL,
    alive_until BIGINT NOT NULL
) WITHOUT ROWID;
ALTER TABLE partitions DROP COLUMN lease_until;
UPDATE partitions SET owner = NULL, session = NULL;
CREATE INDEX partitions_session ON partitions (session);

-- When a tenant that sleeps has something to do by time alone: never if NULL, 0 if it is to be looked at.
ALTER TABLE partitions ADD COLUMN due_at BIGINT DEFAULT 0;

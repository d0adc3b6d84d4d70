-- Customers who were erased: who asked when, what became of it, and whom to refuse from then on. No row says who they were.

-- `done_at` once the engine has carried it out; `scrubbed_at` once the file's free pages hold nothing of it either.
-- `counts`: rows by place, as far as it has come.
CREATE TABLE erasures (
    tenant_id   BIGINT NOT NULL REFERENCES tenants (id),
    id          TEXT   NOT NULL,
    customer_id TEXT   NOT NULL,
    suppress    BIGINT NOT NULL,
    asked_by    TEXT   NOT NULL,
    asked_at    BIGINT NOT NULL,
    done_at     BIGINT,
    scrubbed_at BIGINT,
    counts      TEXT   NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, id)
) WITHOUT ROWID;

-- Identities by their marks, which nobody can make who lacks the hub's key.
CREATE TABLE suppressions (
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    mark      TEXT   NOT NULL,
    since     BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, mark)
) WITHOUT ROWID;

-- How many events of the tenant are erased: while there are none, no event is looked for among them.
ALTER TABLE partitions ADD COLUMN erased BIGINT NOT NULL DEFAULT 0;

-- Control events may name customers whom they do not belong to.
CREATE INDEX events_control ON events (tenant_id, name, position) WHERE kind = 9;

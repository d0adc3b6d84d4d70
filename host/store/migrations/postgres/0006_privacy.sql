-- Customers who were erased: who asked when, what became of it, and whom to refuse from then on. No row says who they were.

-- `done_at` once the engine has carried it out; `scrubbed_at` for SQLite.
-- `counts`: rows by place, as far as it has come.
CREATE TABLE erasures (
    tenant_id   BIGINT NOT NULL REFERENCES tenants (id),
    id          TEXT COLLATE "C" NOT NULL,
    customer_id TEXT COLLATE "C" NOT NULL,
    suppress    BIGINT NOT NULL,
    asked_by    TEXT COLLATE "C" NOT NULL,
    asked_at    BIGINT NOT NULL,
    done_at     BIGINT,
    scrubbed_at BIGINT,
    counts      TEXT COLLATE "C" NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, id)
);

-- Identities by their marks, which nobody can make who lacks the hub's key.
CREATE TABLE suppressions (
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    mark      TEXT COLLATE "C" NOT NULL,
    since     BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, mark)
);

-- How many events of the tenant are erased: while there are none, no event is looked for among them.
ALTER TABLE partitions ADD COLUMN erased BIGINT NOT NULL DEFAULT 0;

-- Control events may name customers whom they do not belong to.
CREATE INDEX events_control ON events (tenant_id, name, position) WHERE kind = 9;

ALTER TABLE erasures ENABLE ROW LEVEL SECURITY;
ALTER TABLE erasures FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON erasures
    USING (tenant_id = ANY ((SELECT string_to_array(current_setting('openhub.tenants', true), ','))::BIGINT[]));

ALTER TABLE suppressions ENABLE ROW LEVEL SECURITY;
ALTER TABLE suppressions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON suppressions
    USING (tenant_id = ANY ((SELECT string_to_array(current_setting('openhub.tenants', true), ','))::BIGINT[]));

-- Tenants below tenants: who owns each, how it stands, and what it may have at most.
ALTER TABLE tenants ADD COLUMN parent_id BIGINT;
ALTER TABLE tenants ADD COLUMN status BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tenants ADD COLUMN ceiling TEXT COLLATE "C" NOT NULL DEFAULT '{}';
ALTER TABLE tenants ADD COLUMN delete_at BIGINT;
CREATE INDEX tenants_below ON tenants (parent_id, id);

-- What was deleted of a tenant, for the one that it was below.
CREATE TABLE tenant_deletions (
    tenant_id  BIGINT NOT NULL,
    deleted_id BIGINT NOT NULL,
    name       TEXT COLLATE "C" NOT NULL,
    due_at     BIGINT NOT NULL,
    begun_at   BIGINT NOT NULL,
    ended_at   BIGINT,
    counts     TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, deleted_id)
);
ALTER TABLE tenant_deletions ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenant_deletions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON tenant_deletions
    USING (tenant_id = ANY ((SELECT string_to_array(current_setting('openhub.tenants', true), ','))::BIGINT[]));

-- Tenants below tenants: who owns each, how it stands, and what it may have at most.
ALTER TABLE tenants ADD COLUMN parent_id BIGINT;
ALTER TABLE tenants ADD COLUMN status BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tenants ADD COLUMN ceiling TEXT NOT NULL DEFAULT '{}';
ALTER TABLE tenants ADD COLUMN delete_at BIGINT;
CREATE INDEX tenants_below ON tenants (parent_id, id);

-- What was deleted of a tenant, for the one that it was below.
CREATE TABLE tenant_deletions (
    tenant_id  BIGINT NOT NULL,
    deleted_id BIGINT NOT NULL,
    name       TEXT NOT NULL,
    due_at     BIGINT NOT NULL,
    begun_at   BIGINT NOT NULL,
    ended_at   BIGINT,
    counts     TEXT NOT NULL,
    PRIMARY KEY (tenant_id, deleted_id)
) WITHOUT ROWID;

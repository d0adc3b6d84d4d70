-- Who is in which segment at the checkpoint.

CREATE TABLE memberships (
    tenant_id   BIGINT NOT NULL,
    segment     TEXT   NOT NULL,
    customer_id TEXT   NOT NULL,
    since       BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, segment, customer_id)
) WITHOUT ROWID;
CREATE INDEX memberships_customer ON memberships (tenant_id, customer_id);

-- `condition` of a version is NULL for a static segment. `filling`: customers up to `filled_to` have been looked at since
-- the version in force took effect.
CREATE TABLE segments (
    tenant_id  BIGINT NOT NULL REFERENCES tenants (id),
    name       TEXT   NOT NULL,
    version    BIGINT,
    latest     BIGINT NOT NULL,
    members    BIGINT NOT NULL DEFAULT 0,
    filling    BIGINT NOT NULL DEFAULT 0,
    filled     BIGINT NOT NULL DEFAULT 0,
    filled_to  TEXT,
    position   BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, name)
) WITHOUT ROWID;

CREATE TABLE segment_versions (
    tenant_id  BIGINT NOT NULL,
    segment    TEXT   NOT NULL,
    version    BIGINT NOT NULL,
    condition  TEXT,
    author     TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, segment, version),
    FOREIGN KEY (tenant_id, segment) REFERENCES segments (tenant_id, name) ON DELETE CASCADE
) WITHOUT ROWID;

-- When a customer's segments may change by time alone.
ALTER TABLE customers ADD COLUMN wake_at BIGINT;

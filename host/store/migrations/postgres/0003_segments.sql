-- Who is in which segment at the checkpoint.

CREATE TABLE memberships (
    tenant_id   BIGINT NOT NULL,
    segment     TEXT COLLATE "C" NOT NULL,
    customer_id TEXT COLLATE "C" NOT NULL,
    since       BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, segment, customer_id)
);
CREATE INDEX memberships_customer ON memberships (tenant_id, customer_id);

ALTER TABLE memberships ENABLE ROW LEVEL SECURITY;
ALTER TABLE memberships FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON memberships
    USING (tenant_id = ANY ((SELECT string_to_array(current_setting('openhub.tenants', true), ','))::BIGINT[]));

-- `condition` of a version is NULL for a static segment. `filling`: customers up to `filled_to` have been looked at since
-- the version in force took effect.
CREATE TABLE segments (
    tenant_id  BIGINT NOT NULL REFERENCES tenants (id),
    name       TEXT COLLATE "C" NOT NULL,
    version    BIGINT,
    latest     BIGINT NOT NULL,
    members    BIGINT NOT NULL DEFAULT 0,
    filling    BIGINT NOT NULL DEFAULT 0,
    filled     BIGINT NOT NULL DEFAULT 0,
    filled_to  TEXT COLLATE "C",
    position   BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, name)
);

CREATE TABLE segment_versions (
    tenant_id  BIGINT NOT NULL,
    segment    TEXT COLLATE "C" NOT NULL,
    version    BIGINT NOT NULL,
    condition  TEXT COLLATE "C",
    author     TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, segment, version),
    FOREIGN KEY (tenant_id, segment) REFERENCES segments (tenant_id, name) ON DELETE CASCADE
);

-- When a customer's segments may change by time alone.
ALTER TABLE customers ADD COLUMN wake_at BIGINT;

ALTER TABLE segments ENABLE ROW LEVEL SECURITY;
ALTER TABLE segments FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON segments
    USING (tenant_id = ANY ((SELECT string_to_array(current_setting('openhub.tenants', true), ','))::BIGINT[]));

ALTER TABLE segment_versions ENABLE ROW LEVEL SECURITY;
ALTER TABLE segment_versions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON segment_versions
    USING (tenant_id = ANY ((SELECT string_to_array(current_setting('openhub.tenants', true), ','))::BIGINT[]));

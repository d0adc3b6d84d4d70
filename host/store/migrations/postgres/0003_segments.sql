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

-- Who did what, in a chain of hashes for each tenant, and the signed end of each chain.
CREATE TABLE audit (
    tenant_id BIGINT NOT NULL,
    number    BIGINT NOT NULL,
    at        BIGINT NOT NULL,
    kind      TEXT COLLATE "C" NOT NULL,
    who       TEXT COLLATE "C" NOT NULL,
    more      TEXT COLLATE "C" NOT NULL,
    act       TEXT COLLATE "C" NOT NULL,
    subject   TEXT COLLATE "C" NOT NULL,
    origin    TEXT COLLATE "C" NOT NULL,
    request   TEXT COLLATE "C" NOT NULL,
    before    TEXT COLLATE "C" NOT NULL,
    after     TEXT COLLATE "C" NOT NULL,
    previous  TEXT COLLATE "C" NOT NULL,
    hash      TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, number)
);
CREATE INDEX audit_who ON audit (tenant_id, who, number);
CREATE INDEX audit_subject ON audit (tenant_id, subject, number);
CREATE INDEX audit_request ON audit (tenant_id, request);

CREATE TABLE audit_heads (
    tenant_id BIGINT NOT NULL,
    number    BIGINT NOT NULL,
    hash      TEXT COLLATE "C" NOT NULL,
    signature TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id)
);

ALTER TABLE audit ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON audit
    USING (tenant_id = ANY ((SELECT string_to_array(current_setting('openhub.tenants', true), ','))::BIGINT[]));
ALTER TABLE audit_heads ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_heads FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON audit_heads
    USING (tenant_id = ANY ((SELECT string_to_array(current_setting('openhub.tenants', true), ','))::BIGINT[]));

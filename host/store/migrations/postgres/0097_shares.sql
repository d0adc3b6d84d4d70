-- What a tenant lets another have of its customers, as both agreed: a row for each version.
CREATE TABLE shares (
    tenant_id    BIGINT NOT NULL,
    id           TEXT COLLATE "C" NOT NULL,
    recipient_id BIGINT NOT NULL,
    name         TEXT COLLATE "C" NOT NULL,
    version      BIGINT NOT NULL,
    digest       TEXT COLLATE "C" NOT NULL,
    terms        TEXT COLLATE "C" NOT NULL,
    consent      TEXT COLLATE "C",
    standing     BIGINT NOT NULL,
    proposer_id  BIGINT NOT NULL,
    reason       TEXT COLLATE "C",
    proposed_at  BIGINT NOT NULL,
    agreed_at    BIGINT,
    ended_at     BIGINT,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX shares_version ON shares (tenant_id, recipient_id, name, version);
-- Of one name, one is in force, and one waits for an answer.
CREATE UNIQUE INDEX shares_live ON shares (tenant_id, recipient_id, name, standing) WHERE standing < 2;
CREATE INDEX shares_recipient ON shares (recipient_id, id);

-- The key under which a tenant's customers have other names for one recipient: sealed.
CREATE TABLE share_keys (
    tenant_id    BIGINT NOT NULL,
    recipient_id BIGINT NOT NULL,
    sealed       TEXT COLLATE "C" NOT NULL,
    made_at      BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, recipient_id)
);

ALTER TABLE shares ENABLE ROW LEVEL SECURITY;
ALTER TABLE shares FORCE ROW LEVEL SECURITY;
-- Both see what they agreed on, and nobody else does.
CREATE POLICY tenant ON shares USING (
    tenant_id = ANY ((SELECT string_to_array(current_setting('openhub.tenants', true), ','))::BIGINT[])
    OR recipient_id = ANY ((SELECT string_to_array(current_setting('openhub.tenants', true), ','))::BIGINT[])
);

ALTER TABLE share_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE share_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON share_keys
    USING (tenant_id = ANY ((SELECT string_to_array(current_setting('openhub.tenants', true), ','))::BIGINT[]));

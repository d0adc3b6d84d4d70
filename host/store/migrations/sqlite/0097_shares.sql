-- What a tenant lets another have of its customers, as both agreed: a row for each version.
CREATE TABLE shares (
    tenant_id    BIGINT NOT NULL,
    id           TEXT NOT NULL,
    recipient_id BIGINT NOT NULL,
    name         TEXT NOT NULL,
    version      BIGINT NOT NULL,
    digest       TEXT NOT NULL,
    terms        TEXT NOT NULL,
    consent      TEXT,
    standing     BIGINT NOT NULL,
    proposer_id  BIGINT NOT NULL,
    reason       TEXT,
    proposed_at  BIGINT NOT NULL,
    agreed_at    BIGINT,
    ended_at     BIGINT,
    PRIMARY KEY (tenant_id, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX shares_version ON shares (tenant_id, recipient_id, name, version);
-- Of one name, one is in force, and one waits for an answer.
CREATE UNIQUE INDEX shares_live ON shares (tenant_id, recipient_id, name, standing) WHERE standing < 2;
CREATE INDEX shares_recipient ON shares (recipient_id, id);

-- The key under which a tenant's customers have other names for one recipient: sealed.
CREATE TABLE share_keys (
    tenant_id    BIGINT NOT NULL,
    recipient_id BIGINT NOT NULL,
    sealed       TEXT NOT NULL,
    made_at      BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, recipient_id)
) WITHOUT ROWID;

-- Who did what, in a chain of hashes for each tenant, and the signed end of each chain.
CREATE TABLE audit (
    tenant_id BIGINT NOT NULL,
    number    BIGINT NOT NULL,
    at        BIGINT NOT NULL,
    kind      TEXT NOT NULL,
    who       TEXT NOT NULL,
    more      TEXT NOT NULL,
    act       TEXT NOT NULL,
    subject   TEXT NOT NULL,
    origin    TEXT NOT NULL,
    request   TEXT NOT NULL,
    before    TEXT NOT NULL,
    after     TEXT NOT NULL,
    previous  TEXT NOT NULL,
    hash      TEXT NOT NULL,
    PRIMARY KEY (tenant_id, number)
) WITHOUT ROWID;
CREATE INDEX audit_who ON audit (tenant_id, who, number);
CREATE INDEX audit_subject ON audit (tenant_id, subject, number);
CREATE INDEX audit_request ON audit (tenant_id, request);

CREATE TABLE audit_heads (
    tenant_id BIGINT NOT NULL,
    number    BIGINT NOT NULL,
    hash      TEXT NOT NULL,
    signature TEXT NOT NULL,
    PRIMARY KEY (tenant_id)
) WITHOUT ROWID;

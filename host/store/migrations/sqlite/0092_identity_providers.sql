-- Who a tenant lets say who its people are (OpenID Connect), with the client's secret sealed; and whom of them it has said that about.
CREATE TABLE identity_providers (
    tenant_id     BIGINT NOT NULL,
    issuer        TEXT NOT NULL,
    client_id     TEXT NOT NULL,
    client_secret TEXT NOT NULL,
    domains       TEXT NOT NULL,
    newcomers     TEXT,
    updated_at    BIGINT NOT NULL,
    PRIMARY KEY (tenant_id)
) WITHOUT ROWID;

ALTER TABLE persons ADD COLUMN issuer TEXT;
ALTER TABLE persons ADD COLUMN subject TEXT;
CREATE UNIQUE INDEX persons_subject ON persons (tenant_id, issuer, subject);

-- Who a tenant lets say who its people are (OpenID Connect), with the client's secret sealed; and whom of them it has said that about.
CREATE TABLE identity_providers (
    tenant_id     BIGINT NOT NULL,
    issuer        TEXT COLLATE "C" NOT NULL,
    client_id     TEXT COLLATE "C" NOT NULL,
    client_secret TEXT COLLATE "C" NOT NULL,
    domains       TEXT COLLATE "C" NOT NULL,
    newcomers     TEXT COLLATE "C",
    updated_at    BIGINT NOT NULL,
    PRIMARY KEY (tenant_id)
);

ALTER TABLE identity_providers ENABLE ROW LEVEL SECURITY;
ALTER TABLE identity_providers FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON identity_providers
    USING (tenant_id = ANY ((SELECT string_to_array(current_setting('openhub.tenants', true), ','))::BIGINT[]));

ALTER TABLE persons ADD COLUMN issuer TEXT COLLATE "C";
ALTER TABLE persons ADD COLUMN subject TEXT COLLATE "C";
CREATE UNIQUE INDEX persons_subject ON persons (tenant_id, issuer, subject);

-- The people of a tenant, and where they are logged in. Of passwords, invitations and sessions there are only hashes.
CREATE TABLE persons (
    tenant_id     BIGINT NOT NULL,
    id            TEXT COLLATE "C" NOT NULL,
    email         TEXT COLLATE "C" NOT NULL,
    name          TEXT COLLATE "C" NOT NULL,
    role          TEXT COLLATE "C" NOT NULL,
    password      TEXT COLLATE "C",
    invitation    TEXT COLLATE "C",
    invited_until BIGINT,
    created_at    BIGINT NOT NULL,
    made_by       TEXT COLLATE "C",
    logged_in_at  BIGINT,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX persons_email ON persons (tenant_id, email);
CREATE INDEX persons_newest ON persons (tenant_id, created_at, id);

CREATE TABLE sessions (
    tenant_id  BIGINT NOT NULL,
    hash       TEXT COLLATE "C" NOT NULL,
    person     TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,
    ends_at    BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, hash),
    FOREIGN KEY (tenant_id, person) REFERENCES persons (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX sessions_person ON sessions (tenant_id, person);

DO $$
DECLARE walled TEXT;
BEGIN
    FOREACH walled IN ARRAY ARRAY['persons', 'sessions'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', walled);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', walled);
        EXECUTE format(
            'CREATE POLICY tenant ON %I USING (tenant_id = ANY ((SELECT string_to_array(current_setting(''openhub.tenants'', true), '',''))::BIGINT[]))',
            walled
        );
    END LOOP;
END
$$;

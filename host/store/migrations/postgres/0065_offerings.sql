-- Offerings: what a tenant publishes for those below it. A version never changes; how it stands follows from its times.
CREATE TABLE offerings (
    tenant_id   BIGINT NOT NULL,
    name        TEXT COLLATE "C" NOT NULL,
    title       TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    latest      BIGINT NOT NULL,
    version     BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, name)
);

CREATE TABLE offering_versions (
    tenant_id   BIGINT NOT NULL,
    offering    TEXT COLLATE "C" NOT NULL,
    version     BIGINT NOT NULL,
    digest      TEXT COLLATE "C" NOT NULL,
    document    TEXT COLLATE "C" NOT NULL,
    created_by  TEXT COLLATE "C" NOT NULL,
    created_at  BIGINT NOT NULL,
    active_at   BIGINT,
    archived_at BIGINT,
    PRIMARY KEY (tenant_id, offering, version),
    FOREIGN KEY (tenant_id, offering) REFERENCES offerings (tenant_id, name) ON DELETE CASCADE
);

-- A partner's contract for a version of an offering: the row is the partner's, and its provider sees it, too.
CREATE TABLE subscriptions (
    tenant_id      BIGINT NOT NULL,
    id             TEXT COLLATE "C" NOT NULL,
    provider_id    BIGINT NOT NULL,
    offering       TEXT COLLATE "C" NOT NULL,
    version        BIGINT NOT NULL,
    digest         TEXT COLLATE "C" NOT NULL,
    request_key    TEXT COLLATE "C" NOT NULL,
    request_digest TEXT COLLATE "C" NOT NULL,
    contract       BIGINT NOT NULL,
    parameters     TEXT COLLATE "C" NOT NULL,
    agreed         TEXT COLLATE "C" NOT NULL,
    time_zone      TEXT COLLATE "C" NOT NULL,
    cap            TEXT COLLATE "C",
    reason         TEXT COLLATE "C",
    requested_at   BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,
    active_at      BIGINT,
    ended_at       BIGINT,
    export_until   BIGINT,
    removed_at     BIGINT,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX subscriptions_key ON subscriptions (tenant_id, request_key);
-- Of one offering, a partner has one that is requested or active.
CREATE UNIQUE INDEX subscriptions_live ON subscriptions (tenant_id, provider_id, offering) WHERE contract < 2;
CREATE INDEX subscriptions_provider ON subscriptions (provider_id, offering, id);

DO $$
DECLARE walled TEXT;
BEGIN
    FOREACH walled IN ARRAY ARRAY['offerings', 'offering_versions', 'subscriptions'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', walled);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', walled);
    END LOOP;
    FOREACH walled IN ARRAY ARRAY['offerings', 'offering_versions'] LOOP
        EXECUTE format(
            'CREATE POLICY tenant ON %I USING (tenant_id = ANY ((SELECT string_to_array(current_setting(''openhub.tenants'', true), '',''))::BIGINT[]))',
            walled
        );
    END LOOP;
END
$$;
CREATE POLICY tenant ON subscriptions USING (
    tenant_id = ANY ((SELECT string_to_array(current_setting('openhub.tenants', true), ','))::BIGINT[])
    OR provider_id = ANY ((SELECT string_to_array(current_setting('openhub.tenants', true), ','))::BIGINT[])
);

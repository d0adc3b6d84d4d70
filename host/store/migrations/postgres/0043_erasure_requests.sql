-- What plugins are asked to erase of a customer whom the hub has erased: each until it has answered, or is not asked any more.
-- `who` is sealed under the hub's key, and goes when the request is closed.
CREATE TABLE erasure_requests (
    tenant_id BIGINT NOT NULL,
    erasure   TEXT COLLATE "C" NOT NULL,
    plugin    TEXT COLLATE "C" NOT NULL,
    status    BIGINT NOT NULL DEFAULT 0,
    who       TEXT COLLATE "C",
    attempt   BIGINT NOT NULL DEFAULT 0,
    due_at    BIGINT,
    code      TEXT COLLATE "C",
    receipt   TEXT COLLATE "C",
    closed_at BIGINT,
    PRIMARY KEY (tenant_id, erasure, plugin),
    FOREIGN KEY (tenant_id, erasure) REFERENCES erasures (tenant_id, id)
);
CREATE INDEX erasure_requests_due ON erasure_requests (tenant_id, due_at) WHERE due_at IS NOT NULL;

DO $$
DECLARE walled TEXT;
BEGIN
    FOREACH walled IN ARRAY ARRAY['erasure_requests'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', walled);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', walled);
        EXECUTE format(
            'CREATE POLICY tenant ON %I USING (tenant_id = ANY ((SELECT string_to_array(current_setting(''openhub.tenants'', true), '',''))::BIGINT[]))',
            walled
        );
    END LOOP;
END
$$;

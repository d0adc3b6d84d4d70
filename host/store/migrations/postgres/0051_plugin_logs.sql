-- The last lines that each plugin logged, in the order of their time.
CREATE TABLE plugin_logs (
    tenant_id BIGINT NOT NULL,
    plugin    TEXT COLLATE "C" NOT NULL,
    at        BIGINT NOT NULL,
    id        TEXT COLLATE "C" NOT NULL,
    digest    TEXT COLLATE "C" NOT NULL,
    version   TEXT COLLATE "C" NOT NULL,
    level     BIGINT NOT NULL,
    message   TEXT COLLATE "C" NOT NULL,
    fields    TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, plugin, at, id)
);

ALTER TABLE plugin_logs ENABLE ROW LEVEL SECURITY;
ALTER TABLE plugin_logs FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON plugin_logs
    USING (tenant_id = ANY ((SELECT string_to_array(current_setting('openhub.tenants', true), ','))::BIGINT[]));

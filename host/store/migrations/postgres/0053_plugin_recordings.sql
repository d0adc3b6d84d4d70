-- What is recorded of a plugin's calls: a share of them, or those of a customer, for a time.
ALTER TABLE plugins ADD COLUMN recording TEXT COLLATE "C";
-- Calls of plugins with what came of them, as JSON.
CREATE TABLE plugin_recordings (
    tenant_id BIGINT NOT NULL,
    id        TEXT   COLLATE "C" NOT NULL,
    plugin    TEXT   COLLATE "C" NOT NULL,
    digest    TEXT   COLLATE "C" NOT NULL,
    kind      TEXT   COLLATE "C" NOT NULL,
    name      TEXT   COLLATE "C" NOT NULL,
    outcome   TEXT   COLLATE "C" NOT NULL,
    at        BIGINT NOT NULL,
    part_id   TEXT   COLLATE "C",
    recording TEXT   COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, plugin) REFERENCES plugins (tenant_id, name) ON DELETE CASCADE
);
CREATE INDEX plugin_recordings_newest ON plugin_recordings (tenant_id, plugin, at, id);
CREATE INDEX plugin_recordings_part ON plugin_recordings (tenant_id, part_id);

ALTER TABLE plugin_recordings ENABLE ROW LEVEL SECURITY;
ALTER TABLE plugin_recordings FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON plugin_recordings
    USING (tenant_id = ANY ((SELECT string_to_array(current_setting('openhub.tenants', true), ','))::BIGINT[]));

-- What is recorded of a plugin's calls: a share of them, or those of a customer, for a time.
ALTER TABLE plugins ADD COLUMN recording TEXT;
-- Calls of plugins with what came of them, as JSON.
CREATE TABLE plugin_recordings (
    tenant_id BIGINT NOT NULL,
    id        TEXT   NOT NULL,
    plugin    TEXT   NOT NULL,
    digest    TEXT   NOT NULL,
    kind      TEXT   NOT NULL,
    name      TEXT   NOT NULL,
    outcome   TEXT   NOT NULL,
    at        BIGINT NOT NULL,
    part_id   TEXT,
    recording TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, plugin) REFERENCES plugins (tenant_id, name) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX plugin_recordings_newest ON plugin_recordings (tenant_id, plugin, at, id);
CREATE INDEX plugin_recordings_part ON plugin_recordings (tenant_id, part_id);

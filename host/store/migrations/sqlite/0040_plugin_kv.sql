-- What a plugin keeps of its own: entries by key, each with a version that is never used twice, and how much there is of them.
-- An entry may name its customer, so that an erasure takes it.
CREATE TABLE plugin_state (
    tenant_id  BIGINT NOT NULL,
    plugin     TEXT   NOT NULL,
    kv_version BIGINT NOT NULL DEFAULT 0,
    kv_entries BIGINT NOT NULL DEFAULT 0,
    kv_bytes   BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, plugin),
    FOREIGN KEY (tenant_id, plugin) REFERENCES plugins (tenant_id, name) ON DELETE CASCADE
) WITHOUT ROWID;
INSERT INTO plugin_state (tenant_id, plugin) SELECT tenant_id, name FROM plugins;

CREATE TABLE plugin_kv (
    tenant_id  BIGINT NOT NULL,
    plugin     TEXT   NOT NULL,
    key        TEXT   NOT NULL,
    value      BLOB   NOT NULL,
    bytes      BIGINT NOT NULL,
    version    BIGINT NOT NULL,
    part_id    TEXT,
    expires_at BIGINT,
    PRIMARY KEY (tenant_id, plugin, key),
    FOREIGN KEY (tenant_id, plugin) REFERENCES plugin_state (tenant_id, plugin) ON DELETE CASCADE
);
CREATE INDEX plugin_kv_part ON plugin_kv (tenant_id, part_id) WHERE part_id IS NOT NULL;
CREATE INDEX plugin_kv_expires ON plugin_kv (tenant_id, plugin, expires_at) WHERE expires_at IS NOT NULL;

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('plugin_kv', 'sqlite_autoindex_plugin_kv_1', '200000 200000 50000 1'),
    ('plugin_kv', 'plugin_kv_part', '200000 200000 2'),
    ('plugin_kv', 'plugin_kv_expires', '200000 200000 50000 1');
ANALYZE sqlite_schema;

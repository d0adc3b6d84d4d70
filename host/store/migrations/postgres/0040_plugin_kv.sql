-- What a plugin keeps of its own: entries by key, each with a version that is never used twice, and how much there is of them.
-- An entry may name its customer, so that an erasure takes it.
CREATE TABLE plugin_state (
    tenant_id  BIGINT NOT NULL,
    plugin     TEXT   COLLATE "C" NOT NULL,
    kv_version BIGINT NOT NULL DEFAULT 0,
    kv_entries BIGINT NOT NULL DEFAULT 0,
    kv_bytes   BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, plugin),
    FOREIGN KEY (tenant_id, plugin) REFERENCES plugins (tenant_id, name) ON DELETE CASCADE
);
-- Of all tenants: as long as it is not forced, row-level security leaves out the owner.
ALTER TABLE plugins NO FORCE ROW LEVEL SECURITY;
INSERT INTO plugin_state (tenant_id, plugin) SELECT tenant_id, name FROM plugins;
ALTER TABLE plugins FORCE ROW LEVEL SECURITY;

CREATE TABLE plugin_kv (
    tenant_id  BIGINT NOT NULL,
    plugin     TEXT   COLLATE "C" NOT NULL,
    key        TEXT   COLLATE "C" NOT NULL,
    value      BYTEA  NOT NULL,
    bytes      BIGINT NOT NULL,
    version    BIGINT NOT NULL,
    part_id    TEXT   COLLATE "C",
    expires_at BIGINT,
    PRIMARY KEY (tenant_id, plugin, key),
    FOREIGN KEY (tenant_id, plugin) REFERENCES plugin_state (tenant_id, plugin) ON DELETE CASCADE
);
CREATE INDEX plugin_kv_part ON plugin_kv (tenant_id, part_id) WHERE part_id IS NOT NULL;
CREATE INDEX plugin_kv_expires ON plugin_kv (tenant_id, plugin, expires_at) WHERE expires_at IS NOT NULL;

DO $$
DECLARE walled TEXT;
BEGIN
    FOREACH walled IN ARRAY ARRAY['plugin_state', 'plugin_kv'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', walled);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', walled);
        EXECUTE format(
            'CREATE POLICY tenant ON %I USING (tenant_id = ANY ((SELECT string_to_array(current_setting(''openhub.tenants'', true), '',''))::BIGINT[]))',
            walled
        );
    END LOOP;
END
$$;

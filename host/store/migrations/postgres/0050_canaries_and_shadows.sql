-- A version that serves a part of the customers beside the active one, and one that is called beside it and changes nothing.
ALTER TABLE plugins ADD COLUMN canary TEXT COLLATE "C";
ALTER TABLE plugins ADD COLUMN shadow TEXT COLLATE "C";
-- What a shadow answered beside the active version: sums by rule.
CREATE TABLE plugin_shadows (
    tenant_id   BIGINT NOT NULL,
    plugin      TEXT   COLLATE "C" NOT NULL,
    rule        TEXT   COLLATE "C" NOT NULL,
    compared    BIGINT NOT NULL,
    differing   BIGINT NOT NULL,
    neighbours  BIGINT NOT NULL,
    skipped     BIGINT NOT NULL,
    faults      BIGINT NOT NULL,
    fuel        BIGINT NOT NULL,
    shadow_fuel BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, plugin, rule),
    FOREIGN KEY (tenant_id, plugin) REFERENCES plugins (tenant_id, name) ON DELETE CASCADE
);
-- The first rows on which they differ.
CREATE TABLE plugin_shadow_rows (
    tenant_id  BIGINT NOT NULL,
    plugin     TEXT   COLLATE "C" NOT NULL,
    rule       TEXT   COLLATE "C" NOT NULL,
    message_id TEXT   COLLATE "C" NOT NULL,
    position   BIGINT NOT NULL,
    part_id    TEXT   COLLATE "C",
    differs    TEXT   COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, plugin, rule, message_id),
    FOREIGN KEY (tenant_id, plugin) REFERENCES plugins (tenant_id, name) ON DELETE CASCADE
);
CREATE INDEX plugin_shadow_rows_part ON plugin_shadow_rows (tenant_id, part_id);

ALTER TABLE plugin_shadows ENABLE ROW LEVEL SECURITY;
ALTER TABLE plugin_shadows FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON plugin_shadows
    USING (tenant_id = ANY ((SELECT string_to_array(current_setting('openhub.tenants', true), ','))::BIGINT[]));
ALTER TABLE plugin_shadow_rows ENABLE ROW LEVEL SECURITY;
ALTER TABLE plugin_shadow_rows FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON plugin_shadow_rows
    USING (tenant_id = ANY ((SELECT string_to_array(current_setting('openhub.tenants', true), ','))::BIGINT[]));

-- A version that serves a part of the customers beside the active one, and one that is called beside it and changes nothing.
ALTER TABLE plugins ADD COLUMN canary TEXT;
ALTER TABLE plugins ADD COLUMN shadow TEXT;
-- What a shadow answered beside the active version: sums by rule.
CREATE TABLE plugin_shadows (
    tenant_id   BIGINT NOT NULL,
    plugin      TEXT   NOT NULL,
    rule        TEXT   NOT NULL,
    compared    BIGINT NOT NULL,
    differing   BIGINT NOT NULL,
    neighbours  BIGINT NOT NULL,
    skipped     BIGINT NOT NULL,
    faults      BIGINT NOT NULL,
    fuel        BIGINT NOT NULL,
    shadow_fuel BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, plugin, rule),
    FOREIGN KEY (tenant_id, plugin) REFERENCES plugins (tenant_id, name) ON DELETE CASCADE
) WITHOUT ROWID;
-- The first rows on which they differ.
CREATE TABLE plugin_shadow_rows (
    tenant_id  BIGINT NOT NULL,
    plugin     TEXT   NOT NULL,
    rule       TEXT   NOT NULL,
    message_id TEXT   NOT NULL,
    position   BIGINT NOT NULL,
    part_id    TEXT,
    differs    TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, plugin, rule, message_id),
    FOREIGN KEY (tenant_id, plugin) REFERENCES plugins (tenant_id, name) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX plugin_shadow_rows_part ON plugin_shadow_rows (tenant_id, part_id);

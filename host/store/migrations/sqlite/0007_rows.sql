-- Objects in the order they were made: their keys sort by nothing that a batch has in common, so that each insert into
-- a tree by key dirtied a page of whole rows.

CREATE TABLE objects_by_row (
    tenant_id  BIGINT NOT NULL,
    kind       TEXT   NOT NULL,
    key        TEXT   NOT NULL,
    part_id    TEXT,
    version    BIGINT NOT NULL,
    fields     TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    cause      TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, kind, key)
);
INSERT INTO objects_by_row (tenant_id, kind, key, part_id, version, fields, created_at, updated_at, cause)
    SELECT tenant_id, kind, key, part_id, version, fields, created_at, updated_at, cause FROM objects
    ORDER BY created_at, tenant_id, kind, key;
DROP TABLE objects;
ALTER TABLE objects_by_row RENAME TO objects;
CREATE INDEX objects_part ON objects (tenant_id, part_id) WHERE part_id IS NOT NULL;

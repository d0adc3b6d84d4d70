-- Object types that an admin declares: the version in force. `migrating`: how far its objects are on their way to the next one.
CREATE TABLE object_types (
    tenant_id  BIGINT NOT NULL,
    name       TEXT   NOT NULL,
    version    BIGINT NOT NULL,
    definition TEXT   NOT NULL,
    position   BIGINT NOT NULL,
    migrating  TEXT,
    PRIMARY KEY (tenant_id, name)
) WITHOUT ROWID;

-- Which objects lead to which: a row for each value of a relation. `clears`: they lead there no more once that one is deleted.
CREATE TABLE object_relations (
    tenant_id  BIGINT NOT NULL,
    to_kind    TEXT   NOT NULL,
    to_key     TEXT   NOT NULL,
    kind       TEXT   NOT NULL,
    object_key TEXT   NOT NULL,
    field      TEXT   NOT NULL,
    clears     BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, to_kind, to_key, kind, object_key, field)
) WITHOUT ROWID;
CREATE INDEX object_relations_object ON object_relations (tenant_id, kind, object_key);

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('object_relations', 'object_relations', '200000 200000 100000 4 2 1 1'),
    ('object_relations', 'object_relations_object', '200000 200000 100000 2');
ANALYZE sqlite_schema;

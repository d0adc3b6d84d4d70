-- Object types that an admin declares: the version in force. `migrating`: how far its objects are on their way to the next one.
CREATE TABLE object_types (
    tenant_id  BIGINT NOT NULL,
    name       TEXT COLLATE "C" NOT NULL,
    version    BIGINT NOT NULL,
    definition TEXT NOT NULL,
    position   BIGINT NOT NULL,
    migrating  TEXT,
    PRIMARY KEY (tenant_id, name)
);

ALTER TABLE object_types ENABLE ROW LEVEL SECURITY;
ALTER TABLE object_types FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON object_types
    USING (tenant_id = ANY ((SELECT string_to_array(current_setting('openhub.tenants', true), ','))::BIGINT[]));

-- Which objects lead to which: a row for each value of a relation. `clears`: they lead there no more once that one is deleted.
CREATE TABLE object_relations (
    tenant_id  BIGINT NOT NULL,
    to_kind    TEXT COLLATE "C" NOT NULL,
    to_key     TEXT COLLATE "C" NOT NULL,
    kind       TEXT COLLATE "C" NOT NULL,
    object_key TEXT COLLATE "C" NOT NULL,
    field      TEXT COLLATE "C" NOT NULL,
    clears     BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, to_kind, to_key, kind, object_key, field)
);
CREATE INDEX object_relations_object ON object_relations (tenant_id, kind, object_key);

ALTER TABLE object_relations ENABLE ROW LEVEL SECURITY;
ALTER TABLE object_relations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON object_relations
    USING (tenant_id = ANY ((SELECT string_to_array(current_setting('openhub.tenants', true), ','))::BIGINT[]));

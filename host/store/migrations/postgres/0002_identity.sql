-- Parts: a customer is the set of parts that share a customer_id. Nothing else names a merge.

CREATE TABLE parts (
    tenant_id   BIGINT NOT NULL,
    part_id     TEXT COLLATE "C" NOT NULL,
    customer_id TEXT COLLATE "C" NOT NULL,
    kind        TEXT COLLATE "C" NOT NULL,
    value       TEXT COLLATE "C" NOT NULL,
    since       BIGINT NOT NULL,
    source      TEXT COLLATE "C" NOT NULL,
    state       TEXT COLLATE "C",
    PRIMARY KEY (tenant_id, part_id)
);
CREATE INDEX parts_customer ON parts (tenant_id, customer_id);

-- The wall also hides rows from the tables' owner, who runs this: it opens while the rows of all tenants are copied.
ALTER TABLE customers NO FORCE ROW LEVEL SECURITY;
ALTER TABLE events NO FORCE ROW LEVEL SECURITY;
INSERT INTO parts (tenant_id, part_id, customer_id, kind, value, since, source)
SELECT c.tenant_id, c.part_id, c.part_id, c.identity_kind, c.identity_value, COALESCE(e.position, 0), COALESCE(e.message_id, '')
FROM customers c
LEFT JOIN events e ON e.tenant_id = c.tenant_id AND e.position = (
    SELECT MIN(f.position) FROM events f WHERE f.tenant_id = c.tenant_id AND f.part_id = c.part_id
);
ALTER TABLE customers FORCE ROW LEVEL SECURITY;
ALTER TABLE events FORCE ROW LEVEL SECURITY;

ALTER TABLE customers ADD COLUMN consents TEXT COLLATE "C" NOT NULL DEFAULT '{}';

ALTER TABLE parts ENABLE ROW LEVEL SECURITY;
ALTER TABLE parts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON parts
    USING (tenant_id = ANY ((SELECT string_to_array(current_setting('openhub.tenants', true), ','))::BIGINT[]));

-- Parts: a customer is the set of parts that share a customer_id. Nothing else names a merge.

CREATE TABLE parts (
    tenant_id   BIGINT NOT NULL,
    part_id     TEXT   NOT NULL,
    customer_id TEXT   NOT NULL,
    kind        TEXT   NOT NULL,
    value       TEXT   NOT NULL,
    since       BIGINT NOT NULL,
    source      TEXT   NOT NULL,
    state       TEXT,
    PRIMARY KEY (tenant_id, part_id)
) WITHOUT ROWID;
CREATE INDEX parts_customer ON parts (tenant_id, customer_id);

INSERT INTO parts (tenant_id, part_id, customer_id, kind, value, since, source)
SELECT c.tenant_id, c.part_id, c.part_id, c.identity_kind, c.identity_value, COALESCE(e.position, 0), COALESCE(e.message_id, '')
FROM customers c
LEFT JOIN events e ON e.tenant_id = c.tenant_id AND e.position = (
    SELECT MIN(f.position) FROM events f WHERE f.tenant_id = c.tenant_id AND f.part_id = c.part_id
);

ALTER TABLE customers ADD COLUMN consents TEXT NOT NULL DEFAULT '{}';

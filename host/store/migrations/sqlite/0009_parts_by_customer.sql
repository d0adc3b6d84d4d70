-- Parts beside the others of their customer, who are read together: one search of this tree for all of them, after one of
-- the index for whose they are.

CREATE TABLE parts_by_customer (
    tenant_id   BIGINT NOT NULL,
    customer_id TEXT   NOT NULL,
    part_id     TEXT   NOT NULL,
    kind        TEXT   NOT NULL,
    value       TEXT   NOT NULL,
    since       BIGINT NOT NULL,
    claimed     BIGINT NOT NULL,
    seen        BIGINT NOT NULL,
    source      TEXT   NOT NULL,
    state       TEXT,
    PRIMARY KEY (tenant_id, customer_id, part_id)
) WITHOUT ROWID;
INSERT INTO parts_by_customer (tenant_id, customer_id, part_id, kind, value, since, claimed, seen, source, state)
    SELECT tenant_id, customer_id, part_id, kind, value, since, claimed, seen, source, state FROM parts
    ORDER BY tenant_id, customer_id, part_id;
DROP TABLE parts;
ALTER TABLE parts_by_customer RENAME TO parts;
CREATE UNIQUE INDEX parts_part ON parts (tenant_id, part_id);

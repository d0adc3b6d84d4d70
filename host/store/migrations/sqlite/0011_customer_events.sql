-- The events of each part by time, as far as the engine has come: written by its commit, many at once and in their order,
-- instead of an index that each append dirtied at random places. What conditions ask of an event without a property
-- stands here, beside the other events of the part.

CREATE TABLE customer_events (
    tenant_id   BIGINT NOT NULL,
    part_id     TEXT   NOT NULL,
    occurred_at BIGINT NOT NULL,
    position    BIGINT NOT NULL,
    origin      BIGINT NOT NULL,
    name        TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, part_id, occurred_at, position)
) WITHOUT ROWID;

-- The checkpoint before the last commit: what lies between the two is what that commit has passed.
ALTER TABLE partitions ADD COLUMN passed BIGINT NOT NULL DEFAULT 0;

INSERT INTO customer_events (tenant_id, part_id, occurred_at, position, origin, name)
    SELECT tenant_id, part_id, occurred_at, position, origin, name FROM events
    WHERE part_id IS NOT NULL AND (origin = 1 OR position <= (SELECT checkpoint FROM partitions
        WHERE partitions.tenant_id = events.tenant_id AND bucket = 0))
    ORDER BY tenant_id, part_id, occurred_at, position;
DROP INDEX events_part;

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('customer_events', 'customer_events', '1000000 1000000 20 1 1');
ANALYZE sqlite_schema;

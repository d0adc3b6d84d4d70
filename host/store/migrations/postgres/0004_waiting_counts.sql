-- How many runs wait at a node is counted as they come and go: an index of the runs that wait cost two writes a run.

ALTER TABLE node_counts ADD COLUMN waiting BIGINT NOT NULL DEFAULT 0;
INSERT INTO node_counts (tenant_id, journey, version, node, entered, waiting)
    SELECT tenant_id, journey, version, node, 0, COUNT(*) FROM runs WHERE status = 0
    GROUP BY tenant_id, journey, version, node
    ON CONFLICT (tenant_id, journey, version, node) DO UPDATE SET waiting = excluded.waiting;
DROP INDEX runs_waiting;

-- Migration 4 counted the waiting runs behind row-level security, which hid them from an owner that is no superuser.
ALTER TABLE runs NO FORCE ROW LEVEL SECURITY;
ALTER TABLE node_counts NO FORCE ROW LEVEL SECURITY;
INSERT INTO node_counts (tenant_id, journey, version, node, entered, waiting)
    SELECT tenant_id, journey, version, node, 0, COUNT(*) FROM runs WHERE status = 0
    GROUP BY tenant_id, journey, version, node
    ON CONFLICT (tenant_id, journey, version, node) DO UPDATE SET waiting = excluded.waiting;
ALTER TABLE runs FORCE ROW LEVEL SECURITY;
ALTER TABLE node_counts FORCE ROW LEVEL SECURITY;

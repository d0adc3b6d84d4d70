-- What one customer's event caused of another arrives by the log like any event, and names its cause: found here when that is
-- erased. Nearly all events have no cause, or are their customer's own.
CREATE INDEX events_cause ON events (tenant_id, cause) WHERE origin = 0 AND cause IS NOT NULL;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('events', 'events_cause', '10000 10000 2');
ANALYZE sqlite_schema;

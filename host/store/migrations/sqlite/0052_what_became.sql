-- What became of the runs and messages of a journey is counted, and listed by status.
CREATE INDEX runs_journey ON runs (tenant_id, journey, status);
CREATE INDEX messages_journey ON messages (tenant_id, journey, status, id);
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('runs', 'runs_journey', '200000 200000 50000 20000'),
    ('messages', 'messages_journey', '200000 200000 50000 20000 1');
ANALYZE sqlite_schema;

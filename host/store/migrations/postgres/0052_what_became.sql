-- What became of the runs and messages of a journey is counted, and listed by status.
CREATE INDEX runs_journey ON runs (tenant_id, journey, status);
CREATE INDEX messages_journey ON messages (tenant_id, journey, status, id);

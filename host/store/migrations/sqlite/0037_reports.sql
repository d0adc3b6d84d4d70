-- What a provider reports on a message names it by the provider's own id.
CREATE INDEX messages_reported ON messages (tenant_id, provider_id) WHERE provider_id IS NOT NULL;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('messages', 'messages_reported', '200000 200000 1');
ANALYZE sqlite_schema;

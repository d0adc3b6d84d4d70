-- Only messages of a plugin that has a source are ever reported on; the ids of all the others need no index.
DROP INDEX messages_reported;
ALTER TABLE messages ADD COLUMN reported_as TEXT;
UPDATE messages SET reported_as = provider_id WHERE provider_id IS NOT NULL;
CREATE INDEX messages_reported ON messages (tenant_id, reported_as) WHERE reported_as IS NOT NULL;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('messages', 'messages_reported', '200000 200000 1');
ANALYZE sqlite_schema;

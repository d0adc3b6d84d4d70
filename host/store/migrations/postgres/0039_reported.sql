-- Only messages of a plugin that has a source are ever reported on; the ids of all the others need no index.
DROP INDEX messages_reported;
ALTER TABLE messages ADD COLUMN reported_as TEXT COLLATE "C";
UPDATE messages SET reported_as = provider_id WHERE provider_id IS NOT NULL;
CREATE INDEX messages_reported ON messages (tenant_id, reported_as) WHERE reported_as IS NOT NULL;

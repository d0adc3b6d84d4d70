-- A message is claimed, by the fence of its tenant's lease, before its channel is called (status 5), and settled under that claim.
-- What a fence of the past left claimed may have been sent.
ALTER TABLE messages ADD COLUMN claimed_by BIGINT;
DROP INDEX messages_pending;
-- By channel, so that what one cannot get rid of is never read on the way to another's.
CREATE INDEX messages_pending ON messages (tenant_id, channel, next_attempt_at, id) WHERE status = 0;
CREATE INDEX messages_claimed ON messages (tenant_id, claimed_by) WHERE status = 5;
DELETE FROM sqlite_stat1 WHERE idx = 'messages_pending';
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('messages', 'messages_pending', '1000 1000 500 10 1'),
    ('messages', 'messages_claimed', '200 200 100');
ANALYZE sqlite_schema;

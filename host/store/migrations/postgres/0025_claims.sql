-- A message is claimed, by the fence of its tenant's lease, before its channel is called (status 5), and settled under that claim.
-- What a fence of the past left claimed may have been sent.
ALTER TABLE messages ADD COLUMN claimed_by BIGINT;
DROP INDEX messages_pending;
-- By channel, so that what one cannot get rid of is never read on the way to another's.
CREATE INDEX messages_pending ON messages (tenant_id, channel, next_attempt_at, id) WHERE status = 0;
CREATE INDEX messages_claimed ON messages (tenant_id, claimed_by) WHERE status = 5;

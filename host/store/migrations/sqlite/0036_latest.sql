-- Where a replaying tenant's clock stands once all that is in its log has happened: what the hub stamps takes that time, however
-- far the engine has come.
ALTER TABLE partitions ADD COLUMN latest BIGINT NOT NULL DEFAULT 0;

UPDATE partitions SET latest = COALESCE((SELECT MAX(occurred_at) FROM events
    WHERE events.tenant_id = partitions.tenant_id AND origin = 0 AND position > partitions.checkpoint
    AND (kind NOT IN (9, 10) OR name = 'clock.advanced')), 0) WHERE bucket = 0;
UPDATE partitions SET latest = clock WHERE latest < clock;

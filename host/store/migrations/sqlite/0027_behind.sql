-- How many events have arrived in a log, and how many of them the engine is done with: what waits for it is the difference,
-- whatever the lag.
ALTER TABLE partitions ADD COLUMN arrived BIGINT NOT NULL DEFAULT 0;
ALTER TABLE partitions ADD COLUMN done BIGINT NOT NULL DEFAULT 0;

UPDATE partitions SET
    arrived = (SELECT COUNT(*) FROM events WHERE events.tenant_id = partitions.tenant_id AND origin = 0),
    done = (SELECT COUNT(*) FROM events
            WHERE events.tenant_id = partitions.tenant_id AND origin = 0 AND position <= partitions.checkpoint)
    WHERE bucket = 0;

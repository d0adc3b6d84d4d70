-- An event that was set aside was not computed, so it counts nowhere: whose it is stands with it here, and no longer in
-- the log.
ALTER TABLE set_aside ADD COLUMN part_id TEXT;
UPDATE set_aside SET part_id = (SELECT part_id FROM events
    WHERE events.tenant_id = set_aside.tenant_id AND events.position = set_aside.position);
UPDATE events SET part_id = NULL WHERE (tenant_id, position) IN (SELECT tenant_id, position FROM set_aside);
CREATE INDEX set_aside_part ON set_aside (tenant_id, part_id) WHERE part_id IS NOT NULL;

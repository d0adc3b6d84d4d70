-- The greatest version of runs of a journey that had the name before and was removed: they are not counted as this one's.
ALTER TABLE journeys ADD COLUMN former BIGINT NOT NULL DEFAULT 0;

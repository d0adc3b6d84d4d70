-- How often the engine has moved a partition: each of its commits names the one that it starts from, so that a commit
-- whose answer was lost is not made again.
ALTER TABLE partitions ADD COLUMN commits BIGINT NOT NULL DEFAULT 0;

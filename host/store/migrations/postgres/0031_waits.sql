-- Where in the log a run began to wait: where two customers become one, what the other did behind it may end the wait. Of what
-- waits already it is not known.
ALTER TABLE runs ADD COLUMN since BIGINT NOT NULL DEFAULT 0;

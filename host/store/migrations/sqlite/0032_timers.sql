-- What comes due: 0 a run that waits, 1 a customer whose segments may answer otherwise. Until now the ids told.
ALTER TABLE timers ADD COLUMN kind BIGINT NOT NULL DEFAULT 0;
UPDATE timers SET kind = 1
    WHERE NOT EXISTS (SELECT 1 FROM runs WHERE runs.tenant_id = timers.tenant_id AND runs.id = timers.id);

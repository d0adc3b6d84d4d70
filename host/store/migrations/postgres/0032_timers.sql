-- What comes due: 0 a run that waits, 1 a customer whose segments may answer otherwise. Until now the ids told.
ALTER TABLE timers ADD COLUMN kind BIGINT NOT NULL DEFAULT 0;

-- Of all tenants: as long as it is not forced, row-level security leaves out the owner.
ALTER TABLE runs NO FORCE ROW LEVEL SECURITY;
ALTER TABLE timers NO FORCE ROW LEVEL SECURITY;
UPDATE timers SET kind = 1
    WHERE NOT EXISTS (SELECT 1 FROM runs WHERE runs.tenant_id = timers.tenant_id AND runs.id = timers.id);
ALTER TABLE timers FORCE ROW LEVEL SECURITY;
ALTER TABLE runs FORCE ROW LEVEL SECURITY;

-- Receipts of removed plugins: what was asked, and what became of it.
CREATE TABLE plugin_removals (
    tenant_id BIGINT NOT NULL,
    id        TEXT   COLLATE "C" NOT NULL,
    plugin    TEXT   COLLATE "C" NOT NULL,
    version   TEXT   COLLATE "C" NOT NULL,
    data      BIGINT NOT NULL,
    asked_by  TEXT   COLLATE "C" NOT NULL,
    asked_at  BIGINT NOT NULL,
    done_at   BIGINT,
    refusal   TEXT   COLLATE "C",
    objects   BIGINT NOT NULL DEFAULT 0,
    entries   BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, id)
);
ALTER TABLE plugin_removals ENABLE ROW LEVEL SECURITY;
ALTER TABLE plugin_removals FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON plugin_removals
    USING (tenant_id = ANY ((SELECT string_to_array(current_setting('openhub.tenants', true), ','))::BIGINT[]));
-- Which component a run of a job was served by.
ALTER TABLE plugin_job_runs ADD COLUMN digest TEXT COLLATE "C";

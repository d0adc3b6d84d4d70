-- Receipts of removed plugins: what was asked, and what became of it.
CREATE TABLE plugin_removals (
    tenant_id BIGINT NOT NULL,
    id        TEXT   NOT NULL,
    plugin    TEXT   NOT NULL,
    version   TEXT   NOT NULL,
    data      BIGINT NOT NULL,
    asked_by  TEXT   NOT NULL,
    asked_at  BIGINT NOT NULL,
    done_at   BIGINT,
    refusal   TEXT,
    objects   BIGINT NOT NULL DEFAULT 0,
    entries   BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, id)
) WITHOUT ROWID;
-- Which component a run of a job was served by.
ALTER TABLE plugin_job_runs ADD COLUMN digest TEXT;

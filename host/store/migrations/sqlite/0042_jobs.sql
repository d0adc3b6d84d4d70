-- Jobs of plugins: when each is due, how far it has come, who runs it, and its last runs.
CREATE TABLE plugin_jobs (
    tenant_id  BIGINT NOT NULL,
    plugin     TEXT NOT NULL,
    job        TEXT NOT NULL,
    schedule   TEXT NOT NULL,
    slot       BIGINT,
    begun      BIGINT NOT NULL DEFAULT 0,
    due_at     BIGINT,
    asked      BIGINT NOT NULL DEFAULT 0,
    step       BIGINT NOT NULL DEFAULT 0,
    attempt    BIGINT NOT NULL DEFAULT 0,
    runs       BIGINT NOT NULL DEFAULT 0,
    cursor     TEXT,
    claimed_by BIGINT,
    started_at BIGINT,
    PRIMARY KEY (tenant_id, plugin, job),
    FOREIGN KEY (tenant_id, plugin) REFERENCES plugins (tenant_id, name) ON DELETE CASCADE
);
CREATE INDEX plugin_jobs_due ON plugin_jobs (tenant_id, due_at) WHERE due_at IS NOT NULL;

CREATE TABLE plugin_job_runs (
    tenant_id  BIGINT NOT NULL,
    plugin     TEXT NOT NULL,
    job        TEXT NOT NULL,
    run        BIGINT NOT NULL,
    attempt    BIGINT NOT NULL,
    scheduled  BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at   BIGINT NOT NULL,
    outcome    BIGINT NOT NULL,
    code       TEXT,
    note       TEXT,
    fuel       BIGINT NOT NULL,
    lines      TEXT NOT NULL,
    version    TEXT NOT NULL,
    PRIMARY KEY (tenant_id, plugin, job, run),
    FOREIGN KEY (tenant_id, plugin, job) REFERENCES plugin_jobs (tenant_id, plugin, job) ON DELETE CASCADE
);

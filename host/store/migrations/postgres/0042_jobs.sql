-- Jobs of plugins: when each is due, how far it has come, who runs it, and its last runs.
CREATE TABLE plugin_jobs (
    tenant_id  BIGINT NOT NULL,
    plugin     TEXT COLLATE "C" NOT NULL,
    job        TEXT COLLATE "C" NOT NULL,
    schedule   TEXT COLLATE "C" NOT NULL,
    slot       BIGINT,
    begun      BIGINT NOT NULL DEFAULT 0,
    due_at     BIGINT,
    asked      BIGINT NOT NULL DEFAULT 0,
    step       BIGINT NOT NULL DEFAULT 0,
    attempt    BIGINT NOT NULL DEFAULT 0,
    runs       BIGINT NOT NULL DEFAULT 0,
    cursor     TEXT COLLATE "C",
    claimed_by BIGINT,
    started_at BIGINT,
    PRIMARY KEY (tenant_id, plugin, job),
    FOREIGN KEY (tenant_id, plugin) REFERENCES plugins (tenant_id, name) ON DELETE CASCADE
);
CREATE INDEX plugin_jobs_due ON plugin_jobs (tenant_id, due_at) WHERE due_at IS NOT NULL;

CREATE TABLE plugin_job_runs (
    tenant_id  BIGINT NOT NULL,
    plugin     TEXT COLLATE "C" NOT NULL,
    job        TEXT COLLATE "C" NOT NULL,
    run        BIGINT NOT NULL,
    attempt    BIGINT NOT NULL,
    scheduled  BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at   BIGINT NOT NULL,
    outcome    BIGINT NOT NULL,
    code       TEXT COLLATE "C",
    note       TEXT COLLATE "C",
    fuel       BIGINT NOT NULL,
    lines      TEXT COLLATE "C" NOT NULL,
    version    TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, plugin, job, run),
    FOREIGN KEY (tenant_id, plugin, job) REFERENCES plugin_jobs (tenant_id, plugin, job) ON DELETE CASCADE
);

DO $$
DECLARE walled TEXT;
BEGIN
    FOREACH walled IN ARRAY ARRAY['plugin_jobs', 'plugin_job_runs'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', walled);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', walled);
        EXECUTE format(
            'CREATE POLICY tenant ON %I USING (tenant_id = ANY ((SELECT string_to_array(current_setting(''openhub.tenants'', true), '',''))::BIGINT[]))',
            walled
        );
    END LOOP;
END
$$;

-- Webhooks: where a tenant's events are posted to, how far the log has been looked through for each, and how it is doing.
CREATE TABLE webhooks (
    tenant_id     BIGINT NOT NULL,
    name          TEXT COLLATE "C" NOT NULL,
    url           TEXT COLLATE "C" NOT NULL,
    description   TEXT COLLATE "C" NOT NULL,
    events        TEXT COLLATE "C" NOT NULL,
    sees          TEXT COLLATE "C" NOT NULL,
    enabled       BIGINT NOT NULL,
    disabled_for  TEXT COLLATE "C",
    secret        TEXT COLLATE "C" NOT NULL,
    old_secret    TEXT COLLATE "C",
    old_until     BIGINT,
    version       BIGINT NOT NULL,
    position      BIGINT NOT NULL,
    failures      BIGINT NOT NULL DEFAULT 0,
    failing_since BIGINT,
    rests_until   BIGINT,
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, name)
);

-- What is sent of an event to a webhook: the event itself stays in the log alone.
CREATE TABLE webhook_deliveries (
    tenant_id  BIGINT NOT NULL,
    webhook    TEXT COLLATE "C" NOT NULL,
    position   BIGINT NOT NULL,
    id         TEXT COLLATE "C" NOT NULL,
    type       TEXT COLLATE "C" NOT NULL,
    part_id    TEXT COLLATE "C",
    state      BIGINT NOT NULL DEFAULT 0,
    attempt    BIGINT NOT NULL DEFAULT 0,
    attempts   BIGINT NOT NULL DEFAULT 0,
    due_at     BIGINT,
    created_at BIGINT NOT NULL,
    settled_at BIGINT,
    status     BIGINT,
    error      TEXT COLLATE "C",
    PRIMARY KEY (tenant_id, webhook, position),
    FOREIGN KEY (tenant_id, webhook) REFERENCES webhooks (tenant_id, name) ON DELETE CASCADE
);
CREATE UNIQUE INDEX webhook_deliveries_id ON webhook_deliveries (tenant_id, id);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (tenant_id, webhook, due_at, position) WHERE due_at IS NOT NULL;
CREATE INDEX webhook_deliveries_state ON webhook_deliveries (tenant_id, webhook, state, position);
CREATE INDEX webhook_deliveries_settled ON webhook_deliveries (tenant_id, settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX webhook_deliveries_part ON webhook_deliveries (tenant_id, part_id) WHERE part_id IS NOT NULL;

CREATE TABLE webhook_attempts (
    tenant_id   BIGINT NOT NULL,
    webhook     TEXT COLLATE "C" NOT NULL,
    position    BIGINT NOT NULL,
    attempt     BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    duration_ms BIGINT NOT NULL,
    status      BIGINT,
    error       TEXT COLLATE "C",
    answer      TEXT COLLATE "C",
    PRIMARY KEY (tenant_id, webhook, position, attempt),
    FOREIGN KEY (tenant_id, webhook, position) REFERENCES webhook_deliveries (tenant_id, webhook, position) ON DELETE CASCADE
);

DO $$
DECLARE walled TEXT;
BEGIN
    FOREACH walled IN ARRAY ARRAY['webhooks', 'webhook_deliveries', 'webhook_attempts'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', walled);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', walled);
        EXECUTE format(
            'CREATE POLICY tenant ON %I USING (tenant_id = ANY ((SELECT string_to_array(current_setting(''openhub.tenants'', true), '',''))::BIGINT[]))',
            walled
        );
    END LOOP;
END
$$;

-- Webhooks: where a tenant's events are posted to, how far the log has been looked through for each, and how it is doing.
CREATE TABLE webhooks (
    tenant_id     BIGINT NOT NULL,
    name          TEXT NOT NULL,
    url           TEXT NOT NULL,
    description   TEXT NOT NULL,
    events        TEXT NOT NULL,
    sees          TEXT NOT NULL,
    enabled       BIGINT NOT NULL,
    disabled_for  TEXT,
    secret        TEXT NOT NULL,
    old_secret    TEXT,
    old_until     BIGINT,
    version       BIGINT NOT NULL,
    position      BIGINT NOT NULL,
    failures      BIGINT NOT NULL DEFAULT 0,
    failing_since BIGINT,
    rests_until   BIGINT,
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, name)
) WITHOUT ROWID;

-- What is sent of an event to a webhook: the event itself stays in the log alone.
CREATE TABLE webhook_deliveries (
    tenant_id  BIGINT NOT NULL,
    webhook    TEXT NOT NULL,
    position   BIGINT NOT NULL,
    id         TEXT NOT NULL,
    type       TEXT NOT NULL,
    part_id    TEXT,
    state      BIGINT NOT NULL DEFAULT 0,
    attempt    BIGINT NOT NULL DEFAULT 0,
    attempts   BIGINT NOT NULL DEFAULT 0,
    due_at     BIGINT,
    created_at BIGINT NOT NULL,
    settled_at BIGINT,
    status     BIGINT,
    error      TEXT,
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
    webhook     TEXT NOT NULL,
    position    BIGINT NOT NULL,
    attempt     BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    duration_ms BIGINT NOT NULL,
    status      BIGINT,
    error       TEXT,
    answer      TEXT,
    PRIMARY KEY (tenant_id, webhook, position, attempt),
    FOREIGN KEY (tenant_id, webhook, position) REFERENCES webhook_deliveries (tenant_id, webhook, position) ON DELETE CASCADE
) WITHOUT ROWID;

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('webhook_deliveries', 'sqlite_autoindex_webhook_deliveries_1', '2000000 2000000 200000 1'),
    ('webhook_deliveries', 'webhook_deliveries_id', '2000000 2000000 1'),
    ('webhook_deliveries', 'webhook_deliveries_due', '2000000 2000000 200000 10 1'),
    ('webhook_deliveries', 'webhook_deliveries_state', '2000000 2000000 200000 100000 1'),
    ('webhook_deliveries', 'webhook_deliveries_settled', '2000000 2000000 1'),
    ('webhook_deliveries', 'webhook_deliveries_part', '2000000 2000000 20'),
    ('webhook_attempts', 'webhook_attempts', '2000000 2000000 200000 2 1');
ANALYZE sqlite_schema;

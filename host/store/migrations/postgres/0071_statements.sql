-- Statements: what a subscription costs in a period. The row is the partner's, and its provider sees it, too. A frozen one never changes.
-- When it is to be looked for the statements of a tenant: stored with it, so that one question finds all that are due.
ALTER TABLE tenants ADD COLUMN statements_due_at BIGINT NOT NULL DEFAULT 0;
CREATE TABLE statements (
    tenant_id       BIGINT NOT NULL,
    id              TEXT COLLATE "C" NOT NULL,
    subscription    TEXT COLLATE "C" NOT NULL,
    provider_id     BIGINT NOT NULL,
    from_at         BIGINT NOT NULL,
    to_at           BIGINT NOT NULL,
    time_zone       TEXT COLLATE "C" NOT NULL,
    ends            BIGINT NOT NULL,
    standing        BIGINT NOT NULL DEFAULT 0,
    plan            TEXT COLLATE "C" NOT NULL,
    cut             BIGINT,
    position        BIGINT,
    corrects_behind BIGINT,
    total           TEXT COLLATE "C",
    fault           TEXT COLLATE "C",
    freezes_at      BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
-- A period is billed once.
CREATE UNIQUE INDEX statements_period ON statements (tenant_id, subscription, from_at);
CREATE INDEX statements_provider ON statements (provider_id, to_at, id);

CREATE TABLE statement_lines (
    tenant_id BIGINT NOT NULL,
    statement TEXT COLLATE "C" NOT NULL,
    line      BIGINT NOT NULL,
    said      TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, statement, line)
);

ALTER TABLE statements ENABLE ROW LEVEL SECURITY;
ALTER TABLE statements FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON statements USING (
    tenant_id = ANY ((SELECT string_to_array(current_setting('openhub.tenants', true), ','))::BIGINT[])
    OR provider_id = ANY ((SELECT string_to_array(current_setting('openhub.tenants', true), ','))::BIGINT[])
);
ALTER TABLE statement_lines ENABLE ROW LEVEL SECURITY;
ALTER TABLE statement_lines FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON statement_lines
    USING (tenant_id = ANY ((SELECT string_to_array(current_setting('openhub.tenants', true), ','))::BIGINT[]));

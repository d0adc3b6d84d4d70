-- Statements: what a subscription costs in a period. The row is the partner's, and its provider sees it, too. A frozen one never changes.
-- When it is to be looked for the statements of a tenant: stored with it, so that one question finds all that are due.
ALTER TABLE tenants ADD COLUMN statements_due_at BIGINT NOT NULL DEFAULT 0;
CREATE TABLE statements (
    tenant_id       BIGINT NOT NULL,
    id              TEXT NOT NULL,
    subscription    TEXT NOT NULL,
    provider_id     BIGINT NOT NULL,
    from_at         BIGINT NOT NULL,
    to_at           BIGINT NOT NULL,
    time_zone       TEXT NOT NULL,
    ends            BIGINT NOT NULL,
    standing        BIGINT NOT NULL DEFAULT 0,
    plan            TEXT NOT NULL,
    cut             BIGINT,
    position        BIGINT,
    corrects_behind BIGINT,
    total           TEXT,
    fault           TEXT,
    freezes_at      BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
) WITHOUT ROWID;
-- A period is billed once.
CREATE UNIQUE INDEX statements_period ON statements (tenant_id, subscription, from_at);
CREATE INDEX statements_provider ON statements (provider_id, to_at, id);

CREATE TABLE statement_lines (
    tenant_id BIGINT NOT NULL,
    statement TEXT NOT NULL,
    line      BIGINT NOT NULL,
    said      TEXT NOT NULL,
    PRIMARY KEY (tenant_id, statement, line)
) WITHOUT ROWID;

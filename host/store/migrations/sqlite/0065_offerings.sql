-- Offerings: what a tenant publishes for those below it. A version never changes; how it stands follows from its times.
CREATE TABLE offerings (
    tenant_id   BIGINT NOT NULL,
    name        TEXT NOT NULL,
    title       TEXT NOT NULL,
    description TEXT NOT NULL,
    latest      BIGINT NOT NULL,
    version     BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, name)
) WITHOUT ROWID;

CREATE TABLE offering_versions (
    tenant_id   BIGINT NOT NULL,
    offering    TEXT NOT NULL,
    version     BIGINT NOT NULL,
    digest      TEXT NOT NULL,
    document    TEXT NOT NULL,
    created_by  TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    active_at   BIGINT,
    archived_at BIGINT,
    PRIMARY KEY (tenant_id, offering, version),
    FOREIGN KEY (tenant_id, offering) REFERENCES offerings (tenant_id, name) ON DELETE CASCADE
) WITHOUT ROWID;

-- A partner's contract for a version of an offering: the row is the partner's, and its provider sees it, too.
CREATE TABLE subscriptions (
    tenant_id      BIGINT NOT NULL,
    id             TEXT NOT NULL,
    provider_id    BIGINT NOT NULL,
    offering       TEXT NOT NULL,
    version        BIGINT NOT NULL,
    digest         TEXT NOT NULL,
    request_key    TEXT NOT NULL,
    request_digest TEXT NOT NULL,
    contract       BIGINT NOT NULL,
    parameters     TEXT NOT NULL,
    agreed         TEXT NOT NULL,
    time_zone      TEXT NOT NULL,
    cap            TEXT,
    reason         TEXT,
    requested_at   BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,
    active_at      BIGINT,
    ended_at       BIGINT,
    export_until   BIGINT,
    removed_at     BIGINT,
    PRIMARY KEY (tenant_id, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX subscriptions_key ON subscriptions (tenant_id, request_key);
-- Of one offering, a partner has one that is requested or active.
CREATE UNIQUE INDEX subscriptions_live ON subscriptions (tenant_id, provider_id, offering) WHERE contract < 2;
CREATE INDEX subscriptions_provider ON subscriptions (provider_id, offering, id);

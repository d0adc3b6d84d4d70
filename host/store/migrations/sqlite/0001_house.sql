-- The first schema. Ids are hyphenated UUIDs, times are microseconds UTC, JSON is text.
-- Tables whose key is natural have no rowid: one tree instead of two.

CREATE TABLE tenants (
    id         INTEGER PRIMARY KEY,
    name       TEXT   NOT NULL UNIQUE,
    clock      BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE keys (
    tenant_id  BIGINT NOT NULL REFERENCES tenants (id),
    id         TEXT   NOT NULL UNIQUE,
    name       TEXT   NOT NULL,
    scopes     TEXT   NOT NULL,
    hash       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    PRIMARY KEY (tenant_id, id)
) WITHOUT ROWID;

CREATE TABLE partitions (
    tenant_id   BIGINT NOT NULL REFERENCES tenants (id),
    bucket      BIGINT NOT NULL,
    head        BIGINT NOT NULL DEFAULT 0,
    checkpoint  BIGINT NOT NULL DEFAULT 0,
    clock       BIGINT NOT NULL DEFAULT 0,
    owner       TEXT,
    session     TEXT,
    fence       BIGINT NOT NULL DEFAULT 0,
    lease_until BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, bucket)
) WITHOUT ROWID;

CREATE TABLE events (
    tenant_id   BIGINT NOT NULL,
    position    BIGINT NOT NULL,
    origin      BIGINT NOT NULL,
    message_id  TEXT   NOT NULL,
    kind        BIGINT NOT NULL,
    name        TEXT   NOT NULL,
    part_id     TEXT,
    occurred_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    historical  BIGINT NOT NULL,
    cause       TEXT,
    PRIMARY KEY (tenant_id, position)
) WITHOUT ROWID;
CREATE UNIQUE INDEX events_message ON events (tenant_id, message_id);
CREATE INDEX events_part ON events (tenant_id, part_id, occurred_at) WHERE part_id IS NOT NULL;

-- Apart from the log, so that bodies can be erased.
CREATE TABLE event_bodies (
    tenant_id BIGINT NOT NULL,
    position  BIGINT NOT NULL,
    body      TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, position)
) WITHOUT ROWID;

CREATE TABLE set_aside (
    tenant_id  BIGINT NOT NULL,
    position   BIGINT NOT NULL,
    message_id TEXT   NOT NULL,
    fault      TEXT   NOT NULL,
    at         BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, position)
) WITHOUT ROWID;

CREATE TABLE customers (
    tenant_id      BIGINT NOT NULL,
    part_id        TEXT   NOT NULL,
    customer_id    TEXT   NOT NULL,
    identity_kind  TEXT   NOT NULL,
    identity_value TEXT   NOT NULL,
    attributes     TEXT   NOT NULL,
    tags           TEXT   NOT NULL,
    causes         TEXT   NOT NULL,
    first_seen_at  BIGINT NOT NULL,
    last_seen_at   BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, part_id)
) WITHOUT ROWID;

CREATE TABLE claims (
    tenant_id BIGINT NOT NULL,
    part_id   TEXT   NOT NULL,
    kind      TEXT   NOT NULL,
    value     TEXT   NOT NULL,
    position  BIGINT NOT NULL,
    source    TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, part_id, kind, value)
) WITHOUT ROWID;
CREATE INDEX claims_value ON claims (tenant_id, kind, value);

CREATE TABLE runs (
    tenant_id  BIGINT NOT NULL,
    id         TEXT   NOT NULL,
    part_id    TEXT   NOT NULL,
    journey    TEXT   NOT NULL,
    version    BIGINT NOT NULL,
    node       TEXT   NOT NULL,
    step       BIGINT NOT NULL,
    status     BIGINT NOT NULL,
    awaits     TEXT,
    due        BIGINT,
    state      TEXT   NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at   BIGINT,
    fault      TEXT,
    PRIMARY KEY (tenant_id, id)
) WITHOUT ROWID;
CREATE INDEX runs_part ON runs (tenant_id, part_id, status);
CREATE INDEX runs_waiting ON runs (tenant_id, journey, version, node) WHERE status = 0;

CREATE TABLE timers (
    tenant_id BIGINT NOT NULL,
    due       BIGINT NOT NULL,
    id        TEXT   NOT NULL,
    part_id   TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, due, id)
) WITHOUT ROWID;

CREATE TABLE entries (
    tenant_id       BIGINT NOT NULL,
    journey         TEXT   NOT NULL,
    part_id         TEXT   NOT NULL,
    runs            BIGINT NOT NULL,
    active          BIGINT NOT NULL,
    last_entered_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, journey, part_id)
) WITHOUT ROWID;

CREATE TABLE objects (
    tenant_id  BIGINT NOT NULL,
    kind       TEXT   NOT NULL,
    key        TEXT   NOT NULL,
    part_id    TEXT,
    version    BIGINT NOT NULL,
    fields     TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    cause      TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, kind, key)
) WITHOUT ROWID;
CREATE INDEX objects_part ON objects (tenant_id, part_id) WHERE part_id IS NOT NULL;

CREATE TABLE object_uniques (
    tenant_id  BIGINT NOT NULL,
    kind       TEXT   NOT NULL,
    field      TEXT   NOT NULL,
    content    TEXT   NOT NULL,
    object_key TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, kind, field, content)
) WITHOUT ROWID;
CREATE INDEX object_uniques_object ON object_uniques (tenant_id, kind, object_key);

CREATE TABLE messages (
    tenant_id       BIGINT NOT NULL,
    id              TEXT   NOT NULL,
    part_id         TEXT   NOT NULL,
    channel         TEXT   NOT NULL,
    address         TEXT   NOT NULL,
    purpose         TEXT   NOT NULL,
    content         TEXT   NOT NULL,
    journey         TEXT   NOT NULL,
    run_id          TEXT   NOT NULL,
    node            TEXT   NOT NULL,
    created_at      BIGINT NOT NULL,
    expires_at      BIGINT,
    status          BIGINT NOT NULL,
    attempts        BIGINT NOT NULL,
    next_attempt_at BIGINT,
    provider_id     TEXT,
    units           BIGINT NOT NULL,
    fault           TEXT,
    digest          TEXT,
    settled_at      BIGINT,
    PRIMARY KEY (tenant_id, id)
) WITHOUT ROWID;
CREATE INDEX messages_pending ON messages (tenant_id, next_attempt_at) WHERE status = 0;
CREATE INDEX messages_part ON messages (tenant_id, part_id);

CREATE TABLE components (
    digest TEXT NOT NULL PRIMARY KEY,
    bytes  BLOB NOT NULL
);

CREATE TABLE plugins (
    tenant_id    BIGINT NOT NULL REFERENCES tenants (id),
    name         TEXT   NOT NULL,
    digest       TEXT   NOT NULL,
    version      TEXT   NOT NULL,
    manifest     TEXT   NOT NULL,
    status       BIGINT NOT NULL,
    settings     TEXT   NOT NULL,
    granted      TEXT   NOT NULL,
    position     BIGINT NOT NULL DEFAULT 0,
    installed_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, name)
) WITHOUT ROWID;

CREATE TABLE plugin_secrets (
    tenant_id BIGINT NOT NULL,
    plugin    TEXT   NOT NULL,
    name      TEXT   NOT NULL,
    sealed    TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, plugin, name),
    FOREIGN KEY (tenant_id, plugin) REFERENCES plugins (tenant_id, name) ON DELETE CASCADE
) WITHOUT ROWID;

CREATE TABLE journeys (
    tenant_id  BIGINT NOT NULL REFERENCES tenants (id),
    name       TEXT   NOT NULL,
    status     BIGINT NOT NULL,
    draft      TEXT,
    version    BIGINT,
    latest     BIGINT NOT NULL,
    position   BIGINT NOT NULL DEFAULT 0,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, name)
) WITHOUT ROWID;

CREATE TABLE journey_versions (
    tenant_id  BIGINT NOT NULL,
    journey    TEXT   NOT NULL,
    version    BIGINT NOT NULL,
    definition TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, journey, version),
    FOREIGN KEY (tenant_id, journey) REFERENCES journeys (tenant_id, name) ON DELETE CASCADE
) WITHOUT ROWID;

CREATE TABLE node_counts (
    tenant_id BIGINT NOT NULL,
    journey   TEXT   NOT NULL,
    version   BIGINT NOT NULL,
    node      TEXT   NOT NULL,
    entered   BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, journey, version, node)
) WITHOUT ROWID;

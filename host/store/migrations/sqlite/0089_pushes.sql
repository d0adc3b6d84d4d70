-- A provider takes its subscribers to another version, wave by wave.
CREATE TABLE pushes (
    tenant_id    BIGINT NOT NULL,
    id           TEXT NOT NULL,
    number       BIGINT NOT NULL,
    offering     TEXT NOT NULL,
    from_version BIGINT NOT NULL,
    to_version   BIGINT NOT NULL,
    waves        TEXT NOT NULL,
    stop_at      BIGINT NOT NULL,
    stands       BIGINT NOT NULL,
    wave         BIGINT NOT NULL,
    reason       TEXT,
    made_by      TEXT NOT NULL,
    made_at      BIGINT NOT NULL,
    settled_at   BIGINT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, offering) REFERENCES offerings (tenant_id, name) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE UNIQUE INDEX pushes_number ON pushes (tenant_id, offering, number);
-- One of an offering at a time.
CREATE UNIQUE INDEX pushes_open ON pushes (tenant_id, offering) WHERE stands < 2;

CREATE TABLE push_targets (
    tenant_id    BIGINT NOT NULL,
    push         TEXT NOT NULL,
    subscription TEXT NOT NULL,
    partner_id   BIGINT NOT NULL,
    wave         BIGINT NOT NULL,
    stands       BIGINT NOT NULL,
    operation    BIGINT,
    reason       TEXT,
    settled_at   BIGINT,
    PRIMARY KEY (tenant_id, push, subscription),
    FOREIGN KEY (tenant_id, push) REFERENCES pushes (tenant_id, id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX push_targets_wave ON push_targets (tenant_id, push, wave, stands);

-- When somebody is to look at the pushes of a tenant; none: none is under way.
ALTER TABLE tenants ADD COLUMN pushes_at BIGINT;
CREATE INDEX tenants_pushes ON tenants (pushes_at) WHERE pushes_at IS NOT NULL;
-- The version to which a push would take the subscription, once its partner agrees.
ALTER TABLE subscriptions ADD COLUMN offered BIGINT;

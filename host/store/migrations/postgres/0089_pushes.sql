-- A provider takes its subscribers to another version, wave by wave.
CREATE TABLE pushes (
    tenant_id    BIGINT NOT NULL,
    id           TEXT COLLATE "C" NOT NULL,
    number       BIGINT NOT NULL,
    offering     TEXT COLLATE "C" NOT NULL,
    from_version BIGINT NOT NULL,
    to_version   BIGINT NOT NULL,
    waves        TEXT COLLATE "C" NOT NULL,
    stop_at      BIGINT NOT NULL,
    stands       BIGINT NOT NULL,
    wave         BIGINT NOT NULL,
    reason       TEXT COLLATE "C",
    made_by      TEXT COLLATE "C" NOT NULL,
    made_at      BIGINT NOT NULL,
    settled_at   BIGINT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, offering) REFERENCES offerings (tenant_id, name) ON DELETE CASCADE
);
CREATE UNIQUE INDEX pushes_number ON pushes (tenant_id, offering, number);
-- One of an offering at a time.
CREATE UNIQUE INDEX pushes_open ON pushes (tenant_id, offering) WHERE stands < 2;

CREATE TABLE push_targets (
    tenant_id    BIGINT NOT NULL,
    push         TEXT COLLATE "C" NOT NULL,
    subscription TEXT COLLATE "C" NOT NULL,
    partner_id   BIGINT NOT NULL,
    wave         BIGINT NOT NULL,
    stands       BIGINT NOT NULL,
    operation    BIGINT,
    reason       TEXT COLLATE "C",
    settled_at   BIGINT,
    PRIMARY KEY (tenant_id, push, subscription),
    FOREIGN KEY (tenant_id, push) REFERENCES pushes (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX push_targets_wave ON push_targets (tenant_id, push, wave, stands);

-- When somebody is to look at the pushes of a tenant; none: none is under way.
ALTER TABLE tenants ADD COLUMN pushes_at BIGINT;
CREATE INDEX tenants_pushes ON tenants (pushes_at) WHERE pushes_at IS NOT NULL;
-- The version to which a push would take the subscription, once its partner agrees.
ALTER TABLE subscriptions ADD COLUMN offered BIGINT;

DO $$
DECLARE walled TEXT;
BEGIN
    FOREACH walled IN ARRAY ARRAY['pushes', 'push_targets'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', walled);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', walled);
        EXECUTE format(
            'CREATE POLICY tenant ON %I USING (tenant_id = ANY ((SELECT string_to_array(current_setting(''openhub.tenants'', true), '',''))::BIGINT[]))',
            walled
        );
    END LOOP;
END
$$;

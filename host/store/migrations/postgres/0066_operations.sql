-- What the hub makes and removes for a subscription, step by step, and what came of it.
CREATE TABLE subscription_operations (
    tenant_id    BIGINT NOT NULL,
    subscription TEXT COLLATE "C" NOT NULL,
    number       BIGINT NOT NULL,
    purpose      TEXT COLLATE "C" NOT NULL,
    phase        BIGINT NOT NULL,
    version      BIGINT NOT NULL,
    digest       TEXT COLLATE "C" NOT NULL,
    progress     TEXT COLLATE "C" NOT NULL,
    reason       TEXT COLLATE "C",
    started_at   BIGINT NOT NULL,
    settled_at   BIGINT,
    PRIMARY KEY (tenant_id, subscription, number),
    FOREIGN KEY (tenant_id, subscription) REFERENCES subscriptions (tenant_id, id) ON DELETE CASCADE
);
-- One at a time.
CREATE UNIQUE INDEX subscription_operations_open ON subscription_operations (tenant_id, subscription) WHERE phase <> 1;

-- What a subscription made: by kind and name, which item of which version it is, and what that said.
CREATE TABLE origins (
    tenant_id    BIGINT NOT NULL,
    kind         TEXT COLLATE "C" NOT NULL,
    name         TEXT COLLATE "C" NOT NULL,
    subscription TEXT COLLATE "C" NOT NULL,
    item         TEXT COLLATE "C" NOT NULL,
    version      BIGINT NOT NULL,
    digest       TEXT COLLATE "C" NOT NULL,
    made_at      BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, kind, name),
    FOREIGN KEY (tenant_id, subscription) REFERENCES subscriptions (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX origins_subscription ON origins (tenant_id, subscription);

-- When somebody is to look at the operations of a tenant; none: nothing is under way. Whoever works on them moves it ahead.
ALTER TABLE tenants ADD COLUMN operations_at BIGINT;
CREATE INDEX tenants_operations ON tenants (operations_at) WHERE operations_at IS NOT NULL;

DO $$
DECLARE walled TEXT;
BEGIN
    FOREACH walled IN ARRAY ARRAY['subscription_operations', 'origins'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', walled);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', walled);
        EXECUTE format(
            'CREATE POLICY tenant ON %I USING (tenant_id = ANY ((SELECT string_to_array(current_setting(''openhub.tenants'', true), '',''))::BIGINT[]))',
            walled
        );
    END LOOP;
END
$$;

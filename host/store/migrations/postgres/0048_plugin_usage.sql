-- What each version of each plugin used on each day: sums of the receipts of its calls.
CREATE TABLE plugin_usage (
    tenant_id   BIGINT NOT NULL,
    day         BIGINT NOT NULL,
    plugin      TEXT COLLATE "C" NOT NULL,
    digest      TEXT COLLATE "C" NOT NULL,
    kind        TEXT COLLATE "C" NOT NULL,
    name        TEXT COLLATE "C" NOT NULL,
    version     TEXT COLLATE "C" NOT NULL,
    calls       BIGINT NOT NULL,
    items       BIGINT NOT NULL,
    faults      BIGINT NOT NULL,
    fuel        BIGINT NOT NULL,
    host_calls  BIGINT NOT NULL,
    fetches     BIGINT NOT NULL,
    bytes_out   BIGINT NOT NULL,
    peak_memory BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, day, plugin, digest, kind, name)
);

ALTER TABLE plugin_usage ENABLE ROW LEVEL SECURITY;
ALTER TABLE plugin_usage FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON plugin_usage
    USING (tenant_id = ANY ((SELECT string_to_array(current_setting('openhub.tenants', true), ','))::BIGINT[]));

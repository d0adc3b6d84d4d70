-- What each version of each plugin used on each day: sums of the receipts of its calls.
CREATE TABLE plugin_usage (
    tenant_id   BIGINT NOT NULL,
    day         BIGINT NOT NULL,
    plugin      TEXT NOT NULL,
    digest      TEXT NOT NULL,
    kind        TEXT NOT NULL,
    name        TEXT NOT NULL,
    version     TEXT NOT NULL,
    calls       BIGINT NOT NULL,
    items       BIGINT NOT NULL,
    faults      BIGINT NOT NULL,
    fuel        BIGINT NOT NULL,
    host_calls  BIGINT NOT NULL,
    fetches     BIGINT NOT NULL,
    bytes_out   BIGINT NOT NULL,
    peak_memory BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, day, plugin, digest, kind, name)
) WITHOUT ROWID;

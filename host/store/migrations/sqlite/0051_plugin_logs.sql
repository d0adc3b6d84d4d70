-- The last lines that each plugin logged, in the order of their time.
CREATE TABLE plugin_logs (
    tenant_id BIGINT NOT NULL,
    plugin    TEXT NOT NULL,
    at        BIGINT NOT NULL,
    id        TEXT NOT NULL,
    digest    TEXT NOT NULL,
    version   TEXT NOT NULL,
    level     BIGINT NOT NULL,
    message   TEXT NOT NULL,
    fields    TEXT NOT NULL,
    PRIMARY KEY (tenant_id, plugin, at, id)
) WITHOUT ROWID;

-- The last month (UTC, since 1970) in which a customer counted as active.
CREATE TABLE active_customers (
    tenant_id   BIGINT NOT NULL,
    customer_id TEXT NOT NULL,
    month       BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, customer_id)
) WITHOUT ROWID;

-- The last day (UTC, since 1970) on which what is stored was measured.
ALTER TABLE tenants ADD COLUMN measured_day BIGINT NOT NULL DEFAULT 0;

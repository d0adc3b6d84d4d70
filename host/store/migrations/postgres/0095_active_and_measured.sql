-- The last month (UTC, since 1970) in which a customer counted as active.
CREATE TABLE active_customers (
    tenant_id   BIGINT NOT NULL,
    customer_id TEXT COLLATE "C" NOT NULL,
    month       BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, customer_id)
);

ALTER TABLE active_customers ENABLE ROW LEVEL SECURITY;
ALTER TABLE active_customers FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON active_customers
    USING (tenant_id = ANY ((SELECT string_to_array(current_setting('openhub.tenants', true), ','))::BIGINT[]));

-- The last day (UTC, since 1970) on which what is stored was measured.
ALTER TABLE tenants ADD COLUMN measured_day BIGINT NOT NULL DEFAULT 0;

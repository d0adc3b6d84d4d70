-- When a customer's segments may change by time alone: apart from the customer's row, which is long and stays as it is
-- when only the time has passed.

CREATE TABLE wakes (
    tenant_id   BIGINT NOT NULL,
    customer_id TEXT COLLATE "C" NOT NULL,
    due         BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, customer_id)
);
INSERT INTO wakes (tenant_id, customer_id, due)
    SELECT tenant_id, part_id, wake_at FROM customers WHERE wake_at IS NOT NULL;
ALTER TABLE customers DROP COLUMN wake_at;

ALTER TABLE wakes ENABLE ROW LEVEL SECURITY;
ALTER TABLE wakes FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON wakes
    USING (tenant_id = ANY ((SELECT string_to_array(current_setting('openhub.tenants', true), ','))::BIGINT[]));

-- One under way at a time. What failed keeps nobody from the removal of what it made.
DROP INDEX subscription_operations_open;
CREATE UNIQUE INDEX subscription_operations_open ON subscription_operations (tenant_id, subscription) WHERE phase = 0;

-- What one customer's event caused of another arrives by the log like any event, and names its cause: found here when that is
-- erased. Nearly all events have no cause, or are their customer's own.
CREATE INDEX events_cause ON events (tenant_id, cause) WHERE origin = 0 AND cause IS NOT NULL;

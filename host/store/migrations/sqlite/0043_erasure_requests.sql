-- What plugins are asked to erase of a customer whom the hub has erased: each until it has answered, or is not asked any more.
-- `who` is sealed under the hub's key, and goes when the request is closed.
CREATE TABLE erasure_requests (
    tenant_id BIGINT NOT NULL,
    erasure   TEXT   NOT NULL,
    plugin    TEXT   NOT NULL,
    status    BIGINT NOT NULL DEFAULT 0,
    who       TEXT,
    attempt   BIGINT NOT NULL DEFAULT 0,
    due_at    BIGINT,
    code      TEXT,
    receipt   TEXT,
    closed_at BIGINT,
    PRIMARY KEY (tenant_id, erasure, plugin),
    FOREIGN KEY (tenant_id, erasure) REFERENCES erasures (tenant_id, id)
);
CREATE INDEX erasure_requests_due ON erasure_requests (tenant_id, due_at) WHERE due_at IS NOT NULL;

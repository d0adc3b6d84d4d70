-- Calls that are made once under the key that their caller gave them. Nothing in a row says what the key or the call was: both are
-- digests under the hub's key, and the answer is sealed.
CREATE TABLE idempotency_keys (
    tenant_id BIGINT NOT NULL,
    id        TEXT COLLATE "C" NOT NULL,
    request   TEXT COLLATE "C" NOT NULL,
    attempt   TEXT COLLATE "C" NOT NULL,
    done      BIGINT NOT NULL DEFAULT 0,
    began_at  BIGINT NOT NULL,
    answer    TEXT COLLATE "C",
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX idempotency_keys_began ON idempotency_keys (tenant_id, began_at);
CREATE INDEX idempotency_keys_answered ON idempotency_keys (tenant_id) WHERE answer IS NOT NULL;
CREATE INDEX erasures_done ON erasures (tenant_id, done_at);

ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON idempotency_keys
    USING (tenant_id = ANY ((SELECT string_to_array(current_setting('openhub.tenants', true), ','))::BIGINT[]));

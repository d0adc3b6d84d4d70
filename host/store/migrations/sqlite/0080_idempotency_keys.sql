-- Calls that are made once under the key that their caller gave them. Nothing in a row says what the key or the call was: both are
-- digests under the hub's key, and the answer is sealed.
CREATE TABLE idempotency_keys (
    tenant_id BIGINT NOT NULL,
    id        TEXT NOT NULL,
    request   TEXT NOT NULL,
    attempt   TEXT NOT NULL,
    done      BIGINT NOT NULL DEFAULT 0,
    began_at  BIGINT NOT NULL,
    answer    TEXT,
    PRIMARY KEY (tenant_id, id)
) WITHOUT ROWID;
CREATE INDEX idempotency_keys_began ON idempotency_keys (tenant_id, began_at);
CREATE INDEX idempotency_keys_answered ON idempotency_keys (tenant_id) WHERE answer IS NOT NULL;
CREATE INDEX erasures_done ON erasures (tenant_id, done_at);
